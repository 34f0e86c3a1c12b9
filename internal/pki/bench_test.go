package pki_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// inFlight is how many ask at once: they share the store's fsyncs.
const inFlight = 64

// spread runs f for each of first to last, width at a time, and returns the
// processor time of all: the wall shows the disk and the neighbours.
func spread(b *testing.B, width, first, last int, f func(n int) error) time.Duration {
	b.Helper()
	var next atomic.Int64
	next.Store(int64(first))
	errs := make([]error, width)
	before := cpu(b)
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() {
			for n := next.Add(1) - 1; n <= int64(last) && errs[w] == nil; n = next.Add(1) - 1 {
				errs[w] = f(int(n))
			}
		})
	}
	all.Wait()
	used := cpu(b) - before
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	return used
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// addDevices adds n devices from 1000 on.
func (f *fixture) addDevices(n int) {
	f.t.Helper()
	rows := make([]registry.DeviceRow, n)
	for i := range rows {
		rows[i] = registry.DeviceRow{Device: registry.Device{Asset: registry.ID(1000 + i), Org: org, ID2: fmt.Sprintf("%024d", i), Algorithm: id2.AES128,
			Version: 1, Created: 1}, Key: []byte("sealed")}
	}
	for len(rows) > 0 {
		chunk := rows[:min(1000, len(rows))]
		rows = rows[len(chunk):]
		if _, err := f.store.InsertDevices(context.Background(), chunk, by.Did("test", "test", "", nil)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// BenchmarkIssue is a whole issue, from the request to the commit, beside what
// cryptography alone costs: checking the request's signature and making a
// certificate with crypto/x509. The two take turns, so that a processor that is
// faster now than a second ago, or shared, does not count for one of them.
func BenchmarkIssue(b *testing.B) {
	for _, kind := range []pki.Kind{pki.ECC, pki.RSA} {
		b.Run(kind.String(), func(b *testing.B) { benchmarkIssue(b, kind) })
	}
}

func benchmarkIssue(b *testing.B, kind pki.Kind) {
	f := newFixture(b, engines["sqlite"](b))
	csrs, keys := benchRequests(b, kind)
	f.addDevices(len(csrs))
	authority, tmpl := keys[len(keys)-1], caTemplate(subject("CA"))
	issued := 0 // of all runs: each device is certified once
	whole := func(n int) error {
		i := (issued + n) % len(csrs)
		_, err := f.Issue(context.Background(), pki.Request{Org: org, Device: registry.ID(1000 + i), CSR: csrs[i], Kind: kind, By: by})
		return err
	}
	for _, width := range []int{inFlight, 1} {
		b.Run(fmt.Sprintf("%d at once", width), func(b *testing.B) {
			sideBySide(b, width, whole, func(n int) error { return bare(csrs[n%len(csrs)], tmpl, authority) })
			issued += b.N
		})
	}
}

// sideBySide runs both b.N times in turns of a few and reports the processor
// time of one of each.
func sideBySide(b *testing.B, width int, whole, bare func(n int) error) {
	const turn = 8 * inFlight
	var used [2]time.Duration
	for first := 0; first < b.N; first += turn {
		last := min(first+turn, b.N) - 1
		used[0] += spread(b, width, first, last, whole)
		used[1] += spread(b, width, first, last, bare)
	}
	b.ReportMetric(0, "ns/op") // the wall of both says nothing
	b.ReportMetric(float64(used[0].Microseconds())/float64(b.N), "whole-cpu-µs/op")
	b.ReportMetric(float64(used[1].Microseconds())/float64(b.N), "bare-cpu-µs/op")
	b.ReportMetric(float64(used[0])/float64(used[1]), "whole/bare")
}

// benchRequests are of as many devices as one run certifies. RSA keys take long
// to make: there are few, and their devices get one certificate after the other.
func benchRequests(b *testing.B, kind pki.Kind) (csrs [][]byte, keys []crypto.Signer) {
	devices := 20_000
	if kind == pki.RSA {
		devices = 200
	}
	for n := range devices {
		var key crypto.Signer
		if kind == pki.RSA {
			key = rsaKey(b, n)
		} else {
			key = ecKey(b)
		}
		keys, csrs = append(keys, key), append(csrs, request(b, key, subject(fmt.Sprint("pump ", n))))
	}
	return csrs, keys
}

func bare(csr []byte, ca *x509.Certificate, key crypto.Signer) error {
	block, _ := pem.Decode(csr)
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	if err := req.CheckSignature(); err != nil {
		return err
	}
	_, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(5), RawSubject: req.RawSubject, NotBefore: start,
		NotAfter: start.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CRLDistributionPoints: []string{base}}, ca, req.PublicKey, key)
	return err
}

// BenchmarkRevokeAndList revokes ten thousand certificates, a thousand at once,
// and makes the list of them.
func BenchmarkRevokeAndList(b *testing.B) {
	const certificates = 10_000
	f := newFixture(b, engines["sqlite"](b))
	serials := f.fillCertificates(b, certificates)
	began, used := time.Now(), cpu(b)
	for n := 0; n < certificates; n += pki.MaxBulk {
		changed, err := f.RevokeAll(context.Background(), org, serials[n:n+pki.MaxBulk], pki.Superseded, by)
		if err != nil || changed[0].Err != nil {
			b.Fatal(err, changed[0].Err)
		}
	}
	b.Logf("revoked %d in %v, %v of CPU", certificates, time.Since(began), cpu(b)-used)
	b.Run("list of 10 000", func(b *testing.B) {
		id := f.active(pki.ECC).ID
		b.ReportAllocs()
		for range b.N {
			f.clock.Advance(25 * time.Hour)
			if err := f.UpdateLists(context.Background()); err != nil {
				b.Fatal(err)
			}
			if l, err := f.CRL(context.Background(), id); err != nil || l.Entries != certificates {
				b.Fatal(l.Entries, err)
			}
		}
	})
}

// fillCertificates puts n certificates into the store, all the same but for
// what tells them apart there: signing them would take the time.
func (f *fixture) fillCertificates(b *testing.B, n int) []pki.Serial {
	b.Helper()
	model := f.issue(1, "model")
	f.addDevices(n)
	serials := make([]pki.Serial, n)
	for i := range serials {
		serials[i] = pki.Serial(fmt.Sprint(1_000_000 + i))
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range inFlight {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				c := model
				c.Serial, c.Device, c.CN = serials[i], registry.ID(1000+i), string(serials[i])
				err := f.store.IssueCertificate(context.Background(), pki.Issuance{Certificate: c, SubjectText: c.CN, KeyHash: []byte(c.Serial), By: by,
					Event: by.Did("test", "test", "", nil)})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return serials
}
