// Package operator is the HTTP API by which operators run a Hallmark server:
// organisations, products, devices, API clients, certificates, licences and the
// audit record. It turns JSON into calls of the registry and results into JSON; the
// rules are the registry's.
//
// The API is described by an OpenAPI 3 document, kept by hand in openapi.json
// and served at [DocumentPath]; tests hold both against each other. [Client]
// speaks the API for the command line.
package operator

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/relay"
)

// Prefix is where the API lives; every route begins with it.
const Prefix = "/api/v1"

// DocumentPath is where the OpenAPI document is served, without a token.
const DocumentPath = "/api/openapi.json"

// Options configures New.
type Options struct {
	Registry *registry.Registry
	PKI      *pki.Service
	Accounts *account.Service
	Relay    *relay.Service
	Authn    *authn.Service
	// TokenHash is the SHA-256 of the operator token, which itself is not kept.
	TokenHash [sha256.Size]byte
	Log       *slog.Logger
	// RequestID returns the id under which a request is logged and audited.
	RequestID func(*http.Request) string
}

// New returns the handler of everything below Prefix, and of DocumentPath. It
// wants paths as the client sent them, with nothing stripped.
func New(o Options) http.Handler {
	a := &api{Options: o, mux: http.NewServeMux()}
	for _, rt := range routes {
		a.mux.Handle(rt.method+" "+Prefix+rt.path, a.handler(rt))
	}
	a.mux.HandleFunc("GET "+DocumentPath, serveDocument)
	return a
}

type api struct {
	Options
	mux *http.ServeMux
}

// route is one operation. Its handler returns what to answer with status; a
// route whose status is 0 writes its answer itself.
type route struct {
	method, path string
	status       int
	// query names the parameters that the operation reads; any other is refused,
	// because a misspelt filter would quietly choose everything.
	query  []string
	handle func(*call) (any, error)
}

// orgOnly are the query parameters of operations that have no others.
var orgOnly = []string{"org"}

var routes = []route{
	{"GET", "/orgs", http.StatusOK, nil, listOrgs},
	{"POST", "/orgs", http.StatusCreated, nil, createOrg},

	{"GET", "/products", http.StatusOK, orgOnly, listProducts},
	{"POST", "/products", http.StatusCreated, orgOnly, createProduct},
	{"GET", "/products/{product_key}", http.StatusOK, orgOnly, getProduct},
	{"PATCH", "/products/{product_key}", http.StatusOK, orgOnly, updateProduct},
	{"POST", "/products/{product_key}/devices:import", http.StatusOK, orgOnly, importDevices},

	{"GET", "/devices", http.StatusOK, []string{"org", "product", "state", "prefix", "after", "limit"}, listDevices},
	{"GET", "/devices:export", 0, []string{"org", "product", "state", "prefix", "format"}, exportDevices},
	{"POST", "/devices:explain", http.StatusOK, orgOnly, explainCode},
	{"GET", "/devices/{device}", http.StatusOK, orgOnly, getDevice},
	{"DELETE", "/devices/{device}", http.StatusOK, orgOnly, deleteDevice},
	{"POST", "/devices/{device}/suspend", http.StatusOK, orgOnly, suspendDevice},
	{"POST", "/devices/{device}/resume", http.StatusOK, orgOnly, resumeDevice},
	{"POST", "/devices/{device}/discard", http.StatusOK, orgOnly, discardDevice},
	{"POST", "/devices/{device}/rekey", http.StatusOK, orgOnly, rekeyDevice},
	{"POST", "/devices/{device}/allow-reprovision", http.StatusOK, orgOnly, allowReprovision},

	{"GET", "/clients", http.StatusOK, orgOnly, listClients},
	{"POST", "/clients", http.StatusCreated, orgOnly, createClient},
	{"POST", "/clients/{client_id}/enable", http.StatusOK, orgOnly, enableClient},
	{"POST", "/clients/{client_id}/disable", http.StatusOK, orgOnly, disableClient},
	{"DELETE", "/clients/{client_id}", http.StatusOK, orgOnly, deleteClient},
	{"GET", "/clients/{client_id}/settings", http.StatusOK, orgOnly, getAppSettings},
	{"PATCH", "/clients/{client_id}/settings", http.StatusOK, orgOnly, setAppSettings},

	{"GET", "/ciss/roots", http.StatusOK, orgOnly, listRoots},
	{"POST", "/ciss/roots", http.StatusCreated, orgOnly, addRoot},
	{"DELETE", "/ciss/roots/{fingerprint}", http.StatusOK, orgOnly, removeRoot},
	{"POST", "/ciss/crls", http.StatusOK, orgOnly, setRootCRL},

	{"GET", "/authorities", http.StatusOK, nil, listAuthorities},
	{"POST", "/authorities", http.StatusCreated, nil, createAuthority},
	{"POST", "/authorities:import", http.StatusCreated, nil, importAuthority},
	{"GET", "/authorities/{authority_id}", http.StatusOK, nil, getAuthority},
	{"GET", "/authorities/{authority_id}/crl", http.StatusOK, nil, getCRL},
	{"POST", "/authorities/{authority_id}/install", http.StatusOK, nil, installAuthority},
	{"POST", "/authorities/{authority_id}/retire", http.StatusOK, nil, retireAuthority},
	{"POST", "/authorities/{authority_id}/activate", http.StatusOK, nil, activateAuthority},

	{"GET", "/certificates", http.StatusOK, certificateQuery, listCertificates},
	{"POST", "/certificates", http.StatusCreated, orgOnly, issueCertificate},
	{"POST", "/certificates:revoke", http.StatusOK, orgOnly, revokeCertificates},
	{"GET", "/certificates/{serial}", http.StatusOK, orgOnly, getCertificate},
	{"POST", "/certificates/{serial}/renew", http.StatusCreated, orgOnly, renewCertificate},
	{"POST", "/certificates/{serial}/revoke", http.StatusOK, orgOnly, revokeCertificate},
	{"POST", "/certificates/{serial}/hold", http.StatusOK, orgOnly, holdCertificate},
	{"POST", "/certificates/{serial}/unhold", http.StatusOK, orgOnly, unholdCertificate},

	{"GET", "/licences", http.StatusOK, []string{"org", "product", "device", "ends_before", "limit"}, listLicences},
	{"GET", "/licences/summary", http.StatusOK, orgOnly, summariseLicences},

	{"GET", "/accounts", http.StatusOK, nil, listAccounts},
	{"POST", "/accounts", http.StatusCreated, nil, createAccount},
	{"GET", "/accounts/{account}", http.StatusOK, nil, getAccount},
	{"DELETE", "/accounts/{account}", http.StatusOK, nil, deleteAccount},
	{"POST", "/accounts/{account}/password", http.StatusOK, nil, setAccountPassword},
	{"POST", "/accounts/{account}/role", http.StatusOK, nil, setAccountRole},
	{"POST", "/accounts/{account}/disable", http.StatusOK, nil, disableAccount},
	{"POST", "/accounts/{account}/enable", http.StatusOK, nil, enableAccount},
	{"POST", "/accounts/{account}/bindings", http.StatusCreated, nil, bindAccount},
	{"DELETE", "/accounts/{account}/bindings/{binding_id}", http.StatusOK, nil, unbindAccount},

	{"GET", "/relay", http.StatusOK, orgOnly, getRelay},
	{"POST", "/relay", http.StatusOK, orgOnly, setRelay},
	{"DELETE", "/relay", http.StatusOK, orgOnly, removeRelay},
	{"GET", "/relay/devices", http.StatusOK, []string{"org", "product", "held", "after", "limit"}, listRelayed},

	{"GET", "/nodes", http.StatusOK, nil, listNodes},
	{"POST", "/nodes/{node_id}/drain", http.StatusOK, nil, drainNode},
	{"POST", "/nodes/{node_id}/resume", http.StatusOK, nil, resumeNode},

	{"GET", "/audit", http.StatusOK, []string{"org", "subject", "action", "before", "limit"}, listAudit},
	{"GET", "/audit/verify", http.StatusOK, nil, verifyAudit},
}

// ServeHTTP authenticates before it looks at the path, so that only operators
// learn what exists.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // answers hold secrets
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path != DocumentPath && !HasToken(r, a.TokenHash) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="hallmark operator"`)
		a.fail(w, r, errUnauthorised)
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.noRoute(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// noRoute tells a wrong method from a wrong path.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := a.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		a.fail(w, r, errNoRoute)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.fail(w, r, errMethod)
}

// call is one authenticated request on its way through a handler.
type call struct {
	*api
	w     http.ResponseWriter
	r     *http.Request
	query query
	by    audit.Actor
}

func (a *api) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r, by: audit.Actor{Name: "operator", Request: a.RequestID(r)}}
		view, err := c.run(rt)
		switch {
		case err != nil:
			a.fail(w, r, err)
		case rt.status != 0:
			a.answer(w, r, rt.status, view)
		}
	})
}

func (c *call) run(rt route) (any, error) {
	var err error
	if c.query, err = parseQuery(c.r, rt.query); err != nil {
		return nil, err
	}
	return rt.handle(c)
}

// org returns the organisation that the request names, or the first one.
func (c *call) org() (registry.ID, error) {
	o, err := c.Registry.Org(c.r.Context(), c.query.get("org"))
	return o.ID, err
}
