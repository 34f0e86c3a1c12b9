package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/relay"
	"github.com/hallmark-id/hallmark/internal/requestid"
	"github.com/hallmark-id/hallmark/openapi"
)

// ID2Options are the settings of the id2 door.
type ID2Options struct {
	// Skew is how far a request's timestamp may be from the clock.
	Skew time.Duration
	// Stringly answers JSON with every value as text, as the samples of the
	// vendor's document print it.
	Stringly bool
	// FailureRate bounds failed requests per address and second, 0 for no bound.
	FailureRate float64
	// ClientRate bounds requests per client and second, 0 for no bound.
	ClientRate float64
	// Nonces bounds the nonces remembered.
	Nonces int
	// TrustedProxies are the networks of proxies whose X-Forwarded-For tells the
	// caller's address.
	TrustedProxies []netip.Prefix
}

// id2Version is the API date of the ID² product (openapi-rpc §4.1).
const id2Version = "2017-07-07"

// id2Door serves the RPC gateway of the ID² product (openapi-rpc §0).
type id2Door struct {
	registry *registry.Registry
	authn    *authn.Service
	otp      *provision.Service
	relay    *relay.Service // nil relays nothing
	metrics  *Metrics
	log      *slog.Logger
	now      func() time.Time
	access   bool
	options  ID2Options
	nonces   *nonces
	limiter  *limit.Limiter
	actions  map[string]*countedAction
	calls    sync.Pool // of *id2Call
}

// countedAction is an operation and what counts it.
type countedAction struct {
	do      id2Action
	metrics *actionMetrics
}

// id2Call is the state of one request; its buffers are used again.
type id2Call struct {
	openapi.Request
	id     string
	now    time.Time // when it had come in
	client *registry.LiveClient
	body   []byte
	out    []byte
}

func newID2Door(o Options) *id2Door {
	d := &id2Door{registry: o.Registry, authn: o.Authn, otp: o.Provision, relay: o.Relay, log: o.Log, now: o.Now, access: o.AccessLog,
		options: o.ID2, nonces: newNonces(o.ID2.Nonces, o.ID2.Skew), limiter: limit.New(o.ID2.FailureRate, o.ID2.ClientRate, o.Now)}
	d.count(o.Metrics)
	d.calls.New = func() any { return new(id2Call) }
	return d
}

// count makes the operations count in m.
func (d *id2Door) count(m *Metrics) {
	d.metrics, d.actions = m, make(map[string]*countedAction)
	for name, do := range id2Actions {
		d.actions[name] = &countedAction{do, m.service[name]}
	}
}

// ServeHTTP answers one gateway request.
func (d *id2Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := d.calls.Get().(*id2Call)
	defer d.release(c)
	c.id = requestid.New()
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("a request made the server panic", "request", c.id, "action", c.Action, "panic", p, "stack", string(debug.Stack()))
			d.refuse(w, r, c, openapi.ErrInternal)
		}
	}()
	if refusal := d.serve(w, r, c); refusal != nil {
		d.refuse(w, r, c, refusal)
	}
}

// maxKept bounds the buffers that wait for the next request.
const maxKept = 16 << 10

func (d *id2Door) release(c *id2Call) {
	c.Reset()
	c.client = nil
	if cap(c.body) > maxKept {
		c.body = nil
	}
	if cap(c.out) > maxKept {
		c.out = nil
	}
	d.calls.Put(c)
}

// serve answers the request, or returns why the gateway refuses it.
func (d *id2Door) serve(w http.ResponseWriter, r *http.Request, c *id2Call) *openapi.Error {
	addr := Remote(r, d.options.TrustedProxies)
	if d.limiter.Blocked(addr) {
		c.Format = openapi.GuessFormat(r, nil)
		return openapi.ErrThrottled
	}
	if refusal := c.read(r); refusal != nil {
		return refusal
	}
	c.now = d.now()
	action, refusal := d.admit(r.Context(), c, addr)
	if refusal != nil {
		return refusal
	}
	reply, err := action.do(d, r.Context(), c)
	if err != nil {
		reply = d.failure(r.Context(), c, err)
	}
	reply.RequestID, reply.Action = c.id, c.Action
	c.out = openapi.AppendReply(c.out[:0], c.Format, d.options.Stringly, &reply)
	send(w, c, http.StatusOK)
	action.metrics.answered(id2.Code(reply.Code), d.now().Sub(c.now))
	if d.access {
		d.log.Info("id2", "request", c.id, "action", c.Action, "client", c.client.ID, "code", reply.Code, "address", r.RemoteAddr)
	}
	return nil
}

// read reads the body and decodes the request.
func (c *id2Call) read(r *http.Request) *openapi.Error {
	c.body = c.body[:0]
	if r.ContentLength > openapi.MaxBody {
		c.Format = openapi.GuessFormat(r, nil)
		return openapi.ErrTooLarge
	}
	if r.Body != nil && r.Body != http.NoBody {
		if err := c.readBody(r.Body); err != nil {
			c.Format = openapi.GuessFormat(r, c.body)
			return err
		}
	}
	return c.Decode(r, c.body)
}

func (c *id2Call) readBody(body io.Reader) *openapi.Error {
	for {
		if len(c.body) == cap(c.body) {
			c.body = append(c.body, 0)[:len(c.body)]
		}
		n, err := body.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		switch {
		case len(c.body) > openapi.MaxBody:
			c.body = c.body[:openapi.MaxBody]
			return openapi.ErrTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return openapi.ErrEncoding
		}
	}
}

// admit makes the gateway's checks in the order of openapi-rpc §8: version and
// action, access key, time, signature, nonce; then what the client may do.
func (d *id2Door) admit(ctx context.Context, c *id2Call, addr netip.Addr) (*countedAction, *openapi.Error) {
	if refusal := c.CheckSystem(); refusal != nil {
		return nil, refusal
	}
	if c.Version != id2Version {
		return nil, openapi.ErrVersion
	}
	action, ok := d.actions[c.Action]
	if !ok {
		return nil, openapi.ErrActionNotFound
	}
	if refusal := d.authenticate(ctx, c); refusal != nil {
		if refusal != openapi.ErrUnavailable { // that is no fault of the caller's
			d.limiter.Failed(addr)
		}
		return nil, refusal
	}
	if !c.client.AllowsFrom(addr) || !c.client.Allows(c.Action) {
		return nil, openapi.ErrForbidden
	}
	if !d.limiter.AllowClient(c.client.ID) {
		return nil, openapi.ErrThrottled
	}
	d.registry.Touch(c.client, c.now)
	return action, nil
}

func (d *id2Door) authenticate(ctx context.Context, c *id2Call) *openapi.Error {
	client, err := d.registry.LiveClient(ctx, c.AccessKeyID)
	switch {
	case errors.Is(err, registry.ErrNotFound) || err == nil && client.Door != registry.DoorID2:
		return openapi.ErrAccessKeyNotFound
	case err != nil:
		if ctx.Err() == nil { // else the caller has gone
			d.log.Error("the access key could not be read", "request", c.id, "error", err)
		}
		return openapi.ErrUnavailable
	case client.Disabled:
		return openapi.ErrAccessKeyInactive
	}
	if refusal := c.CheckTime(c.now, d.options.Skew); refusal != nil {
		return refusal
	}
	if refusal := c.Verify(client.Credential); refusal != nil {
		return refusal
	}
	if !d.nonces.first(client.ID, c.Nonce, c.now) {
		return openapi.ErrNonceUsed
	}
	c.client = client
	return nil
}

// failure turns a refused or failed action into its reply.
func (d *id2Door) failure(ctx context.Context, c *id2Call, err error) openapi.Reply {
	var refusal *authn.Refusal
	switch {
	case errors.As(err, &refusal):
		if refusal.Code == id2.CodeIDNotFound {
			if reply, relayed := d.relayed(ctx, c); relayed {
				return reply
			}
		}
		return openapi.Reply{Code: int(refusal.Code), Message: refusal.Code.Message() + ": " + refusal.Reason}
	case ctx.Err() != nil: // the caller has gone
		return openapi.Reply{Code: int(id2.CodeBusy), Message: id2.CodeBusy.Message()}
	}
	d.log.Error("the request failed", "request", c.id, "action", c.Action, "error", err)
	return openapi.Reply{Code: int(id2.CodeSystem), Message: id2.CodeSystem.Message()}
}

// relayed asks the upstream of the caller's organisation for a device that is not
// known here.
func (d *id2Door) relayed(ctx context.Context, c *id2Call) (openapi.Reply, bool) {
	if d.relay == nil {
		return openapi.Reply{}, false
	}
	return d.relay.Forward(ctx, &relay.Request{Org: c.client.Org, Action: c.Action, Nonce: c.Nonce, Get: c.Get, By: c.actor()})
}

// refuse answers a gateway error.
func (d *id2Door) refuse(w http.ResponseWriter, r *http.Request, c *id2Call, e *openapi.Error) {
	c.out = openapi.AppendError(c.out[:0], c.Format, c.id, r.Host, e)
	send(w, c, e.Status)
	d.metrics.refused(e.Code)
	if d.access {
		d.log.Info("id2 refused", "request", c.id, "code", e.Code, "address", r.RemoteAddr)
	}
}

// Content types are kept ready, since setting one would allocate.
var (
	jsonType = []string{openapi.FormatJSON.ContentType()}
	xmlType  = []string{openapi.FormatXML.ContentType()}
)

func send(w http.ResponseWriter, c *id2Call, status int) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if c.Format == openapi.FormatXML {
		h["Content-Type"] = xmlType
	}
	h["X-Acs-Request-Id"] = []string{c.id}
	w.WriteHeader(status)
	_, _ = w.Write(c.out) // the peer may have gone; there is nobody to tell
}

func (c *id2Call) actor() audit.Actor { return audit.Actor{Name: c.client.ActorName, Request: c.id} }
