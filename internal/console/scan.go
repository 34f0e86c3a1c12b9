package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
		scanWord: v.word(session), Requester: session.Requester}, "", nil
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

func (v *visit) word(s scanlogin.Session) scanWord {
	word := scanWord{State: s.State.String(), Message: v.T("scan." + s.State.String())}
	if s.Refusal != "" && s.State == scanlogin.Scanned {
		word.Refused = v.T("refused." + string(s.Refusal))
	}
	return word
}

// Timing of the live status.
const (
	pingEvery  = 25 * time.Second // so that nothing in between takes the connection for dead
	writeLimit = 10 * time.Second // for one event
	pollFor    = 25 * time.Second // a long poll
)

// events tells the page by server-sent events what becomes of its session,
// until that has ended.
func (v *visit) events() error {
	session, err := v.scanSession()
	if err != nil {
		return err
	}
	watcher := v.Scans.Watch(session.AuthID)
	defer watcher.Close()
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // nginx passes it on at once
	stream := http.NewResponseController(v.w)
	if err := stream.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, told := v.r.Context(), scanWord{}
	for {
		if session, err = v.scanSession(); err != nil {
			return v.broken(err)
		}
		if word := v.word(session); word != told {
			if err := v.send(stream, word); err != nil {
				return v.broken(err)
			}
			told = word
		}
		if isOver(session.State) || !v.awaitChange(ctx, stream, watcher, session) {
			return nil
		}
	}
}

// broken ends a stream that has begun: the page asks again.
func (v *visit) broken(err error) error {
	v.Log.Debug("a status stream ended", "request", v.RequestID(v.r), "error", err)
	return nil
}

func isOver(s scanlogin.State) bool {
	return s != scanlogin.Created && s != scanlogin.Scanned
}

func (v *visit) send(stream *http.ResponseController, word scanWord) error {
	text, err := json.Marshal(word)
	if err != nil {
		return err
	}
	return v.write(stream, "data: "+string(text)+"\n\n")
}

func (v *visit) write(stream *http.ResponseController, text string) error {
	if err := stream.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(v.w, text); err != nil {
		return err
	}
	return stream.Flush()
}

// awaitChange returns true when there may be something new to tell, and false
// when the page or the server is gone.
func (v *visit) awaitChange(ctx context.Context, stream *http.ResponseController, watcher *scanlogin.Watcher, session scanlogin.Session) bool {
	for {
		wait := min(max(v.left(session), 0)+time.Millisecond, pingEvery)
		timer := time.NewTimer(wait)
		select {
		case _, open := <-watcher.C:
			timer.Stop()
			return open
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
		if wait < pingEvery {
			return true // its time is over
		}
		if err := v.write(stream, ":\n\n"); err != nil {
			return false
		}
	}
}

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
		word := v.word(session)
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
