package console

import (
	"errors"
	"net/http"

	"github.com/hallmark-id/hallmark/internal/account"
)

// loginView is the first page.
type loginView struct {
	Scan    *scanView // nil when no code can be shown
	NoScan  string    // why not, a key of texts
	Problem string    // what went wrong, a key of texts
	Name    string    // that was typed
	// First says that there is no account yet.
	First bool
}

// loginPage shows the code and the password form. Where somebody is signed in
// it leads to the console.
func (v *visit) loginPage() error {
	if v.Account.Name != "" {
		return v.redirect("")
	}
	return v.showLogin(http.StatusOK, loginView{})
}

func (v *visit) showLogin(status int, view loginView) error {
	v.greet()
	some, err := v.Accounts.Any(v.r.Context())
	if err != nil {
		return err
	}
	view.First = !some
	if some {
		if view.Scan, view.NoScan, err = v.currentScan(); err != nil {
			return err
		}
	}
	return v.show(status, "login", "login.title", view)
}

// loginProblems says in words why nobody was let in, and with which status.
var loginProblems = []struct {
	cause  error
	text   string
	status int
	result string // in the metrics
}{
	{account.ErrLocked, "login.locked", http.StatusTooManyRequests, "locked"},
	{account.ErrBusy, "login.busy", http.StatusServiceUnavailable, "busy"},
	{account.ErrDisabled, "login.disabled", http.StatusForbidden, "refused"},
	{account.ErrRefused, "login.refused", http.StatusForbidden, "refused"},
	{errThrottled, "login.throttled", http.StatusTooManyRequests, "throttled"},
}

var errThrottled = errors.New("too many attempts from this address failed")

// passwordLogin signs in by name and password.
func (v *visit) passwordLogin() error {
	name := v.field("name")
	opened, err := v.tryPassword(name)
	for _, p := range loginProblems {
		if errors.Is(err, p.cause) {
			v.metrics.login(account.ByPassword, p.result)
			return v.showLogin(p.status, loginView{Problem: p.text, Name: name})
		}
	}
	if err != nil {
		return err
	}
	v.metrics.login(account.ByPassword, "ok")
	return v.signIn(opened)
}

// tryPassword counts what fails against the caller's address.
func (v *visit) tryPassword(name string) (account.Opened, error) {
	if v.failures.Blocked(v.caller.Address) {
		return account.Opened{}, errThrottled
	}
	opened, err := v.Accounts.SignIn(v.r.Context(), name, v.field("password"), v.from())
	if errors.Is(err, account.ErrRefused) || errors.Is(err, account.ErrLocked) {
		v.failures.Failed(v.caller.Address)
	}
	return opened, err
}

// logout ends the visitor's login.
func (v *visit) logout() error {
	if err := v.Accounts.EndLogin(v.r.Context(), v.Login.ID, v.Account.ID, v.by()); err != nil {
		return err
	}
	v.setCookie(cookieLogin, "", 0)
	return v.redirect("login")
}
