package operator

import (
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Account is somebody who signs in to the console (账号), without the password.
type Account struct {
	AccountID   string           `json:"account_id"`
	Name        string           `json:"name"`
	Role        string           `json:"role"`
	Disabled    bool             `json:"disabled"`
	HasPassword bool             `json:"has_password"`
	LockedUntil string           `json:"locked_until"`
	Created     string           `json:"created"`
	LastLogin   string           `json:"last_login"`
	LastAddress string           `json:"last_address"`
	Bindings    []AccountBinding `json:"bindings"`
}

// AccountBinding is a certificate, or the certificates of a rule, that sign in
// to an account.
type AccountBinding struct {
	BindingID   string `json:"binding_id"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Authority   string `json:"authority,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Label       string `json:"label"`
	Created     string `json:"created"`
}

// AccountList is what listing accounts answers.
type AccountList struct {
	Accounts []Account `json:"accounts"`
}

// AccountSpec is the body that makes an account.
type AccountSpec struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Password string `json:"password,omitempty"`
}

// PasswordSpec is the body that gives an account another password.
type PasswordSpec struct {
	Password string `json:"password"`
}

// RoleSpec is the body that gives an account another role.
type RoleSpec struct {
	Role string `json:"role"`
}

// BindingSpec is the body that binds a certificate: the certificate itself or
// its fingerprint, or an authority and a subject.
type BindingSpec struct {
	Certificate string `json:"certificate,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Authority   string `json:"authority,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Label       string `json:"label,omitempty"`
}

// DeletedAccount is what deleting an account answers.
type DeletedAccount struct {
	Name    string `json:"name"`
	Deleted bool   `json:"deleted"`
}

// DeletedBinding is what removing a binding answers.
type DeletedBinding struct {
	BindingID string `json:"binding_id"`
	Deleted   bool   `json:"deleted"`
}

func viewAccount(a account.Account) Account {
	return Account{AccountID: a.ID.String(), Name: a.Name, Role: string(a.Role), Disabled: a.Disabled, HasPassword: a.HasPassword,
		LockedUntil: a.LockedUntil.String(), Created: a.Created.String(), LastLogin: a.LastLogin.String(), LastAddress: a.LastAddress,
		Bindings: views(a.Bindings, viewBinding)}
}

func viewBinding(b account.Binding) AccountBinding {
	return AccountBinding{BindingID: b.ID.String(), Fingerprint: b.Fingerprint, Authority: b.Authority, Subject: b.Subject,
		Label: b.Label, Created: b.Created.String()}
}

func listAccounts(c *call) (any, error) {
	all, err := c.Accounts.Accounts(c.r.Context())
	return AccountList{Accounts: views(all, viewAccount)}, err
}

func createAccount(c *call) (any, error) {
	var body AccountSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	made, err := c.Accounts.Create(c.r.Context(), account.Spec{Name: body.Name, Role: account.Role(body.Role), Password: body.Password}, c.by)
	return viewAccount(made), err
}

// accountName is the account that the path names.
func (c *call) accountName() string { return c.r.PathValue("account") }

func getAccount(c *call) (any, error) {
	a, err := c.Accounts.Account(c.r.Context(), c.accountName())
	return viewAccount(a), err
}

func deleteAccount(c *call) (any, error) {
	return DeletedAccount{Name: c.accountName(), Deleted: true}, c.Accounts.Delete(c.r.Context(), c.accountName(), c.by)
}

func setAccountPassword(c *call) (any, error) {
	var body PasswordSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	a, err := c.Accounts.SetPassword(c.r.Context(), c.accountName(), body.Password, 0, c.by)
	return viewAccount(a), err
}

func setAccountRole(c *call) (any, error) {
	var body RoleSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	a, err := c.Accounts.SetRole(c.r.Context(), c.accountName(), account.Role(body.Role), c.by)
	return viewAccount(a), err
}

func disableAccount(c *call) (any, error) { return c.setAccountDisabled(true) }

func enableAccount(c *call) (any, error) { return c.setAccountDisabled(false) }

func (c *call) setAccountDisabled(disabled bool) (any, error) {
	a, err := c.Accounts.SetDisabled(c.r.Context(), c.accountName(), disabled, c.by)
	return viewAccount(a), err
}

func bindAccount(c *call) (any, error) {
	var body BindingSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	b, err := c.Accounts.Bind(c.r.Context(), c.accountName(), account.BindingSpec(body), c.by)
	return viewBinding(b), err
}

func unbindAccount(c *call) (any, error) {
	name := c.r.PathValue("binding_id")
	id, ok := registry.ParseID(name)
	if !ok {
		return nil, registry.ErrNotFound
	}
	return DeletedBinding{BindingID: name, Deleted: true}, c.Accounts.Unbind(c.r.Context(), c.accountName(), id, c.by)
}
