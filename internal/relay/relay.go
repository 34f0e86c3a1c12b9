// Package relay asks an upstream ID² service, the vendor's, for devices whose key
// is not held here. It lets an owner move a fleet to this server while the only
// copy of some keys is still the vendor's: back ends call this server for all
// devices, and what it does not know is asked for with the owner's own access key
// and answered as the upstream answers.
//
// What is held here never goes to the upstream: the door comes here only with
// ids that the registry does not have. A request is relayed once at most, so
// servers that name each other as upstream make no loop. Nothing is taken for a
// success that is not a well-formed one.
package relay

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// NoncePrefix begins the signature nonce of every relayed request. It is signed,
// so no proxy on the way takes it off, and a gateway takes any text for a nonce.
const NoncePrefix = "hallmark-relay-"

// Options configures New.
type Options struct {
	Registry *registry.Registry
	Metrics  prometheus.Registerer
	// Note records a refusal that concerns a device, within bounds.
	Note   func(device registry.ID, code id2.Code, e audit.Event)
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
	// AccessLog writes a line for every relayed request.
	AccessLog bool
}

// Service relays. It is safe for concurrent use.
type Service struct {
	registry *registry.Registry
	note     func(registry.ID, id2.Code, audit.Event)
	now      func() time.Time
	random   io.Reader
	log      *slog.Logger
	access   bool
	metrics  *metrics
	seen     *seen

	mu        sync.Mutex
	upstreams map[registry.ID]*upstream // guarded by mu
}

// New returns a service. Run must be called for what it counts to be written.
func New(o Options) *Service {
	s := &Service{registry: o.Registry, note: o.Note, now: o.Now, random: o.Random, log: o.Log, access: o.AccessLog,
		seen: newSeen(o.Registry, o.Log), upstreams: make(map[registry.ID]*upstream)}
	s.metrics = newMetrics(o.Metrics, s.openBreakers)
	return s
}

// Request is a request of the id2 door for a device that is not known here.
type Request struct {
	Org    registry.ID
	Action string
	// Nonce is the request's own: it tells whether it was relayed already.
	Nonce string
	// Get returns a parameter and whether it is present.
	Get func(name string) (string, bool)
	By  audit.Actor
}

// parameters are those that the API document names (openapi-rpc §4.3). No other
// goes to the upstream.
var parameters = []string{"ApiVersion", "ProductSource", "Id2", "ProductKey", "AuthCode", "Extra", "Data",
	"DeviceAuthCode", "DeviceExtra", "DeviceChallenge", "ServerExtra"}

func (r *Request) param(name string) string {
	v, _ := r.Get(name)
	return v
}

func (r *Request) params() []openapi.Param {
	var all []openapi.Param
	for _, name := range parameters {
		if v, present := r.Get(name); present {
			all = append(all, openapi.Param{Name: name, Value: v})
		}
	}
	return all
}

// Forward asks the upstream and returns its answer: code, data and message as
// they came. An upstream that gives none makes the answer 54 (busy), one that
// refuses this server's access key 700; neither says why, which is for operators
// to know. relayed is false when the request is not one to be relayed.
func (s *Service) Forward(ctx context.Context, req *Request) (reply openapi.Reply, relayed bool) {
	if !actions[req.Action] || !id2.ValidID(req.param("Id2")) {
		return reply, false
	}
	live, err := s.registry.Relay(ctx, req.Org)
	if err != nil {
		s.log.Error("what is to be relayed could not be read", "request", req.By.Request, "error", err)
		return refusal(id2.CodeBusy, ""), true
	}
	if !wanted(live, req) {
		return reply, false
	}
	if strings.HasPrefix(req.Nonce, NoncePrefix) {
		s.metrics.count(req.Action, resultLoop)
		s.log.Warn("a request that was relayed to this server is not relayed again: does the upstream name this server, or one that relays here?", "request", req.By.Request)
		return reply, false
	}
	return s.ask(ctx, s.upstream(req.Org, live.Upstream), req), true
}

// wanted tells whether the request's product is relayed. A request for a
// challenge names no product: one that is relayed will do.
func wanted(live *registry.Relay, req *Request) bool {
	if live.Upstream == nil || len(live.Products) == 0 {
		return false
	}
	return req.Action == getServerRandom || live.Products[req.param("ProductKey")]
}

// ask asks one upstream.
func (s *Service) ask(ctx context.Context, u *upstream, req *Request) openapi.Reply {
	began := time.Now()
	res, result, err := u.call(ctx, req.Action, req.params())
	var reply openapi.Reply
	if err == nil {
		if reply, err = readAnswer(req.Action, res); err != nil {
			result = resultMalformed
		} else if reply.Code != openapi.CodeOK {
			result = resultRefused
		}
	}
	u.finish(result)
	s.metrics.asked(req.Action, result, time.Since(began))
	if err != nil {
		s.alarm(u, req, result, err)
		return result.reply()
	}
	if s.access {
		s.log.Info("relayed", "request", req.By.Request, "action", req.Action, "code", reply.Code, "upstream_request", clip(res.RequestID))
	}
	s.record(req, id2.Code(reply.Code), clip(res.RequestID))
	return reply
}

// record notes what became of a device at the upstream.
func (s *Service) record(req *Request, code id2.Code, upstreamRequest string) {
	id := strings.Clone(req.param("Id2"))
	detail := map[string]any{"id2": id, "code": int(code), "upstream_request": upstreamRequest}
	at := registry.At(s.now())
	event := func(action string) audit.Event {
		e := req.By.Did(action, "device", id, detail)
		e.At = int64(at)
		return e.In(int64(req.Org))
	}
	switch {
	case code == id2.CodeOK:
		r := registry.Relayed{Org: req.Org, ID2: id, First: at, Last: at, Event: event("device.relayed")}
		if req.Action != getServerRandom {
			r.Product, r.Count = strings.Clone(req.param("ProductKey")), 1
		}
		s.seen.add(r)
	case authn.Noteworthy(code):
		s.note(noteID(req.Org, id), code, event("device.relay_refused"))
	}
}

// noteID stands for the asset id that a device of the upstream's does not have.
func noteID(org registry.ID, id string) registry.ID {
	h := fnv.New64a()
	_, _ = io.WriteString(h, org.String()+id) // does not fail
	return registry.ID(h.Sum64() >> 1)
}

// alarmEvery bounds the log lines of one upstream that fails.
const alarmEvery = time.Minute

// alarm tells operators of an upstream that does not do its part.
func (s *Service) alarm(u *upstream, req *Request, result result, err error) {
	detail := describe(err)
	if !u.failed(result, detail, s.now()) {
		return
	}
	s.log.Error("the upstream ID² service could not be asked; back ends are answered "+result.code().Message(), "request", req.By.Request,
		"org", req.Org.String(), "upstream", u.config.String(), "result", string(result), "error", detail)
}

// describe says why without what was asked: a gateway's message may repeat the
// request, an unreadable answer anything.
func describe(err error) string {
	var gateway *openapi.Error
	if errors.As(err, &gateway) {
		return clip(gateway.Code)
	}
	return clip(err.Error())
}

// clip bounds text from elsewhere.
func clip(s string) string {
	const longest = 200
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Run writes what was counted until ctx ends, and once more after that.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		if n%countEvery == 0 {
			s.countDevices(ctx)
		}
		select {
		case <-ticker.C:
			s.seen.flushLogged(ctx)
		case <-ctx.Done():
			s.seen.flushLogged(context.WithoutCancel(ctx))
			return
		}
	}
}

// Flush writes what was counted so far.
func (s *Service) Flush(ctx context.Context) error {
	err := s.seen.flush(ctx)
	s.countDevices(ctx)
	return err
}

// countDevices brings the metric up to date.
func (s *Service) countDevices(ctx context.Context) {
	c, err := s.registry.CountRelayed(ctx, 0)
	if err == nil {
		s.metrics.devices.Set(float64(c.Month))
	} else if ctx.Err() == nil {
		s.log.Error("the relayed devices could not be counted", "error", err)
	}
}
