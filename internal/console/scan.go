package console

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// scanView is the code on the first page.
type scanView struct {
	Picture template.HTML // SVG, made here
	AuthID  string
	Seconds int // until it expires
	scanWord
	scanlogin.Requester
}

// scanWord is what a page is told of its session.
type scanWord struct {
	State string `json:"state"`
	// Message says it in words, and Refused why the last confirmation failed.
	Message string `json:"message"`
	Refused string `json:"refused,omitempty"`
}

// currentScan returns the session whose code this browser shows already, or a
// new one. Tabs of one browser share a code.
func (v *visit) currentScan() (view *scanView, problem string, err error) {
	session, err := v.scanSession()
	if errors.Is(err, scanlogin.ErrUnknown) || err == nil && !v.worthShowing(session) {
		if v.codes.Blocked(v.caller.Address) {
			return nil, "scan.throttled", nil
		}
		v.codes.Failed(v.caller.Address)
		session, err = v.newScan()
	}
	if err != nil {
		return nil, "", err
	}
	code, err := scanlogin.NewQR(v.QRPrefix + session.AuthID)
	if err != nil {
		return nil, "", err
	}
	return &scanView{Picture: template.HTML(code.SVG()), AuthID: session.AuthID, Seconds: int(v.left(session).Seconds()),
		scanWord: v.Lang.word(session), Requester: session.Requester}, "", nil
}

func (v *visit) newScan() (scanlogin.Session, error) {
	org, err := v.Registry.Org(v.r.Context(), v.Org)
	if err != nil {
		return scanlogin.Session{}, err
	}
	session, secret, err := v.Scans.Create(v.r.Context(), org.ID, scanlogin.Requester{Address: v.address(), Agent: v.r.UserAgent()})
	if err != nil {
		return scanlogin.Session{}, err
	}
	v.metrics.codes.Inc()
	v.setCookie(cookieScan, session.AuthID+"."+secret, 0)
	return session, nil
}

// scanSession returns the session of the browser's cookie, or
// scanlogin.ErrUnknown. The secret is in the cookie, so that it is in no
// address, log or page.
func (v *visit) scanSession() (scanlogin.Session, error) {
	authID, secret, _ := strings.Cut(v.cookie(cookieScan), ".")
	return v.Scans.Session(v.r.Context(), authID, secret)
}

func (v *visit) left(s scanlogin.Session) time.Duration { return s.Expires.Time().Sub(v.Now()) }

// shortest is how long a code must still live to be shown again.
const shortest = 20 * time.Second

func (v *visit) worthShowing(s scanlogin.Session) bool {
	switch s.State {
	case scanlogin.Created:
		return v.left(s) > shortest
	case scanlogin.Scanned, scanlogin.Authenticated:
		return true
	}
	return false
}

func (l lang) word(s scanlogin.Session) scanWord {
	word := scanWord{State: s.State.String(), Message: l.text("scan." + s.State.String())}
	if s.Refusal != "" && s.State == scanlogin.Scanned {
		word.Refused = l.text("refused." + string(s.Refusal))
	}
	return word
}

// pollFor is how long a long poll waits.
const pollFor = 25 * time.Second

// status is a long poll, for browsers and networks that pass no streams on. It
// answers when the session is no longer as the page knows it, or after a while.
func (v *visit) status() error {
	session, err := v.scanSession()
	if err != nil {
		return err
	}
	watcher := v.Scans.Watch(session.AuthID)
	defer watcher.Close()
	ctx, cancel := context.WithTimeout(v.r.Context(), pollFor)
	defer cancel()
	known := v.r.URL.Query()
	for {
		if session, err = v.scanSession(); err != nil {
			return err
		}
		word := v.Lang.word(session)
		same := known.Get("state") == word.State && known.Get("refused") == word.Refused
		if !same || isOver(session.State) || !awaitWord(ctx, watcher, v.left(session)) {
			v.w.Header().Set("Content-Type", "application/json")
			return json.NewEncoder(v.w).Encode(word)
		}
	}
}

// awaitWord returns false when nothing new is to be waited for.
func awaitWord(ctx context.Context, watcher *scanlogin.Watcher, left time.Duration) bool {
	timer := time.NewTimer(max(left, 0) + time.Millisecond)
	defer timer.Stop()
	select {
	case _, open := <-watcher.C:
		return open
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pictureSize is how many pixels a side the picture to save has.
const pictureSize = 480

// qrPicture is the code as a file, for those who pass it on.
func (v *visit) qrPicture() error {
	session, err := v.scanSession()
	if err != nil {
		return err
	}
	code, err := scanlogin.NewQR(v.QRPrefix + session.AuthID)
	if err != nil {
		return err
	}
	text, err := code.PNG(pictureSize)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "image/png")
	_, err = v.w.Write(text)
	return err
}

// collectProblems says why there is no login to collect.
var collectProblems = []struct {
	cause error
	text  string
}{
	{scanlogin.ErrUnknown, "scan.expired"}, {scanlogin.ErrExpired, "scan.expired"}, {scanlogin.ErrNotYet, "scan.notyet"},
	{scanlogin.ErrFinished, "scan.finished"}, {account.ErrDisabled, "refused.disabled"},
}

// collect signs the browser in whose code was scanned and confirmed.
func (v *visit) collect() error {
	if v.Account.Name != "" { // another tab was faster
		return v.redirect("")
	}
	opened, err := v.collectLogin()
	for _, p := range collectProblems {
		if errors.Is(err, p.cause) {
			v.metrics.login(account.ByScan, "refused")
			return v.showLogin(http.StatusForbidden, loginView{Problem: p.text})
		}
	}
	if err != nil {
		return err
	}
	v.metrics.login(account.ByScan, "ok")
	return v.signIn(opened)
}

func (v *visit) collectLogin() (account.Opened, error) {
	authID, secret, _ := strings.Cut(v.cookie(cookieScan), ".")
	session, err := v.Scans.Collect(v.r.Context(), authID, secret)
	if err != nil {
		return account.Opened{}, err
	}
	return v.Accounts.SignInScanned(v.r.Context(), session.Account, session.Certificate, v.from())
}
