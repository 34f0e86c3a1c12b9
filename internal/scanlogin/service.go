package scanlogin

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Lifetimes of a session (ciss §6).
const (
	Lifetime        = 120 * time.Second // from its creation
	scanExtension   = 60 * time.Second  // once, when it is scanned
	collectLifetime = 60 * time.Second  // from its confirmation
	keptAfter       = 10 * time.Minute  // so that a late phone hears what became of it
)

// Options configures New.
type Options struct {
	Store    Store
	Accounts *account.Service
	Now      func() time.Time
	Random   io.Reader
}

// Service runs scan sessions. It is safe for concurrent use.
type Service struct {
	store    Store
	accounts *account.Service
	now      func() time.Time
	random   io.Reader
	hub      *hub
}

// New returns a service over a store.
func New(o Options) *Service {
	return &Service{store: o.Store, accounts: o.Accounts, now: o.Now, random: o.Random, hub: newHub()}
}

func (s *Service) instant() registry.Instant { return registry.At(s.now()) }

// Create makes a session for the apps of an organisation, and the poll secret
// by which the page that shows its code will collect the login.
func (s *Service) Create(ctx context.Context, org registry.ID, from Requester) (Session, string, error) {
	var raw [48]byte // 128 bits for the code, 256 for the secret
	if _, err := io.ReadFull(s.random, raw[:]); err != nil {
		return Session{}, "", fmt.Errorf("make a scan session: %w", err)
	}
	now := s.instant()
	row := Row{Session: Session{AuthID: hex.EncodeToString(raw[:16]), Org: org, State: Created,
		Requester: from.clipped(), Created: now, Expires: now + milliseconds(Lifetime)}}
	secret := base64.RawURLEncoding.EncodeToString(raw[16:])
	row.Poll = hashSecret(secret)
	return row.Session, secret, s.store.CreateScan(ctx, row)
}

func milliseconds(d time.Duration) registry.Instant { return registry.Instant(d.Milliseconds()) }

// Session returns the session of a page that holds its poll secret, as it stands
// now, or ErrUnknown.
func (s *Service) Session(ctx context.Context, authID, secret string) (Session, error) {
	row, err := s.row(ctx, authID)
	if err != nil {
		return Session{}, err
	}
	hash := hashSecret(secret)
	if subtle.ConstantTimeCompare(hash[:], row.Poll[:]) != 1 {
		return Session{}, ErrUnknown
	}
	return row.at(s.instant()), nil
}

func (s *Service) row(ctx context.Context, authID string) (Row, error) {
	if !isAuthID(authID) {
		return Row{}, ErrUnknown
	}
	row, err := s.store.Scan(ctx, authID)
	if errors.Is(err, registry.ErrNotFound) {
		err = ErrUnknown
	}
	return row, err
}

// isAuthID keeps what cannot be an authId away from the store.
func isAuthID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 16
}

// load reads a session as it stands now.
func (s *Service) load(ctx context.Context, authID string) (Session, error) {
	row, err := s.row(ctx, authID)
	return row.at(s.instant()), err
}

// Scan is the app's word that it has scanned a code (status 81) or that its user
// does not want to sign in (84). It returns who asks, for the app to show. A
// repeated 81 of the same app succeeds and changes nothing.
func (s *Service) Scan(ctx context.Context, app App, authID, status string) (Requester, error) {
	step := Step{AuthID: authID, Now: s.instant(), Org: app.Org, SetApp: app.ID}
	switch status {
	case StatusScanned:
		step.From, step.To, step.Extend = []State{Created}, Scanned, scanExtension.Milliseconds()
	case StatusCancelled:
		step.From, step.To, step.App = []State{Created, Scanned}, Cancelled, app.ID
	default:
		return Requester{}, ErrStatus
	}
	event := app.By.Did("scan."+step.To.String(), "scan", authID, nil).In(int64(app.Org))
	session, err := s.advance(ctx, app, step, event)
	if errors.Is(err, errAlready) && status == StatusScanned {
		return session.Requester, nil
	}
	return session.Requester, plain(err)
}

// errAlready says that the caller itself has brought a session to where it is.
var errAlready = fmt.Errorf("again: %w", ErrFinished)

func plain(err error) error {
	if errors.Is(err, errAlready) {
		return ErrFinished
	}
	return err
}

// advance does a step of an app and tells who waits. It returns the session as
// it stands then, and says why the step was not possible.
func (s *Service) advance(ctx context.Context, app App, step Step, event audit.Event) (Session, error) {
	if !isAuthID(step.AuthID) {
		return Session{}, ErrUnknown
	}
	err := s.store.AdvanceScan(ctx, step, &event)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return Session{}, err
	}
	s.hub.changed(step.AuthID)
	session, readErr := s.load(ctx, step.AuthID)
	switch {
	case err == nil:
		return session, readErr
	case readErr != nil:
		return Session{}, readErr
	}
	return session, why(session, app, step)
}

// why explains a step that a session did not take.
func why(session Session, app App, step Step) error {
	switch {
	case session.Org != app.Org:
		return ErrUnknown
	case session.State == Expired:
		return ErrExpired
	case session.State == Scanned && session.App != app.ID:
		return ErrOtherApp
	case session.State == Scanned && step.To == Scanned:
		return errAlready
	case session.State == Created:
		return ErrNotScanned
	}
	return ErrFinished
}

// Confirm signs the page in to the account that a proved certificate is bound
// to. Of any number of callers one succeeds. Besides the errors of the session
// it returns account.ErrUnbound, ErrAmbiguous or ErrDisabled, which the page is
// told of, too.
func (s *Service) Confirm(ctx context.Context, app App, authID string, proof Proof) error {
	if _, err := s.expect(ctx, app, authID); err != nil {
		return err
	}
	bound, err := s.accounts.ByCertificate(ctx, proof.Certificate, proof.Issuer)
	switch {
	case errors.Is(err, account.ErrDisabled):
		return errors.Join(err, s.Refuse(ctx, app, authID, RefusedDisabled))
	case errors.Is(err, account.ErrUnbound), errors.Is(err, account.ErrAmbiguous):
		return errors.Join(err, s.Refuse(ctx, app, authID, RefusedUnbound))
	case err != nil:
		return err
	}
	now, fingerprint := s.instant(), account.Fingerprint(proof.Certificate)
	step := Step{AuthID: authID, Now: now, From: []State{Scanned}, To: Authenticated, Org: app.Org, App: app.ID,
		Account: bound.Account, Certificate: fingerprint, ExpiresAt: now + milliseconds(collectLifetime)}
	event := app.By.Did("scan.authenticated", "scan", authID, map[string]any{"account": bound.Name, "certificate": fingerprint})
	_, err = s.advance(ctx, app, step, event.In(int64(app.Org)))
	return plain(err)
}

// expect checks, before anything costly, that a session waits for this app's
// confirmation.
func (s *Service) expect(ctx context.Context, app App, authID string) (Session, error) {
	session, err := s.load(ctx, authID)
	switch {
	case err != nil:
		return Session{}, err
	case session.Org == app.Org && session.State == Scanned && session.App == app.ID:
		return session, nil
	}
	return Session{}, plain(why(session, app, Step{To: Authenticated}))
}

// Refuse tells the waiting page and the audit record why the app's attempt to
// confirm failed. The session stays as it is: the user may try again.
func (s *Service) Refuse(ctx context.Context, app App, authID string, refusal Refusal) error {
	step := Step{AuthID: authID, Now: s.instant(), From: []State{Scanned}, To: Scanned, Org: app.Org, App: app.ID, Refusal: refusal}
	event := app.By.Did("scan.refused", "scan", authID, map[string]any{"why": refusal}).In(int64(app.Org))
	_, err := s.advance(ctx, app, step, event)
	return plain(err)
}

// Collect hands a confirmed session to the page that holds its poll secret,
// once: ErrNotYet before, ErrFinished or ErrExpired after.
func (s *Service) Collect(ctx context.Context, authID, secret string) (Session, error) {
	session, err := s.Session(ctx, authID, secret)
	if err != nil {
		return Session{}, err
	}
	step := Step{AuthID: authID, Now: s.instant(), From: []State{Authenticated}, To: Consumed}
	err = s.store.AdvanceScan(ctx, step, nil)
	if err == nil {
		s.hub.changed(authID)
		return s.Session(ctx, authID, secret)
	}
	if !errors.Is(err, registry.ErrNotFound) {
		return Session{}, err
	}
	switch session.State {
	case Created, Scanned:
		return Session{}, ErrNotYet
	case Expired:
		return Session{}, ErrExpired
	}
	return Session{}, ErrFinished
}

// Sweep forgets old sessions.
func (s *Service) Sweep(ctx context.Context) error {
	return s.store.SweepScans(ctx, s.instant()-milliseconds(keptAfter))
}
