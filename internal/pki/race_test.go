package pki_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// few are serial numbers that come up again and again; what else is drawn is
// random.
type few struct {
	mu sync.Mutex
	n  uint32
	of uint32
}

func (r *few) Read(p []byte) (int, error) {
	if len(p) != 4 {
		return rand.Read(p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	binary.BigEndian.PutUint32(p, r.n/4%r.of) // each comes four times in a row, 0 among them
	r.n++
	return len(p), nil
}

// A serial number that is in use costs another signature and nothing else.
func TestSerialNumbersThatAreTaken(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.Service = f.node(&few{of: 1000})
		seen := map[pki.Serial]bool{}
		for n := 1; n < 10; n++ {
			c := f.issue(n, fmt.Sprint("pump ", n))
			if seen[c.Serial] || c.Serial == "0" {
				t.Errorf("serial number %s", c.Serial)
			}
			seen[c.Serial] = true
			if parse(t, c.DER).SerialNumber.String() != string(c.Serial) {
				t.Error("the stored number is not the signed one")
			}
		}
		f.Service = f.node(&few{of: 2}) // 0 and 1, and 1 is in use
		_, err := f.Issue(context.Background(), pki.Request{Org: org, Device: 1, CSR: request(t, ecKey(t), subject("pump 1")), Kind: pki.ECC, By: by})
		if !errors.Is(err, pki.ErrSerialTaken) {
			t.Errorf("when all numbers are in use: %v", err)
		}
	})
}

// Nodes that issue at once for one device, one name or one key end with one
// valid certificate.
func TestIssuedAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		nodes := []*pki.Service{f.Service, f.node(rand.Reader), f.node(rand.Reader)}
		at := func(n int, device registry.ID, csr []byte) error {
			_, err := nodes[n%len(nodes)].Issue(context.Background(), pki.Request{Org: org, Device: device, CSR: csr, Kind: pki.ECC, By: by})
			return err
		}
		key := ecKey(t)
		for what, test := range map[string]struct {
			device func(n int) registry.ID
			csr    func(n int) []byte
			want   error // of all but one
		}{
			"one device": {func(int) registry.ID { return 1 }, func(int) []byte { return request(t, ecKey(t), subject("one device")) }, nil},
			"one name":   {func(n int) registry.ID { return registry.ID(n + 1) }, func(int) []byte { return request(t, ecKey(t), subject("one name")) }, pki.ErrDuplicateSubject},
			"one key":    {func(n int) registry.ID { return registry.ID(n + 1) }, func(n int) []byte { return request(t, key, subject(fmt.Sprint("key ", n))) }, pki.ErrKeyInUse},
		} {
			const rivals = 9
			errs := make([]error, rivals)
			var all sync.WaitGroup
			for n := range rivals {
				csr := test.csr(n)
				all.Go(func() { errs[n] = at(n, test.device(n), csr) })
			}
			all.Wait()
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				} else if test.want == nil || !errors.Is(err, test.want) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if test.want != nil && done != 1 {
				t.Errorf("%s: %d got a certificate", what, done)
			}
		}
		for device := registry.ID(1); device < 10; device++ {
			oneValid(t, f, device)
		}
	})
}

// oneValid checks that a device has one valid certificate at most.
func oneValid(t *testing.T, f *fixture, device registry.ID) {
	t.Helper()
	all, err := f.ListByDevice(context.Background(), org, device)
	if err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, c := range all {
		if c.StatusAt(registry.At(f.clock.Now())) == pki.Valid {
			valid++
		}
	}
	if valid > 1 {
		t.Errorf("device %d has %d valid certificates", device, valid)
	}
}

// Bulk revocations that overlap do not wait for each other for good, and each
// certificate is revoked once.
func TestRevokedAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		var serials []pki.Serial
		for n := 1; n < 10; n++ {
			serials = append(serials, f.issue(n, fmt.Sprint("pump ", n)).Serial)
		}
		var mu sync.Mutex
		revoked := map[pki.Serial]int{}
		var all sync.WaitGroup
		for n := range 8 {
			order := append(append([]pki.Serial{}, serials[n:]...), serials[:n]...)
			all.Go(func() {
				changed, err := f.RevokeAll(context.Background(), org, append(order, "999"), pki.Superseded, by)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i, c := range changed[:len(order)] {
					if c.Err == nil {
						revoked[order[i]]++
					} else if !errors.Is(c.Err, pki.ErrAlreadyRevoked) {
						t.Error(c.Err)
					}
				}
				if !errors.Is(changed[len(order)].Err, pki.ErrNotFound) {
					t.Errorf("unknown: %v", changed[len(order)].Err)
				}
			})
		}
		all.Wait()
		for _, s := range serials {
			if revoked[s] != 1 {
				t.Errorf("%s was revoked %d times", s, revoked[s])
			}
		}
		if l := f.list(pki.ECC); len(l.RevokedCertificateEntries) != len(serials) {
			t.Errorf("%d in the list", len(l.RevokedCertificateEntries))
		}
	})
}
