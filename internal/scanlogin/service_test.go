package scanlogin_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// The grammar of authIds that the wire's signatures need (ciss §8).
var authIDGrammar = regexp.MustCompile(`^[A-Za-z0-9-]{16,64}$`)

func TestScanLogin(t *testing.T) {
	onEach(t, func(f *fixture) {
		ctx := f.Context()
		authID, secret := f.session()
		if other, _ := f.session(); !authIDGrammar.MatchString(authID) || authID == other || len(secret) < 43 {
			f.Errorf("authId %q, secret of %d characters", authID, len(secret))
		}
		for range 2 { // a repeated 81 succeeds and changes nothing
			who, err := f.Scan(ctx, phone, authID, scanlogin.StatusScanned)
			if err != nil || who != (scanlogin.Requester{Address: "192.0.2.1", Agent: "browser"}) {
				f.Errorf("scan: %+v, %v", who, err)
			}
		}
		s, err := f.Session(ctx, authID, secret)
		if f.must(err); s.State != scanlogin.Scanned || s.Expires-s.Created != 180_000 {
			f.Errorf("scanned: %+v", s)
		}
		if _, err := f.Collect(ctx, authID, secret); !errors.Is(err, scanlogin.ErrNotYet) {
			f.Errorf("collected before it was confirmed: %v", err)
		}
		f.must(f.Confirm(ctx, phone, authID, f.proof))
		if _, err := f.Collect(ctx, authID, secret+"x"); !errors.Is(err, scanlogin.ErrUnknown) {
			f.Errorf("collected with a wrong secret: %v", err)
		}
		s, err = f.Collect(ctx, authID, secret)
		if f.must(err); s.State != scanlogin.Consumed || s.Certificate != account.Fingerprint(f.proof.Certificate) {
			f.Errorf("collected: %+v", s)
		}
		opened, err := f.accounts.SignInScanned(ctx, s.Account, s.Certificate, account.From{Address: "192.0.2.1"})
		if f.must(err); opened.Name != "wang" || opened.Method != account.ByScan {
			f.Errorf("login %+v", opened.Login)
		}
		if _, err := f.Collect(ctx, authID, secret); !errors.Is(err, scanlogin.ErrFinished) {
			f.Errorf("collected twice: %v", err)
		}
		events, err := f.store.AuditEvents(ctx, registry.AuditFilter{Subject: authID, Limit: 9})
		f.must(err)
		actions := make(map[string]bool) // of one moment, in any order
		for _, e := range events {
			actions[e.Action] = e.Actor == "ciss:app1" && e.Org == int64(org)
		}
		if len(events) != 2 || !actions["scan.scanned"] || !actions["scan.authenticated"] {
			f.Errorf("audit: %+v", events)
		}
	})
}

func TestRefusals(t *testing.T) {
	f := newFixture(t, sqlite(t))
	ctx := t.Context()
	scan := func(app scanlogin.App, status string) func(string) error {
		return func(authID string) error { _, err := f.Scan(ctx, app, authID, status); return err }
	}
	confirm := func(app scanlogin.App, p scanlogin.Proof) func(string) error {
		return func(authID string) error { return f.Confirm(ctx, app, authID, p) }
	}
	created := func() string { id, _ := f.session(); return id }
	scanned := func() string { id, _ := f.scanned(); return id }
	after := func(f0 func() string, then ...func(string) error) func() string {
		return func() string {
			id := f0()
			for _, do := range then {
				f.must(do(id))
			}
			return id
		}
	}
	cancelled := after(scanned, scan(phone, "84"))
	confirmed := after(scanned, confirm(phone, f.proof))
	for name, c := range map[string]struct {
		session func() string
		do      func(string) error
		want    error
	}{
		"confirm before scan":               {created, confirm(phone, f.proof), scanlogin.ErrNotScanned},
		"confirm by another app":            {scanned, confirm(another, f.proof), scanlogin.ErrOtherApp},
		"confirm by a foreign app":          {scanned, confirm(foreign, f.proof), scanlogin.ErrUnknown},
		"confirm with an unbound card":      {scanned, confirm(phone, f.unbound), account.ErrUnbound},
		"confirm twice":                     {confirmed, confirm(phone, f.proof), scanlogin.ErrFinished},
		"confirm after cancelling":          {cancelled, confirm(phone, f.proof), scanlogin.ErrFinished},
		"scan by another app":               {scanned, scan(another, "81"), scanlogin.ErrOtherApp},
		"scan by a foreign app":             {created, scan(foreign, "81"), scanlogin.ErrUnknown},
		"scan after confirming":             {confirmed, scan(phone, "81"), scanlogin.ErrFinished},
		"scan after cancelling":             {cancelled, scan(phone, "81"), scanlogin.ErrFinished},
		"cancel by another app":             {scanned, scan(another, "84"), scanlogin.ErrOtherApp},
		"cancel by a foreign app":           {scanned, scan(foreign, "84"), scanlogin.ErrUnknown},
		"cancel twice":                      {cancelled, scan(phone, "84"), scanlogin.ErrFinished},
		"cancel after confirming":           {confirmed, scan(phone, "84"), scanlogin.ErrFinished},
		"cancel before scanning is allowed": {created, scan(phone, "84"), nil},
		"another status":                    {created, scan(phone, "82"), scanlogin.ErrStatus},
		"an unknown session":                {func() string { return strings.Repeat("0", 32) }, scan(phone, "81"), scanlogin.ErrUnknown},
		"not an authId":                     {func() string { return "\x00" }, scan(phone, "81"), scanlogin.ErrUnknown},
		"confirm an unknown session":        {func() string { return "x" }, confirm(phone, f.proof), scanlogin.ErrUnknown},
		"refuse what is not scanned":        {created, func(id string) error { return f.Refuse(ctx, phone, id, scanlogin.RefusedSignature) }, scanlogin.ErrNotScanned},
	} {
		if err := c.do(c.session()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A refused confirmation is shown to the page, and the user may try again.
func TestRefusalIsShownAndPasses(t *testing.T) {
	f := newFixture(t, sqlite(t))
	ctx := t.Context()
	authID, secret := f.scanned()
	shown := func() scanlogin.Refusal {
		s, err := f.Session(ctx, authID, secret)
		f.must(err)
		return s.Refusal
	}
	for _, want := range scanlogin.Refusals {
		f.must(f.Refuse(ctx, phone, authID, want))
		if got := shown(); got != want {
			t.Errorf("shown %q, want %q", got, want)
		}
	}
	if err := f.Confirm(ctx, phone, authID, f.unbound); !errors.Is(err, account.ErrUnbound) || shown() != scanlogin.RefusedUnbound {
		t.Errorf("unbound: %v, shown %q", err, shown())
	}
	_, err := f.accounts.SetDisabled(ctx, "wang", true, phone.By)
	f.must(err)
	if err := f.Confirm(ctx, phone, authID, f.proof); !errors.Is(err, account.ErrDisabled) || shown() != scanlogin.RefusedDisabled {
		t.Errorf("disabled: %v, shown %q", err, shown())
	}
	_, err = f.accounts.SetDisabled(ctx, "wang", false, phone.By)
	f.must(err)
	f.must(f.Confirm(ctx, phone, authID, f.proof))
	if shown() != "" {
		t.Errorf("confirmed, it still shows %q", shown())
	}
	// Disabled between confirmation and collection, nobody gets in.
	s, err := f.Collect(ctx, authID, secret)
	f.must(err)
	_, err = f.accounts.SetDisabled(ctx, "wang", true, phone.By)
	f.must(err)
	if _, err := f.accounts.SignInScanned(ctx, s.Account, s.Certificate, account.From{}); !errors.Is(err, account.ErrDisabled) {
		t.Errorf("login of a disabled account: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	f := newFixture(t, sqlite(t))
	ctx := t.Context()
	state := func(id, secret string) scanlogin.State {
		s, err := f.Session(ctx, id, secret)
		f.must(err)
		return s.State
	}
	unscanned, secret1 := f.session()
	scanned, secret2 := f.scanned()
	confirmed, secret3 := f.scanned()
	f.clock.Advance(120 * time.Second)
	if got := state(unscanned, secret1); got != scanlogin.Expired {
		t.Errorf("never scanned: %v", got)
	}
	if _, err := f.Scan(ctx, phone, unscanned, "81"); !errors.Is(err, scanlogin.ErrExpired) {
		t.Errorf("scanned too late: %v", err)
	}
	f.clock.Advance(59 * time.Second)
	if _, err := f.Scan(ctx, phone, confirmed, "81"); err != nil || state(confirmed, secret3) != scanlogin.Scanned {
		t.Errorf("the extension: %v", err)
	}
	f.must(f.Confirm(ctx, phone, confirmed, f.proof))
	f.clock.Advance(time.Second)
	if got := state(scanned, secret2); got != scanlogin.Expired { // a repeated 81 extends nothing
		t.Errorf("scanned and not confirmed: %v", got)
	}
	if err := f.Confirm(ctx, phone, scanned, f.proof); !errors.Is(err, scanlogin.ErrExpired) {
		t.Errorf("confirmed too late: %v", err)
	}
	f.clock.Advance(59 * time.Second)
	if _, err := f.Collect(ctx, confirmed, secret3); !errors.Is(err, scanlogin.ErrExpired) {
		t.Errorf("collected too late: %v", err)
	}
	f.clock.Advance(11 * time.Minute)
	f.must(f.Sweep(ctx))
	if _, err := f.Session(ctx, confirmed, secret3); !errors.Is(err, scanlogin.ErrUnknown) {
		t.Errorf("after the sweep: %v", err)
	}
}

// Of a thousand confirmations at the same time, through two nodes, one wins; the
// login is collected once, too.
func TestOneWinner(t *testing.T) {
	onEach(t, func(f *fixture) {
		ctx := f.Context()
		authID, secret := f.scanned()
		nodes := []*scanlogin.Service{f.Service, f.node()}
		race := func(n int, do func(*scanlogin.Service) error) (won int64) {
			var wins atomic.Int64
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					err := do(nodes[i%2])
					if err == nil {
						wins.Add(1)
					} else if !errors.Is(err, scanlogin.ErrFinished) {
						f.Error(err)
					}
				})
			}
			all.Wait()
			return wins.Load()
		}
		if n := race(1000, func(s *scanlogin.Service) error { return s.Confirm(ctx, phone, authID, f.proof) }); n != 1 {
			f.Errorf("%d confirmations won", n)
		}
		if n := race(100, func(s *scanlogin.Service) error { _, err := s.Collect(ctx, authID, secret); return err }); n != 1 {
			f.Errorf("%d collected the login", n)
		}
	})
}

func TestRequestersTextIsTamed(t *testing.T) {
	f := newFixture(t, sqlite(t))
	s, _, err := f.Create(t.Context(), org, scanlogin.Requester{Address: "192.0.2.1", Agent: "a\x00b\xffc\r\n\u0085" + strings.Repeat("浏", 100)})
	if f.must(err); !strings.HasPrefix(s.Agent, "abc浏") || len(s.Agent) > 200 {
		t.Errorf("%q", s.Agent)
	}
}
