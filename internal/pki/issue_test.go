package pki_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// The profile, read by Go's own X.509: enos §4.1 and what TLS wants.
func TestProfile(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		for _, kind := range []pki.Kind{pki.RSA, pki.ECC} {
			ca := parse(t, f.active(kind).Chain[0])
			name := subject("pump " + kind.String())
			req := pki.Request{Org: org, Device: 1, Kind: kind, ValidDays: 250, By: by}
			if kind == pki.RSA {
				req.CSR = request(t, rsaKey(t, 0), name)
			} else {
				req.CSR = request(t, ecKey(t), name)
			}
			got, err := f.Issue(context.Background(), req)
			if err != nil {
				t.Fatal(err)
			}
			c := parse(t, got.DER)
			if err := c.CheckSignatureFrom(ca); err != nil {
				t.Error(err)
			}
			checkProfile(t, c, ca, kind, f.active(kind).ID)
			if pki.Serial(c.SerialNumber.String()) != got.Serial || c.SerialNumber.Cmp(big.NewInt(1<<31)) >= 0 {
				t.Errorf("serial %s, stored as %s", c.SerialNumber, got.Serial)
			}
			if !c.NotBefore.Equal(start) || c.NotAfter.Sub(c.NotBefore) != 250*24*time.Hour {
				t.Errorf("valid %s to %s", c.NotBefore, c.NotAfter)
			}
			stored, err := f.Get(context.Background(), org, got.Serial)
			if err != nil || !cmp.Equal(stored, got) {
				t.Errorf("stored %v:\n%s", err, cmp.Diff(got, stored))
			}
			if !bytes.Equal(stored.Subject, c.RawSubject) || !bytes.Equal(stored.Issuer, ca.RawSubject) {
				t.Error("names are not those of the certificate")
			}
		}
	})
}

func checkProfile(t *testing.T, c, ca *x509.Certificate, kind pki.Kind, authority registry.ID) {
	t.Helper()
	algorithm := map[pki.Kind]x509.SignatureAlgorithm{pki.RSA: x509.SHA256WithRSA, pki.ECC: x509.ECDSAWithSHA256}[kind]
	var critical []string
	for _, e := range c.Extensions {
		if e.Critical {
			critical = append(critical, e.Id.String())
		}
	}
	want := map[string]any{"version": 3, "algorithm": algorithm, "ca": false, "usage": x509.KeyUsageDigitalSignature,
		"purpose": []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, "crl": []string{base + pki.CRLPath(authority)},
		"issuer at": []string{base + pki.CertificatePath(authority)}, "critical": []string{"2.5.29.15"}, "names": 0}
	got := map[string]any{"version": c.Version, "algorithm": c.SignatureAlgorithm, "ca": c.IsCA, "usage": c.KeyUsage,
		"purpose": c.ExtKeyUsage, "crl": c.CRLDistributionPoints, "issuer at": c.IssuingCertificateURL, "critical": critical, "names": len(c.DNSNames)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(c.AuthorityKeyId, ca.SubjectKeyId) || len(c.SubjectKeyId) != 20 {
		t.Error("key identifiers")
	}
	for oid, text := range map[string]string{"2.16.840.1.113730.1.13": "Enos Generated Certificate", "2.16.840.1.113730.1.4": base + "/enos/CA/crl/" + kind.String()} {
		found := false
		for _, e := range c.Extensions {
			found = found || e.Id.String() == oid && bytes.HasSuffix(e.Value, []byte(text))
		}
		if !found {
			t.Errorf("extension %s with %q is missing", oid, text)
		}
	}
}

// One valid certificate a device: another one takes its place.
func TestAnotherOneSupersedes(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		first := f.issue(1, "pump-1")
		f.clock.Set(start.Add(time.Hour))
		second := f.issue(1, "pump-1")
		renewed, err := f.Renew(context.Background(), pki.Renewal{Org: org, Device: 1, Serial: second.Serial, By: by})
		if err != nil {
			t.Fatal(err)
		}
		all, err := f.ListByDevice(context.Background(), org, 1)
		if err != nil || len(all) != 3 {
			t.Fatalf("%d certificates, %v", len(all), err)
		}
		for _, c := range all {
			want, revoker := pki.Revoked, by.Name
			if c.Serial == renewed.Serial {
				want, revoker = pki.Valid, ""
			}
			if got := c.StatusAt(registry.At(f.clock.Now())); got != want || c.Revoker != revoker || want == pki.Revoked && c.Reason != pki.Superseded {
				t.Errorf("%s: %s %s by %q", c.Serial, got, c.Reason, c.Revoker)
			}
		}
		old, now := parse(t, second.DER), parse(t, renewed.DER)
		if !bytes.Equal(old.RawSubject, now.RawSubject) || !bytes.Equal(old.RawSubjectPublicKeyInfo, now.RawSubjectPublicKeyInfo) {
			t.Error("a renewal without a request keeps subject and key")
		}
		l := f.list(pki.ECC)
		if len(l.RevokedCertificateEntries) != 2 || l.RevokedCertificateEntries[0].ReasonCode != int(pki.Superseded) {
			t.Errorf("list %+v", l.RevokedCertificateEntries)
		}
		actions := map[string]int{}
		events, err := f.store.AuditEvents(context.Background(), registry.AuditFilter{Action: "certificate.", Limit: 100})
		for _, e := range events {
			actions[e.Action]++
		}
		if want := map[string]int{"certificate.issue": 2, "certificate.renew": 1, "certificate.revoke": 2}; err != nil || !cmp.Equal(actions, want) {
			t.Errorf("audited %v, %v", actions, err)
		}
		_ = first
	})
}

// Firmware that renews without a request cannot learn another O after a
// rollover; whoever makes a new request can.
func TestRenewUnderAnotherOrganisation(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		old := f.issue(1, "pump-1")
		if _, err := f.Create(context.Background(), pki.NewAuthority{Kind: pki.ECC, Subject: pki.Name{Organisation: "Else"}, By: by}); err != nil {
			t.Fatal(err)
		}
		renewal := pki.Renewal{Org: org, Device: 1, Serial: old.Serial, By: by, CSR: request(t, ecKey(t), subject("pump-1"))}
		_, err := f.Renew(context.Background(), renewal)
		refused(t, "a request with the old O", err, pki.ErrSubject)
		renewal.CSR = nil
		renewed, err := f.Renew(context.Background(), renewal)
		if err != nil || renewed.Authority == old.Authority || !bytes.Equal(renewed.Subject, old.Subject) || renewed.CN != "pump-1" {
			t.Errorf("%+v, %v", renewed, err)
		}
	})
}

// What changes within the second of issue is no older than the certificate.
func TestChangeTimes(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.clock.Set(start.Add(900 * time.Millisecond))
		if c := f.revoke(f.issue(1, "pump-1").Serial, pki.Superseded); c.Updated != c.Created || c.Revoked != c.Created {
			t.Errorf("made %s, revoked %s, updated %s", c.Created, c.Revoked, c.Updated)
		}
	})
}

func TestRenewRefusals(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		c := f.issue(1, "pump-1")
		renew := func(r pki.Renewal) error {
			r.By = audit.Actor{Name: "x"}
			_, err := f.Renew(ctx, r)
			return err
		}
		refused(t, "unknown serial", renew(pki.Renewal{Org: org, Device: 1, Serial: "1"}), pki.ErrNotFound)
		refused(t, "another organisation", renew(pki.Renewal{Org: other, Device: 11, Serial: c.Serial}), pki.ErrNotFound)
		refused(t, "another device", renew(pki.Renewal{Org: org, Device: 2, Serial: c.Serial}), pki.ErrOtherDevice)
		refused(t, "too long", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial, ValidDays: 1096}), pki.ErrValidity)
		refused(t, "negative", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial, ValidDays: -1}), pki.ErrValidity)
		refused(t, "another kind of key", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial, Kind: pki.RSA}), pki.ErrWrongKeyType)
		refused(t, "no such authority", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial, Kind: pki.SM2}), pki.ErrNoAuthority)
		f.clock.Set(start.Add(731 * 24 * time.Hour))
		refused(t, "expired", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial}), pki.ErrExpired)
		f.revoke(c.Serial, pki.KeyCompromise)
		refused(t, "revoked", renew(pki.Renewal{Org: org, Device: 1, Serial: c.Serial}), pki.ErrAlreadyRevoked)
	})
}

// Names are unique over all organisations and keys belong to one device, while
// their certificates live; a compromised key is never certified again.
func TestNamesAndKeysBelongToOneDevice(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		key := ecKey(t)
		issue := func(o, device registry.ID, csr []byte) (pki.Certificate, error) {
			return f.Issue(ctx, pki.Request{Org: o, Device: device, CSR: csr, Kind: pki.ECC, By: by})
		}
		first, err := issue(org, 1, request(t, key, subject("pump")))
		if err != nil {
			t.Fatal(err)
		}
		_, err = issue(org, 2, request(t, ecKey(t), subject("pump")))
		refused(t, "name of another device", err, pki.ErrDuplicateSubject)
		_, err = issue(other, 11, request(t, ecKey(t), subject("pump")))
		refused(t, "name in another organisation", err, pki.ErrDuplicateSubject)
		_, err = issue(org, 2, request(t, key, subject("valve")))
		refused(t, "key of another device", err, pki.ErrKeyInUse)
		_, err = issue(other, 1, request(t, ecKey(t), subject("valve")))
		refused(t, "device of another organisation", err, pki.ErrNotFound)
		_, err = issue(org, 99, request(t, ecKey(t), subject("valve")))
		refused(t, "unknown device", err, pki.ErrNotFound)
		if _, err := f.Hold(ctx, pki.Revocation{Org: org, Serial: first.Serial, By: by}); err != nil {
			t.Fatal(err)
		}
		_, err = issue(org, 2, request(t, ecKey(t), subject("pump")))
		refused(t, "name on hold", err, pki.ErrDuplicateSubject)
		f.revoke(first.Serial, pki.CessationOfOperation)
		second, err := issue(org, 2, request(t, key, subject("pump")))
		if err != nil {
			t.Fatalf("after the first one was revoked: %v", err)
		}
		f.revoke(second.Serial, pki.KeyCompromise)
		_, err = issue(org, 2, request(t, key, subject("pump")))
		refused(t, "compromised key", err, pki.ErrWeakKey)
	})
}

func TestValidity(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	root := parse(t, f.active(pki.ECC).Chain[0])
	for name, c := range map[string]struct {
		at     time.Time
		asked  int
		limits pki.Limits
		want   time.Duration
		err    error
	}{
		"default":                       {start, 0, pki.Limits{}, 730 * 24 * time.Hour, nil},
		"product's default":             {start, 0, pki.Limits{DefaultDays: 10, MaxDays: 20}, 240 * time.Hour, nil},
		"default above the maximum":     {start, 0, pki.Limits{DefaultDays: 30, MaxDays: 20}, 480 * time.Hour, nil},
		"asked":                         {start, 20, pki.Limits{DefaultDays: 10, MaxDays: 20}, 480 * time.Hour, nil},
		"above the maximum":             {start, 21, pki.Limits{DefaultDays: 10, MaxDays: 20}, 0, pki.ErrValidity},
		"above the vendor's maximum":    {start, 1096, pki.Limits{}, 0, pki.ErrValidity},
		"enormous":                      {start, 1 << 40, pki.Limits{}, 0, pki.ErrValidity},
		"negative":                      {start, -1, pki.Limits{}, 0, pki.ErrValidity},
		"shortened to the root's":       {root.NotAfter.Add(-time.Hour), 5, pki.Limits{}, time.Hour, nil},
		"the root has ended":            {root.NotAfter.Add(time.Hour), 5, pki.Limits{}, 0, pki.ErrNoAuthority},
		"into the years from 2050":      {start, 10_000, pki.Limits{MaxDays: 100_000}, root.NotAfter.Sub(start), nil},
		"the very end of the authority": {root.NotAfter, 1, pki.Limits{}, 0, pki.ErrNoAuthority},
	} {
		f.clock.Set(c.at)
		got, err := f.Issue(t.Context(), pki.Request{Org: org, Device: 1, CSR: request(t, ecKey(t), subject("pump")), Kind: pki.ECC,
			ValidDays: c.asked, Limits: c.limits, By: by})
		if c.err != nil || err != nil {
			refused(t, name, err, c.err)
			continue
		}
		if length := got.NotAfter.Time().Sub(got.NotBefore.Time()); length != c.want {
			t.Errorf("%s: %v, want %v", name, length, c.want)
		}
	}
}
