package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// maxCalls bounds the calls of one upstream under way at once.
const maxCalls = 64

// maxHeader bounds the header of an upstream's answer, in bytes. openapi bounds
// the body.
const maxHeader = 64 << 10

// upstream is an organisation's ID² service, and how it has been doing.
type upstream struct {
	config    registry.Upstream
	client    *openapi.Client
	err       error // why there is no client
	transport *http.Transport
	slots     chan struct{}
	breaker   *breaker

	mu      sync.Mutex
	last    Failure   // guarded by mu
	alarmed time.Time // when last told; guarded by mu
}

// Failure is why an upstream last gave no answer.
type Failure struct {
	Result string // as the metric names it
	Detail string
	At     registry.Instant // 0 for never
}

// upstream returns the organisation's upstream as it is set now.
func (s *Service) upstream(org registry.ID, config *registry.Upstream) *upstream {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.upstreams[org]
	if u != nil && u.config == *config {
		return u
	}
	if u != nil {
		u.transport.CloseIdleConnections()
	}
	u = s.newUpstream(config)
	s.upstreams[org] = u
	return u
}

func (s *Service) newUpstream(config *registry.Upstream) *upstream {
	u := &upstream{config: *config, slots: make(chan struct{}, maxCalls), breaker: &breaker{now: s.now}, transport: newTransport(config)}
	// V1 in a form body is what every version of the gateway reads, and keeps auth
	// codes out of the logs of proxies.
	u.client, u.err = openapi.NewClient(openapi.ClientOptions{Endpoint: config.Endpoint, Placement: openapi.InForm,
		Credential: openapi.NewCredential(config.AccessKeyID, config.Secret), NoncePrefix: NoncePrefix, Now: s.now, Random: s.random,
		HTTP: &http.Client{Transport: u.transport,
			// The signature is for the host that the operator named, and so is the trust.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}})
	return u
}

// newTransport goes to the upstream itself: a proxy that the environment names is
// nothing the operator has set.
func newTransport(config *registry.Upstream) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: config.Timeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    config.Timeout,
		MaxIdleConnsPerHost:    maxCalls,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	if config.CA != "" {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(config.CA))
	}
	return t
}

// errOpen is why nothing is asked while the breaker is open.
var errOpen = errors.New("too many calls in a row failed: nothing is asked for a while")

// errFull is why a call was not made that had waited too long for its turn.
var errFull = errors.New("too many calls are under way")

// call asks the upstream. The result is resultOK for any answer of the service,
// else says what went wrong with err; finish must be told how it ended.
func (u *upstream) call(ctx context.Context, action string, params []openapi.Param) (*openapi.Result, result, error) {
	if u.err != nil {
		return nil, resultRejected, u.err
	}
	if u.breaker.isOpen() {
		return nil, resultOpen, errOpen
	}
	// A caller who goes away leaves a call that is bounded anyway, and whose
	// outcome says how the upstream is doing.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.config.Timeout)
	defer cancel()
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-ctx.Done():
		return nil, resultFull, errFull
	case <-bounded.Done():
		return nil, resultFull, errFull
	}
	if !u.breaker.allow() {
		return nil, resultOpen, errOpen
	}
	res, err := u.client.Call(bounded, action, params)
	came := classify(err)
	if came == resultMalformed && bounded.Err() != nil {
		came = resultTimeout // over TLS a server sees that we hang up, and may still end its answer as if it were whole
	}
	return res, came, err
}

// classify names what a call came to.
func classify(err error) result {
	var gateway *openapi.Error
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return resultOK
	case errors.As(err, &gateway):
		return classifyGateway(gateway)
	case errors.Is(err, openapi.ErrAnswer):
		return resultMalformed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return resultTimeout
	}
	return resultUnreachable
}

func classifyGateway(e *openapi.Error) result {
	switch {
	case e.Status == http.StatusTooManyRequests || strings.HasPrefix(e.Code, "Throttling"):
		return resultThrottled
	case e.Status >= http.StatusInternalServerError:
		return resultFailed
	}
	return resultRejected
}

// finish tells the breaker how a call ended that was made.
func (u *upstream) finish(r result) {
	switch r {
	case resultOpen, resultFull:
	case resultFailed, resultTimeout, resultUnreachable, resultMalformed:
		u.breaker.failed()
	default: // it answers, whatever it says
		u.breaker.succeeded()
	}
}

// failed keeps a failure and reports whether it is time to tell of it.
func (u *upstream) failed(r result, detail string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r != resultOpen { // that is no news, and would hide why
		u.last = Failure{Result: string(r), Detail: detail, At: registry.At(now)}
	}
	if !u.alarmed.IsZero() && now.Sub(u.alarmed) < alarmEvery {
		return false
	}
	u.alarmed = now
	return true
}

// Health is how an organisation's upstream is doing, as this node sees it.
type Health struct {
	Breaker string // closed, open or half-open
	Last    Failure
}

// Health returns how an organisation's upstream is doing.
func (s *Service) Health(org registry.ID) Health {
	s.mu.Lock()
	u := s.upstreams[org]
	s.mu.Unlock()
	if u == nil {
		return Health{Breaker: stateClosed}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return Health{Breaker: u.breaker.state(), Last: u.last}
}

func (s *Service) openBreakers() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, u := range s.upstreams {
		if u.breaker.state() != stateClosed {
			n++
		}
	}
	return float64(n)
}
