package registry_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// vouching is an authority and a certificate that it has issued.
type vouching struct {
	root, user *smx509.Certificate
	key        *sm2.PrivateKey
}

func (f *fixture) vouching() vouching {
	f.t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	f.must(err)
	make := func(serial int64, parent *smx509.Certificate, usage smx509.KeyUsage) *smx509.Certificate {
		c := &smx509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("Number ", serial)}, NotBefore: f.now.AddDate(0, -1, 0),
			NotAfter: f.now.AddDate(1, 0, 0), KeyUsage: usage, IsCA: parent == nil, BasicConstraintsValid: true}
		if parent == nil {
			parent = c
		}
		der, err := smx509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, key)
		f.must(err)
		cert, err := smx509.ParseCertificate(der)
		f.must(err)
		return cert
	}
	root := make(1, nil, smx509.KeyUsageCertSign|smx509.KeyUsageCRLSign)
	return vouching{root, make(2, root, smx509.KeyUsageDigitalSignature), key}
}

// What an organisation trusts shows at once, and to that organisation only.
func TestTrust(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	other, err := f.CreateOrg(ctx, "another", by)
	f.must(err)
	v := f.vouching()
	check := func(org registry.ID) ciss.Why {
		t.Helper()
		trust, err := f.Trust(ctx, org)
		f.must(err)
		_, err = trust.Check(v.user.Raw, ciss.UsageSignature, f.now)
		var rejection *ciss.Rejection
		if errors.As(err, &rejection) {
			return rejection.Why
		}
		f.must(err)
		return ""
	}
	if why := check(f.org); why != ciss.WhyUntrusted {
		t.Errorf("before: %q", why)
	}
	a, err := f.AddRoot(ctx, f.org, v.root.Raw, false, by)
	f.must(err)
	if why := check(f.org); why != "" {
		t.Errorf("trusted: %q", why)
	}
	if why := check(other.ID); why != ciss.WhyUntrusted {
		t.Errorf("another organisation: %q", why)
	}
	crl, err := smx509.CreateRevocationList(rand.Reader, &smx509.RevocationList{Number: big.NewInt(1), ThisUpdate: f.now, NextUpdate: f.now.AddDate(0, 1, 0),
		RevokedCertificateEntries: []smx509.RevocationListEntry{{SerialNumber: big.NewInt(2), RevocationTime: f.now}}}, v.root, v.key)
	f.must(err)
	if _, err := f.SetRootCRL(ctx, other.ID, crl, by); err == nil {
		t.Error("another organisation's authority takes a list")
	}
	_, err = f.SetRootCRL(ctx, f.org, crl, by)
	f.must(err)
	if why := check(f.org); why != ciss.WhyRevoked {
		t.Errorf("revoked: %q", why)
	}
	if err := f.RemoveRoot(ctx, other.ID, a.Fingerprint, by); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("removed by another organisation: %v", err)
	}
	f.must(f.RemoveRoot(ctx, f.org, a.Fingerprint, by))
	if why := check(f.org); why != ciss.WhyUntrusted {
		t.Errorf("removed: %q", why)
	}
	events, err := f.AuditEvents(ctx, registry.AuditFilter{Action: "root."})
	if err != nil || len(events) != 3 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// Changes that another node made are heard.
func TestTrustChangedElsewhere(t *testing.T) {
	f := newFixture(t)
	for name, apply := range map[string]func(){
		"change": func() { f.Apply(registry.Change{Kind: registry.TrustChanged, Org: f.org}) }, "all": f.ApplyAll,
	} {
		again, err := f.Trust(t.Context(), f.org)
		f.must(err)
		apply()
		after, err := f.Trust(t.Context(), f.org)
		f.must(err)
		if again == after {
			t.Errorf("%s: the old trust is still in use", name)
		}
	}
}

// Settings of an app are changed together, one change after the other.
func TestAppSettings(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	c, _, err := f.CreateClient(ctx, f.org, registry.ClientSpec{Door: registry.DoorCISS}, by)
	f.must(err)
	live, err := f.LiveClient(ctx, c.ID)
	f.must(err)
	if s := live.Channel.Settings(); s.IV != ciss.IVZero || live.Credential != nil {
		t.Errorf("%+v", live)
	}
	_, err = f.SetAppSettings(ctx, f.org, c.ID, []byte(`{"iv":"key"}`), by)
	f.must(err)
	s, err := f.SetAppSettings(ctx, f.org, c.ID, []byte(`{"lenient":true}`), by)
	f.must(err)
	live, err = f.LiveClient(ctx, c.ID)
	f.must(err)
	if got := live.Channel.Settings(); s.IV != ciss.IVKey || !s.Lenient || got.IV != ciss.IVKey || !got.Lenient {
		t.Errorf("%+v, in use %+v", s, got)
	}
	var invalid *registry.InvalidError
	if _, err := f.SetAppSettings(ctx, f.org, c.ID, []byte(`{"iv":"none"}`), by); !errors.As(err, &invalid) {
		t.Errorf("%v", err)
	}
}
