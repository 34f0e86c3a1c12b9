// Package scanlogin is the state machine of a scan login (扫码登录): a web page
// shows a QR code, a phone scans it, its owner confirms with an SM2 key, and the
// page is signed in.
//
// A session goes created → scanned → authenticated → consumed, or ends cancelled
// or expired (ciss §6). Every step is one compare-and-set in the store, so that
// of any number of nodes and callers one wins. The package knows nothing of HTTP
// and nothing of the wire: the ciss door checks messages and certificates and
// then calls [Service.Scan] and [Service.Confirm]; the page that shows the code
// calls [Service.Create], [Service.Watch] and [Service.Collect].
package scanlogin

import (
	"crypto/sha256"
	"errors"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// State is where a session stands.
type State int

// The states. Cancelled, Expired and Consumed are final.
const (
	Created       State = iota + 1 // the code is shown
	Scanned                        // an app has it
	Authenticated                  // confirmed; the page may collect its login
	Consumed                       // collected
	Cancelled                      // by the app
	Expired                        // by the clock; never stored
)

var stateNames = [...]string{"", "created", "scanned", "authenticated", "consumed", "cancelled", "expired"}

// String returns the state's name.
func (s State) String() string {
	if s < Created || s > Expired {
		return "unknown"
	}
	return stateNames[s]
}

// Values of the wire's scanStatus (ciss §3).
const (
	StatusScanned   = "81"
	StatusCancelled = "84"
)

// Session is a scan login under way.
type Session struct {
	// AuthID is what the QR code says (authId).
	AuthID string
	// Org is the organisation whose apps may scan it; to others it does not exist.
	Org   registry.ID
	State State
	// App is the id of the app that scanned it, "" before.
	App string
	// Account is the account that it signs in to, 0 before.
	Account registry.ID
	// Certificate is the fingerprint of the certificate that confirmed it.
	Certificate string
	// Refusal is why the last attempt to confirm failed, "" for none.
	Refusal Refusal
	// Requester is who shows the code.
	Requester
	Created registry.Instant
	Expires registry.Instant
}

// Requester is the browser that asks to sign in, as far as the server sees it.
type Requester struct{ Address, Agent string }

// clipped makes what a stranger says of his browser fit to be kept and shown.
func (r Requester) clipped() Requester { return Requester{r.Address, account.ClipAgent(r.Agent)} }

// Row is a session as a store keeps it.
type Row struct {
	Session
	Poll [sha256.Size]byte // hash of the poll secret
}

// at returns the session as it stands at a moment.
func (s Session) at(now registry.Instant) Session {
	if now >= s.Expires && (s.State == Created || s.State == Scanned || s.State == Authenticated) {
		s.State = Expired
	}
	return s
}

// App is the API client of the ciss door that makes a call.
type App struct {
	ID  string
	Org registry.ID
	// By names the app and its request in the audit record.
	By audit.Actor
}

// Proof is a certificate that has passed the door: its chain leads to a
// configured root, it is valid now, not revoked and meant for signatures, and
// its key has signed the authId.
type Proof struct {
	Certificate *smx509.Certificate
	// Issuer is the authority that issued it, the next in the verified chain;
	// nil for a certificate that is itself a root.
	Issuer *smx509.Certificate
}

// Errors that callers tell apart.
var (
	// ErrUnknown says that there is no session with an authId that the caller may
	// see. Sessions of other organisations are unknown, too.
	ErrUnknown = errors.New("no such scan session")
	// ErrExpired says that a session's time is over.
	ErrExpired = errors.New("the scan session has expired")
	// ErrFinished says that a session has ended: signed in or cancelled.
	ErrFinished = errors.New("the scan session has ended")
	// ErrNotScanned says that a step before is missing.
	ErrNotScanned = errors.New("the scan session has not been scanned")
	// ErrOtherApp says that another app has scanned the code.
	ErrOtherApp = errors.New("another app has scanned the code")
	// ErrStatus says that a scanStatus is neither 81 nor 84.
	ErrStatus = errors.New("the scan status is neither 81 nor 84")
	// ErrTooMany says that an address asks for too many codes.
	ErrTooMany = errors.New("too many codes were asked for")
	// ErrNotYet says that a session is not confirmed, so that there is nothing to
	// collect.
	ErrNotYet = errors.New("the scan session is not confirmed")
)

// Refusal says why an app's attempt to confirm failed, for the page that waits.
type Refusal string

// The refusals. Those up to RefusedUnbound are found at the door.
const (
	RefusedSignature   Refusal = "signature"   // the signature does not verify
	RefusedCertificate Refusal = "certificate" // not an SM2 certificate for signatures
	RefusedUntrusted   Refusal = "untrusted"   // its chain leads to no configured root
	RefusedExpired     Refusal = "expired"     // outside its validity
	RefusedRevoked     Refusal = "revoked"     // in a revocation list
	RefusedUnbound     Refusal = "unbound"     // bound to no account, or to several
	RefusedDisabled    Refusal = "disabled"    // its account is disabled
)

// Refusals are all refusals.
var Refusals = []Refusal{RefusedSignature, RefusedCertificate, RefusedUntrusted, RefusedExpired, RefusedRevoked, RefusedUnbound, RefusedDisabled}
