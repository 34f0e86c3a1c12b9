package account

import (
	"context"
	"io"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Store keeps accounts and logins. Every method that changes something writes
// its audit event in the same transaction; the errors are those of
// registry.Store.
type Store interface {
	CreateAccount(ctx context.Context, row Row, e audit.Event) error
	Account(ctx context.Context, name string) (Row, error)
	AccountByID(ctx context.Context, id registry.ID) (Row, error)
	Accounts(ctx context.Context) ([]Account, error)
	AnyAccount(ctx context.Context) (bool, error)
	// UpdateAccount writes everything but the bindings if the account still has
	// the version, else registry.ErrConflict. It ends the account's logins if
	// asked to, but for the one with the number kept.
	UpdateAccount(ctx context.Context, row Row, version int64, end bool, kept registry.ID, e audit.Event) error
	DeleteAccount(ctx context.Context, id registry.ID, e audit.Event) error

	// Bind adds a binding; registry.ErrExists when there is one like it.
	Bind(ctx context.Context, account registry.ID, b Binding, e audit.Event) error
	Unbind(ctx context.Context, account, binding registry.ID, e audit.Event) error
	// Bound returns the bindings to a certificate by its fingerprint, and those
	// by rule under the authority with the other, each with its account.
	Bound(ctx context.Context, certificate, authority string) ([]Bound, error)

	// Attempt counts an attempt to sign in by password before it is judged,
	// and sets when the next one is looked at. It returns registry.ErrNotFound
	// while the account is locked, unless evenLocked.
	Attempt(ctx context.Context, id registry.ID, now registry.Instant, evenLocked bool, until func(attempts int64) registry.Instant) error
	// OpenLogin keeps a new login, replaces the one with the token hash replaced
	// (nil for none), and forgets failed attempts. The account must be as it
	// was: of this version and not disabled, else registry.ErrConflict.
	OpenLogin(ctx context.Context, l Login, hash, replaced []byte, version int64, e audit.Event) error
	// Login returns a login by its token's hash, with its account.
	Login(ctx context.Context, hash []byte) (Login, Account, error)
	// Logins lists the logins of an account, or of all for 0, the newest first.
	Logins(ctx context.Context, account registry.ID) ([]Login, error)
	TouchLogin(ctx context.Context, id registry.ID, seen registry.Instant) error
	// EndLogin removes a login, of one account unless that is 0.
	EndLogin(ctx context.Context, id, account registry.ID, e audit.Event) error
	// SweepLogins forgets those opened before one moment or last seen before another.
	SweepLogins(ctx context.Context, opened, seen registry.Instant) error

	AppendAudit(ctx context.Context, events []audit.Event) error
}

// Options configures New.
type Options struct {
	Store  Store
	Ring   *keyring.Ring
	Now    func() time.Time
	Random io.Reader
}

// Service applies the rules. It is safe for concurrent use.
type Service struct {
	Options
	hasher   *hasher
	unknown  unknownNames
	knownKey [keyring.KeySize]byte // of marks of known browsers
}

// New returns a service over a store.
func New(o Options) *Service {
	return &Service{Options: o, hasher: newHasher(o.Random), knownKey: o.Ring.Derive("known browsers")}
}
