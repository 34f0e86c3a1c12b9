package itlsd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestProvisioning(t *testing.T) {
	f := newFixture(t, nil)
	for _, a := range id2.Algorithms() {
		if !a.Symmetric() {
			continue
		}
		p, token := f.product(f.org, func(s *registry.ProductSpec) { s.Algorithm, s.Quota = a, 2 })
		d := f.device(p, token, "uid")
		id, err := d.provision()
		f.must(err)
		again, err := d.provision()
		f.must(err)
		got, err := f.reg.Device(context.Background(), f.org, id)
		f.must(err)
		if id != again || got.Product != p.Key || got.State != registry.Unactivated {
			t.Errorf("%v: %s, then %s: %+v", a, id, again, got)
		}
		other, err := f.device(p, token, "another uid").provision()
		f.must(err)
		if other == id {
			t.Errorf("%v: two devices have the id %s", a, id)
		}
	}
	// The record says who it was, the log too, and neither holds a code.
	events, err := f.reg.AuditEvents(context.Background(), registry.AuditFilter{Org: f.org, Action: "device.provision", Limit: 1})
	f.must(err)
	if len(events) != 1 || events[0].Actor != "itls:127.0.0.1" || events[0].Request == "" || !strings.Contains(f.log.String(), "request="+events[0].Request) {
		t.Errorf("%+v\n%s", events, f.log)
	}
	if n := f.metric("hallmark_itls_results_total", "0"); n != 18 || f.metric("hallmark_itls_seconds", "") != 18 {
		t.Errorf("%v were provisioned by the metric", n)
	}
}

// The bytes that the vendor's client sent, and one of its codes whose session
// key is known.
func TestVendorsBytes(t *testing.T) {
	f := newFixture(t, nil)
	f.fixedProduct("pk-demo-0001", "i11ABCDEFGHabcdefgh0123456789ABC")
	text, err := os.ReadFile("../../id2/itls/testdata/itls.json")
	f.must(err)
	record, err := hex.DecodeString(string(regexp.MustCompile(`"hello_hex": "([0-9a-f]+)"`).FindSubmatch(text)[1]))
	f.must(err)
	conn := f.dial()
	_, err = conn.Write(record)
	f.must(err)
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(answer, []byte{21, 3, 3, 0, 2, 2, 163}) { // its token is not known
		t.Errorf("%x, %v", answer, err)
	}

	code, err := base64.StdEncoding.DecodeString("AAABAIZV+0e/7ryrOQj2KbQtb/Kkg6E/ZimFO8ddSrLv1NbtUKGmqs+mYhpcfKKaJN/VA53K4xgpjcD3l3hprShxM+7TcUsBlemo3SS3Gc4E6xO5ufZU6JcPENQJknfrriiRag==")
	f.must(err)
	record = append(bytes.Clone(record[:5+4+2+32+1+6+2+2+4+12+4+28]), appendExtensions(code)...)
	conn = f.dial()
	_, err = conn.Write(record)
	f.must(err)
	answer, err = io.ReadAll(conn)
	f.must(err)
	if head := "16030300630300005f030320110059"; len(answer) != 104 || hex.EncodeToString(answer[:15]) != head {
		t.Fatalf("%x", answer)
	}
	request := id2.OTPRequest{KeyType: id2.OTPAES128}
	_, err = hex.Decode(request.SessionKey[:], []byte("a4430b6fb3baf8f776c0ee295dbdc349"))
	f.must(err)
	if _, _, err := request.OpenProvisionData(answer[15:]); err != nil {
		t.Error(err)
	}
}

// appendExtensions is the end of the vendor's hello, with a code of 100 bytes as
// there.
func appendExtensions(code []byte) []byte {
	out := append([]byte{0x20, 0x02, 0, byte(len(code))}, code...)
	return append(out, 0x20, 0x20, 0, 4, 0, 2, 1, 0)
}

// Every refusal of provisioning has its alert.
func TestAlerts(t *testing.T) {
	f := newFixture(t, nil)
	ctx := context.Background()
	p, token := f.product(f.org, nil)
	off, offToken := f.product(f.org, func(s *registry.ProductSpec) { s.OTP = false })
	full, fullToken := f.product(f.org, func(s *registry.ProductSpec) { s.Quota = 0 })
	other, otherToken := f.product(f.org, nil)
	_, err := f.device(other, otherToken, "uid").provision()
	f.must(err)

	refused := func(what string, d *fieldDevice, want itls.Alert) {
		t.Helper()
		_, err := d.provision()
		f.wants(what, err, want)
	}
	unknown := f.device(p, token, "uid")
	unknown.product = "a1nobodyhas"
	refused("unknown product", unknown, itls.AlertProductNotFound)
	refused("OTP off", f.device(off, offToken, "uid"), itls.AlertNotSupported)
	refused("no quota", f.device(full, fullToken, "uid"), itls.AlertNoQuota)
	refused("another product's token", f.device(p, otherToken, "uid"), itls.AlertAuthCode)
	kind := f.device(p, token, "uid")
	kind.request.KeyType = id2.OTPSM4
	refused("another kind of key", kind, itls.AlertKeyType)
	d := f.device(p, token, "known uid")
	refused("as it should be", d, 0)

	hello := d.hello()
	_, err = f.ask(hello)
	f.wants("a code, once", err, 0)
	_, err = f.ask(hello)
	f.wants("and twice", err, itls.AlertAuthCode)
	hello = d.hello()
	hello.AuthCode[70] ^= 1
	_, err = f.ask(hello)
	f.wants("a damaged code", err, itls.AlertAuthCode)
	hello.AuthCode = hello.AuthCode[:10]
	_, err = f.ask(hello)
	f.wants("no code at all", err, itls.AlertAuthCode)
	hello = d.hello()
	hello.AuthCode = f.emptyFingerprint(f.secrets[p.Key])
	_, err = f.ask(hello)
	f.wants("no fingerprint", err, itls.AlertFingerprint)

	id, err := d.provision()
	f.must(err)
	_, err = f.reg.Suspend(ctx, f.org, id, by)
	f.must(err)
	refused("suspended", d, itls.AlertSuspended)
	_, err = f.reg.Discard(ctx, f.org, id, by)
	f.must(err)
	refused("discarded", d, itls.AlertDiscarded)

	second := f.device(p, token, "second uid")
	refused("second", second, 0)
	f.store.set(func(k *registry.Known) { k.Device.Activated = 1 }, nil)
	refused("it has authenticated", second, itls.AlertFingerprintDuplicate)
	f.store.set(func(k *registry.Known) { k.Device.Product = other.Key }, nil)
	refused("another product's by now", second, itls.AlertOtherProduct)
	f.store.set(nil, fails(registry.ErrConflict))
	refused("changed all the time", second, itls.AlertBusy)
	f.store.set(nil, fails(registry.ErrUnknown))
	refused("an unknown outcome", second, itls.AlertBusy)
	f.store.set(nil, fails(errors.New("the disk is on fire")))
	refused("a broken store", second, itls.AlertGeneric)
	if !strings.Contains(f.log.String(), "the disk is on fire") {
		t.Error("the log is silent about a broken store")
	}
	f.store.set(nil, nil)
	refused("and all is well again", second, 0)
}

// emptyFingerprint makes a genuine code that package id2 would not build.
func (f *fixture) emptyFingerprint(secret string) []byte {
	f.t.Helper()
	key, err := id2.NewSymmetricKey(id2.AES128, []byte(secret[3:19]))
	f.must(err)
	plain := append([]byte{byte(id2.OTPAES128)}, make([]byte, 16)...)
	sealed, err := key.Encrypt(nil, plain)
	f.must(err)
	keyHash, plainHash := sha256.Sum256([]byte(secret[3:19])), sha256.Sum256(plain)
	return slices.Concat([]byte{0, 0, 1, 0}, keyHash[:], plainHash[:], sealed)
}

// Records that are no hello, or not one of provisioning.
func TestOtherRecords(t *testing.T) {
	f := newFixture(t, nil)
	p, token := f.product(f.org, nil)
	good, err := f.device(p, token, "uid").hello().Bytes()
	f.must(err)
	known := bytes.Replace(good, bytes.Repeat([]byte{'F'}, 24), []byte("00A1B2C3D4E5F60718293A00"), 1)
	badKey := bytes.Replace(good, []byte(p.Key), bytes.Repeat([]byte{1}, len(p.Key)), 1)
	for name, c := range map[string]struct {
		record []byte
		want   itls.Alert
	}{
		"a known id":           {known, itls.AlertNotSupported},
		"no product key":       {badKey, itls.AlertProductKey},
		"a hello of a browser": {[]byte{22, 3, 1, 2, 0}, itls.AlertGeneric},
		"an HTTP request":      {[]byte("GET /"), itls.AlertGeneric},
		"too long a record":    {[]byte{22, 3, 3, 4, 1}, itls.AlertGeneric},
		"an empty record":      {[]byte{22, 3, 3, 0, 0}, itls.AlertGeneric},
		"an alert":             {[]byte{21, 3, 3, 0, 2, 2, 40}, itls.AlertGeneric},
	} {
		conn := f.dial()
		_, err := conn.Write(c.record)
		f.must(err)
		_, err = itls.ReadAnswer(conn)
		f.wants(name, err, c.want)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection goes on: %v", name, err)
		}
	}
	if events, err := f.reg.AuditEvents(context.Background(), registry.AuditFilter{Org: f.org, Action: "device.", Limit: 1}); err != nil || len(events) != 0 {
		t.Errorf("%+v, %v", events, err)
	}
}

// A product key names its organisation, and only its own token opens it.
func TestOrganisationsAreApart(t *testing.T) {
	f := newFixture(t, nil)
	stranger := f.newOrg("stranger")
	p, token := f.product(f.org, nil)
	q, strange := f.product(stranger, nil)
	for _, c := range []struct {
		product registry.Product
		token   id2.Token
		org     registry.ID
		want    itls.Alert
	}{{p, token, f.org, 0}, {q, strange, stranger, 0}, {p, strange, 0, itls.AlertAuthCode}, {q, token, 0, itls.AlertAuthCode}} {
		id, err := f.device(c.product, c.token, "the same uid").provision()
		f.wants(c.product.Key, err, c.want)
		for _, org := range []registry.ID{f.org, stranger} {
			if _, err := f.reg.Device(context.Background(), org, id); (err == nil) != (org == c.org) {
				t.Errorf("device %q in organisation %v: %v", id, org, err)
			}
		}
	}
}

// Fifty devices ask at once for twenty licences.
func TestQuota(t *testing.T) {
	const devices, quota = 50, 20
	f := newFixture(t, nil)
	p, token := f.product(f.org, func(s *registry.ProductSpec) { s.Quota = quota })
	ids, errs := make([]string, devices), make([]error, devices)
	var wg sync.WaitGroup
	for i := range devices {
		d := f.device(p, token, fmt.Sprint("mac ", i))
		wg.Go(func() { ids[i], errs[i] = d.provision() })
	}
	wg.Wait()
	distinct := make(map[string]bool)
	for i, err := range errs {
		if err == nil {
			distinct[ids[i]] = true
			continue
		}
		f.wants("past the quota", err, itls.AlertNoQuota)
	}
	if len(distinct) != quota {
		t.Errorf("%d devices were provisioned", len(distinct))
	}
}
