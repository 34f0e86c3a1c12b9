package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Errors of forms about accounts.
var (
	errSelf     = errors.New("an account does not change its own standing")
	errMismatch = errors.New("the new password was not typed twice alike")
)

func (v *visit) accounts() error {
	all, err := v.Accounts.Accounts(v.r.Context())
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "accounts", "nav.accounts", struct {
		Accounts []account.Account
		Now      registry.Instant
	}{all, registry.At(v.Now())})
}

func (v *visit) createAccount() error {
	if v.field("password") != v.field("again") {
		return errMismatch
	}
	made, err := v.Accounts.Create(v.r.Context(),
		account.Spec{Name: v.field("name"), Role: account.Role(v.field("role")), Password: v.field("password")}, v.by())
	if err != nil {
		return err
	}
	return v.toAccount(made.Name, "created")
}

// toAccount leads to an account's page, which says what was done.
func (v *visit) toAccount(name, said string) error {
	return v.redirect("accounts/" + url.PathEscape(name) + "?said=" + said)
}

// accountView is one account's page.
type accountView struct {
	account.Account
	Locked bool
	Self   bool
}

func (v *visit) account() error {
	a, err := v.Accounts.Account(v.r.Context(), v.r.PathValue("name"))
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "account", "account.title", accountView{a, a.LockedUntil > registry.At(v.Now()), a.ID == v.Account.ID})
}

// other returns the name of the account that a form is about, which must not be
// the visitor's own: nobody shuts himself out, and a forgotten browser cannot
// raise its owner.
func (v *visit) other() (string, error) {
	name := v.r.PathValue("name")
	if strings.EqualFold(name, v.Account.Name) {
		return "", errSelf
	}
	return name, nil
}

func (v *visit) setRole() error {
	name, err := v.other()
	if err == nil {
		_, err = v.Accounts.SetRole(v.r.Context(), name, account.Role(v.field("role")), v.by())
	}
	return v.changed(name, "role", err)
}

// changed leads back to an account's page after a change.
func (v *visit) changed(name, said string, err error) error {
	if err != nil {
		return err
	}
	return v.toAccount(name, said)
}

func (v *visit) setPassword() error {
	name, err := v.other() // one's own needs the old one
	if err == nil && v.field("password") != v.field("again") {
		err = errMismatch
	}
	if err == nil {
		_, err = v.Accounts.SetPassword(v.r.Context(), name, v.field("password"), 0, v.by())
	}
	return v.changed(name, "password", err)
}

func (v *visit) disable() error { return v.setDisabled(true, "disabled") }

func (v *visit) enable() error { return v.setDisabled(false, "enabled") }

func (v *visit) setDisabled(disabled bool, said string) error {
	name, err := v.other()
	if err == nil {
		_, err = v.Accounts.SetDisabled(v.r.Context(), name, disabled, v.by())
	}
	return v.changed(name, said, err)
}

func (v *visit) deleteAccount() error {
	name, err := v.other()
	if err == nil {
		err = v.Accounts.Delete(v.r.Context(), name, v.by())
	}
	if err != nil {
		return err
	}
	return v.redirect("accounts?said=deleted")
}

// bind binds a certificate: pasted, or named by its fingerprint, or by authority
// and subject.
func (v *visit) bind() error {
	name := v.r.PathValue("name")
	_, err := v.Accounts.Bind(v.r.Context(), name, account.BindingSpec{Certificate: v.field("certificate"), Fingerprint: v.field("fingerprint"),
		Authority: v.field("authority"), Subject: v.field("subject"), Label: v.field("label")}, v.by())
	return v.changed(name, "bound", err)
}

func (v *visit) unbind() error {
	id, ok := registry.ParseID(v.field("binding"))
	if !ok {
		return registry.ErrNotFound
	}
	name := v.r.PathValue("name")
	return v.changed(name, "unbound", v.Accounts.Unbind(v.r.Context(), name, id, v.by()))
}

// me is the visitor's own page.
func (v *visit) me() error {
	a, err := v.Accounts.Account(v.r.Context(), v.Account.Name)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "me", "nav.me", a)
}

// changePassword changes the visitor's own password, for which the old one is
// needed. His other browsers are signed out.
func (v *visit) changePassword() error {
	switch {
	case v.field("password") != v.field("again"):
		return errMismatch
	case v.failures.Blocked(v.caller.Address):
		return errThrottled
	}
	err := v.Accounts.CheckPassword(v.r.Context(), v.Account.Name, v.field("old"), v.from())
	if errors.Is(err, account.ErrRefused) {
		v.failures.Failed(v.caller.Address)
	}
	if err == nil {
		_, err = v.Accounts.SetPassword(v.r.Context(), v.Account.Name, v.field("password"), v.Login.ID, v.by())
	}
	if err != nil {
		return err
	}
	return v.redirect("me?said=password")
}
