package pki_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// model is what the certificates of some devices should be.
type model struct {
	*fixture
	certs map[pki.Serial]*modelled
	csrs  map[registry.ID][]byte
	first registry.ID // the number before that of the first device
}

type modelled struct {
	device   registry.ID
	notAfter registry.Instant
	revoked  bool
	reason   pki.Reason
}

func (m *model) now() registry.Instant { return registry.At(m.clock.Now()) }

func (m *model) status(c *modelled) pki.Status {
	switch {
	case c.revoked:
		return pki.Revoked
	case m.now() > c.notAfter:
		return pki.Expired
	}
	return pki.Valid
}

// issued notes a new certificate, which takes the place of the valid ones.
func (m *model) issued(t *rapid.T, c pki.Certificate) {
	if m.certs[c.Serial] != nil {
		t.Fatalf("serial number %s twice", c.Serial)
	}
	for _, old := range m.certs {
		if old.device == c.Device && m.status(old) == pki.Valid {
			old.revoked, old.reason = true, pki.Superseded
		}
	}
	m.certs[c.Serial] = &modelled{device: c.Device, notAfter: c.NotAfter}
}

// pick draws a device and one of the serial numbers so far, or an unknown one.
func (m *model) pick(t *rapid.T) (registry.ID, pki.Serial) {
	serials := append(slices.Sorted(maps.Keys(m.certs)), "2147483648")
	return m.first + registry.ID(rapid.IntRange(1, 3).Draw(t, "device")), rapid.SampledFrom(serials).Draw(t, "serial")
}

// expect is the refusal that a change of a certificate for a device should get.
func (m *model) expect(device registry.ID, serial pki.Serial) (*modelled, error) {
	c := m.certs[serial]
	switch {
	case c == nil:
		return nil, pki.ErrNotFound
	case c.device != device:
		return c, pki.ErrOtherDevice
	}
	return c, nil
}

func (m *model) issueOne(t *rapid.T) {
	device := m.first + registry.ID(rapid.IntRange(1, 3).Draw(t, "device"))
	c, err := m.Issue(context.Background(), pki.Request{Org: org, Device: device, CSR: m.csrs[device], Kind: pki.ECC,
		ValidDays: rapid.IntRange(1, 40).Draw(t, "days"), By: by})
	if compromised(m, device) {
		if !errors.Is(err, pki.ErrWeakKey) {
			t.Fatalf("compromised key: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.issued(t, c)
}

// compromised reports whether the device's key, which never changes here, was.
func compromised(m *model, device registry.ID) bool {
	for _, c := range m.certs {
		if c.device == device && c.revoked && c.reason == pki.KeyCompromise {
			return true
		}
	}
	return false
}

func (m *model) renewOne(t *rapid.T) {
	device, serial := m.pick(t)
	old, want := m.expect(device, serial)
	if want == nil {
		want = map[pki.Status]error{pki.Revoked: pki.ErrAlreadyRevoked, pki.Expired: pki.ErrExpired}[m.status(old)]
	}
	if want == nil && compromised(m, device) {
		want = pki.ErrWeakKey
	}
	c, err := m.Renew(context.Background(), pki.Renewal{Org: org, Device: device, Serial: serial, ValidDays: 20, By: by})
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("renew: %v, want %v", err, want)
	}
	if err == nil {
		m.issued(t, c)
	}
}

func (m *model) revokeOne(t *rapid.T) {
	device, serial := m.pick(t)
	reason := rapid.SampledFrom([]pki.Reason{0, 1, 3, 4, 5, 6, 9, 2}).Draw(t, "reason")
	c, want := m.expect(device, serial)
	switch {
	case !reason.Known():
		want = pki.ErrReason
	case want == nil && c.revoked && (c.reason != pki.CertificateHold || reason == pki.CertificateHold):
		want = pki.ErrAlreadyRevoked
	}
	_, err := m.Revoke(context.Background(), pki.Revocation{Org: org, Device: device, Serial: serial, Reason: reason, By: by})
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("revoke: %v, want %v", err, want)
	}
	if err == nil {
		c.revoked, c.reason = true, reason
	}
}

func (m *model) releaseOne(t *rapid.T) {
	device, serial := m.pick(t)
	c, want := m.expect(device, serial)
	if want == nil {
		switch {
		case !c.revoked || c.reason != pki.CertificateHold:
			want = pki.ErrNotHeld
		default:
			for _, other := range m.certs {
				if other.device == device && m.status(other) == pki.Valid {
					want = pki.ErrHasValid
				}
			}
		}
	}
	_, err := m.Unhold(context.Background(), pki.Revocation{Org: org, Device: device, Serial: serial, By: by})
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("unhold: %v, want %v", err, want)
	}
	if err == nil {
		c.revoked, c.reason = false, 0
	}
}

// check compares the store with the model.
func (m *model) check(t *rapid.T) {
	stored := 0
	for device := m.first + 1; device <= m.first+3; device++ {
		valid := 0
		all, err := m.ListByDevice(context.Background(), org, device)
		if err != nil {
			t.Fatal(err)
		}
		stored += len(all)
		for _, c := range all {
			want := m.certs[c.Serial]
			if want == nil || c.Device != want.device || c.StatusAt(m.now()) != m.status(want) || c.Reason != want.reason {
				t.Fatalf("%s: %s %s, want %+v", c.Serial, c.StatusAt(m.now()), c.Reason, want)
			}
			if c.StatusAt(m.now()) == pki.Valid {
				valid++
			}
		}
		if valid > 1 {
			t.Fatalf("device %d has %d valid certificates", device, valid)
		}
	}
	if stored != len(m.certs) {
		t.Fatalf("%d certificates, want %d", stored, len(m.certs))
	}
}

// checkList compares the list with the model.
func (m *model) checkList(t *rapid.T) {
	l := m.list(pki.ECC)
	for serial, c := range m.certs {
		reason, found := onList(l, serial)
		if m.now() <= c.notAfter && (found != c.revoked || found && reason != int(c.reason)) {
			t.Fatalf("%s: in the list %v, reason %d, want %+v", serial, found, reason, c)
		}
	}
}

// The life of certificates, against a model.
func TestLifeCycle(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		f.clock.Set(start)
		m := &model{fixture: f, certs: map[pki.Serial]*modelled{}, csrs: map[registry.ID][]byte{}, first: f.devices(t, round)}
		for n := range registry.ID(3) {
			m.csrs[m.first+n+1] = request(f.t, ecKey(f.t), subject(fmt.Sprint("pump ", m.first+n)))
		}
		t.Repeat(map[string]func(*rapid.T){
			"issue": m.issueOne, "renew": m.renewOne, "revoke": m.revokeOne, "release": m.releaseOne, "list": m.checkList,
			"wait": func(t *rapid.T) {
				m.clock.Advance(time.Duration(rapid.IntRange(1, 30*24).Draw(t, "hours")) * time.Hour)
			},
			"": m.check,
		})
	})
}

// devices adds three new ones and returns the number before the first.
func (f *fixture) devices(t *rapid.T, round int) registry.ID {
	first := registry.ID(1000 * round)
	var rows []registry.DeviceRow
	for n := first + 1; n <= first+3; n++ {
		rows = append(rows, registry.DeviceRow{Device: registry.Device{Asset: n, Org: org, ID2: fmt.Sprintf("%024d", n), Algorithm: id2.AES128, Version: 1, Created: 1},
			Key: []byte("sealed")})
	}
	if _, err := f.store.InsertDevices(context.Background(), rows, by.Did("test", "test", "", nil)); err != nil {
		t.Fatal(err)
	}
	return first
}
