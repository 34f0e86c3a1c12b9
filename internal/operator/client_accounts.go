package operator

import (
	"context"
	"net/http"
	"net/url"
)

// Accounts lists accounts.
func (c *Client) Accounts(ctx context.Context) (AccountList, error) {
	return fetch[AccountList](ctx, c.withoutOrg(), http.MethodGet, "/accounts", nil, nil)
}

// CreateAccount makes an account.
func (c *Client) CreateAccount(ctx context.Context, s AccountSpec) (Account, error) {
	return fetch[Account](ctx, c.withoutOrg(), http.MethodPost, "/accounts", nil, s)
}

func accountPath(name string) string { return "/accounts/" + url.PathEscape(name) }

// Account returns an account.
func (c *Client) Account(ctx context.Context, name string) (Account, error) {
	return fetch[Account](ctx, c.withoutOrg(), http.MethodGet, accountPath(name), nil, nil)
}

// DeleteAccount removes an account.
func (c *Client) DeleteAccount(ctx context.Context, name string) (DeletedAccount, error) {
	return fetch[DeletedAccount](ctx, c.withoutOrg(), http.MethodDelete, accountPath(name), nil, nil)
}

// SetAccountPassword gives an account another password.
func (c *Client) SetAccountPassword(ctx context.Context, name, password string) (Account, error) {
	return fetch[Account](ctx, c.withoutOrg(), http.MethodPost, accountPath(name)+"/password", nil, PasswordSpec{password})
}

// SetAccountRole gives an account another role.
func (c *Client) SetAccountRole(ctx context.Context, name, role string) (Account, error) {
	return fetch[Account](ctx, c.withoutOrg(), http.MethodPost, accountPath(name)+"/role", nil, RoleSpec{role})
}

// SetAccountDisabled switches an account off or on; on also lifts a lock.
func (c *Client) SetAccountDisabled(ctx context.Context, name string, disabled bool) (Account, error) {
	action := "/enable"
	if disabled {
		action = "/disable"
	}
	return fetch[Account](ctx, c.withoutOrg(), http.MethodPost, accountPath(name)+action, nil, nil)
}

// BindAccount lets a certificate sign in to an account.
func (c *Client) BindAccount(ctx context.Context, name string, s BindingSpec) (AccountBinding, error) {
	return fetch[AccountBinding](ctx, c.withoutOrg(), http.MethodPost, accountPath(name)+"/bindings", nil, s)
}

// UnbindAccount removes a binding.
func (c *Client) UnbindAccount(ctx context.Context, name, binding string) (DeletedBinding, error) {
	return fetch[DeletedBinding](ctx, c.withoutOrg(), http.MethodDelete, accountPath(name)+"/bindings/"+url.PathEscape(binding), nil, nil)
}
