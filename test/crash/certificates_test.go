package crash

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// register remembers what a server promised about certificates.
type register struct {
	ids  []string // of devices
	csrs []string

	mu      sync.Mutex // guards what follows
	pem     map[string]string
	revoked map[string]bool
	twice   []string // serial numbers that were given twice
}

func newRegister(t *testing.T, op *operator.Client) *register {
	t.Helper()
	r := &register{pem: map[string]string{}, revoked: map[string]bool{}}
	p, err := op.CreateProduct(t.Context(), operator.ProductSpec{Name: "certified", Algorithm: "aes128"})
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	rows.WriteString("id2,key_hex\n")
	for n := range workers {
		r.ids = append(r.ids, fmt.Sprintf("%024d", n))
		fmt.Fprintf(&rows, "%s,%032x\n", r.ids[n], n)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		name := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Pudong"}, Organization: []string{"Hallmark"},
			OrganizationalUnit: []string{"Pumps"}, CommonName: r.ids[n]}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name}, key)
		if err != nil {
			t.Fatal(err)
		}
		r.csrs = append(r.csrs, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
	}
	if _, err := op.ImportDevices(t.Context(), p.ProductKey, strings.NewReader(rows.String())); err != nil {
		t.Fatal(err)
	}
	return r
}

// load lets every device get certificates, and revokes every other one, until
// the server is gone. acked is called with the number of answers so far.
func (r *register) load(ctx context.Context, op *operator.Client, acked func(n int64)) error {
	var answers atomic.Int64
	errs := make([]error, workers)
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for round := 0; errs[n] == nil && ctx.Err() == nil; round++ {
				errs[n] = r.step(ctx, op, n, round, func() { acked(answers.Add(1)) })
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		var lost *operator.Error
		if ctx.Err() != nil || errors.As(err, &lost) && lost.Status == 0 {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

func (r *register) step(ctx context.Context, op *operator.Client, device, round int, acked func()) error {
	c, err := op.IssueCertificate(ctx, operator.CertificateSpec{Device: r.ids[device], CSRPEM: r.csrs[device], Kind: "ECC"})
	if err != nil {
		return err
	}
	r.mu.Lock()
	if r.pem[c.Serial] != "" {
		r.twice = append(r.twice, c.Serial)
	}
	r.pem[c.Serial] = c.PEM
	r.mu.Unlock()
	acked()
	if round%2 == 0 {
		return nil
	}
	if _, err := op.RevokeCertificate(ctx, c.Serial, operator.RevocationSpec{Reason: "CESSATION_OF_OPERATION"}); err != nil {
		return err
	}
	r.mu.Lock()
	r.revoked[c.Serial] = true
	r.mu.Unlock()
	acked()
	return nil
}

// check looks for everything that was promised.
func (r *register) check(t *testing.T, op *operator.Client) {
	t.Helper()
	if len(r.twice) > 0 {
		t.Errorf("serial numbers given twice: %v", r.twice)
	}
	stored := r.stored(t, op)
	for serial, text := range r.pem {
		c, ok := stored[serial]
		if !ok {
			t.Errorf("certificate %s is lost", serial)
		}
		if r.revoked[serial] && (c.Status != "revoked" || c.Reason != "CESSATION_OF_OPERATION") {
			t.Errorf("the revocation of %s is lost: %s %s", serial, c.Status, c.Reason)
		}
		if block, _ := pem.Decode([]byte(text)); block == nil || serialOf(t, block.Bytes) != serial {
			t.Errorf("certificate %s has another number inside", serial)
		}
	}
	valid := map[string]int{}
	for _, c := range stored {
		if c.Status == "valid" {
			if valid[c.AssetID]++; valid[c.AssetID] > 1 {
				t.Errorf("device %s has %d valid certificates", c.AssetID, valid[c.AssetID])
			}
		}
	}
	r.checkList(t, op, stored)
}

func serialOf(t *testing.T, der []byte) string {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c.SerialNumber.String()
}

func (r *register) stored(t *testing.T, op *operator.Client) map[string]operator.Certificate {
	t.Helper()
	all := map[string]operator.Certificate{}
	q := operator.CertificateQuery{Limit: 1000}
	for {
		page, err := op.Certificates(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Certificates {
			all[c.Serial] = c
		}
		if q.After = page.Next; q.After == "" {
			return all
		}
	}
}

// checkList waits for the list that has all that is revoked, which the first
// one after a start is.
func (r *register) checkList(t *testing.T, op *operator.Client, stored map[string]operator.Certificate) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		missing := r.notListed(t, op, stored)
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d revocations are not in the list", missing)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *register) notListed(t *testing.T, op *operator.Client, stored map[string]operator.Certificate) int {
	t.Helper()
	list, err := op.CRL(t.Context(), "ECC")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(list.PEM))
	parsed, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, e := range parsed.RevokedCertificateEntries {
		listed[e.SerialNumber.String()] = true
	}
	missing := 0
	for serial, c := range stored {
		if c.Status == "revoked" && !listed[serial] {
			missing++
		}
	}
	if number := big.NewInt(list.Number); parsed.Number.Cmp(number) != 0 {
		t.Errorf("list %s says it is %s", number, parsed.Number)
	}
	return missing
}

// What was handed out is in the store and what was revoked is in the list,
// whenever the server is killed.
func TestKillUnderLoadOfCertificates(t *testing.T) {
	s := newSite(t)
	r := newRegister(t, s.operator(t))
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		err := r.load(ctx, s.operator(t), func(n int64) {
			if n == int64(30+round*83) {
				s.server.Kill()
				cancel()
			}
		})
		cancel()
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, s.server.Output())
		}
		s.start(t)
		r.check(t, s.operator(t))
	}
	t.Logf("%d rounds: %d certificates, %d of them revoked", rounds, len(r.pem), len(r.revoked))
}
