package httpd

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/pki"
)

// serveCA answers the public calls of the authority (enos §1.6): certificates and
// revocation lists in PEM, or a list in DER for who accepts application/pkix-crl.
func (d *enosDoor) serveCA(w http.ResponseWriter, c *enosCall) {
	began := time.Now()
	c.name = "ca"
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET is needed", http.StatusMethodNotAllowed)
		return
	}
	what, which, named := strings.Cut(c.path, "/")
	kind := pki.RSA
	if named {
		a, ok := enos.ParseAuthority(which)
		if !ok {
			http.NotFound(w, c.r)
			return
		}
		kind, _ = pki.ParseKind(string(a))
	}
	pages := pkiPages{d.pki, d.log}
	switch {
	case what == "cacert":
		d.serveAuthority(w, c, kind, &pages)
	case what == "crl":
		a, err := d.pki.ActiveAuthority(c.r.Context(), kind)
		if err != nil {
			pages.fail(w, c.r, err)
			return
		}
		w.Header().Set("Vary", "Accept")
		pages.serveList(w, c.r, a.ID, listType(c.r))
	case what == "poseidon.pem" && !named && d.options.SealKey != nil:
		d.serveSealKey(w)
	default:
		http.NotFound(w, c.r)
		return
	}
	d.count(c, began, enos.CodeOK)
}

func (d *enosDoor) serveAuthority(w http.ResponseWriter, c *enosCall, kind pki.Kind, pages *pkiPages) {
	text, err := d.pki.AuthorityPEM(c.r.Context(), kind)
	if err != nil {
		pages.fail(w, c.r, err)
		return
	}
	w.Header().Set("Content-Type", typePEM)
	_, _ = w.Write(text)
}

// typePEM is what the public calls answer unless they are asked for DER.
const typePEM = "application/x-pem-file"

func listType(r *http.Request) string {
	if strings.Contains(r.Header.Get("Accept"), typeCRL) {
		return typeCRL
	}
	return typePEM
}

// serveSealKey shows the key that Poseidon must seal its tokens for.
func (d *enosDoor) serveSealKey(w http.ResponseWriter) {
	der, err := x509.MarshalPKIXPublicKey(&d.options.SealKey.PublicKey)
	if err != nil {
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", typePEM)
	_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
