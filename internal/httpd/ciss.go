package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// cissDoor serves the scan-login interface (ciss §2). It opens messages and
// checks who signed; what a scan session makes of them is internal/scanlogin's.
type cissDoor struct {
	registry *registry.Registry
	scans    *scanlogin.Service
	metrics  *Metrics
	log      *slog.Logger
	now      func() time.Time
	access   bool
	trusted  []netip.Prefix
	limiter  *limit.Limiter
	seen     *nonces // signatures of messages, by appId (ciss §8)
}

// maxSeen bounds the messages remembered against replay.
const maxSeen = 200_000

func newCISSDoor(o Options) *cissDoor {
	return &cissDoor{registry: o.Registry, scans: o.Scans, metrics: o.Metrics, log: o.Log, now: o.Now, access: o.AccessLog,
		trusted: o.ID2.TrustedProxies, limiter: limit.New(o.ID2.FailureRate, o.ID2.ClientRate, o.Now),
		seen: newNonces(maxSeen, ciss.MaxWindow)}
}

// cissCall is one request of an app.
type cissCall struct {
	action  string
	app     *registry.LiveClient
	param   string
	by      audit.Actor
	address netip.Addr
}

// register adds the door's paths to a router.
func (d *cissDoor) register(mux *http.ServeMux) {
	for name, action := range cissActions {
		mux.HandleFunc("POST "+action.path, func(w http.ResponseWriter, r *http.Request) { d.serve(w, r, name) })
	}
}

// cissResult is how a request ended, for metrics and the log.
type cissResult string

// The results.
const (
	cissOK             cissResult = "ok"
	cissUnknownApp     cissResult = "unknown_app"
	cissMessage        cissResult = "message"
	cissAuthentication cissResult = "authentication"
	cissInternal       cissResult = "internal"
	// Without an answer in JSON:
	cissUnreadable  cissResult = "unreadable"
	cissTooLarge    cissResult = "too_large"
	cissMediaType   cissResult = "media_type"
	cissThrottled   cissResult = "throttled"
	cissUnavailable cissResult = "unavailable"
)

// cissHTTP are the results that HTTP tells of: whatever has a usable JSON body is
// answered in JSON with status 200 (ciss §3).
var cissHTTP = map[cissResult]struct {
	status int
	text   string
}{
	cissUnreadable:  {http.StatusBadRequest, ciss.ErrBody.Error()},
	cissTooLarge:    {http.StatusRequestEntityTooLarge, "the body has more than 16384 bytes"},
	cissMediaType:   {http.StatusUnsupportedMediaType, "the body must be application/json"},
	cissThrottled:   {http.StatusTooManyRequests, "too many requests: try again later"},
	cissUnavailable: {http.StatusServiceUnavailable, "the server cannot answer at the moment"},
}

// serve answers one request.
func (d *cissDoor) serve(w http.ResponseWriter, r *http.Request, action string) {
	began := time.Now()
	c := &cissCall{action: action, by: audit.Actor{Request: RequestID(r)}, address: Remote(r, d.trusted)}
	var answer ciss.Answer
	result := cissUnavailable
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("a request made the server panic", "request", c.by.Request, "action", action, "panic", p, "stack", string(debug.Stack()))
		}
		d.send(w, answer, result)
		d.metrics.cissAnswered(action, result, time.Since(began))
		if d.access {
			d.log.Info("ciss", "request", c.by.Request, "action", action, "app", c.by.Name, "result", result, "address", c.address)
		}
	}()
	answer, result = d.handle(w, r, c)
	if result != cissOK && result != cissInternal && result != cissUnavailable && result != cissThrottled {
		d.limiter.Failed(c.address)
	}
}

func (d *cissDoor) send(w http.ResponseWriter, answer ciss.Answer, result cissResult) {
	if refusal, ok := cissHTTP[result]; ok {
		http.Error(w, refusal.text, refusal.status)
		return
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(answer.Append(nil)) // the peer may have gone; there is nobody to tell
}

// handle reads a request, finds its app and lets it act.
func (d *cissDoor) handle(w http.ResponseWriter, r *http.Request, c *cissCall) (ciss.Answer, cissResult) {
	if d.limiter.Blocked(c.address) {
		return ciss.Answer{}, cissThrottled
	}
	body, result := readCISS(w, r)
	if result != "" {
		return ciss.Answer{}, result
	}
	request, err := ciss.ParseRequest(body, false)
	strict := err == nil
	if !strict {
		if request, err = ciss.ParseRequest(body, true); err != nil {
			return ciss.Answer{}, cissUnreadable
		}
	}
	c.param = request.Param
	if result := d.admit(r.Context(), c, request.AppID); result == cissUnknownApp {
		return ciss.Answer{StatusCode: ciss.StatusUnknownApp, ReturnObj: ciss.UnknownAppText}, result
	} else if result != "" {
		return ciss.Answer{}, result
	}
	if !strict && !c.app.Channel.Settings().Lenient {
		return ciss.Answer{}, cissUnreadable
	}
	return d.act(r.Context(), c)
}

// readCISS reads the body of a request.
func readCISS(w http.ResponseWriter, r *http.Request) ([]byte, cissResult) {
	if t := r.Header.Get("Content-Type"); t != "" {
		if kind, _, err := mime.ParseMediaType(t); err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
			return nil, cissMediaType
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ciss.MaxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, cissTooLarge
	case err != nil:
		return nil, cissUnreadable
	}
	return body, ""
}

// admit finds the app. One that is switched off, or calls from a network that it
// may not call from, is answered as one that does not exist.
func (d *cissDoor) admit(ctx context.Context, c *cissCall, id string) cissResult {
	app, err := d.registry.LiveClient(ctx, id)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return cissUnknownApp
	case err != nil:
		if ctx.Err() == nil { // else the caller has gone
			d.log.Error("the app could not be read", "request", c.by.Request, "error", err)
		}
		return cissUnavailable
	case app.Door != registry.DoorCISS || app.Disabled || !app.AllowsFrom(c.address):
		return cissUnknownApp
	case !d.limiter.AllowClient(app.ID):
		return cissThrottled
	}
	c.app, c.by.Name = app, app.ActorName
	d.registry.Touch(app, d.now())
	return ""
}

// act performs the operation and seals its outcome.
func (d *cissDoor) act(ctx context.Context, c *cissCall) (ciss.Answer, cissResult) {
	settings := c.app.Channel.Settings()
	desc, err := cissActions[c.action].perform(d, ctx, c)
	code, result := ciss.StatusOK, cissOK
	var fault *ciss.Fault
	var denied *denial
	switch {
	case err == nil:
		if !settings.SuccessDesc {
			desc = ""
		}
	case errors.As(err, &fault):
		code, result, desc = settings.Status.Message, cissMessage, textMessage
		d.log.Debug("a message of the ciss door was refused", "request", c.by.Request, "app", c.app.ID, "why", fault.Reason)
	case errors.As(err, &denied):
		code, result, desc = settings.Status.Authentication, cissAuthentication, denied.text
		d.log.Debug("an authentication of the ciss door was refused", "request", c.by.Request, "app", c.app.ID, "why", denied.cause)
	default:
		code, result, desc = settings.Status.Internal, cissInternal, textInternal
		if ctx.Err() == nil {
			d.log.Error("the request failed", "request", c.by.Request, "action", c.action, "error", err)
		}
	}
	obj, err := c.app.Channel.SealResponse(ciss.Response{Desc: desc, Time: d.now()})
	if err != nil {
		d.log.Error("the answer could not be sealed", "request", c.by.Request, "error", err)
		return ciss.Answer{}, cissUnavailable
	}
	return ciss.Answer{StatusCode: code, ReturnObj: obj}, result
}
