package authn

import (
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func publicPEM(t *testing.T, k *id2.Key) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Bytes()}))
}

func TestEveryAlgorithm(t *testing.T) { onBoth(t, checkEveryAlgorithm) }

func checkEveryAlgorithm(t *testing.T, f *fixture) {
	for _, a := range id2.Algorithms() {
		t.Run(a.String(), func(t *testing.T) {
			p := f.product(a, func(s *registry.ProductSpec) { s.TwoWayAuth = true })
			d := f.device(p)
			wants(t, "challenge", d.verify(d.challengeCode()), id2.CodeOK)
			wants(t, "timestamp", d.verify(d.timeCode()), id2.CodeOK)
			d.checkExtra(t)
			d.checkMutual(t)
			if used := f.used(p); used != 1 {
				t.Errorf("%d licences used, want 1", used)
			}
			if got := d.get(); got.State != registry.Active {
				t.Errorf("state %v", got.State)
			}
		})
	}
}

func (d *testDevice) checkExtra(t *testing.T) {
	t.Helper()
	code := d.code(id2.TimestampExtra, d.stamp(time.Second), "digest1234")
	req := d.request(code)
	req.Extra = "digest1235"
	_, err := d.f.Verify(t.Context(), req)
	wants(t, "wrong extra", err, id2.CodeAuthCode)
	req.Extra = "digest1234"
	_, err = d.f.Verify(t.Context(), req)
	wants(t, "the right extra after a wrong one", err, id2.CodeOK)
	empty := d.code(id2.TimestampExtra, d.stamp(2*time.Second), "")
	wants(t, "type 3 with an empty extra", d.verify(empty), id2.CodeOK)
}

// checkMutual opens what the server answers as a device would.
func (d *testDevice) checkMutual(t *testing.T) {
	t.Helper()
	req := d.request(d.challengeCode())
	req.Encrypt, req.Data = true, "1234"
	req.Mutual, req.DeviceChallenge, req.ServerExtra = true, "ABCD12348", "1234abcfe"
	res, err := d.f.Verify(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(res.EncryptData)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := d.key.Decrypt(sealed); err != nil || string(plain) != "1234" {
		t.Errorf("decrypted %q, %v", plain, err)
	}
	key := d.key.Public()
	if !d.product.Algorithm.Symmetric() {
		der, err := d.f.reg.ServerPublicKey(t.Context(), d.f.org, d.product.Key)
		if err != nil {
			t.Fatal(err)
		}
		if key, err = id2.NewPublicKey(d.product.Algorithm, der); err != nil {
			t.Fatal(err)
		}
	}
	err = id2.CheckServerCode(key.Verify, d.product.Algorithm.NativeHash(), d.id, "ABCD12348", []byte("1234abcfe"), true, res.ServerAuthCode)
	if err != nil {
		t.Errorf("server code %s: %v", res.ServerAuthCode, err)
	}
}

func TestRefusals(t *testing.T) { onBoth(t, checkRefusals) }

func checkRefusals(t *testing.T, f *fixture) {
	p := f.product(id2.AES128, nil)
	d, other := f.device(p), f.device(p)
	stranger := f.product(id2.AES128, nil)
	rsa := f.device(f.product(id2.RSA1024, nil))
	foreign, err := f.reg.CreateOrg(t.Context(), "somebody else", operatorActor)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(code string) string { // another first character of the signature
		i := strings.LastIndexByte(code, '~') + 1
		if code[i] == 'A' {
			return code[:i] + "B" + code[i+1:]
		}
		return code[:i] + "A" + code[i+1:]
	}
	spent := d.challengeCode()
	wants(t, "first use", d.verify(spent), id2.CodeOK)
	spentTime := d.timeCode()
	wants(t, "first use", d.verify(spentTime), id2.CodeOK)

	for _, c := range []struct {
		name   string
		code   id2.Code
		change func(*Request)
	}{
		{"garbage", id2.CodeAuthCode, func(r *Request) { r.AuthCode = "\x00garbage" }},
		{"empty code", id2.CodeAuthCode, func(r *Request) { r.AuthCode = "" }},
		{"huge code", id2.CodeAuthCode, func(r *Request) { r.AuthCode = strings.Repeat("~", 60000) }},
		{"tampered", id2.CodeAuthCode, func(r *Request) { r.AuthCode = flip(r.AuthCode) }},
		{"replayed challenge", id2.CodeChallenge, func(r *Request) { r.AuthCode = spent }},
		{"replayed timestamp", id2.CodeTimestampRepeated, func(r *Request) { r.AuthCode = spentTime }},
		{"replayed timestamp as type 3", id2.CodeTimestampRepeated, func(r *Request) { r.AuthCode = "3" + spentTime[1:] }},
		{"spent challenge as type 2", id2.CodeChallenge, func(r *Request) { r.AuthCode = "2" + spent[1:] }},
		{"challenge as timestamp", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = "1" + r.AuthCode[1:] }},
		{"timestamp as challenge", id2.CodeChallenge, func(r *Request) { r.AuthCode = "0" + d.timeCode()[1:] }},
		{"stale timestamp", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = d.code(id2.Timestamp, d.stamp(-Skew), "") }},
		{"timestamp ahead", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = d.code(id2.Timestamp, d.stamp(Skew), "") }},
		{"timestamp in seconds", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = d.code(id2.Timestamp, "1700000000", "") }},
		{"timestamp with a sign", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = d.code(id2.Timestamp, "+1700000000000", "") }},
		{"timestamp past all bounds", id2.CodeTimestampExpired, func(r *Request) { r.AuthCode = d.code(id2.Timestamp, strings.Repeat("9", 32), "") }},
		{"another device's code", id2.CodeChallenge, func(r *Request) { r.AuthCode = other.challengeCode() }},
		{"another device's timestamp code", id2.CodeAuthCode, func(r *Request) { r.AuthCode = other.timeCode() }},
		{"made-up challenge", id2.CodeChallenge, func(r *Request) {
			r.AuthCode = d.code(id2.Challenge, strings.Repeat("0", 32), "")
		}},
		{"lower-case challenge", id2.CodeChallenge, func(r *Request) {
			challenge, _ := f.Challenge(t.Context(), f.org, d.id)
			r.AuthCode = d.code(id2.Challenge, strings.ToLower(challenge), "")
		}},
		{"extra with a type without", id2.CodeAuthCode, func(r *Request) { r.Extra = "x" }},
		{"long extra", id2.CodeDeviceExtra, func(r *Request) { r.Extra = strings.Repeat("x", 513) }},
		{"weak hash not named", id2.CodeAuthCode, func(r *Request) { r.AuthCode = strings.Replace(r.AuthCode, "~2~", "~1~", 1) }},
		{"unknown device", id2.CodeIDNotFound, func(r *Request) { r.ID2 = strings.Repeat("F", 24) }},
		{"another organisation", id2.CodeIDNotFound, func(r *Request) { r.Org = foreign.ID }},
		{"unknown product", id2.CodeProductNotFound, func(r *Request) { r.ProductKey = "a1nothere00" }},
		{"another product", id2.CodeAlreadyActivated, func(r *Request) { r.ProductKey = stranger.Key }},
		{"empty data", id2.CodeData, func(r *Request) { r.Encrypt = true }},
		{"data too long", id2.CodeData, func(r *Request) { r.Encrypt, r.Data = true, strings.Repeat("x", 512) }},
		{"no device challenge", id2.CodeDeviceChallenge, func(r *Request) { r.Mutual = true }},
		{"long device challenge", id2.CodeDeviceChallenge, func(r *Request) { r.Mutual, r.DeviceChallenge = true, strings.Repeat("x", 129) }},
		{"tilde in device challenge", id2.CodeDeviceChallenge, func(r *Request) { r.Mutual, r.DeviceChallenge = true, "a~b" }},
		{"long server extra", id2.CodeServerExtra, func(r *Request) {
			r.Mutual, r.DeviceChallenge, r.ServerExtra = true, "a", strings.Repeat("x", 513)
		}},
		{"RSA: data over 117 bytes", id2.CodeData, func(r *Request) {
			*r = *rsa.request(rsa.challengeCode())
			r.Encrypt, r.Data = true, strings.Repeat("x", 118)
		}},
		{"RSA: no server key", id2.CodeNotSupported, func(r *Request) {
			*r = *rsa.request(rsa.challengeCode())
			r.Mutual, r.DeviceChallenge = true, "abc"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := d.request(d.challengeCode())
			good := *req
			c.change(req)
			_, err := f.Verify(t.Context(), req)
			wants(t, c.name, err, c.code)
			if _, err := f.Verify(t.Context(), &good); err != nil {
				t.Errorf("the device's own code was harmed: %v", err)
			}
		})
	}
	if got := f.used(p); got != 1 {
		t.Errorf("refusals took licences: %d used", got)
	}
}

// A code is spent only when it is accepted: a forger who names the challenge
// with a wrong signature must not burn it, nor must a request that fails later.
func TestForgerCannotBurnACode(t *testing.T) { onBoth(t, checkForgerCannotBurnACode) }

func checkForgerCannotBurnACode(t *testing.T, f *fixture) {
	d := f.device(f.product(id2.AES128, nil))
	for name, code := range map[string]string{"challenge": d.challengeCode(), "timestamp": d.timeCode()} {
		forged := code[:len(code)-4] + "AAA="
		wants(t, name+" forged", d.verify(forged), id2.CodeAuthCode)
		late := d.request(code)
		late.Encrypt, late.Data = true, strings.Repeat("x", 600)
		_, err := f.Verify(t.Context(), late)
		wants(t, name+" with bad data", err, id2.CodeData)
		wants(t, name, d.verify(code), id2.CodeOK)
		wants(t, name+" again", d.verify(code), map[string]id2.Code{"challenge": id2.CodeChallenge, "timestamp": id2.CodeTimestampRepeated}[name])
	}
}

func TestStates(t *testing.T) { onBoth(t, checkStates) }

func checkStates(t *testing.T, f *fixture) {
	d := f.device(f.product(id2.SM4, nil))
	step := func(name string, change func(name string) error, code id2.Code, state registry.State) {
		t.Helper()
		if err := change(d.id); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wants(t, name, d.verify(d.timeCode()), code)
		_, err := f.Challenge(t.Context(), f.org, d.id)
		wants(t, name+": challenge", err, code)
		if got := d.get().State; got != state {
			t.Errorf("%s: state %v, want %v", name, got, state)
		}
		f.clock.Advance(time.Second)
	}
	by := operatorActor
	step("new", func(string) error { return nil }, id2.CodeOK, registry.Active)
	step("suspend", func(n string) error { _, err := f.reg.Suspend(t.Context(), f.org, n, by); return err }, id2.CodeSuspended, registry.Suspended)
	step("resume", func(n string) error { _, err := f.reg.Resume(t.Context(), f.org, n, by); return err }, id2.CodeOK, registry.Active)
	step("discard", func(n string) error { _, err := f.reg.Discard(t.Context(), f.org, n, by); return err }, id2.CodeDiscarded, registry.Discarded)
	if err := f.reg.Delete(t.Context(), f.org, d.id, by); err != nil {
		t.Fatal(err)
	}
	wants(t, "deleted", d.verify(d.timeCode()), id2.CodeIDNotFound)
}

func TestQuota(t *testing.T) { onBoth(t, checkQuota) }

func checkQuota(t *testing.T, f *fixture) {
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.Quota = 1 })
	first, second := f.device(p), f.device(p)
	wants(t, "first device", first.verify(first.timeCode()), id2.CodeOK)
	wants(t, "second device", second.verify(second.timeCode()), id2.CodeQuota)
	wants(t, "first device again", first.verify(first.challengeCode()), id2.CodeOK)
	if got := second.get(); got.State != registry.Unactivated || got.LicenceUntil != 0 {
		t.Errorf("the refused device changed: %+v", got)
	}
	quota := int64(2)
	if _, err := f.reg.UpdateProduct(t.Context(), f.org, p.Key, registry.ProductChange{Quota: &quota}, operatorActor); err != nil {
		t.Fatal(err)
	}
	wants(t, "second device with a raised quota", second.verify(second.challengeCode()), id2.CodeOK)
	if got := f.used(p); got != 2 {
		t.Errorf("%d licences used", got)
	}
}

func TestQuotaUnderConcurrency(t *testing.T) { onBoth(t, checkQuotaUnderConcurrency) }

func checkQuotaUnderConcurrency(t *testing.T, f *fixture) {
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.Quota = 5 })
	devices := make([]*testDevice, 8)
	var requests []*Request
	for i := range devices {
		devices[i] = f.device(p)
		for range 4 { // each device asks four times at once
			requests = append(requests, devices[i].request(devices[i].challengeCode()))
		}
	}
	var ok atomic.Int64
	var wg sync.WaitGroup
	for _, r := range requests {
		wg.Go(func() {
			_, err := f.Verify(t.Context(), r)
			if err == nil {
				ok.Add(1)
				return
			}
			wants(t, r.ID2, err, id2.CodeQuota)
		})
	}
	wg.Wait()
	active := 0
	for _, d := range devices {
		if d.get().State == registry.Active {
			active++
		}
	}
	if active != 5 || f.used(p) != 5 || ok.Load() != 20 {
		t.Errorf("%d devices active, %d licences used, %d requests granted; want 5, 5, 20", active, f.used(p), ok.Load())
	}
}

const testDay = 24 * time.Hour

func TestTerm(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.TermDays = 30 })
	d := f.device(p)
	other := f.product(id2.AES128, nil)
	wants(t, "first", d.verify(d.timeCode()), id2.CodeOK)
	f.clock.Advance(30*testDay - time.Millisecond)
	wants(t, "last moment", d.verify(d.timeCode()), id2.CodeOK)
	f.clock.Advance(time.Millisecond)
	wants(t, "expired", d.verify(d.timeCode()), id2.CodeExpired)
	_, err := f.Challenge(t.Context(), f.org, d.id)
	wants(t, "challenge of an expired device", err, id2.CodeExpired)
	if used := f.used(p); used != 1 {
		t.Errorf("%d licences used while expired", used)
	}
	f.clock.Advance(15 * testDay)
	got := d.get()
	if s := got.StateAt(registry.At(f.clock.Now())); s != registry.Unactivated {
		t.Errorf("after 15 days: %v", s)
	}
	d.product = other // a released device may be bound anew
	wants(t, "released, bound to another product", d.verify(d.timeCode()), id2.CodeOK)
	if f.used(p) != 1 || f.used(other) != 1 || d.get().Product != other.Key {
		t.Errorf("licences %d and %d, bound to %s", f.used(p), f.used(other), d.get().Product)
	}
}

func TestAutoRenewal(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.TermDays, s.AutoRenew, s.Quota = 10, true, 2 })
	d := f.device(p)
	wants(t, "first", d.verify(d.timeCode()), id2.CodeOK)
	f.clock.Advance(11 * testDay)
	wants(t, "renewal", d.verify(d.challengeCode()), id2.CodeOK)
	if until := d.get().LicenceUntil; until != registry.At(f.clock.Now().Add(10*testDay)) || f.used(p) != 2 {
		t.Errorf("renewed until %v, %d used", until, f.used(p))
	}
	f.clock.Advance(11 * testDay)
	wants(t, "no licence left to renew", d.verify(d.timeCode()), id2.CodeQuota)
}

func TestDailyLimit(t *testing.T) {
	f := newFixture(t)
	f.clock.Set(f.clock.Now().Truncate(testDay).Add(time.Hour))
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.DailyLimit = 3 })
	d := f.device(p)
	for range 3 {
		wants(t, "within the limit", d.verify(d.timeCode()), id2.CodeOK)
		wants(t, "a forged code costs nothing", d.verify(d.timeCode()[:40]), id2.CodeAuthCode)
	}
	code := d.challengeCode()
	wants(t, "fourth", d.verify(code), id2.CodeQuota)
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.restart() // the count of the day survives
	wants(t, "fourth after a restart", d.verify(d.timeCode()), id2.CodeQuota)
	f.clock.Advance(testDay)
	wants(t, "next day", d.verify(d.timeCode()), id2.CodeOK)
}

func TestChallengesDieWithTheirEpoch(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	used, unused := d.challengeCode(), d.challengeCode()
	wants(t, "used", d.verify(used), id2.CodeOK)
	stamped := d.timeCode()
	wants(t, "timestamp", d.verify(stamped), id2.CodeOK)
	f.restart()
	wants(t, "used before the restart", d.verify(used), id2.CodeChallenge)
	wants(t, "issued before the restart", d.verify(unused), id2.CodeChallenge)
	wants(t, "timestamp used before the restart", d.verify(stamped), id2.CodeTimestampRepeated)
	wants(t, "a new one", d.verify(d.challengeCode()), id2.CodeOK)
}

func TestChallengeLifetime(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	fresh, late := d.challengeCode(), d.challengeCode()
	f.clock.Advance(5*time.Minute - time.Second)
	wants(t, "in time", d.verify(fresh), id2.CodeOK)
	f.clock.Advance(time.Second)
	wants(t, "too late", d.verify(late), id2.CodeChallenge)
	f.clock.Advance(-10 * time.Minute) // a clock set back reopens nothing
	wants(t, "after the clock was set back", d.verify(fresh), id2.CodeChallenge)
}

func TestClockForwardThenBack(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	code := d.timeCode()
	wants(t, "first", d.verify(code), id2.CodeOK)
	f.clock.Advance(time.Hour)
	wants(t, "a code of the wrong hour", d.verify(d.timeCode()), id2.CodeOK)
	f.clock.Advance(-time.Hour)
	if err := d.verify(code); err == nil {
		t.Error("a code was accepted twice after the clock went forward and back")
	}
}

func TestOneWinnerAmongDuplicates(t *testing.T) { onBoth(t, checkOneWinnerAmongDuplicates) }

func checkOneWinnerAmongDuplicates(t *testing.T, f *fixture) {
	d := f.device(f.product(id2.AES128, nil))
	for name, code := range map[string]string{"challenge": d.challengeCode(), "timestamp": d.timeCode()} {
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if d.verify(code) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d of 64 won", name, won.Load())
		}
	}
}

func TestUsageCountsAddUp(t *testing.T) { onBoth(t, checkUsageCountsAddUp) }

func checkUsageCountsAddUp(t *testing.T, f *fixture) {
	d := f.device(f.product(id2.AES128, nil))
	for range 7 {
		wants(t, "verify", d.verify(d.challengeCode()), id2.CodeOK)
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.get(); got.AuthCount != 7 || got.LastSeen != registry.At(f.clock.Now()) {
		t.Errorf("count %d, last seen %v", got.AuthCount, got.LastSeen)
	}
}

func TestRefusalsAreNotedOnce(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	code := d.timeCode()
	wants(t, "first", d.verify(code), id2.CodeOK)
	for range 50 {
		wants(t, "replay", d.verify(code), id2.CodeTimestampRepeated)
		wants(t, "garbage", d.verify("garbage"), id2.CodeAuthCode)
	}
	f.notes.flush(t.Context())
	events, err := f.reg.AuditEvents(t.Context(), registry.AuditFilter{Action: "device.refused"})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v; want one for 50 replays and none for garbage", len(events), err)
	}
	if e := events[0]; !strings.Contains(e.Detail, `"code":34`) || strings.Contains(e.Detail, code[30:]) {
		t.Errorf("detail %s", e.Detail)
	}
}
