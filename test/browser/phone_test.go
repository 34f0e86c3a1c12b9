package browser

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// authority issues certificates for cards.
type authority struct {
	certificate *smx509.Certificate
	key         *sm2.PrivateKey
}

// card is an SM2 key with its certificate, as in a SIM.
type card struct {
	certificate *smx509.Certificate
	key         *sm2.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	template := &smx509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign}
	c := issue(t, template, nil)
	return &authority{c.certificate, c.key}
}

// issue makes a card; change alters what is issued.
func (a *authority) issue(t *testing.T, serial int64, change func(*smx509.Certificate)) *card {
	t.Helper()
	template := &smx509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Wang Li", Organization: []string{"Example"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: smx509.KeyUsageDigitalSignature}
	if change != nil {
		change(template)
	}
	return issue(t, template, a)
}

func issue(t *testing.T, template *smx509.Certificate, by *authority) *card {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = &authority{template, key}
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &card{c, key}
}

// revoke makes a revocation list with one card.
func (a *authority) revoke(t *testing.T, c *card) []byte {
	t.Helper()
	list, err := smx509.CreateRevocationList(rand.Reader, &smx509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().AddDate(0, 1, 0),
		RevokedCertificateEntries: []smx509.RevocationListEntry{{SerialNumber: c.certificate.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)}}}, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// equip makes the phone's app, and trusts the authority of its cards.
func (s *site) equip(dir string) {
	s.Helper()
	token, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	s.must(err)
	op := operator.NewClient(operator.ClientOptions{URL: s.AdminURL(), Token: strings.TrimSpace(string(token))})
	app, err := op.CreateAPIClient(s.Context(), operator.ClientSpec{Door: "ciss"})
	s.must(err)
	s.authority = newAuthority(s.T, "Carrier CA")
	s.card, s.revoked = s.authority.issue(s.T, 2, nil), s.authority.issue(s.T, 3, nil)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.authority.certificate.Raw})
	_, err = op.AddRoot(s.Context(), operator.RootSpec{Certificate: string(root)})
	s.must(err)
	_, err = op.SetRootCRL(s.Context(), bytes.NewReader(s.authority.revoke(s.T, s.revoked)))
	s.must(err)
	key, err := ciss.ParseKey(app.AppSM4Key)
	s.must(err)
	s.phone, err = ciss.NewClient(ciss.ClientOptions{BaseURL: s.URL(), AppID: app.AppID, Key: key, Now: s.clock.Now})
	s.must(err)
}

// sign is what the card signs when its user has entered his PIN.
func (c *card) sign(t *testing.T, authID string) []byte {
	t.Helper()
	settings := ciss.DefaultSettings()
	message, err := settings.SignedMessage(authID)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := settings.Sign(rand.Reader, c.key, message)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// scan lets the phone scan what a page shows.
func (s *site) scan(p *tab) {
	s.Helper()
	_, err := s.phone.Scan(s.Context(), shown(p))
	s.must(err)
}

// confirm lets the phone confirm what a page shows with a card.
func (s *site) confirm(p *tab, c *card) error {
	s.Helper()
	_, err := s.phone.Login(s.Context(), shown(p), c.certificate.Raw, c.sign(s.T, shown(p)))
	return err
}
