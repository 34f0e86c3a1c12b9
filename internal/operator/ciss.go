package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// AppSettings are the settings of an app of the ciss door, all of them.
type AppSettings struct {
	ClientID string `json:"client_id"`
	ciss.Settings
}

// Root is a certificate that an organisation trusts to vouch for the SM2
// certificates of the ciss door.
type Root struct {
	Fingerprint  string   `json:"fingerprint"`
	OrgID        string   `json:"org_id"`
	Subject      string   `json:"subject"`
	Intermediate bool     `json:"intermediate"`
	CA           bool     `json:"ca"` // false: vouches for itself alone
	NotBefore    string   `json:"not_before"`
	NotAfter     string   `json:"not_after"`
	CRL          *RootCRL `json:"crl"`
	Created      string   `json:"created"`
}

// RootCRL tells of an authority's revocation list.
type RootCRL struct {
	Entries    int    `json:"entries"`
	ThisUpdate string `json:"this_update"`
	NextUpdate string `json:"next_update"`
}

// RootSpec is a certificate to trust.
type RootSpec struct {
	Certificate  string `json:"certificate_pem"`
	Intermediate bool   `json:"intermediate,omitempty"`
}

// RootList is a list of roots.
type RootList struct {
	Roots []Root `json:"roots"`
}

// RemovedRoot confirms a removal.
type RemovedRoot struct {
	Fingerprint string `json:"fingerprint"`
	Removed     bool   `json:"removed"`
}

// crlType is the content type of a revocation list (RFC 2585), in DER or PEM.
const crlType = "application/pkix-crl"

func getAppSettings(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	id := c.r.PathValue("client_id")
	s, err := c.Registry.AppSettings(c.r.Context(), org, id)
	return AppSettings{ClientID: id, Settings: s}, clientError(id, err)
}

func setAppSettings(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var change map[string]json.RawMessage
	if err := c.decode(&change); err != nil {
		return nil, err
	}
	text, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	id := c.r.PathValue("client_id")
	s, err := c.Registry.SetAppSettings(c.r.Context(), org, id, text, c.by)
	return AppSettings{ClientID: id, Settings: s}, clientError(id, err)
}

func listRoots(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	all, err := c.Registry.Roots(c.r.Context(), org)
	if err != nil {
		return nil, err
	}
	list := RootList{Roots: make([]Root, 0, len(all))}
	for _, a := range all {
		view, err := viewRoot(a)
		if err != nil {
			return nil, err
		}
		list.Roots = append(list.Roots, view)
	}
	return list, nil
}

func addRoot(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body RootSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	a, err := c.Registry.AddRoot(c.r.Context(), org, []byte(body.Certificate), body.Intermediate, c.by)
	if err != nil {
		return nil, rootError(a.Fingerprint, err)
	}
	return viewRoot(a)
}

func removeRoot(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	fingerprint := c.r.PathValue("fingerprint")
	err = c.Registry.RemoveRoot(c.r.Context(), org, fingerprint, c.by)
	return RemovedRoot{Fingerprint: fingerprint, Removed: true}, rootError(fingerprint, err)
}

func setRootCRL(c *call) (any, error) {
	if err := c.mediaType(crlType); err != nil {
		return nil, err
	}
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, registry.MaxCRL))
	if err != nil {
		return nil, invalid("body: a revocation list of at most %d bytes is needed", registry.MaxCRL)
	}
	a, err := c.Registry.SetRootCRL(c.r.Context(), org, body, c.by)
	if err != nil {
		return nil, err
	}
	return viewRoot(a)
}

func viewRoot(a registry.Root) (Root, error) {
	cert, err := smx509.ParseCertificate(a.Certificate)
	if err != nil {
		return Root{}, err
	}
	v := Root{Fingerprint: a.Fingerprint, OrgID: a.Org.String(), Subject: cert.Subject.String(), Intermediate: a.Intermediate, CA: cert.IsCA,
		NotBefore: registry.At(cert.NotBefore).String(), NotAfter: registry.At(cert.NotAfter).String(), Created: a.Created.String()}
	if len(a.CRL) > 0 {
		list, err := smx509.ParseRevocationList(a.CRL)
		if err != nil {
			return Root{}, err
		}
		v.CRL = &RootCRL{Entries: len(list.RevokedCertificateEntries), ThisUpdate: registry.At(list.ThisUpdate).String(),
			NextUpdate: registry.At(list.NextUpdate).String()}
	}
	return v, nil
}

func rootError(fingerprint string, err error) error {
	if err == nil || fingerprint == "" {
		return err
	}
	return fmt.Errorf("root %s: %w", clip(fingerprint), err)
}
