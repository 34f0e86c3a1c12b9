package server

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/openapi"
)

// onBoth runs a test with the server in front on each engine.
func onBoth(t *testing.T, test func(t *testing.T, front func(*testclock.Clock) Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, func(c *testclock.Clock) Config {
			o := onPostgres(t, pgtest.Database(t))
			o.Now = c.Now
			return o
		})
	})
}

// relaying is a new server whose product has the vendor's key and whose
// upstream is the vendor: another Hallmark, which holds the device.
func relaying(t *testing.T, front func(*testclock.Clock) Config) (st, vendor *site) {
	t.Helper()
	// A shared store goes by its own clock, so the vendor's must agree with it.
	clock := testclock.New(time.Now())
	vendor = startSite(t, t.TempDir(), clock)
	vendor.equip(t)
	st = startWith(t, front(clock), clock)
	st.join(t, vendor, "")
	return st, vendor
}

// join gives an organisation a back end, the vendor's product, and the vendor
// as its upstream.
func (st *site) join(t *testing.T, vendor *site, org string) {
	t.Helper()
	if org != "" {
		st.clock.Advance(time.Second) // the first organisation is the oldest
		if _, err := st.op.CreateOrg(t.Context(), operator.OrgSpec{Name: org}); err != nil {
			t.Fatal(err)
		}
		st.op = operator.NewClient(operator.ClientOptions{URL: st.AdminURL(), Token: readToken(t, st.dir), Org: org})
	}
	var err error
	if st.access, err = st.op.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "id2"}); err != nil {
		t.Fatal(err)
	}
	spec := operator.ProductSpec{Name: "pump", Algorithm: "aes128"}
	if org == "" { // a product key is one organisation's
		spec.ProductKey = vendor.product
	}
	p, err := st.op.CreateProduct(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	st.product, st.id, st.key = p.ProductKey, vendor.id, vendor.key
	st.setRelay(t, vendor)
	st.relayProduct(t, true)
}

func (st *site) setRelay(t *testing.T, vendor *site) {
	t.Helper()
	if _, err := st.op.SetRelay(t.Context(), operator.RelaySpec{Endpoint: vendor.URL(), AccessKeyID: vendor.access.AccessKeyID,
		AccessKeySecret: vendor.access.AccessKeySecret, TimeoutMillis: 10_000}); err != nil {
		t.Fatal(err)
	}
}

func (st *site) relayProduct(t *testing.T, on bool) {
	t.Helper()
	if _, err := st.op.UpdateProduct(t.Context(), st.product, operator.ProductChange{Relay: &on}); err != nil {
		t.Fatal(err)
	}
}

// ask performs any operation for the site's device.
func (st *site) ask(t *testing.T, action string, params ...string) *openapi.Result {
	t.Helper()
	c, err := openapi.NewClient(openapi.ClientOptions{Endpoint: st.URL(), Now: st.Server.clock.Now,
		Credential: openapi.NewCredential(st.access.AccessKeyID, st.access.AccessKeySecret)})
	if err != nil {
		t.Fatal(err)
	}
	list := []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}, {Name: "Id2", Value: st.id}}
	for i := 0; i < len(params); i += 2 {
		list = append(list, openapi.Param{Name: params[i], Value: params[i+1]})
	}
	res, err := c.Call(t.Context(), action, list)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// code signs a fresh timestamp with the device's key.
func (st *site) code(t *testing.T) string {
	t.Helper()
	st.clock.Advance(time.Millisecond)
	return st.timeCode(t)
}

func (st *site) challengeCode(t *testing.T, challenge string) string {
	t.Helper()
	c := id2.AuthCode{Kind: id2.Challenge, Hash: id2.SHA256, DeviceRandom: "0123456789ABCDEF", Value: challenge}
	var err error
	if c.Signature, err = st.key.Sign(nil, c.Hash, id2.AppendMessage(nil, st.id, c.DeviceRandom, c.Value, nil)); err != nil {
		t.Fatal(err)
	}
	return c.String()
}

func (st *site) text(t *testing.T, data json.RawMessage) (s string) {
	t.Helper()
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return s
}

// status reads the relay's state once everything is written.
func (st *site) status(t *testing.T) operator.Relay {
	t.Helper()
	if err := st.relay.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := st.op.Relay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A device whose key only the vendor has proves itself in every way through this
// server, and is refused as the vendor refuses it.
func TestRelayAnswersAsTheUpstream(t *testing.T) {
	onBoth(t, func(t *testing.T, front func(*testclock.Clock) Config) {
		st, vendor := relaying(t, front)
		random := st.ask(t, "GetServerRandom")
		st.wants(t, "GetServerRandom", random.Code, 200)
		code := st.challengeCode(t, st.text(t, random.Data))
		res := st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", code)
		if res.Code != 200 || !res.Success || string(res.Data) != "true" {
			t.Errorf("Verify: %+v", res)
		}
		res = st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", code)
		if res.Code != 35 || res.Success || !strings.Contains(res.Message, "challenge") {
			t.Errorf("the challenge again: %+v", res)
		}
		res = st.ask(t, "VerifyAndEncrypt", "ProductKey", st.product, "AuthCode", st.code(t), "Data", "open")
		if res.Code != 200 || st.text(t, res.Data) == "" {
			t.Errorf("VerifyAndEncrypt: %+v", res)
		}
		res = st.ask(t, "GetServerAuthCodeAndEncryptData", "ProductKey", st.product, "DeviceAuthCode", st.code(t), "DeviceChallenge", "d", "Data", "open")
		var both struct{ EncryptData, ServerAuthCode string }
		if err := json.Unmarshal(res.Data, &both); err != nil || res.Code != 200 || both.EncryptData == "" || both.ServerAuthCode == "" {
			t.Errorf("GetServerAuthCodeAndEncryptData: %+v, %v", res, err)
		}
		st.wants(t, "a changed code", st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", strings.Replace(st.code(t), "0123", "3210", 1)).Code, 21)
		if _, err := vendor.op.ChangeDevice(t.Context(), st.id, "suspend"); err != nil {
			t.Fatal(err)
		}
		st.wants(t, "suspended by the vendor", st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", st.code(t)).Code, 45)

		status := st.status(t)
		if want := (operator.RelayedCounts{Day: 1, Week: 1, Month: 1, All: 1}); status.Devices != want || status.Breaker != "closed" || status.LastFailure != nil {
			t.Errorf("status %+v", status)
		}
		list, err := st.op.RelayedDevices(t.Context(), operator.RelayedQuery{})
		if err != nil || len(list.Devices) != 1 || list.Devices[0].ID2 != st.id || list.Devices[0].ProductKey != st.product || list.Devices[0].AuthCount != 3 {
			t.Errorf("devices %+v, %v", list, err)
		}
		if n := st.metric(t, `hallmark_relay_requests_total{action="Verify",result="ok"}`); n != "1" {
			t.Errorf("%s requests counted", n)
		}
		if n := st.metric(t, "hallmark_relay_devices"); n != "1" {
			t.Errorf("%s devices counted", n)
		}
		events, err := st.op.Audit(t.Context(), operator.AuditQuery{Subject: st.id, Action: "device.relayed"})
		if err != nil || len(events.Events) != 1 || !strings.Contains(string(events.Events[0].Detail), "upstream_request") {
			t.Errorf("audit %+v, %v", events, err)
		}
	})
}

// metric reads one line of the metrics.
func (st *site) metric(t *testing.T, name string) string {
	t.Helper()
	_, body := st.get(t, st.AdminURL(), "/metrics", readToken(t, st.dir))
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// What is held here never goes to the upstream, whatever state it is in; a device
// becomes ours by import, between its challenge and its answer if need be.
func TestRelayNeverForDevicesHeldHere(t *testing.T) {
	onBoth(t, func(t *testing.T, front func(*testclock.Clock) Config) {
		st, vendor := relaying(t, front)
		theirs := st.challengeCode(t, st.text(t, st.ask(t, "GetServerRandom").Data))
		public := st.key.Public()
		st.importCSV(t, "id2,key_hex\n"+st.id+","+hex.EncodeToString(public.Bytes())+"\n")
		st.wants(t, "the vendor's challenge, after the import", st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", theirs).Code, 35)
		ours := st.challengeCode(t, st.text(t, st.ask(t, "GetServerRandom").Data))
		st.wants(t, "our own challenge", st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", ours).Code, 200)

		asked := vendor.asked(t)
		for _, c := range []struct {
			action string
			want   int
		}{{"suspend", 45}, {"resume", 200}, {"discard", 46}} {
			if _, err := st.op.ChangeDevice(t.Context(), st.id, c.action); err != nil {
				t.Fatal(err)
			}
			st.wants(t, c.action, st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", st.code(t)).Code, c.want)
			st.wants(t, c.action+", a challenge", st.ask(t, "GetServerRandom").Code, c.want)
		}
		if now := vendor.asked(t); now != asked {
			t.Errorf("the vendor was asked: %s before, %s now", asked, now)
		}
		if d := st.status(t).Devices; d != (operator.RelayedCounts{Held: 1}) {
			t.Errorf("counted %+v", d)
		}
	})
}

// asked is how often the door of a server was asked for anything.
func (st *site) asked(t *testing.T) string {
	t.Helper()
	var all []string
	_, body := st.get(t, st.AdminURL(), "/metrics", readToken(t, st.dir))
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "hallmark_id2_seconds_count") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return strings.Join(all, "; ")
}

// A relayed device that is provisioned by one-time token is ours from then on,
// and provisioning itself is never relayed.
func TestRelayEndsWithProvisioning(t *testing.T) {
	st, vendor := relaying(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	p, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "lamp", Algorithm: "aes128", OTP: true})
	if err != nil {
		t.Fatal(err)
	}
	on := true
	if _, err := st.op.UpdateProduct(t.Context(), p.ProductKey, operator.ProductChange{Relay: &on}); err != nil {
		t.Fatal(err)
	}
	token, err := id2.ParseToken(p.ProductSecret)
	if err != nil {
		t.Fatal(err)
	}
	asked := vendor.asked(t)
	flipped := map[bool]string{true: "b", false: "a"}[p.ProductSecret[5] == 'a']
	unknown, err := id2.ParseToken(p.ProductSecret[:5] + flipped + p.ProductSecret[6:])
	if err != nil {
		t.Fatal(err)
	}
	st.wants(t, "an unknown token", st.provision(t, unknown), 51)
	st.wants(t, "provisioning", st.provision(t, token), 200)
	st.product = p.ProductKey
	st.wants(t, "its new identity", st.verify(t, st.code(t)), 200)
	if now := vendor.asked(t); now != asked {
		t.Errorf("the vendor was asked: %s before, %s now", asked, now)
	}
}

// What is not to be relayed is refused here as ever.
func TestRelayOnlyWhereAsked(t *testing.T) {
	st, vendor := relaying(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	other, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "not relayed", Algorithm: "aes128"})
	if err != nil {
		t.Fatal(err)
	}
	asked := vendor.asked(t)
	st.wants(t, "another product", st.ask(t, "Verify", "ProductKey", other.ProductKey, "AuthCode", st.code(t)).Code, 18)
	st.wants(t, "no product of ours", st.ask(t, "Verify", "ProductKey", "nonsense", "AuthCode", st.code(t)).Code, 18)
	st.wants(t, "a malformed code", st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", "nonsense").Code, 21)
	st.wants(t, "another API version", st.ask(t, "GetServerRandom", "ProductSource", "2").Code, 500)
	id := st.id
	st.id = "no id"
	st.wants(t, "no id at all", st.ask(t, "GetServerRandom").Code, 18)
	st.id = id
	st.relayProduct(t, false)
	st.wants(t, "the switch is off", st.ask(t, "GetServerRandom").Code, 18)
	st.relayProduct(t, true)
	if now := vendor.asked(t); now != asked {
		t.Errorf("the vendor was asked: %s before, %s now", asked, now)
	}
	st.wants(t, "the switch is on again", st.ask(t, "GetServerRandom").Code, 200)
	st.id = strings.Repeat("B", 24)
	st.wants(t, "unknown to both", st.ask(t, "GetServerRandom").Code, 18)
	st.id = id
	if _, err := st.op.RemoveRelay(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.wants(t, "no upstream", st.ask(t, "GetServerRandom").Code, 18)
	if _, err := st.op.Relay(t.Context()); err == nil {
		t.Error("the upstream is still there")
	}
}

// Each organisation has its own upstream and sees its own devices only.
func TestRelayOfTwoOrganisations(t *testing.T) {
	st, vendor := relaying(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	other := *st
	other.join(t, vendor, "another")
	st.wants(t, "ours", st.ask(t, "GetServerRandom").Code, 200)
	if d := st.status(t).Devices; d.All != 1 {
		t.Errorf("ours: %+v", d)
	}
	if d := other.status(t).Devices; d.All != 0 {
		t.Errorf("the other's: %+v", d)
	}
	if _, err := other.op.RemoveRelay(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.wants(t, "the other has none any more", other.ask(t, "GetServerRandom").Code, 18)
	st.wants(t, "ours goes on", st.ask(t, "GetServerRandom").Code, 200)
}

// Servers that name themselves or each other as upstream do not ask for ever.
func TestRelayMakesNoLoop(t *testing.T) {
	one, two := relaying(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	two.setRelay(t, one)
	two.relayProduct(t, true)
	unknown := strings.Repeat("C", 24)
	one.id = unknown
	one.wants(t, "each other", one.ask(t, "GetServerRandom").Code, 18)
	one.setRelay(t, one)
	one.wants(t, "itself", one.ask(t, "GetServerRandom").Code, 18)
	for _, st := range []*site{one, two} {
		if n := st.metric(t, `hallmark_relay_requests_total{action="GetServerRandom",result="loop"}`); n != "1" {
			t.Errorf("%s loops counted", n)
		}
	}
}

// A wrong access key is the operator's business: the back end learns no more
// than that, and the server is ready.
func TestRelayWithAWrongKey(t *testing.T) {
	st, vendor := relaying(t, func(c *testclock.Clock) Config { return config(t.TempDir(), c) })
	vendor.access.AccessKeySecret = "wrong"
	st.setRelay(t, vendor)
	for range 10 {
		res := st.ask(t, "Verify", "ProductKey", st.product, "AuthCode", st.code(t))
		if res.Code != 700 || strings.Contains(res.Message, vendor.access.AccessKeyID) || strings.Contains(res.Message, "SignatureDoesNotMatch") {
			t.Fatalf("%+v", res)
		}
	}
	status := st.status(t)
	if f := status.LastFailure; f == nil || f.Result != "rejected" || f.Detail != "SignatureDoesNotMatch" || status.Breaker != "closed" {
		t.Errorf("status %+v, %+v", status, f)
	}
	if err := st.ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}
