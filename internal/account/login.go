package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Lifetimes of a login.
const (
	IdleLifetime     = 30 * time.Minute // after the last request
	AbsoluteLifetime = 12 * time.Hour   // after signing in
)

// touchEvery is how exact Login.Seen is.
const touchEvery = time.Minute

// How somebody signed in.
const (
	ByPassword = "password"
	ByScan     = "scan"
)

// Login is a browser that is signed in (登录会话).
type Login struct {
	ID      registry.ID
	Account registry.ID
	Name    string // of the account
	Method  string // ByPassword or ByScan
	Address string
	Agent   string
	Opened  registry.Instant
	Seen    registry.Instant // the last request, to the minute
}

// From is where an attempt to sign in comes from.
type From struct {
	Address string
	Agent   string
	// Known is the mark that the browser got at an earlier login, see Opened.
	Known string
	// Replaces is the token of a login that the browser held before.
	Replaces string
	// Request is the request id, for the audit record.
	Request string
}

// Opened is a new login.
type Opened struct {
	Login
	// Token lets the browser in. It is not kept.
	Token string
	// Known is a mark that this browser has signed in to this account before: a
	// lock set by strangers' failures does not hold for it.
	Known string
}

const tokenBytes = 32

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// SignIn opens a login by name and password. It returns ErrRefused, ErrLocked
// or ErrBusy.
func (s *Service) SignIn(ctx context.Context, name, password string, from From) (Opened, error) {
	row, err := s.judge(ctx, name, password, from)
	if err != nil {
		return Opened{}, err
	}
	return s.open(ctx, row, ByPassword, nil, from)
}

// CheckPassword asks somebody who is signed in for his password again. It
// returns the errors of SignIn.
func (s *Service) CheckPassword(ctx context.Context, name, password string, from From) error {
	_, err := s.judge(ctx, name, password, from)
	return err
}

// judge returns the account that name and password belong to.
func (s *Service) judge(ctx context.Context, name, password string, from From) (Row, error) {
	row, err := s.find(ctx, name)
	exists := err == nil
	switch {
	case exists:
		err = s.attempt(ctx, row, from)
	case errors.Is(err, registry.ErrNotFound):
		err = s.attemptUnknown(ctx, name, from)
	}
	if err != nil {
		return Row{}, err
	}
	ok, err := s.matches(ctx, row, password)
	if err != nil {
		return Row{}, err
	}
	if !ok || !exists || row.Disabled {
		return Row{}, s.refused(ctx, row, from, reason(exists, row.Disabled))
	}
	return row, nil
}

func reason(exists, disabled bool) string {
	switch {
	case !exists:
		return "unknown account"
	case disabled:
		return "disabled"
	}
	return "wrong password"
}

// attempt counts an attempt before it is judged, so that many at once get no
// more guesses than one after the other.
func (s *Service) attempt(ctx context.Context, row Row, from From) error {
	now := registry.At(s.Now())
	err := s.Store.Attempt(ctx, row.ID, now, s.isKnown(row, from.Known), func(attempts int64) registry.Instant {
		return now + registry.Instant(lockFor(attempts).Milliseconds())
	})
	if errors.Is(err, registry.ErrNotFound) {
		return errors.Join(ErrLocked, s.note(ctx, row.Name, from, "locked"))
	}
	return err
}

// attemptUnknown is attempt for a name that is no account's.
func (s *Service) attemptUnknown(ctx context.Context, name string, from From) error {
	normalised, ok := normal(name)
	if !ok {
		normalised = "" // what can be no name is one and the same
	}
	if s.unknown.attempt(normalised, registry.At(s.Now())) {
		return nil
	}
	return errors.Join(ErrLocked, s.note(ctx, "", from, "locked"))
}

// Lock-out: some attempts are free, then each failure doubles the wait.
const (
	freeAttempts = 5
	firstLock    = 15 * time.Second
	longestLock  = 15 * time.Minute
)

// lockFor is how long after so many attempts in a row none is looked at.
func lockFor(attempts int64) time.Duration {
	if attempts < freeAttempts {
		return 0
	}
	lock := firstLock
	for range min(attempts-freeAttempts, 16) {
		lock *= 2
	}
	return min(lock, longestLock)
}

// refused notes a refusal and returns ErrRefused. A name that is no account's is
// not kept: people type passwords into the wrong field.
func (s *Service) refused(ctx context.Context, row Row, from From, why string) error {
	return errors.Join(ErrRefused, s.note(ctx, row.Name, from, why))
}

func (s *Service) note(ctx context.Context, name string, from From, why string) error {
	by := audit.Actor{Name: "console", Request: from.Request}
	event := by.Did("login.refused", "account", name, map[string]any{"why": why, "address": from.Address})
	return s.Store.AppendAudit(ctx, []audit.Event{event})
}

// SignInScanned opens a login for the account that a certificate has confirmed.
func (s *Service) SignInScanned(ctx context.Context, id registry.ID, certificate string, from From) (Opened, error) {
	row, err := s.Store.AccountByID(ctx, id)
	if err != nil {
		return Opened{}, err
	}
	if row.Disabled {
		return Opened{}, errors.Join(ErrDisabled, s.note(ctx, row.Name, from, "disabled"))
	}
	return s.open(ctx, row, ByScan, map[string]any{"certificate": certificate}, from)
}

// open makes a login for an account that has proved who it is.
func (s *Service) open(ctx context.Context, row Row, method string, detail map[string]any, from From) (Opened, error) {
	id, err := registry.NewID(s.Random)
	if err != nil {
		return Opened{}, err
	}
	var raw [tokenBytes]byte
	if _, err := io.ReadFull(s.Random, raw[:]); err != nil {
		return Opened{}, fmt.Errorf("make a token: %w", err)
	}
	token, now := base64.RawURLEncoding.EncodeToString(raw[:]), registry.At(s.Now())
	l := Login{ID: id, Account: row.ID, Name: row.Name, Method: method, Address: from.Address, Agent: ClipAgent(from.Agent), Opened: now, Seen: now}
	if detail == nil {
		detail = make(map[string]any)
	}
	detail["method"], detail["address"] = method, from.Address
	event := audit.Actor{Name: "account:" + row.Name, Request: from.Request}.Did("login.open", "account", row.Name, detail)
	var replaced []byte
	if from.Replaces != "" {
		replaced = hashToken(from.Replaces)
	}
	if err := s.Store.OpenLogin(ctx, l, hashToken(token), replaced, row.Version, event); err != nil {
		return Opened{}, err
	}
	return Opened{Login: l, Token: token, Known: s.markKnown(row)}, nil
}

// Login returns who holds a token, or ErrNoLogin.
func (s *Service) Login(ctx context.Context, token string) (Login, Account, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return Login{}, Account{}, ErrNoLogin
	}
	l, a, err := s.Store.Login(ctx, hashToken(token))
	now := s.Now()
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return Login{}, Account{}, ErrNoLogin
	case err != nil:
		return Login{}, Account{}, err
	case a.Disabled, now.Sub(l.Seen.Time()) >= IdleLifetime, now.Sub(l.Opened.Time()) >= AbsoluteLifetime:
		return Login{}, Account{}, ErrNoLogin
	}
	if now.Sub(l.Seen.Time()) >= touchEvery {
		l.Seen = registry.At(now)
		err = s.Store.TouchLogin(ctx, l.ID, l.Seen)
	}
	return l, a, err
}

// Logins lists those who are signed in: one account's, or everybody's for 0.
func (s *Service) Logins(ctx context.Context, account registry.ID) ([]Login, error) {
	all, err := s.Store.Logins(ctx, account)
	now, live := s.Now(), all[:0]
	for _, l := range all {
		if now.Sub(l.Seen.Time()) < IdleLifetime && now.Sub(l.Opened.Time()) < AbsoluteLifetime {
			live = append(live, l)
		}
	}
	return live, err
}

// EndLogin ends a login of an account, or anybody's for account 0.
func (s *Service) EndLogin(ctx context.Context, id, account registry.ID, by audit.Actor) error {
	return s.Store.EndLogin(ctx, id, account, by.Did("login.end", "login", id.String(), nil))
}

// Sweep forgets logins that are too old.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.Now()
	return s.Store.SweepLogins(ctx, registry.At(now.Add(-AbsoluteLifetime))+1, registry.At(now.Add(-IdleLifetime))+1)
}
