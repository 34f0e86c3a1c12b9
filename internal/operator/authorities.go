package operator

import (
	"cmp"
	"context"
	"encoding/pem"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Authority is a certificate authority (认证机构), without its key.
type Authority struct {
	AuthorityID string `json:"authority_id"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Algorithm   string `json:"algorithm"`
	Subject     string `json:"subject"`
	NotBefore   string `json:"not_before"`
	NotAfter    string `json:"not_after"`
	Created     string `json:"created"`
	// CRLURL and CertificateURL are what its certificates name.
	CRLURL         string `json:"crl_url"`
	CertificateURL string `json:"certificate_url"`
	CertificatePEM string `json:"certificate_pem"`
	ChainPEM       string `json:"chain_pem"`
	// CSRPEM is the request that waits for an answer, of a pending authority.
	CSRPEM string `json:"csr_pem"`
}

// AuthorityList is what listing authorities answers.
type AuthorityList struct {
	Authorities []Authority `json:"authorities"`
}

// AuthoritySpec is the body that makes an authority: a root, or with Request
// one that waits for its certificate from elsewhere.
type AuthoritySpec struct {
	Kind    string `json:"kind"`
	Curve   string `json:"curve,omitempty"`
	Subject string `json:"subject,omitempty"`
	Years   int    `json:"years,omitempty"`
	Request bool   `json:"request,omitempty"`
}

// AuthorityImport is the body that brings an authority: its key and its
// certificates up to the root, in PEM.
type AuthorityImport struct {
	KeyPEM   string `json:"key_pem"`
	ChainPEM string `json:"chain_pem"`
}

// AuthorityChain is the body that answers the request of a pending authority.
type AuthorityChain struct {
	ChainPEM string `json:"chain_pem"`
}

// RevocationList is a CRL in PEM, with what it says of itself.
type RevocationList struct {
	AuthorityID string `json:"authority_id"`
	Number      int64  `json:"number"`
	ThisUpdate  string `json:"this_update"`
	NextUpdate  string `json:"next_update"`
	Entries     int    `json:"entries"`
	PEM         string `json:"pem"`
}

func (c *call) viewAuthority(a pki.Authority) Authority {
	v := Authority{AuthorityID: a.ID.String(), Kind: a.Kind.String(), State: a.State.String(), Algorithm: a.Algorithm, Subject: a.Subject,
		NotBefore: a.NotBefore.String(), NotAfter: a.NotAfter.String(), Created: a.Created.String(),
		CertificatePEM: string(a.PEM()), ChainPEM: string(a.ChainPEM())}
	if len(a.Chain) > 0 {
		base := c.PKI.BaseURL()
		v.CRLURL, v.CertificateURL = base+pki.CRLPath(a.ID), base+pki.CertificatePath(a.ID)
	}
	if len(a.Request) > 0 {
		v.CSRPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: a.Request}))
	}
	return v
}

func listAuthorities(c *call) (any, error) {
	all, err := c.PKI.Authorities(c.r.Context())
	return AuthorityList{Authorities: views(all, c.viewAuthority)}, err
}

func getAuthority(c *call) (any, error) {
	id, err := c.authorityID()
	if err != nil {
		return nil, err
	}
	return c.answerAuthority(c.PKI.Authority(c.r.Context(), id))
}

func createAuthority(c *call) (any, error) {
	var body AuthoritySpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	n := pki.NewAuthority{Curve: pki.Curve(body.Curve), Years: body.Years, By: c.by}
	var ok bool
	if n.Kind, ok = pki.ParseKind(body.Kind); !ok {
		return nil, errKind
	}
	if body.Subject != "" {
		var err error
		if n.Subject, err = pki.ParseName(body.Subject); err != nil {
			return nil, err
		}
	}
	if body.Request {
		return c.answerAuthority(c.PKI.Prepare(c.r.Context(), n))
	}
	return c.answerAuthority(c.PKI.Create(c.r.Context(), n))
}

var errKind = invalid("kind must be RSA, ECC or SM2")

func importAuthority(c *call) (any, error) {
	var body AuthorityImport
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	return c.answerAuthority(c.PKI.Import(c.r.Context(), []byte(body.KeyPEM), []byte(body.ChainPEM), c.by))
}

func installAuthority(c *call) (any, error) {
	id, err := c.authorityID()
	if err != nil {
		return nil, err
	}
	var body AuthorityChain
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	return c.answerAuthority(c.PKI.Install(c.r.Context(), id, []byte(body.ChainPEM), c.by))
}

func retireAuthority(c *call) (any, error) { return c.changeAuthority(c.PKI.Retire) }

func activateAuthority(c *call) (any, error) { return c.changeAuthority(c.PKI.Activate) }

type authorityChange func(ctx context.Context, id registry.ID, by audit.Actor) (pki.Authority, error)

func (c *call) changeAuthority(change authorityChange) (any, error) {
	id, err := c.authorityID()
	if err != nil {
		return nil, err
	}
	return c.answerAuthority(change(c.r.Context(), id, c.by))
}

// authorityID reads the path: an id, or a kind for the authority that issues.
func (c *call) authorityID() (registry.ID, error) {
	name := c.r.PathValue("authority_id")
	if kind, ok := pki.ParseKind(name); ok {
		a, err := c.PKI.ActiveAuthority(c.r.Context(), kind)
		return a.ID, err
	}
	id, ok := registry.ParseID(name)
	if !ok {
		return 0, pki.ErrNotFound
	}
	return id, nil
}

func (c *call) answerAuthority(a pki.Authority, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return c.viewAuthority(a), nil
}

func getCRL(c *call) (any, error) {
	id, err := c.authorityID()
	if err != nil {
		return nil, err
	}
	list, err := c.PKI.CRL(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return RevocationList{AuthorityID: id.String(), Number: list.Number, ThisUpdate: list.ThisUpdate.String(), NextUpdate: list.NextUpdate.String(),
		Entries: list.Entries, PEM: string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list.DER}))}, nil
}

// kindOr reads a kind, "" being none.
func kindOr(name string) (pki.Kind, error) {
	kind, ok := pki.ParseKind(cmp.Or(name, pki.RSA.String()))
	switch {
	case name == "":
		return 0, nil
	case !ok:
		return 0, errKind
	}
	return kind, nil
}
