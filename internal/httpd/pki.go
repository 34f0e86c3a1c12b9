package httpd

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// pkiPages serves what verifiers of device certificates need of the
// authorities, to everybody: /pki/NAME.crl, the revocation list in DER;
// /pki/NAME.crt, the certificate in DER; /pki/NAME.pem, the certificate and
// those above it. NAME is an authority's id, as in the certificates that it
// issued, or rsa, ecc or sm2 for the one that issues now.
type pkiPages struct {
	pki *pki.Service
	log *slog.Logger
}

// Media types of RFC 5280 §4.2.1.13, RFC 5280 §4.2.2.1 and RFC 8555 §9.1.
const (
	typeCRL         = "application/pkix-crl"
	typeCertificate = "application/pkix-cert"
	typeChain       = "application/pem-certificate-chain"
)

func (p *pkiPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, kind, _ := strings.Cut(r.PathValue("file"), ".")
	a, err := p.authority(r.Context(), name)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	switch kind {
	case "crl":
		p.serveList(w, r, a.ID, typeCRL)
	case "crt":
		if len(a.Chain) == 0 {
			p.fail(w, r, pki.ErrNotFound)
			return
		}
		serveBytes(w, typeCertificate, a.Chain[0])
	case "pem":
		serveBytes(w, typeChain, a.ChainPEM())
	default:
		p.fail(w, r, pki.ErrNotFound)
	}
}

// authority finds an authority by its id or by its kind.
func (p *pkiPages) authority(ctx context.Context, name string) (pki.Authority, error) {
	if kind, ok := pki.ParseKind(name); ok {
		return p.pki.ActiveAuthority(ctx, kind)
	}
	id, ok := registry.ParseID(name)
	if !ok {
		return pki.Authority{}, pki.ErrNotFound
	}
	return p.pki.Authority(ctx, id)
}

// serveList answers with a revocation list, in DER as typeCRL and in PEM as
// anything else. Who has the newest one is told so (304).
func (p *pkiPages) serveList(w http.ResponseWriter, r *http.Request, authority registry.ID, contentType string) {
	list, err := p.pki.CRL(r.Context(), authority)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	body, tag := list.DER, strconv.FormatInt(list.Number, 10)
	if contentType != typeCRL {
		tag += "-pem"
		body = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list.DER})
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache") // ask again each time: a revocation counts at once
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", list.ThisUpdate.Time(), bytes.NewReader(body))
}

func serveBytes(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body)
}

func (p *pkiPages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, pki.ErrNotFound) || errors.Is(err, pki.ErrNoAuthority) {
		http.Error(w, "no such authority", http.StatusNotFound)
		return
	}
	p.log.ErrorContext(r.Context(), "an authority's page could not be served", "path", r.URL.Path, "error", err)
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}
