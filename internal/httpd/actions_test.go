package httpd

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// layouts are the ways in which clients sign and lay out a request.
var layouts = []struct {
	name      string
	method    openapi.SignatureMethod
	placement openapi.Placement
}{
	{"V1 GET", openapi.HMACSHA1, openapi.InQueryGET},
	{"V1 POST, query", openapi.HMACSHA1, openapi.InQueryPOST},
	{"V1 POST, form", openapi.HMACSHA1, openapi.InForm},
	{"V1 HMAC-SHA256 GET", openapi.HMACSHA256, openapi.InQueryGET},
	{"V3 GET", openapi.ACS3HMACSHA256, openapi.InQueryGET},
	{"V3 POST, query", openapi.ACS3HMACSHA256, openapi.InQueryPOST},
	{"V3 POST, form", openapi.ACS3HMACSHA256, openapi.InForm},
	{"V3 POST, JSON", openapi.ACS3HMACSHA256, openapi.InJSON},
	{"V3 SM3 GET", openapi.ACS3HMACSM3, openapi.InQueryGET},
	{"V3 SM3 POST, form", openapi.ACS3HMACSM3, openapi.InForm},
	{"V3 SM3 POST, JSON", openapi.ACS3HMACSM3, openapi.InJSON},
}

// anAction is one operation with parameters that succeed and a check of what
// comes back.
type anAction struct {
	name   string
	params func(*testDevice) []openapi.Param
	check  func(testing.TB, *testDevice, *answer)
}

var actions = []anAction{
	{"GetServerRandom", func(d *testDevice) []openapi.Param { return params("ApiVersion", apiVersion, "Id2", d.id) },
		func(t testing.TB, d *testDevice, a *answer) {
			check := d.f.do(call{action: "Verify", params: d.verifyParams(d.code(id2.Challenge, a.text["Data"], ""))})
			check.wantCode(t, "the challenge in use", 200)
		}},
	{"Verify", func(d *testDevice) []openapi.Param { return d.verifyParams(d.challengeCode()) },
		func(t testing.TB, _ *testDevice, a *answer) {
			if a.text["Data"] != "true" {
				t.Errorf("Data is %q", a.text["Data"])
			}
		}},
	{"VerifyAndEncrypt", func(d *testDevice) []openapi.Param { return with(d.verifyParams(d.timeCode()), "Data", "secret+ &=%") },
		func(t testing.TB, d *testDevice, a *answer) { d.opens(t, a.text["Data"], "secret+ &=%") }},
	{"GetServerAuthCodeAndEncryptData", func(d *testDevice) []openapi.Param { return d.mutualParams(d.challengeCode()) },
		func(t testing.TB, d *testDevice, a *answer) {
			d.opens(t, a.text["Data.EncryptData"], "hello")
			public := d.key.Public()
			want, err := public.ServerCode(d.product.Algorithm.NativeHash(), d.id, "0123456789ABCDEF", nil, false)
			if err != nil || a.text["Data.ServerAuthCode"] != want {
				t.Errorf("server code %q, want %q (%v)", a.text["Data.ServerAuthCode"], want, err)
			}
		}},
}

// opens checks that the device decrypts an answer to what was sent.
func (d *testDevice) opens(t testing.TB, sealed, want string) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := d.key.Decrypt(raw)
	if err != nil || string(plain) != want {
		t.Errorf("decrypted %q, %v; want %q", plain, err, want)
	}
}

// Every operation works in every layout that clients use, with answers in
// every form.
func TestActionsInEveryLayout(t *testing.T) {
	for _, stringly := range []bool{false, true} {
		t.Run(fmt.Sprintf("stringly %v", stringly), func(t *testing.T) {
			f := newFixture(t, func(s *settings) { s.id2.Stringly = stringly })
			d := f.device(f.product(f.org, id2.AES128, nil))
			for _, act := range actions {
				for _, l := range layouts {
					for _, format := range []openapi.Format{openapi.FormatJSON, openapi.FormatXML} {
						name := fmt.Sprintf("%s, %s, %v", act.name, l.name, format)
						a := f.do(call{action: act.name, params: act.params(d), method: l.method, placement: l.placement, format: format})
						a.wantCode(t, name, 200)
						checkForm(t, name, a, act.name, format, stringly)
						act.check(t, d, a)
						if t.Failed() {
							t.Fatalf("%s: %s", name, a.body)
						}
					}
				}
			}
		})
	}
}

// checkForm checks the types of an answer's members, which are the contract
// with generic clients: a caller sees them raw.
func checkForm(t testing.TB, name string, a *answer, action string, format openapi.Format, stringly bool) {
	t.Helper()
	if a.xml != (format == openapi.FormatXML) {
		t.Errorf("%s: answered in the other format", name)
	}
	if a.xml {
		if a.root != action+"Response" {
			t.Errorf("%s: root element %s", name, a.root)
		}
		return
	}
	types := map[string]string{"RequestId": "string", "Code": "json.Number", "Success": "bool", "Data": "string"}
	switch action {
	case "Verify":
		types["Data"] = "bool"
	case "GetServerAuthCodeAndEncryptData", "OtpGetId2":
		types["Data"] = "map[string]interface {}"
	}
	if stringly {
		types["Code"], types["Success"] = "string", "string"
		if types["Data"] == "bool" {
			types["Data"] = "string"
		}
	}
	if len(a.members) != len(types) {
		t.Errorf("%s: members %v", name, a.members)
	}
	for member, want := range types {
		if got := fmt.Sprintf("%T", a.members[member]); got != want {
			t.Errorf("%s: %s is %s, want %s", name, member, got, want)
		}
	}
}

// A failure keeps its form in every format: no Data at all, native types.
func TestFailureForm(t *testing.T) {
	f := newFixture(t, nil)
	c := call{action: "Verify", params: params("ApiVersion", apiVersion, "Id2", "000000000000000000000000", "AuthCode", "x", "ProductKey", "y")}
	a := f.do(c)
	a.wantCode(t, "JSON", 21)
	if a.members["Code"] != json.Number("21") || a.members["Success"] != false || len(a.members) != 4 {
		t.Errorf("members %v", a.members)
	}
	c.format = openapi.FormatXML
	a = f.do(c)
	a.wantCode(t, "XML", 21)
	if a.root != "VerifyResponse" || !a.xml {
		t.Errorf("%s", a.body)
	}
}

// Every algorithm goes through the wire, mutual authentication included.
func TestAlgorithmsThroughTheDoor(t *testing.T) {
	f := newFixture(t, nil)
	for _, algorithm := range id2.Algorithms() {
		t.Run(algorithm.String(), func(t *testing.T) {
			d := f.device(f.product(f.org, algorithm, nil))
			f.do(call{action: "Verify", params: d.verifyParams(d.challengeCode())}).wantCode(t, "challenge", 200)
			f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(t, "timestamp", 200)
			code := d.code(id2.TimestampExtra, d.stamp(0), "température")
			f.do(call{action: "Verify", params: with(d.verifyParams(code), "Extra", "température")}).wantCode(t, "extra", 200)
			a := f.do(call{action: "VerifyAndEncrypt", params: with(d.verifyParams(d.timeCode()), "Data", "hello")})
			a.wantCode(t, "encrypt", 200)
			d.opens(t, a.text["Data"], "hello")
			want := 42 // no server key of its own
			if algorithm.Symmetric() {
				want = 200
			}
			f.do(call{action: "GetServerAuthCodeAndEncryptData", params: d.mutualParams(d.timeCode())}).wantCode(t, "mutual", want)
		})
	}
}
