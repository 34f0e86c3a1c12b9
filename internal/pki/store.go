package pki

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Store keeps authorities, certificates and revocation lists. As in
// registry.Store every change is one transaction with its audit events, durable
// on return without error, not done on an error of this package, unknown on any
// other.
type Store interface {
	AuthorityStore
	CertificateStore
	ListStore
}

// AuthorityStore keeps authorities.
type AuthorityStore interface {
	Authorities(ctx context.Context) ([]AuthorityRow, error)
	// CreateAuthority adds an authority. An active one takes the place of the
	// active one of its kind, which is retired; if only is set there must be
	// none of the kind at all, else ErrAuthorityState.
	CreateAuthority(ctx context.Context, a AuthorityRow, only bool, e audit.Event) error
	// SetAuthority writes the state, the chain and the request if the authority is still in
	// state was, else ErrAuthorityState. One that becomes active takes the place
	// of the active one of its kind.
	SetAuthority(ctx context.Context, a AuthorityRow, was State, e audit.Event) error
}

// CertificateStore keeps certificates.
type CertificateStore interface {
	// IssueCertificate does all that Issuance says or nothing: ErrSerialTaken,
	// ErrNotFound, ErrDuplicateSubject, ErrKeyInUse, and for the certificate that
	// is renewed ErrNotFound, ErrOtherDevice, ErrAlreadyRevoked and ErrExpired.
	IssueCertificate(ctx context.Context, i Issuance) error
	Certificate(ctx context.Context, org registry.ID, serial Serial) (Certificate, error)
	DeviceCertificates(ctx context.Context, org, device registry.ID) ([]Certificate, error)
	Certificates(ctx context.Context, org registry.ID, f Filter, now registry.Instant) ([]Certificate, error)
	// SetRevoked revokes, holds or releases certificates, each on its own: what
	// became of it stands at its place in the result.
	SetRevoked(ctx context.Context, r Change) ([]Changed, error)
}

// ListStore keeps revocation lists, and which of them are out of date.
type ListStore interface {
	// Lists returns the newest list of each authority without its DER.
	Lists(ctx context.Context) ([]List, error)
	ListDER(ctx context.Context, authority registry.ID, number int64) ([]byte, error)
	// PendingLists returns the marks of changes that no list may have yet.
	PendingLists(ctx context.Context) ([]Mark, error)
	// RevokedCertificates calls f with each certificate of an authority that is
	// revoked and ended after a moment.
	RevokedCertificates(ctx context.Context, authority registry.ID, endsAfter registry.Instant, f func(Entry) error) error
	// SaveList puts a list in place of the one with number replaces, 0 for none,
	// and takes away marks; false when another node was faster.
	SaveList(ctx context.Context, l List, replaces int64, marks []Mark) (bool, error)
}

// Issuance is a signed certificate on its way into the store.
type Issuance struct {
	Certificate
	SubjectText string // for searches
	KeyHash     []byte // SHA-256 of the public key's DER
	// Renews is the certificate that this one takes the place of; "" takes the
	// place of whatever valid ones the device has.
	Renews Serial
	By     audit.Actor
	Event  audit.Event
}

// Change revokes, holds or releases certificates.
type Change struct {
	Org     registry.ID
	Device  registry.ID // 0 for any
	Serials []Serial
	Reason  Reason
	Release bool // ends a hold; Reason does not count
	At      registry.Instant
	By      audit.Actor
}

// Changed is what became of one certificate of a Change: its new state, or one
// of ErrNotFound, ErrOtherDevice, ErrAlreadyRevoked, ErrNotHeld and ErrHasValid.
type Changed struct {
	Certificate Certificate
	Err         error
}

// Mark says that the list of an authority may be out of date.
type Mark struct {
	ID        registry.ID
	Authority registry.ID
}

// Entry is a revoked certificate as it stands in a list.
type Entry struct {
	Serial  Serial
	Revoked registry.Instant
	Reason  Reason
}

// List is a certificate revocation list (CRL).
type List struct {
	Authority  registry.ID
	Number     int64
	ThisUpdate registry.Instant
	NextUpdate registry.Instant
	Entries    int
	DER        []byte
}
