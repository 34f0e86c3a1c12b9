package pki_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func onList(l *x509.RevocationList, serial pki.Serial) (reason int, found bool) {
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(serial.Int()) == 0 {
			return e.ReasonCode, true
		}
	}
	return 0, false
}

func TestHoldAndRelease(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		c := f.issue(1, "pump")
		if _, found := onList(f.list(pki.ECC), c.Serial); found {
			t.Error("a valid certificate is in the list")
		}
		_, err := f.Unhold(ctx, pki.Revocation{Org: org, Serial: c.Serial, By: by})
		refused(t, "release of a valid one", err, pki.ErrNotHeld)
		if _, err := f.Hold(ctx, pki.Revocation{Org: org, Device: 1, Serial: c.Serial, By: by}); err != nil {
			t.Fatal(err)
		}
		if reason, found := onList(f.list(pki.ECC), c.Serial); !found || reason != int(pki.CertificateHold) {
			t.Errorf("on hold: in the list %v, reason %d", found, reason)
		}
		_, err = f.Hold(ctx, pki.Revocation{Org: org, Serial: c.Serial, By: by})
		refused(t, "second hold", err, pki.ErrAlreadyRevoked)
		back, err := f.Unhold(ctx, pki.Revocation{Org: org, Serial: c.Serial, By: by})
		if err != nil || back.StatusAt(registry.At(start)) != pki.Valid || back.Revoker != "" {
			t.Errorf("released: %+v, %v", back.Reason, err)
		}
		if _, found := onList(f.list(pki.ECC), c.Serial); found {
			t.Error("a released certificate is in the list")
		}
		// A device whose certificate is on hold gets another one: then the first
		// cannot come back.
		if _, err := f.Hold(ctx, pki.Revocation{Org: org, Serial: c.Serial, By: by}); err != nil {
			t.Fatal(err)
		}
		f.issue(1, "pump")
		_, err = f.Unhold(ctx, pki.Revocation{Org: org, Serial: c.Serial, By: by})
		refused(t, "release beside a valid one", err, pki.ErrHasValid)
		f.revoke(c.Serial, pki.PrivilegeWithdrawn)
		_, err = f.Revoke(ctx, pki.Revocation{Org: org, Serial: c.Serial, Reason: pki.CertificateHold, By: by})
		refused(t, "hold after the end", err, pki.ErrAlreadyRevoked)
		if reason, _ := onList(f.list(pki.ECC), c.Serial); reason != int(pki.PrivilegeWithdrawn) {
			t.Errorf("reason %d", reason)
		}
	})
}

func TestRevokeRefusals(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		c := f.issue(1, "pump")
		revoke := func(r pki.Revocation) error {
			r.By = by
			_, err := f.Revoke(context.Background(), r)
			return err
		}
		refused(t, "unknown", revoke(pki.Revocation{Org: org, Serial: "4"}), pki.ErrNotFound)
		refused(t, "another organisation", revoke(pki.Revocation{Org: other, Serial: c.Serial}), pki.ErrNotFound)
		refused(t, "another device", revoke(pki.Revocation{Org: org, Device: 2, Serial: c.Serial}), pki.ErrOtherDevice)
		for _, reason := range []pki.Reason{2, 7, 8, 10, 255} {
			refused(t, "reason", revoke(pki.Revocation{Org: org, Serial: c.Serial, Reason: reason}), pki.ErrReason)
		}
		if err := revoke(pki.Revocation{Org: org, Device: 1, Serial: c.Serial, Reason: pki.KeyCompromise}); err != nil {
			t.Fatal(err)
		}
		refused(t, "again", revoke(pki.Revocation{Org: org, Serial: c.Serial, Reason: pki.Superseded}), pki.ErrAlreadyRevoked)
		got, err := f.Get(context.Background(), org, c.Serial)
		if err != nil || got.Reason != pki.KeyCompromise || got.Revoked != registry.At(start) || got.Revoker != by.Name || got.UpdatedBy != by.Name {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Numbers of lists rise whatever happens; what has ended leaves the list a day
// later; a list is made anew before it ends and not without need.
func TestLists(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		c := f.issue(1, "pump")
		f.revoke(c.Serial, pki.Unspecified)
		first := f.list(pki.ECC)
		if again := f.list(pki.ECC); again.Number.Cmp(first.Number) != 0 {
			t.Error("a list was made without need")
		}
		if first.NextUpdate.Sub(first.ThisUpdate) != pki.DefaultCRLLifetime || !first.ThisUpdate.Equal(start) {
			t.Errorf("from %v to %v", first.ThisUpdate, first.NextUpdate)
		}
		last := first
		for _, step := range []struct {
			what string
			to   time.Time
			in   bool
		}{
			{"a day later", start.Add(25 * time.Hour), true},
			{"at its end", c.NotAfter.Time(), true},
			{"a day after its end", c.NotAfter.Time().Add(25 * time.Hour), false},
		} {
			f.clock.Set(step.to)
			l := f.list(pki.ECC)
			if _, found := onList(l, c.Serial); found != step.in || l.Number.Cmp(last.Number) <= 0 {
				t.Errorf("%s: in the list %v, number %s after %s", step.what, found, l.Number, last.Number)
			}
			last = l
		}
		f.clock.Set(start) // a clock that jumps back: verifiers take no list of the future
		back := f.list(pki.ECC)
		if !back.ThisUpdate.Equal(start) || back.Number.Cmp(last.Number) <= 0 {
			t.Errorf("after the clock was set back: from %v, number %s after %s", back.ThisUpdate, back.Number, last.Number)
		}
		if again := f.list(pki.ECC); again.Number.Cmp(back.Number) != 0 {
			t.Error("a list was made without need after the clock was set back")
		}
		last = back
		f.issue(2, "valve")
		f.issue(2, "valve")
		if l := f.list(pki.ECC); l.Number.Cmp(last.Number) <= 0 {
			t.Errorf("number %s after %s", l.Number, last.Number)
		}
		if l := f.list(pki.RSA); len(l.RevokedCertificateEntries) != 0 {
			t.Error("lists of authorities mix")
		}
	})
}

// What one node revokes another one shows, and both give the same list.
func TestListsOfSeveralNodes(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		second := f.node(rand.Reader)
		c := f.issue(1, "pump")
		f.list(pki.ECC)
		f.revoke(c.Serial, pki.KeyCompromise)
		if err := second.UpdateLists(ctx); err != nil {
			t.Fatal(err)
		}
		id := f.active(pki.ECC).ID
		theirs, err := second.CRL(ctx, id)
		if err != nil || theirs.Entries != 1 {
			t.Fatalf("%d entries, %v", theirs.Entries, err)
		}
		if err := f.UpdateLists(ctx); err != nil {
			t.Fatal(err)
		}
		if ours, err := f.CRL(ctx, id); err != nil || string(ours.DER) != string(theirs.DER) {
			t.Errorf("the nodes' lists differ: %d and %d, %v", ours.Number, theirs.Number, err)
		}
		if marks, err := f.store.PendingLists(ctx); err != nil || len(marks) != 0 {
			t.Errorf("%d marks are left, %v", len(marks), err)
		}
	})
}

// Run makes one list at once and then one a second, however much is revoked.
func TestListsAreCoalesced(t *testing.T) {
	dsn := engines["sqlite"](t)
	f := newFixture(t, dsn)
	var certs []pki.Certificate
	for n := 1; n < 10; n++ {
		certs = append(certs, f.issue(n, "pump "+deviceID(n)))
	}
	id := f.active(pki.ECC).ID
	before, err := f.CRL(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	began := time.Now()
	go func() { defer close(done); f.Run(ctx) }()
	for _, c := range certs {
		f.revoke(c.Serial, pki.Superseded)
	}
	for {
		l, err := f.CRL(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if l.Entries == len(certs) {
			// The clock stands still, so each list counts one up.
			if made := l.Number - before.Number; made > 2+int64(time.Since(began)/time.Second) {
				t.Errorf("%d lists in %v", made, time.Since(began))
			}
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d entries after %v", l.Entries, time.Since(began))
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
}

// Real openssl takes certificate and list, refuses after a revocation, and reads
// what is in them.
func TestOpenSSL(t *testing.T) {
	if out, err := exec.Command("../../test/need", "openssl", "openssl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := newFixture(t, engines["sqlite"](t))
	ctx, dir := context.Background(), t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	openssl := func(args ...string) (string, error) {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		return string(out), err
	}
	at := strconv.FormatInt(start.Unix(), 10)
	for kind, newkey := range map[pki.Kind][]string{pki.RSA: {"rsa:2048"}, pki.ECC: {"ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"}, pki.SM2: {"sm2"}} {
		if kind == pki.SM2 {
			if _, err := f.Create(ctx, pki.NewAuthority{Kind: pki.SM2, By: by}); err != nil {
				t.Fatal(err)
			}
		}
		key, csr := filepath.Join(dir, "key"), filepath.Join(dir, "csr")
		make := append([]string{"req", "-new", "-nodes", "-keyout", key, "-out", csr, "-subj", "/C=CN/ST=Shanghai/L=Pudong/O=Hallmark/OU=Pumps/CN=pump " + kind.String(), "-newkey"}, newkey...)
		if kind == pki.SM2 {
			make = append(make, "-sm3", "-sigopt", "distid:1234567812345678")
		}
		if out, err := openssl(make...); err != nil {
			t.Fatalf("%s: %v\n%s", kind, err, out)
		}
		text, err := os.ReadFile(csr)
		if err != nil {
			t.Fatal(err)
		}
		older := strings.ReplaceAll(string(text), "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
		c, err := f.Issue(ctx, pki.Request{Org: org, Device: 1, CSR: []byte(older), Kind: kind, By: by})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if long := c.Serial.Int().BitLen() > 64; long != (kind == pki.SM2) {
			t.Errorf("%s: serial number %s", kind, c.Serial)
		}
		a := f.active(kind)
		verify := func() (string, error) {
			if err := f.UpdateLists(ctx); err != nil {
				t.Fatal(err)
			}
			l, err := f.CRL(ctx, a.ID)
			if err != nil {
				t.Fatal(err)
			}
			trust := write("trust.pem", append(a.RootPEM(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.DER})...))
			args := []string{"verify", "-x509_strict", "-purpose", "sslclient", "-attime", at, "-CAfile", trust}
			if kind == pki.SM2 {
				args = append(args, "-vfyopt", "distid:1234567812345678") // which openssl cannot be told for lists: see TestSM2List
			} else {
				args = append(args, "-crl_check")
			}
			return openssl(append(args, write("cert.pem", c.PEM()))...)
		}
		if out, err := verify(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
		f.revoke(c.Serial, pki.KeyCompromise)
		if out, err := verify(); kind != pki.SM2 && (err == nil || !strings.Contains(out, "certificate revoked")) {
			t.Errorf("%s after the revocation: %v\n%s", kind, err, out)
		}
		if out, err := openssl("crl", "-in", filepath.Join(dir, "trust.pem"), "-noout", "-text"); err != nil || !strings.Contains(out, "Key Compromise") {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
		if out, err := openssl("x509", "-in", filepath.Join(dir, "cert.pem"), "-noout", "-text"); err != nil ||
			!strings.Contains(out, "Netscape Comment") || !strings.Contains(out, "URI:"+base+pki.CRLPath(a.ID)) {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}

func TestSM2List(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	a, err := f.Create(t.Context(), pki.NewAuthority{Kind: pki.SM2, By: by})
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.CRL(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	list, err1 := smx509.ParseRevocationList(l.DER)
	root, err2 := smx509.ParseCertificate(a.Chain[0])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(root); err != nil {
		t.Error(err)
	}
}

// Verifiers get list and certificate while the store is away; nobody gets a
// certificate.
func TestWithoutAStore(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	a := f.active(pki.ECC)
	before, err := f.CRL(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	f.Forget()
	after, err := f.CRL(t.Context(), f.active(pki.ECC).ID)
	if err != nil || after.Number != before.Number {
		t.Errorf("list %d, %v", after.Number, err)
	}
	if _, err := f.Issue(t.Context(), pki.Request{Org: org, Device: 1, CSR: request(t, ecKey(t), subject("x")), Kind: pki.ECC, By: by}); err == nil {
		t.Error("a certificate was issued without a store")
	}
	if err := f.UpdateLists(t.Context()); err == nil {
		t.Error("lists cannot be kept, and nobody is told")
	}
	fresh := f.node(rand.Reader)
	if _, err := fresh.ActiveAuthority(t.Context(), pki.ECC); err == nil {
		t.Error("an authority from nowhere")
	}
}
