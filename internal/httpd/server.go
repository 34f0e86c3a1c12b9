// Package httpd is where requests come in: the listener's limits, routing,
// request ids, metrics and health, and one file for each door that turns wire
// into calls and results into wire.
package httpd

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/relay"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// Options configures New.
type Options struct {
	Registry *registry.Registry
	Authn    *authn.Service
	// Provision answers OtpGetId2.
	Provision *provision.Service
	// Relay asks upstreams for devices that are not known here; nil asks none.
	Relay *relay.Service
	// PKI serves what verifiers need of the certificate authorities; nil serves nothing.
	PKI *pki.Service
	// Scans are the sessions of the ciss door.
	Scans   *scanlogin.Service
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time
	// Operator answers /api/; nil leaves it to the admin listener.
	Operator http.Handler
	// Console answers /console/; nil leaves it to the admin listener.
	Console http.Handler
	// MetricsHandler answers /metrics; nil leaves it to the admin listener.
	MetricsHandler http.Handler
	// Ready reports why the server cannot serve now, or nil.
	Ready func(context.Context) error
	// AccessLog writes a line for every request of a door.
	AccessLog bool
	ID2       ID2Options
	EnOS      EnOSOptions
}

// Handler routes requests. It is made by New.
type Handler struct {
	id2   *id2Door
	enos  *enosDoor
	other http.Handler
}

// New returns the handler of the public listener.
func New(o Options) *Handler {
	mux := newOther(o)
	newCISSDoor(o).register(mux)
	return &Handler{id2: newID2Door(o), enos: newEnOSDoor(o), other: withRequestID(mux)}
}

// NewAdmin returns the handler of a separate admin listener.
func NewAdmin(o Options) http.Handler { return withRequestID(newOther(o)) }

// newOther routes what is not a door.
func newOther(o Options) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", readyz(o.Ready))
	if o.PKI != nil {
		mux.Handle("GET /pki/{file}", &pkiPages{o.PKI, o.Log})
	}
	if o.Operator != nil {
		mux.Handle("/api/", o.Operator)
	}
	if o.Console != nil {
		mux.Handle("/console/", o.Console)
	}
	if o.MetricsHandler != nil {
		mux.Handle("GET /metrics", o.MetricsHandler)
	}
	return mux
}

// ServeHTTP sends the doors' paths past the router: the id2 door's one is the hot
// one, and before those of the enos door clients put what they like, such as one
// slash too many.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		h.id2.ServeHTTP(w, r)
		return
	}
	if serve, rest, ok := enosService(r.URL.Path); ok {
		h.enos.serve(w, r, rest, serve)
		return
	}
	h.other.ServeHTTP(w, r)
}

// Limits of a listener. Headers hold the request line, and so a GET's parameters.
const (
	maxHeaderBytes    = 80 << 10
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
)

// NewServer returns an http.Server with limits against slow and large requests.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// IsLoopback reports whether a listen address can be reached from this machine
// only. A name other than localhost, or no host at all, counts as reachable.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
