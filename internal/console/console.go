// Package console is the web console: a first page with a QR code and a password,
// and behind it what operators look at and do most. Pages are rendered here; a
// small script only listens for what becomes of a scan.
//
// Everything that a page changes goes through the registry and the accounts with
// the signed-in account as actor, under the same rules as the operator API.
package console

import (
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// Prefix is where the console lives.
const Prefix = "/console/"

//go:embed static templates
var files embed.FS

// Caller is who makes a request, as far as the network tells.
type Caller struct {
	Address netip.Addr
	// Secure says that the request came over TLS.
	Secure bool
}

// Options configures New.
type Options struct {
	Registry *registry.Registry
	Accounts *account.Service
	Scans    *scanlogin.Service
	// Org is the organisation whose apps may sign in; "" for the first one.
	Org string
	// QRPrefix stands before the authId in QR codes; it may be empty.
	QRPrefix string
	// Caller tells who makes a request.
	Caller func(*http.Request) Caller
	// RequestID returns the id under which a request is logged and audited.
	RequestID func(*http.Request) string
	Metrics   prometheus.Registerer
	Log       *slog.Logger
	Now       func() time.Time
}

// Bounds per address: failed passwords and new codes a second, ten times as many
// at once.
const (
	passwordFailures = 1
	newCodes         = 2
)

// New returns the handler of everything below Prefix.
func New(o Options) (http.Handler, error) {
	c := &console{Options: o, mux: http.NewServeMux(), failures: limit.New(passwordFailures, 0, o.Now), codes: limit.New(newCodes, 0, o.Now),
		plain: make(map[string]bool)}
	c.metrics = newMetrics(o.Metrics, o.Scans)
	if err := scanlogin.CheckPrefix(o.QRPrefix); err != nil {
		return nil, err
	}
	var err error
	if c.pages, err = parsePages(); err != nil {
		return nil, err
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	c.mux.Handle("GET "+Prefix+"static/", http.StripPrefix(Prefix+"static/", immutable(http.FileServerFS(static))))
	for _, rt := range routes {
		if rt.method == http.MethodGet && !strings.ContainsAny(rt.path, "{.") {
			c.plain[rt.path] = true
		}
		c.mux.HandleFunc(rt.pattern(), func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, rt) })
	}
	return c, nil
}

type console struct {
	Options
	mux      *http.ServeMux
	pages    pages
	failures *limit.Limiter // of passwords, per address
	codes    *limit.Limiter // new ones, per address
	metrics  *metrics
	plain    map[string]bool // the paths of pages that need no more than that
}

// route is a page or what a form on one does.
type route struct {
	method, path string
	// role is what an account needs; "" lets everybody in.
	role   account.Role
	handle func(*visit) error
}

func (rt route) pattern() string { return rt.method + " " + Prefix + rt.path }

var routes = []route{
	{"GET", "login", "", (*visit).loginPage},
	{"POST", "login", "", (*visit).passwordLogin},
	{"GET", "login/events", "", (*visit).events},
	{"GET", "login/status", "", (*visit).status},
	{"GET", "login/qr.png", "", (*visit).qrPicture},
	{"POST", "login/scan", "", (*visit).collect},
	{"POST", "preferences", "", (*visit).setPreference},
	{"POST", "logout", account.Viewer, (*visit).logout},

	{"GET", "{$}", account.Viewer, (*visit).overview},
	{"GET", "products", account.Viewer, (*visit).products},
	{"GET", "devices", account.Viewer, (*visit).devices},
	{"POST", "devices/suspend", account.Operator, (*visit).suspendDevice},
	{"POST", "devices/resume", account.Operator, (*visit).resumeDevice},
	{"GET", "sessions", account.Viewer, (*visit).sessions},
	{"POST", "sessions/end", account.Viewer, (*visit).endSession},
	{"GET", "me", account.Viewer, (*visit).me},
	{"POST", "me/password", account.Viewer, (*visit).changePassword},
	{"GET", "audit", account.Operator, (*visit).audit},
	{"GET", "accounts", account.Admin, (*visit).accounts},
	{"POST", "accounts", account.Admin, (*visit).createAccount},
	{"GET", "accounts/{name}", account.Admin, (*visit).account},
	{"POST", "accounts/{name}/role", account.Admin, (*visit).setRole},
	{"POST", "accounts/{name}/password", account.Admin, (*visit).setPassword},
	{"POST", "accounts/{name}/disable", account.Admin, (*visit).disable},
	{"POST", "accounts/{name}/enable", account.Admin, (*visit).enable},
	{"POST", "accounts/{name}/bind", account.Admin, (*visit).bind},
	{"POST", "accounts/{name}/unbind", account.Admin, (*visit).unbind},
	{"POST", "accounts/{name}/delete", account.Admin, (*visit).deleteAccount},
}

// policy is what a page may do: load what comes from here, and nothing written
// into a page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	c.mux.ServeHTTP(w, r)
}

// maxForm bounds the body of a form. The longest holds a certificate.
const maxForm = 32 << 10

// serve finds out who asks, checks that he may, and answers.
func (c *console) serve(w http.ResponseWriter, r *http.Request, rt route) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			c.Log.Error("a console page made the server panic", "request", c.RequestID(r), "panic", p, "stack", string(debug.Stack()))
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v, err := c.visit(w, r)
	if err == nil {
		err = v.admit(rt)
	}
	if err == nil {
		err = rt.handle(v)
	}
	if err != nil {
		v.fail(err)
	}
}

// Errors by which a visit ends.
var (
	errSignIn    = errors.New("nobody is signed in")
	errForbidden = errors.New("the account's role does not allow this")
	errForged    = errors.New("the form is not one of this browser's")
	errForm      = errors.New("the form cannot be read")
)

// admit checks that the visitor may do what he asks for, and that it is he who
// asks.
func (v *visit) admit(rt route) error {
	if rt.role != "" && v.Account.Name == "" {
		return errSignIn
	}
	if rt.method == http.MethodPost {
		if err := v.checkForm(); err != nil {
			return err
		}
	}
	if rt.role != "" && !v.Account.Role.Allows(rt.role) {
		return errForbidden
	}
	return nil
}

// by is the actor of what the visitor does.
func (v *visit) by() audit.Actor {
	return audit.Actor{Name: "account:" + v.Account.Name, Request: v.RequestID(v.r)}
}

// immutable lets browsers keep files whose address changes with their content.
func immutable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		h.ServeHTTP(w, r)
	})
}
