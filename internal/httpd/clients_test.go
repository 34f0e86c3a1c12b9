package httpd

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

func TestClientsAreHeldToTheirDoor(t *testing.T) {
	f := newFixture(t, nil)
	for _, door := range []registry.Door{registry.DoorCISS, registry.DoorEnOS} {
		c := unknownDevice()
		c.credential = f.otherCredential(f.org, registry.ClientSpec{Door: door})
		f.do(c).wantGateway(t, string(door), openapi.ErrAccessKeyNotFound)
	}
}

func TestScopes(t *testing.T) {
	f := newFixture(t, nil)
	limited := f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2, Scopes: []string{"Verify", "GetServerRandom"}})
	d := f.device(f.product(f.org, id2.AES128, nil))
	for _, act := range actions {
		a := f.do(call{action: act.name, params: act.params(d), credential: limited})
		if act.name == "Verify" || act.name == "GetServerRandom" {
			a.wantCode(t, act.name, 200)
		} else {
			a.wantGateway(t, act.name, openapi.ErrForbidden)
		}
	}
}

func TestNetworks(t *testing.T) {
	f := newFixture(t, nil)
	for networks, allowed := range map[string]bool{
		"": true, "127.0.0.0/8": true, "10.0.0.0/8 127.0.0.1/32": true, "0.0.0.0/0": true, "::ffff:127.0.0.0/104": true,
		"10.0.0.0/8": false, "127.0.0.2/32": false, "::/0": false, "::1/128": false,
	} {
		c := unknownDevice()
		c.credential = f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2, Networks: strings.Fields(networks)})
		a := f.do(c)
		if allowed {
			a.wantCode(t, networks, 18)
		} else {
			a.wantGateway(t, networks, openapi.ErrForbidden)
		}
	}
}

func TestOrganisationsAreApart(t *testing.T) {
	f := newFixture(t, nil)
	foreign := f.newOrg("another")
	theirs := f.otherCredential(foreign, registry.ClientSpec{Door: registry.DoorID2})
	ours := f.device(f.product(f.org, id2.AES128, nil))
	theirProduct := f.product(foreign, id2.AES128, nil)
	f.verifies(ours)
	verify := func(what string, c call, code int) {
		t.Helper()
		c.action = "Verify"
		f.do(c).wantCode(t, what, code)
	}
	verify("their client, our device", call{params: ours.verifyParams(ours.timeCode()), credential: theirs}, 18)
	verify("our device, their product", call{params: with(ours.verifyParams(ours.timeCode()), "ProductKey", theirProduct.Key)}, 51)

	// The same id2 may live in both, and neither's codes count in the other.
	twin := f.device(theirProduct)
	res, err := f.reg.ImportDevices(t.Context(), foreign, theirProduct.Key,
		strings.NewReader(fmt.Sprintf("id2,key_hex\n%s,%x\n", ours.id, ours.key.Bytes())), operatorActor)
	if err != nil || res.Imported != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	twin.id, twin.key = ours.id, ours.key
	challenge, err := f.authn.Challenge(t.Context(), f.org, ours.id)
	f.must(err)
	code := ours.code(id2.Challenge, challenge, "")
	verify("our challenge with them", call{params: twin.verifyParams(code), credential: theirs}, 35)
	verify("our challenge with us", call{params: ours.verifyParams(code)}, 200)
	stamp := ours.timeCode()
	verify("a code used with us", call{params: ours.verifyParams(stamp)}, 200)
	verify("is another code with them", call{params: twin.verifyParams(stamp), credential: theirs}, 200)
	_, err = f.reg.Suspend(t.Context(), foreign, ours.id, operatorActor)
	f.must(err)
	verify("their suspension", call{params: twin.verifyParams(twin.timeCode()), credential: theirs}, 45)
	verify("is theirs alone", call{params: ours.verifyParams(ours.timeCode())}, 200)
}

func TestThrottling(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.id2.FailureRate = 1 })
	bad := unknownDevice()
	bad.credential = openapi.NewCredential(f.client.ID, "guess")
	for i := range 10 {
		f.do(bad).wantError(t, fmt.Sprint("guess ", i), http.StatusBadRequest, "SignatureDoesNotMatch")
	}
	f.do(bad).wantGateway(t, "one guess too many", openapi.ErrThrottled)
	f.do(unknownDevice()).wantGateway(t, "the address is blocked", openapi.ErrThrottled)
	f.clock.Advance(time.Second)
	for range 20 {
		f.do(unknownDevice()).wantCode(t, "work costs nothing", 18)
	}
	f.do(bad).wantError(t, "one guess a second", http.StatusBadRequest, "SignatureDoesNotMatch")
	f.do(unknownDevice()).wantGateway(t, "and no more", openapi.ErrThrottled)
}

// A failing store is not the caller's fault and must not block it.
func TestStoreFailuresBlockNobody(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.id2.FailureRate = 1 })
	f.must(f.store.Close())
	for i := range 20 {
		f.do(unknownDevice()).wantGateway(t, fmt.Sprint("request ", i), openapi.ErrUnavailable)
	}
}

func TestClientRate(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.id2.ClientRate = 2 })
	other := f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2})
	for range 2 {
		f.do(unknownDevice()).wantCode(t, "within the rate", 18)
	}
	f.do(unknownDevice()).wantGateway(t, "above it", openapi.ErrThrottled)
	c := unknownDevice()
	c.credential = other
	f.do(c).wantCode(t, "another client", 18)
	f.clock.Advance(500 * time.Millisecond)
	f.do(unknownDevice()).wantCode(t, "later", 18)
	f.do(unknownDevice()).wantGateway(t, "and above it again", openapi.ErrThrottled)
}
