// Package account is about the people who run a server: their accounts and
// roles, the passwords and SM2 certificates by which they prove who they are,
// and the logins that a browser holds afterwards. It knows nothing of HTTP and
// nothing of SQL.
//
// Accounts belong to the server, not to an organisation: an operator runs all
// of them, as the operator token does.
package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Role is what an account may do.
type Role string

// The roles; each may do all that the ones before it may.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // runs devices
	Admin    Role = "admin"    // also manages accounts
)

// Roles are all roles, the weakest first.
var Roles = []Role{Viewer, Operator, Admin}

// Allows reports whether an account of this role may do what another one may.
func (r Role) Allows(other Role) bool {
	have, need := slices.Index(Roles, r), slices.Index(Roles, other)
	return need >= 0 && have >= need
}

// Account is an operator (操作员).
type Account struct {
	ID       registry.ID
	Name     string
	Role     Role
	Disabled bool
	// HasPassword is false where only certificates sign in.
	HasPassword bool
	// LockedUntil is when the password will be looked at again, after failures.
	LockedUntil registry.Instant
	Created     registry.Instant
	LastLogin   registry.Instant
	LastAddress string // of the last login
	Bindings    []Binding
}

// Row is an account as a store keeps it.
type Row struct {
	Account
	Password []byte // sealed; empty for none
	Changed  registry.Instant
	Version  int64
}

// Errors that callers tell apart.
var (
	// ErrRefused says that name and password do not belong together, or the
	// account may not sign in; on purpose not which.
	ErrRefused = errors.New("the name or the password is wrong")
	// ErrLocked says that the password is not looked at for a while.
	ErrLocked = errors.New("too many attempts failed: this account takes no password for a while")
	// ErrBusy says that too many passwords are being checked.
	ErrBusy = fmt.Errorf("too many passwords are being checked: %w", registry.ErrBusy)
	// ErrUnbound says that no account answers to a certificate.
	ErrUnbound = errors.New("the certificate is bound to no account")
	// ErrAmbiguous says that rules of several accounts fit a certificate.
	ErrAmbiguous = errors.New("the certificate fits the rules of several accounts, and so signs in to none")
	// ErrDisabled says that an account is switched off.
	ErrDisabled = errors.New("the account is disabled")
	// ErrNoLogin says that a login is unknown, ended or too old.
	ErrNoLogin = errors.New("not signed in")
)

// Spec is what makes an account.
type Spec struct {
	Name     string
	Role     Role
	Password string // may be empty: then only bound certificates sign in
}

// maxName bounds the name of an account in bytes.
const maxName = 64

// normal returns the form in which a name is kept and compared; ok is false for
// what is none.
func normal(name string) (normalised string, ok bool) {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._@-", c) >= 0) {
			return "", false
		}
	}
	return strings.ToLower(name), name != "" && len(name) <= maxName
}

func invalid(format string, args ...any) error {
	return &registry.InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// Create makes an account.
func (s *Service) Create(ctx context.Context, spec Spec, by audit.Actor) (Account, error) {
	name, ok := normal(spec.Name)
	if !ok {
		return Account{}, invalid("an account's name has 1 to %d letters of a-z, digits, full stops, underscores, hyphens and @", maxName)
	}
	if !slices.Contains(Roles, spec.Role) {
		return Account{}, invalid("the role must be viewer, operator or admin")
	}
	id, err := registry.NewID(s.Random)
	if err != nil {
		return Account{}, err
	}
	now := registry.At(s.Now())
	row := Row{Account: Account{ID: id, Name: name, Role: spec.Role, Created: now, HasPassword: spec.Password != ""}, Changed: now, Version: 1}
	if spec.Password != "" {
		if row.Password, err = s.sealPassword(ctx, id, name, spec.Password); err != nil {
			return Account{}, err
		}
	}
	event := by.Did("account.create", "account", name, map[string]any{"role": spec.Role, "password": row.HasPassword})
	return row.Account, named(name, s.Store.CreateAccount(ctx, row, event))
}

// named says which account an error is about.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("account %s: %w", name, err)
}

// find reads an account by its name.
func (s *Service) find(ctx context.Context, name string) (Row, error) {
	normalised, ok := normal(name)
	if !ok {
		return Row{}, fmt.Errorf("account: %w", registry.ErrNotFound)
	}
	row, err := s.Store.Account(ctx, normalised)
	return row, named(normalised, err)
}

// Account returns an account with its bindings, or registry.ErrNotFound.
func (s *Service) Account(ctx context.Context, name string) (Account, error) {
	row, err := s.find(ctx, name)
	return row.Account, err
}

// Accounts lists all accounts by name, with their bindings.
func (s *Service) Accounts(ctx context.Context) ([]Account, error) { return s.Store.Accounts(ctx) }

// Any reports whether there is an account at all.
func (s *Service) Any(ctx context.Context) (bool, error) { return s.Store.AnyAccount(ctx) }

// change applies a change to an account. Its logins end unless they are kept,
// but for the one with the number kept.
func (s *Service) change(ctx context.Context, name string, end bool, kept registry.ID, apply func(*Row) (audit.Event, error)) (Account, error) {
	row, err := s.find(ctx, name)
	if err != nil {
		return Account{}, err
	}
	version := row.Version
	event, err := apply(&row)
	if err != nil {
		return Account{}, err
	}
	row.Version, row.Changed = version+1, registry.At(s.Now())
	return row.Account, named(row.Name, s.Store.UpdateAccount(ctx, row, version, end, kept, event))
}

// SetPassword gives an account another password and ends its logins, but for
// the one with the number kept (0 for none). A lock is lifted.
func (s *Service) SetPassword(ctx context.Context, name, password string, kept registry.ID, by audit.Actor) (Account, error) {
	return s.change(ctx, name, true, kept, func(row *Row) (e audit.Event, err error) {
		if password == "" {
			return e, errShort
		}
		row.Password, err = s.sealPassword(ctx, row.ID, row.Name, password)
		row.HasPassword, row.LockedUntil = true, 0
		return by.Did("account.password", "account", row.Name, nil), err
	})
}

// SetRole changes what an account may do, at once.
func (s *Service) SetRole(ctx context.Context, name string, role Role, by audit.Actor) (Account, error) {
	return s.change(ctx, name, false, 0, func(row *Row) (audit.Event, error) {
		if !slices.Contains(Roles, role) {
			return audit.Event{}, invalid("the role must be viewer, operator or admin")
		}
		event := by.Did("account.role", "account", row.Name, map[string]any{"was": row.Role, "role": role})
		row.Role = role
		return event, nil
	})
}

// SetDisabled switches an account off, which ends its logins, or on, which also
// lifts a lock.
func (s *Service) SetDisabled(ctx context.Context, name string, disabled bool, by audit.Actor) (Account, error) {
	return s.change(ctx, name, disabled, 0, func(row *Row) (audit.Event, error) {
		action := "account.enable"
		if disabled {
			action = "account.disable"
		}
		row.Disabled, row.LockedUntil = disabled, 0
		return by.Did(action, "account", row.Name, nil), nil
	})
}

// Delete removes an account with its bindings and logins.
func (s *Service) Delete(ctx context.Context, name string, by audit.Actor) error {
	row, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	return named(row.Name, s.Store.DeleteAccount(ctx, row.ID, by.Did("account.delete", "account", row.Name, nil)))
}
