package account_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestRoles(t *testing.T) {
	for i, have := range account.Roles {
		for j, need := range account.Roles {
			if have.Allows(need) != (i >= j) {
				t.Errorf("%s allows %s: %v", have, need, have.Allows(need))
			}
		}
	}
	if account.Admin.Allows("root") || account.Role("").Allows(account.Viewer) || account.Role("").Allows("") {
		t.Error("a role that does not exist allows something")
	}
}

func TestAccountLife(t *testing.T) {
	f := newFixture(t)
	if any, err := f.Any(t.Context()); any || err != nil {
		t.Errorf("any account: %v, %v", any, err)
	}
	f.create("Wang.Li", account.Operator)
	a, err := f.Account(t.Context(), "WANG.LI")
	if f.must(err); a.Name != "wang.li" || !a.HasPassword || a.Role != account.Operator {
		t.Errorf("%+v", a)
	}
	if _, err := f.Create(t.Context(), account.Spec{Name: "wang.LI", Role: account.Viewer}, by); !errors.Is(err, registry.ErrExists) {
		t.Errorf("the same name again: %v", err)
	}
	opened, err := f.signIn("wang.li", password)
	f.must(err)
	if _, err := f.SetRole(t.Context(), "wang.li", account.Viewer, by); err != nil {
		t.Fatal(err)
	}
	if _, a, err := f.Login(t.Context(), opened.Token); err != nil || a.Role != account.Viewer {
		t.Errorf("a changed role holds at once: %+v, %v", a, err)
	}
	if _, err := f.SetDisabled(t.Context(), "wang.li", true, by); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Login(t.Context(), opened.Token); !errors.Is(err, account.ErrNoLogin) {
		t.Errorf("the login of a disabled account: %v", err)
	}
	if _, err := f.signIn("wang.li", password); !errors.Is(err, account.ErrRefused) {
		t.Errorf("signing in to a disabled account: %v", err)
	}
	if _, err := f.SetDisabled(t.Context(), "wang.li", false, by); err != nil {
		t.Fatal(err)
	}
	if _, err := f.signIn("wang.li", password); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	f.must(f.Delete(t.Context(), "wang.li", by))
	if _, err := f.signIn("wang.li", password); !errors.Is(err, account.ErrRefused) {
		t.Errorf("signing in to a deleted account: %v", err)
	}
	if n := len(f.events("account.")); n != 5 {
		t.Errorf("%d audit events of changes, want 5", n)
	}
}

func TestInvalidAccounts(t *testing.T) {
	f := newFixture(t)
	for name, spec := range map[string]account.Spec{
		"no name": {Role: account.Admin}, "a space": {Name: "a b", Role: account.Admin}, "another script": {Name: "王丽", Role: account.Admin},
		"a control character": {Name: "a\x00", Role: account.Admin}, "too long": {Name: strings.Repeat("a", 65), Role: account.Admin},
		"no role": {Name: "a"}, "unknown role": {Name: "a", Role: "root"},
		"short password":  {Name: "a", Role: account.Admin, Password: "elevenchars"},
		"long password":   {Name: "a", Role: account.Admin, Password: strings.Repeat("x", 513)},
		"name as passord": {Name: "administrator", Role: account.Admin, Password: "Administrator"},
	} {
		var invalid *registry.InvalidError
		if _, err := f.Create(t.Context(), spec, by); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if any, err := f.Any(t.Context()); any || err != nil {
		t.Errorf("an account was made all the same: %v", err)
	}
}

func TestPasswordChangeEndsOtherLogins(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Admin)
	own, err1 := f.signIn("li", password)
	other, err2 := f.signIn("li", password)
	f.must(errors.Join(err1, err2))
	if _, err := f.SetPassword(t.Context(), "li", "another long password", own.ID, by); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Login(t.Context(), own.Token); err != nil {
		t.Errorf("one's own login: %v", err)
	}
	if _, _, err := f.Login(t.Context(), other.Token); !errors.Is(err, account.ErrNoLogin) {
		t.Errorf("another login: %v", err)
	}
	if _, err := f.signIn("li", password); !errors.Is(err, account.ErrRefused) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := f.SetPassword(t.Context(), "li", "", 0, by); err == nil {
		t.Error("an empty password was taken")
	}
}

func TestLoginLifetimes(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Viewer)
	open := func() string {
		o, err := f.signIn("li", password)
		f.must(err)
		return o.Token
	}
	token := open()
	for range 40 { // used all the time, it lives for its absolute lifetime
		f.clock.Advance(account.IdleLifetime - time.Minute)
		if _, _, err := f.Login(t.Context(), token); err != nil {
			break
		}
	}
	if used := f.clock.Now().Sub(time.UnixMilli(1_700_000_000_000)); used < account.AbsoluteLifetime || used > account.AbsoluteLifetime+account.IdleLifetime {
		t.Errorf("a login in use ended after %v", used)
	}
	token = open()
	f.clock.Advance(account.IdleLifetime)
	if _, _, err := f.Login(t.Context(), token); !errors.Is(err, account.ErrNoLogin) {
		t.Errorf("an idle login: %v", err)
	}
	f.must(f.Sweep(t.Context()))
	if left, err := f.store.Logins(t.Context(), 0); err != nil || len(left) != 0 {
		t.Errorf("%d logins are left, %v", len(left), err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("\x00", 43)} {
		if _, _, err := f.Login(t.Context(), bad); !errors.Is(err, account.ErrNoLogin) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
}

// A browser that signs in anew gets another token, and the old one is void.
func TestLoginIsReplaced(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Viewer)
	first, err := f.signIn("li", password)
	f.must(err)
	second, err := f.SignIn(t.Context(), "li", password, account.From{Replaces: first.Token})
	f.must(err)
	if _, _, err := f.Login(t.Context(), first.Token); !errors.Is(err, account.ErrNoLogin) || first.Token == second.Token {
		t.Errorf("the login before: %v", err)
	}
}

func TestLockOut(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Admin)
	known, err := f.signIn("li", password)
	f.must(err)
	guess := func() error { _, err := f.signIn("li", "not the password"); return err }
	for i := range 5 {
		if err := guess(); !errors.Is(err, account.ErrRefused) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	if _, err := f.signIn("li", password); !errors.Is(err, account.ErrLocked) {
		t.Errorf("the right password while locked: %v", err)
	}
	// Its owner's browser is let in, and lifts the lock.
	if _, err := f.SignIn(t.Context(), "li", password, account.From{Known: known.Known}); err != nil {
		t.Errorf("a known browser: %v", err)
	}
	for range 5 {
		f.must(ignore(guess()))
	}
	f.clock.Advance(14 * time.Second)
	if err := guess(); !errors.Is(err, account.ErrLocked) {
		t.Errorf("within the lock: %v", err)
	}
	f.clock.Advance(time.Second)
	if err := guess(); !errors.Is(err, account.ErrRefused) {
		t.Errorf("after the lock: %v", err)
	}
	f.clock.Advance(29 * time.Second)
	if err := guess(); !errors.Is(err, account.ErrLocked) {
		t.Errorf("the second lock is twice as long: %v", err)
	}
	for range 20 { // however often it fails, no lock is longer than a quarter of an hour
		f.clock.Advance(15 * time.Minute)
		if err := guess(); !errors.Is(err, account.ErrRefused) {
			t.Fatalf("a quarter of an hour later: %v", err)
		}
	}
	if _, err := f.SetDisabled(t.Context(), "li", false, by); err != nil {
		t.Fatal(err)
	}
	if _, err := f.signIn("li", password); err != nil {
		t.Errorf("after an operator has lifted the lock: %v", err)
	}
}

func ignore(error) error { return nil }

// Guesses that come all at once get no further than those that come in turn.
func TestLockOutHoldsForManyAtOnce(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Admin)
	var judged, locked atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			switch _, err := f.signIn("li", "not the password"); {
			case errors.Is(err, account.ErrRefused):
				judged.Add(1)
			case errors.Is(err, account.ErrLocked):
				locked.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if judged.Load() != 5 || locked.Load() != 35 {
		t.Errorf("%d judged, %d refused for the lock", judged.Load(), locked.Load())
	}
}

func TestMarksOfKnownBrowsers(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Admin)
	f.create("wu", account.Admin)
	li, err1 := f.signIn("li", password)
	wu, err2 := f.signIn("wu", password)
	f.must(errors.Join(err1, err2))
	for range 5 {
		f.must(ignore(func() error { _, err := f.signIn("li", "not the password"); return err }()))
	}
	flipped := []byte(li.Known)
	flipped[len(flipped)-3] ^= 1
	for name, mark := range map[string]string{"none": "", "another account's": wu.Known, "changed": string(flipped), "not base64": "!!", "short": "AAAA"} {
		if _, err := f.SignIn(t.Context(), "li", password, account.From{Known: mark}); !errors.Is(err, account.ErrLocked) {
			t.Errorf("mark %s: %v", name, err)
		}
	}
	f.clock.Advance(91 * 24 * time.Hour)
	for range 5 {
		f.must(ignore(func() error { _, err := f.signIn("li", "not the password"); return err }()))
	}
	if _, err := f.SignIn(t.Context(), "li", password, account.From{Known: li.Known}); !errors.Is(err, account.ErrLocked) {
		t.Errorf("an old mark: %v", err)
	}
}

// What is refused is in the audit record, without the names that people
// mistyped: they may be passwords.
func TestRefusalsAreRecorded(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Viewer)
	f.must(ignore(func() error { _, err := f.signIn("li", "not the password"); return err }()))
	f.must(ignore(func() error { _, err := f.signIn("hunter2-hunter2", "x"); return err }()))
	_, err := f.signIn("li", password)
	f.must(err)
	if refused, opened := f.events("login.refused"), f.events("login.open"); len(refused) != 2 || len(opened) != 1 || opened[0].Actor != "account:li" {
		t.Errorf("refused %+v, opened %+v", refused, opened)
	}
	for _, e := range append(f.events("login."), f.events("account.")...) {
		for _, secret := range []string{"hunter2", password, "not the password"} {
			if strings.Contains(e.Detail+e.Subject, secret) {
				t.Errorf("%s holds %q: %s %s", e.Action, secret, e.Subject, e.Detail)
			}
		}
	}
}

// The lock does not tell which names are accounts'.
func TestUnknownNamesAreLockedAlike(t *testing.T) {
	f := newFixture(t)
	f.create("li", account.Viewer)
	for i := range 12 {
		_, known := f.signIn("li", "not the password")
		_, unknown := f.signIn("nobody", "not the password")
		_, nameless := f.signIn(strings.Repeat("x", 100+i), "not the password")
		for _, err := range []error{unknown, nameless} {
			if errors.Is(known, account.ErrLocked) != errors.Is(err, account.ErrLocked) || errors.Is(known, account.ErrRefused) != errors.Is(err, account.ErrRefused) {
				t.Errorf("attempt %d: %v and %v", i, known, err)
			}
		}
		f.clock.Advance(8 * time.Second)
	}
}
