package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

func testAccount(n int) account.Row {
	return account.Row{Account: account.Account{ID: registry.ID(500 + n), Name: fmt.Sprint("account", n), Role: account.Admin, HasPassword: true, Created: testTime},
		Password: []byte("sealed hash"), Changed: testTime, Version: 1}
}

func testBinding(n int) account.Binding {
	return account.Binding{ID: registry.ID(600 + n), Fingerprint: fmt.Sprintf("%064x", n), Label: "card", Created: testTime}
}

func testRule(n int) account.Binding {
	return account.Binding{ID: registry.ID(650 + n), Authority: fmt.Sprintf("%064x", 900), Subject: fmt.Sprint("CN=", n), Created: testTime}
}

func testLogin(n int) account.Login {
	return account.Login{ID: registry.ID(700 + n), Account: testAccount(1).ID, Name: "account1", Method: account.ByPassword, Address: "192.0.2.1",
		Agent: "browser", Opened: testTime, Seen: testTime}
}

func testToken(n int) []byte { return fmt.Appendf(nil, "%032d", n) }

func testScan(n int) scanlogin.Row {
	r := scanlogin.Row{Session: scanlogin.Session{AuthID: fmt.Sprintf("%032x", n), Org: 1, State: scanlogin.Created,
		Requester: scanlogin.Requester{Address: "192.0.2.1", Agent: "browser"}, Created: testTime, Expires: testTime + 120_000}}
	copy(r.Poll[:], testToken(n))
	return r
}

func testStep() scanlogin.Step {
	return scanlogin.Step{AuthID: testScan(1).AuthID, Now: testTime, From: []scanlogin.State{scanlogin.Created}, To: scanlogin.Scanned, Org: 1, SetApp: "app", Extend: 60_000}
}

// fillAccounts makes one account with both kinds of bindings and a login, and a
// scan session.
func fillAccounts(ctx context.Context, s *Store) error {
	return errors.Join(s.CreateAccount(ctx, testAccount(1), event), s.Bind(ctx, testAccount(1).ID, testBinding(1), event),
		s.Bind(ctx, testAccount(1).ID, testRule(1), event), s.OpenLogin(ctx, testLogin(1), testToken(1), nil, 1, event), s.CreateScan(ctx, testScan(1)))
}

func lockAtTwo(n int64) registry.Instant { return registry.Instant((n / 2) * (testTime + 1000)) }

func init() {
	one := testAccount(1)
	for name, write := range map[string]func(context.Context, *Store) error{
		"CreateAccount": func(ctx context.Context, s *Store) error { return s.CreateAccount(ctx, testAccount(2), event) },
		"UpdateAccount": func(ctx context.Context, s *Store) error {
			changed := one
			changed.Role, changed.Password, changed.Version = account.Viewer, []byte("another"), 2
			return s.UpdateAccount(ctx, changed, 1, true, 0, event)
		},
		"DeleteAccount": func(ctx context.Context, s *Store) error { return s.DeleteAccount(ctx, one.ID, event) },
		"Bind":          func(ctx context.Context, s *Store) error { return s.Bind(ctx, one.ID, testBinding(2), event) },
		"Unbind":        func(ctx context.Context, s *Store) error { return s.Unbind(ctx, one.ID, testBinding(1).ID, event) },
		"Attempt":       func(ctx context.Context, s *Store) error { return s.Attempt(ctx, one.ID, testTime, false, lockAtTwo) },
		"OpenLogin": func(ctx context.Context, s *Store) error {
			return s.OpenLogin(ctx, testLogin(2), testToken(2), testToken(1), 1, event)
		},
		"TouchLogin":  func(ctx context.Context, s *Store) error { return s.TouchLogin(ctx, testLogin(1).ID, testTime+5) },
		"EndLogin":    func(ctx context.Context, s *Store) error { return s.EndLogin(ctx, testLogin(1).ID, one.ID, event) },
		"SweepLogins": func(ctx context.Context, s *Store) error { return s.SweepLogins(ctx, testTime+1, 0) },
		"CreateScan":  func(ctx context.Context, s *Store) error { return s.CreateScan(ctx, testScan(2)) },
		"AdvanceScan": func(ctx context.Context, s *Store) error { return s.AdvanceScan(ctx, testStep(), &event) },
		"SweepScans":  func(ctx context.Context, s *Store) error { return s.SweepScans(ctx, testTime+120_001) },
	} {
		writes[name] = write
	}
	for name, read := range map[string]func(context.Context, *Store) (any, error){
		"Account":  func(ctx context.Context, s *Store) (any, error) { return s.Account(ctx, "account1") },
		"Accounts": func(ctx context.Context, s *Store) (any, error) { return s.Accounts(ctx) },
		"Bound":    func(ctx context.Context, s *Store) (any, error) { return s.Bound(ctx, testBinding(1).Fingerprint, "") },
		"Login": func(ctx context.Context, s *Store) (any, error) {
			l, _, err := s.Login(ctx, testToken(1))
			return l, err
		},
		"Logins": func(ctx context.Context, s *Store) (any, error) { return s.Logins(ctx, 0) },
		"Scan":   func(ctx context.Context, s *Store) (any, error) { return s.Scan(ctx, testScan(1).AuthID) },
	} {
		reads[name] = read
	}
}

func TestAccountsRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		if any, err := s.AnyAccount(ctx); any || err != nil {
			t.Errorf("an empty store has accounts: %v %v", any, err)
		}
		if err := fillAccounts(ctx, s); err != nil {
			t.Fatal(err)
		}
		want := testAccount(1)
		want.Bindings = []account.Binding{testBinding(1), testRule(1)}
		want.LastLogin, want.LastAddress = testTime, "192.0.2.1"
		byName, err1 := s.Account(ctx, "account1")
		byID, err2 := s.AccountByID(ctx, want.ID)
		all, err3 := s.Accounts(ctx)
		if diff := cmp.Diff([]any{want, want, []account.Account{want.Account}}, []any{byName, byID, all}); diff != "" || errors.Join(err1, err2, err3) != nil {
			t.Errorf("%v %s", errors.Join(err1, err2, err3), diff)
		}
		login, who, err := s.Login(ctx, testToken(1))
		want.Bindings = nil
		if diff := cmp.Diff([]any{testLogin(1), want.Account}, []any{login, who}); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		scan, err := s.Scan(ctx, testScan(1).AuthID)
		if diff := cmp.Diff(testScan(1), scan); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		if any, err := s.AnyAccount(ctx); !any || err != nil {
			t.Errorf("the store has an account: %v %v", any, err)
		}
	})
}

func TestBoundCertificates(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		if err := errors.Join(fillAccounts(ctx, s), s.CreateAccount(ctx, testAccount(2), event), s.Bind(ctx, testAccount(2).ID, testRule(2), event)); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			certificate, authority string
			want                   int
		}{
			"by fingerprint":    {testBinding(1).Fingerprint, "", 1},
			"by authority":      {"none", testRule(1).Authority, 2},
			"both":              {testBinding(1).Fingerprint, testRule(1).Authority, 3},
			"neither":           {"none", "none", 0},
			"nothing is no one": {"none", "", 0},
		} {
			if all, err := s.Bound(ctx, c.certificate, c.authority); err != nil || len(all) != c.want {
				t.Errorf("%s: %v %v, want %d", name, all, err, c.want)
			}
		}
	})
}

func TestAccountRefusalsChangeNothing(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		if err := fillAccounts(ctx, s); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateAccount(ctx, testAccount(2), event); err != nil {
			t.Fatal(err)
		}
		before := dump(t, s)
		one, two, step := testAccount(1), testAccount(2), testStep()
		advance := func(change func(*scanlogin.Step)) func() error {
			return func() error {
				other := step
				change(&other)
				return s.AdvanceScan(ctx, other, &event)
			}
		}
		for name, c := range map[string]struct {
			do   func() error
			want error
		}{
			"account again":   {func() error { return s.CreateAccount(ctx, one, event) }, registry.ErrExists},
			"stale change":    {func() error { return s.UpdateAccount(ctx, one, 7, true, 0, event) }, registry.ErrConflict},
			"unknown account": {func() error { return s.DeleteAccount(ctx, 9, event) }, registry.ErrNotFound},
			"binding again": {func() error {
				return s.Bind(ctx, two.ID, account.Binding{ID: 1, Fingerprint: testBinding(1).Fingerprint}, event)
			}, registry.ErrExists},
			"binding of nobody":      {func() error { return s.Bind(ctx, 9, testBinding(3), event) }, registry.ErrNotFound},
			"another's binding":      {func() error { return s.Unbind(ctx, two.ID, testBinding(1).ID, event) }, registry.ErrNotFound},
			"attempt of nobody":      {func() error { return s.Attempt(ctx, 9, testTime, true, lockAtTwo) }, registry.ErrNotFound},
			"login after a change":   {func() error { return s.OpenLogin(ctx, testLogin(2), testToken(2), nil, 7, event) }, registry.ErrConflict},
			"another's login":        {func() error { return s.EndLogin(ctx, testLogin(1).ID, two.ID, event) }, registry.ErrNotFound},
			"scan session again":     {func() error { return s.CreateScan(ctx, testScan(1)) }, registry.ErrExists},
			"unknown scan session":   {advance(func(s *scanlogin.Step) { s.AuthID = "none" }), registry.ErrNotFound},
			"another organisation":   {advance(func(s *scanlogin.Step) { s.Org = 2 }), registry.ErrNotFound},
			"another state":          {advance(func(s *scanlogin.Step) { s.From = []scanlogin.State{scanlogin.Scanned} }), registry.ErrNotFound},
			"after its time is over": {advance(func(s *scanlogin.Step) { s.Now = testTime + 120_000 }), registry.ErrNotFound},
		} {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if diff := cmp.Diff(before, dump(t, s)); diff != "" {
				t.Errorf("%s changed the store:\n%s", name, diff)
			}
		}
	})
}

// An account that is deleted leaves nothing behind, and one that is changed
// keeps the one login that it is told to.
func TestAccountsTakeTheirThingsAlong(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		if err := errors.Join(fillAccounts(ctx, s), s.OpenLogin(ctx, testLogin(2), testToken(2), nil, 1, event)); err != nil {
			t.Fatal(err)
		}
		changed := testAccount(1)
		changed.Version = 2
		if err := s.UpdateAccount(ctx, changed, 1, true, testLogin(2).ID, event); err != nil {
			t.Fatal(err)
		}
		if left, err := s.Logins(ctx, changed.ID); err != nil || len(left) != 1 || left[0].ID != testLogin(2).ID {
			t.Errorf("logins left: %+v, %v", left, err)
		}
		if err := s.DeleteAccount(ctx, changed.ID, event); err != nil {
			t.Fatal(err)
		}
		rows := dump(t, s)
		if n := len(rows["accounts"]) + len(rows["bindings"]) + len(rows["logins"]); n != 0 {
			t.Errorf("%d rows are left: %v", n, rows)
		}
	})
}

func TestAttemptsLock(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx, id := open(t, dsn), t.Context(), testAccount(1).ID
		if err := s.CreateAccount(ctx, testAccount(1), event); err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			at         registry.Instant
			evenLocked bool
			want       error
		}{{testTime, false, nil}, {testTime, false, nil}, {testTime, false, registry.ErrNotFound}, {testTime + 999, false, registry.ErrNotFound},
			{testTime, true, nil}, {testTime + 1000, false, nil}} {
			if err := s.Attempt(ctx, id, c.at, c.evenLocked, lockAtTwo); !errors.Is(err, c.want) {
				t.Errorf("attempt %d: %v, want %v", i, err, c.want)
			}
		}
		if err := s.OpenLogin(ctx, testLogin(1), testToken(1), nil, 1, event); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Account(ctx, "account1"); err != nil || r.LockedUntil != 0 {
			t.Errorf("after a login: %+v, %v", r, err)
		}
	})
}

// Of a thousand that confirm a session at the same time one wins.
func TestOneOfAThousandConfirms(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		if err := errors.Join(s.CreateScan(ctx, testScan(1)), s.AdvanceScan(ctx, testStep(), nil)); err != nil {
			t.Fatal(err)
		}
		var wins, losses atomic.Int64
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				step := scanlogin.Step{AuthID: testScan(1).AuthID, Now: testTime, From: []scanlogin.State{scanlogin.Scanned}, To: scanlogin.Authenticated,
					Org: 1, App: "app", Account: registry.ID(1 + i), ExpiresAt: testTime + 60_000}
				switch err := s.AdvanceScan(ctx, step, &event); {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, registry.ErrNotFound):
					losses.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 || losses.Load() != 999 {
			t.Errorf("%d won, %d lost", wins.Load(), losses.Load())
		}
		if n := len(dump(t, s)["audit"]); n != 1 {
			t.Errorf("%d audit events, want the winner's", n)
		}
	})
}
