package httpd

import (
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/requestid"
)

// EnOSOptions are the settings of the enos door.
type EnOSOptions struct {
	// Skew is how far a request's timestamp may be from the clock.
	Skew time.Duration
	// TokenKey signs access tokens; nodes that share a store share it.
	TokenKey [32]byte
	// TokenLifetime is how long an access token lives.
	TokenLifetime time.Duration
	// RefuseSHA1 refuses the signatures of legacy SDKs that know no other digest.
	RefuseSHA1 bool
	// SealKey opens the sealed tokens of Poseidon; nil refuses them.
	SealKey *rsa.PrivateKey
	// FailureRate bounds failed requests per address and second, 0 for no bound.
	FailureRate float64
	// ClientRate bounds requests per client and second, 0 for no bound.
	ClientRate float64
	// AnswerBytes bounds the answers remembered for requests that are repeated.
	AnswerBytes int
	// TrustedProxies are the networks of proxies whose X-Forwarded-For tells the
	// caller's address.
	TrustedProxies []netip.Prefix
}

// enosDoor serves the certificate service of EnOS and what certificates hang on.
type enosDoor struct {
	registry *registry.Registry
	pki      *pki.Service
	metrics  *Metrics
	log      *slog.Logger
	now      func() time.Time
	access   bool
	options  EnOSOptions
	tokens   *enosTokens
	answers  *answers
	limiter  *limit.Limiter
}

func newEnOSDoor(o Options) *enosDoor {
	return &enosDoor{registry: o.Registry, pki: o.PKI, metrics: o.Metrics, log: o.Log, now: o.Now, access: o.AccessLog, options: o.EnOS,
		tokens: newEnOSTokens(o.EnOS.TokenKey, o.EnOS.TokenLifetime), answers: newAnswers(o.EnOS.AnswerBytes),
		limiter: limit.New(o.EnOS.FailureRate, o.EnOS.ClientRate, o.Now)}
}

// enosCall is one request on its way through the door.
type enosCall struct {
	r     *http.Request
	id    string // a lower-case UUID
	name  string // for metrics and the log: "certificates.apply"
	path  string // from the service's name on
	query enos.Query
	body  []byte
	older bool      // it is one of the older calls, whose answers have another form
	named pathNames // of an older call

	client *registry.LiveClient
	scheme enos.Scheme
	sign   string // the signature, "" with a scheme that has none
	signed time.Time
}

func (c *enosCall) actor() audit.Actor { return audit.Actor{Name: c.client.ActorName, Request: c.id} }

// get returns a query parameter, "" when it is absent.
func (c *enosCall) get(name string) string {
	v, _ := c.query.Get(name)
	return v
}

// enosServe answers the calls of one service.
type enosServe func(*enosDoor, http.ResponseWriter, *enosCall)

// enosServices are the parts of a path that name a service of the door.
var enosServices = []struct {
	marker string
	serve  enosServe
}{
	{"/connect-service/", (*enosDoor).serveResource},
	{"/apim-token-service/", (*enosDoor).serveToken},
	{"/enosapi/", (*enosDoor).serveLegacy},
	{"/enos/CA/", (*enosDoor).serveCA},
}

// enosService finds the service of a path and what follows its name. What comes
// before it does not count: base URLs differ (enos §3.3).
func enosService(path string) (serve enosServe, rest string, ok bool) {
	if strings.HasPrefix(path, "/api/") { // the operator's, whatever it names
		return nil, "", false
	}
	for _, s := range enosServices {
		if _, rest, ok := strings.Cut(path, s.marker); ok {
			return s.serve, rest, true
		}
	}
	return nil, "", false
}

// serve answers one request, with status 200 for all that a client of a service
// can be told (enos §0.2).
func (d *enosDoor) serve(w http.ResponseWriter, r *http.Request, rest string, serve enosServe) {
	c := &enosCall{r: r, id: strings.ToLower(requestid.New()), path: rest}
	defer d.recover(w, c)
	serve(d, w, c)
}

func (d *enosDoor) recover(w http.ResponseWriter, c *enosCall) {
	if p := recover(); p != nil {
		d.log.Error("a request made the server panic", "request", c.id, "call", c.name, "panic", p, "stack", string(debug.Stack()))
		code, body := d.answer(c, nil, enos.ErrCertificateService)
		d.reply(w, c, time.Now(), code, body)
	}
}

// read reads query and body, which must be within bounds.
func (c *enosCall) read() *enos.Error {
	var err error
	if c.query, err = enos.ParseQuery(c.r.URL.RawQuery); err != nil {
		return enos.InvalidArgument("query", strings.TrimPrefix(err.Error(), "enos: "))
	}
	if c.r.Body == nil {
		return nil
	}
	c.body, err = io.ReadAll(io.LimitReader(c.r.Body, enos.MaxBody+1))
	if err != nil {
		return enos.InvalidArgument("body", "it broke off")
	}
	if len(c.body) > enos.MaxBody {
		return enos.InvalidArgument("body", "longer than 64 KiB")
	}
	return nil
}

// encode writes an answer.
func (d *enosDoor) encode(c *enosCall, reply any) []byte {
	out, err := enos.AppendJSON(nil, reply)
	if err != nil { // only what clients stored as tags and attributes can do that
		d.log.Error("an answer cannot be written", "request", c.id, "call", c.name, "error", err)
		out, _ = enos.AppendJSON(nil, enos.Reply{Code: enos.CodeInternal, Msg: enos.ErrHubService.Msg, RequestID: c.id})
	}
	return out
}

// reply sends an answer and counts it.
func (d *enosDoor) reply(w http.ResponseWriter, c *enosCall, began time.Time, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = w.Write(body) // the peer may have gone; there is nobody to tell
	d.count(c, began, code)
}

func (d *enosDoor) count(c *enosCall, began time.Time, code int) {
	d.metrics.enosAnswered(c.name, code, time.Since(began))
	if d.access {
		client := ""
		if c.client != nil {
			client = c.client.ID
		}
		d.log.Info("enos", "request", c.id, "call", c.name, "client", client, "code", strconv.Itoa(code), "address", c.r.RemoteAddr)
	}
}

// enosPage is the answer of a search.
type enosPage struct {
	data any
	page enos.Pagination
}

// answer writes the reply of an action.
func (d *enosDoor) answer(c *enosCall, data any, err error) (int, []byte) {
	if c.older {
		return d.legacyAnswer(c, data, err)
	}
	reply := enos.Reply{Msg: "OK", RequestID: c.id, Data: data}
	if page, ok := data.(enosPage); ok {
		reply.Data, reply.Pagination = page.data, &page.page
	}
	if err != nil {
		refusal := d.refusal(c, err)
		reply = enos.Reply{Code: refusal.Code, Msg: refusal.Msg, RequestID: c.id}
	}
	return reply.Code, d.encode(c, reply)
}

// refusal puts an error in the terms of the wire. What is not a refusal is
// logged, and the caller learns which part of the service failed.
func (d *enosDoor) refusal(c *enosCall, err error) *enos.Error {
	var refusal *enos.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	refusal = enos.ErrHubService
	var failed *enosFailure
	if errors.As(err, &failed) {
		refusal = failed.reply
	}
	if c.r.Context().Err() == nil { // else the caller has gone
		d.log.Error("the request failed", "request", c.id, "call", c.name, "error", err)
	}
	return refusal
}
