package provision_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// A device of every kind gets an identity and authenticates with it; both
// together take one licence.
func TestProvisionedDevicesAuthenticate(t *testing.T) {
	onEach(t, func(f *fixture) {
		for _, a := range id2.Algorithms() {
			if !a.Symmetric() {
				continue
			}
			p, token := f.product(a, func(s *registry.ProductSpec) { s.Quota = 5 })
			d := f.device(p, token, "uid of "+a.String())
			remaining, err := d.provision()
			if err != nil || remaining != 4 || len(d.id) != 24 || strings.Trim(d.id, "0123456789ABCDEF") != "" {
				f.t.Errorf("%v: id %q, %d left, %v", a, d.id, remaining, err)
				continue
			}
			got, err := f.reg.Device(context.Background(), f.org, d.id)
			f.must(err)
			if got.State != registry.Unactivated || got.Activated != 0 || got.LicenceUntil != registry.Forever || got.Product != p.Key {
				f.t.Errorf("%v: provisioned: %+v", a, got)
			}
			for range 2 {
				wants(f.t, a.String(), d.authenticate(), id2.CodeOK)
			}
			got, err = f.reg.Device(context.Background(), f.org, d.id)
			f.must(err)
			if used := f.used(p); got.State != registry.Active || got.Activated == 0 || used != 1 {
				f.t.Errorf("%v: authenticated: %+v, %d licences", a, got, used)
			}
		}
	})
}

// The fingerprint policy of DESIGN §4.
func TestProvisionedAgain(t *testing.T) {
	onEach(t, func(f *fixture) {
		ctx := context.Background()
		p, token := f.product(id2.AES128, nil)
		d := f.device(p, token, "uid")
		d.reprovision("the first time", id2.CodeOK)
		first := *d
		d.reprovision("before it has authenticated", id2.CodeOK)
		if d.id != first.id || f.used(p) != 1 {
			f.t.Errorf("id %s, then %s; %d licences", first.id, d.id, f.used(p))
		}
		wants(f.t, "the key of before", first.authenticate(), id2.CodeAuthCode)
		wants(f.t, "the new key", d.authenticate(), id2.CodeOK)
		d.reprovision("after it has authenticated", id2.CodeFingerprintDuplicate)
		wants(f.t, "a refused attempt changes nothing", d.authenticate(), id2.CodeOK)

		_, err := f.reg.AllowReprovision(ctx, f.org, d.id, by)
		f.must(err)
		d.reprovision("allowed by an operator", id2.CodeOK)
		d.reprovision("which serves once", id2.CodeFingerprintDuplicate)
		wants(f.t, "with the key of the permission", d.authenticate(), id2.CodeOK)

		yes := true
		_, err = f.reg.UpdateProduct(ctx, f.org, p.Key, registry.ProductChange{AllowReprovision: &yes}, by)
		f.must(err)
		for range 2 {
			d.reprovision("allowed by the product", id2.CodeOK)
			wants(f.t, "with the newest key", d.authenticate(), id2.CodeOK)
		}
		if d.id != first.id || f.used(p) != 1 {
			f.t.Errorf("id %s, then %s; %d licences", first.id, d.id, f.used(p))
		}
	})
}

func TestSuspendedAndDiscarded(t *testing.T) {
	onEach(t, func(f *fixture) {
		ctx := context.Background()
		p, token := f.product(id2.AES128, func(s *registry.ProductSpec) { s.AllowReprovision = true })
		d := f.device(p, token, "uid")
		d.reprovision("first", id2.CodeOK)
		_, err := f.reg.Suspend(ctx, f.org, d.id, by)
		f.must(err)
		d.reprovision("suspended", id2.CodeSuspended)
		wants(f.t, "suspended", d.authenticate(), id2.CodeSuspended)
		resumed, err := f.reg.Resume(ctx, f.org, d.id, by)
		f.must(err)
		if resumed.State != registry.Unactivated {
			f.t.Errorf("resumed before it was active: %v", resumed.State)
		}
		wants(f.t, "resumed", d.authenticate(), id2.CodeOK)
		_, err = f.reg.Discard(ctx, f.org, d.id, by)
		f.must(err)
		d.reprovision("discarded", id2.CodeDiscarded)
		if _, err := f.reg.AllowReprovision(ctx, f.org, d.id, by); err == nil {
			f.t.Error("a discarded device may be provisioned again")
		}
		f.must(f.reg.Delete(ctx, f.org, d.id, by))
		was := d.id
		d.reprovision("deleted, so a new device", id2.CodeOK)
		if d.id == was || f.used(p) != 2 {
			f.t.Errorf("id %s again, %d licences", d.id, f.used(p))
		}
	})
}

// A code serves once, whatever happens to its device.
func TestReplayedCode(t *testing.T) {
	onEach(t, func(f *fixture) {
		p, token := f.product(id2.SM4, nil)
		d := f.device(p, token, "uid")
		code := d.code()
		first, err := d.ask(code)
		f.must(err)
		_, err = d.ask(code)
		wants(f.t, "replayed", err, id2.CodeAuthCode)
		d.id, d.key, err = d.request.OpenProvisionData(first.Data)
		f.must(err)
		wants(f.t, "the first answer is still good", d.authenticate(), id2.CodeOK)
		_, err = d.ask(code)
		wants(f.t, "replayed after it has authenticated", err, id2.CodeAuthCode)
		f.must(f.reg.Delete(context.Background(), f.org, d.id, by))
		_, err = d.ask(code)
		wants(f.t, "replayed after the device was deleted", err, id2.CodeAuthCode)
		if f.used(p) != 1 {
			f.t.Errorf("%d licences", f.used(p))
		}
	})
}

func TestProvisionRefusals(t *testing.T) {
	onEach(t, func(f *fixture) {
		p, token := f.product(id2.AES128, nil)
		off, offToken := f.product(id2.AES128, func(s *registry.ProductSpec) { s.OTP = false })
		full, fullToken := f.product(id2.AES128, func(s *registry.ProductSpec) { s.Quota = 0 })
		foreign, err := id2.ParseToken("i11ABCDEFGHabcdefgh0123456789ABC")
		f.must(err)
		good := f.device(p, token, "uid").code()
		damaged := slices.Clone(good)
		damaged[80] ^= 1
		other := f.device(p, token, "uid")
		other.request.KeyType = id2.OTPSM4
		for name, c := range map[string]struct {
			code []byte
			want id2.Code
		}{
			"nothing":              {nil, id2.CodeAuthCode},
			"too short":            {good[:68], id2.CodeAuthCode},
			"too long":             {make([]byte, 257), id2.CodeAuthCode},
			"damaged":              {damaged, id2.CodeAuthCode},
			"truncated":            {good[:len(good)-16], id2.CodeAuthCode},
			"unknown token":        {f.device(p, foreign, "uid").code(), id2.CodeProductNotFound},
			"OTP off":              {f.device(off, offToken, "uid").code(), id2.CodeOTPDisabled},
			"no quota":             {f.device(full, fullToken, "uid").code(), id2.CodeQuota},
			"another kind of key":  {other.code(), id2.CodeNotSupported},
			"empty fingerprint":    {f.fingerprintCode(token, 0), id2.CodeFingerprint},
			"too long fingerprint": {f.fingerprintCode(token, 129), id2.CodeFingerprint},
			"longest fingerprint":  {f.fingerprintCode(token, 128), id2.CodeOK},
		} {
			_, err := f.device(p, token, "").ask(c.code)
			wants(f.t, name, err, c.want)
		}
		stranger := f.newOrg("stranger")
		_, err = f.otp.Provision(context.Background(), &provision.Request{Org: stranger, Code: good, By: by})
		wants(f.t, "from another organisation", err, id2.CodeProductNotFound)
		if f.used(full) != 0 || f.used(off) != 0 || f.used(p) != 1 {
			f.t.Errorf("licences: %d, %d, %d", f.used(full), f.used(off), f.used(p))
		}
		quota := int64(1)
		_, err = f.reg.UpdateProduct(context.Background(), f.org, full.Key, registry.ProductChange{Quota: &quota}, by)
		f.must(err)
		again := f.device(full, fullToken, "uid")
		again.reprovision("after the quota was raised", id2.CodeOK)
	})
}

// Firmware in the field may hold a token of either use type, and of either first
// letter; the product is made with that very token.
func TestTokensFromTheField(t *testing.T) {
	onEach(t, func(f *fixture) {
		for name, c := range map[string]struct {
			token     string
			algorithm id2.Algorithm
		}{
			"text":         {"x14ABCDEFGHabcdefgh0123456789ABC", id2.TDES112},
			"base64, AES":  {"i21abcde" + base64.StdEncoding.EncodeToString([]byte("0123456789abcde\xff")), id2.AES128},
			"base64, SM4":  {"x29abcde" + base64.StdEncoding.EncodeToString([]byte("\x000123456789abcde")), id2.SM4},
			"base64, 3DES": {"i25abcde" + base64.StdEncoding.EncodeToString([]byte("fedcba9876543210")), id2.TDES168},
		} {
			p, token := f.product(c.algorithm, func(s *registry.ProductSpec) { s.Token = c.token })
			if f.secrets[token] != c.token {
				f.t.Errorf("%s: another secret came back: %s", name, f.secrets[token])
			}
			d := f.device(p, token, "uid")
			d.reprovision(name, id2.CodeOK)
			wants(f.t, name, d.authenticate(), id2.CodeOK)
		}
	})
}

// A device without a back end names its product, and with that its organisation;
// no other product's token will do, not even that of a neighbour.
func TestNamedProduct(t *testing.T) {
	onEach(t, func(f *fixture) {
		p, token := f.product(id2.AES128, nil)
		neighbour, neighbourToken := f.product(id2.AES128, nil)
		off, offToken := f.product(id2.AES128, func(s *registry.ProductSpec) { s.OTP = false })
		home := f.org
		f.org = f.newOrg("stranger")
		foreign, foreignToken := f.product(id2.AES128, nil)
		for name, c := range map[string]struct {
			key   string
			token id2.Token
			want  id2.Code
		}{
			"its own token":         {p.Key, token, id2.CodeOK},
			"a neighbour's token":   {p.Key, neighbourToken, id2.CodeAuthCode},
			"the other way round":   {neighbour.Key, token, id2.CodeAuthCode},
			"a stranger's token":    {p.Key, foreignToken, id2.CodeAuthCode},
			"a stranger's product":  {foreign.Key, foreignToken, id2.CodeOK},
			"OTP off":               {off.Key, offToken, id2.CodeOTPDisabled},
			"nobody's product":      {"a1nobodyhas", token, id2.CodeProductNotFound},
			"a key in another case": {strings.ToUpper(p.Key), token, id2.CodeProductNotFound},
		} {
			d := f.device(p, c.token, "uid")
			_, err := f.otp.Provision(context.Background(), &provision.Request{ProductKey: c.key, Code: d.code(), By: by})
			wants(f.t, name, err, c.want)
		}
		if f.used(foreign) != 1 {
			f.t.Errorf("the stranger used %d licences", f.used(foreign))
		}
		f.org = home
		if f.used(p) != 1 || f.used(neighbour) != 0 {
			f.t.Errorf("licences: %d, %d", f.used(p), f.used(neighbour))
		}
	})
}

// fingerprintCode is a code with a fingerprint of any length, whether or not the
// package would build it.
func (f *fixture) fingerprintCode(token id2.Token, n int) []byte {
	f.t.Helper()
	code, err := id2.OTPRequest{KeyType: id2.OTPAES128, Fingerprint: []byte(strings.Repeat("f", min(max(n, 1), 128)))}.AuthCode(token)
	f.must(err)
	if n >= 1 && n <= 128 {
		return code
	}
	key, err := id2.NewSymmetricKey(id2.AES128, []byte(f.secrets[token][3:19]))
	f.must(err)
	plain := append([]byte{byte(id2.OTPAES128)}, make([]byte, 16)...)
	plain = append(plain, strings.Repeat("f", n)...)
	sealed, err := key.Encrypt(nil, plain)
	f.must(err)
	sum := sha256.Sum256(plain)
	return append(append(slices.Clone(code[:36]), sum[:]...), sealed...)
}

// A licence that ended before the device was first used is followed by another.
func TestLicenceEndsBeforeFirstUse(t *testing.T) {
	f := newFixture(t, "sqlite:"+t.TempDir()+"/h.db")
	p, token := f.product(id2.AES128, func(s *registry.ProductSpec) { s.TermDays = 30 })
	late, punctual := f.device(p, token, "late"), f.device(p, token, "punctual")
	late.reprovision("late", id2.CodeOK)
	punctual.reprovision("punctual", id2.CodeOK)
	f.advance(29 * 24 * time.Hour)
	wants(t, "punctual", punctual.authenticate(), id2.CodeOK)
	if f.used(p) != 2 {
		t.Errorf("%d licences", f.used(p))
	}
	f.advance(2 * 24 * time.Hour)
	wants(t, "the licence runs from the provisioning", punctual.authenticate(), id2.CodeExpired)
	wants(t, "late", late.authenticate(), id2.CodeOK)
	if f.used(p) != 3 {
		t.Errorf("%d licences", f.used(p))
	}
}

// Fifty devices, twenty licences.
func TestQuotaUnderConcurrency(t *testing.T) {
	const devices, quota = 50, 20
	onEach(t, func(f *fixture) {
		p, token := f.product(id2.AES128, func(s *registry.ProductSpec) { s.Quota = quota })
		all, left, errs := make([]*newDevice, devices), make([]int64, devices), make([]error, devices)
		var wg sync.WaitGroup
		for i := range all {
			all[i] = f.device(p, token, strings.Repeat("x", i+1))
			wg.Go(func() { left[i], errs[i] = all[i].provision() })
		}
		wg.Wait()
		ids := make(map[string]bool)
		var told []int64
		for i, err := range errs {
			if err != nil {
				wants(f.t, "too many", err, id2.CodeQuota)
				continue
			}
			ids[all[i].id] = true
			told = append(told, left[i])
		}
		slices.Sort(told)
		if len(ids) != quota || len(told) != quota || told[0] != 0 || told[quota-1] != quota-1 || len(slices.Compact(told)) != quota || f.used(p) != quota {
			f.t.Errorf("%d ids, %d licences, told %v", len(ids), f.used(p), told)
		}
		for i, d := range all {
			if errs[i] == nil {
				wants(f.t, "authenticate", d.authenticate(), id2.CodeOK)
			}
		}
		if f.used(p) != quota {
			f.t.Errorf("%d licences after all have authenticated", f.used(p))
		}
	})
}

// Many requests for one fingerprint make one device with one licence.
func TestOneFingerprintManyRequests(t *testing.T) {
	onEach(t, func(f *fixture) {
		p, token := f.product(id2.AES128, nil)
		all, errs := make([]*newDevice, 8), make([]error, 8)
		var wg sync.WaitGroup
		for i := range all {
			all[i] = f.device(p, token, "the same")
			wg.Go(func() { _, errs[i] = all[i].provision() })
		}
		wg.Wait()
		ids := make(map[string]bool)
		for i, err := range errs {
			if err != nil {
				wants(f.t, "one of many", err, id2.CodeBusy)
				continue
			}
			ids[all[i].id] = true
		}
		if len(ids) != 1 || f.used(p) != 1 {
			f.t.Errorf("%d ids, %d licences", len(ids), f.used(p))
		}
	})
}
