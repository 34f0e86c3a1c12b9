package server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/openapi"
)

// provision asks for the identity of the site's device and returns the code of
// the answer.
func (st *site) provision(t *testing.T, token id2.Token) int {
	t.Helper()
	request := id2.OTPRequest{KeyType: token.KeyType, Fingerprint: []byte("the one device")}
	if _, err := rand.Read(request.SessionKey[:]); err != nil {
		t.Fatal(err)
	}
	code, err := request.AuthCode(token)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openapi.NewClient(openapi.ClientOptions{Endpoint: st.URL(), Now: st.clock.Now,
		Credential: openapi.NewCredential(st.access.AccessKeyID, st.access.AccessKeySecret)})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Call(t.Context(), "OtpGetId2", []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"},
		{Name: "DeviceAuthCode", Value: base64.StdEncoding.EncodeToString(code)}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Code == 200 {
		var data struct{ ProvisionData []byte }
		if err = json.Unmarshal(res.Data, &data); err == nil {
			st.id, st.key, err = request.OpenProvisionData(data.ProvisionData)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return res.Code
}

// A device that has authenticated may have a new key when an operator allows it
// once, or its product always; each time it keeps its id, and the key of before
// is void.
func TestOperatorsAllowReprovisioning(t *testing.T) {
	st := startSite(t, t.TempDir(), testclock.New(time.UnixMilli(1_700_000_000_000)))
	st.equip(t)
	p, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "lamp", Algorithm: "aes128", OTP: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := id2.ParseToken(p.ProductSecret)
	if err != nil {
		t.Fatal(err)
	}
	st.product = p.ProductKey
	proven := func(what string) {
		t.Helper()
		st.clock.Advance(time.Millisecond)
		st.wants(t, what, st.verify(t, st.timeCode(t)), 200)
	}
	renewed := func(what string) {
		t.Helper()
		id, key := st.id, st.key
		st.wants(t, what, st.provision(t, token), 200)
		if st.id != id {
			t.Errorf("%s: id %s became %s", what, id, st.id)
		}
		now := st.key
		st.key = key
		st.clock.Advance(time.Millisecond)
		st.wants(t, what+", with the key of before", st.verify(t, st.timeCode(t)), 21)
		st.key = now
		proven(what)
	}
	refused := func(what string) {
		t.Helper()
		st.wants(t, what, st.provision(t, token), 57)
		proven(what + ", and its key is still good")
	}
	allow := func(yes bool) {
		t.Helper()
		if _, err := st.op.UpdateProduct(t.Context(), p.ProductKey, operator.ProductChange{AllowReprovision: &yes}); err != nil {
			t.Fatal(err)
		}
	}

	st.wants(t, "the first time", st.provision(t, token), 200)
	proven("the first time")
	refused("not allowed")
	if _, err := st.op.ChangeDevice(t.Context(), st.id, "allow-reprovision"); err != nil {
		t.Fatal(err)
	}
	proven("a permission alone changes nothing")
	renewed("allowed once")
	refused("the permission is used up")
	allow(true)
	renewed("allowed by the product")
	renewed("as often as it asks")
	allow(false)
	refused("no longer allowed by the product")
	got, err := st.op.Product(t.Context(), p.ProductKey)
	if err != nil || got.Used != 1 {
		t.Errorf("%d licences used, %v; want 1", got.Used, err)
	}
	events, err := st.op.Audit(t.Context(), operator.AuditQuery{Action: "device."})
	count := make(map[string]int)
	for _, e := range events.Events {
		count[e.Action]++
	}
	if err != nil || count["device.provision"] != 1 || count["device.allow_reprovision"] != 1 || count["device.reprovision"] != 3 {
		t.Errorf("audited %v, %v", count, err)
	}
}
