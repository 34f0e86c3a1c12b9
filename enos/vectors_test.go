package enos

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
)

// signed is a request of the vectors.
type signed struct {
	AccessToken  string            `json:"accessToken"`
	Query        map[string]string `json:"query_decoded"`
	AsSent       string            `json:"query_as_sent"`
	Body         string            `json:"body"`
	Timestamp    string            `json:"timestamp"`
	AppSecret    string            `json:"appSecret"`
	Signature    string            `json:"signature"`
	SignSHA256   string            `json:"sign_sha256"`
	SignSHA1     string            `json:"sign_sha1"`
	SignMD5      string            `json:"sign_md5"`
	SignHmacMD5  string            `json:"sign_hmacmd5"`
	Encryption   string            `json:"encryption"`
	PlaintextLen int               `json:"plaintext_len"`
	Pin016       string            `json:"pin_v016"`
	Pin014       string            `json:"pin_v014"`
}

// query gives the parameters in no useful order, as a client may send them.
func (s *signed) query() Query {
	names := slices.Sorted(maps.Keys(s.Query))
	slices.Reverse(names)
	var q Query
	for _, name := range names {
		q = q.With(name, s.Query[name])
	}
	return q
}

type vectors struct {
	AppKey          string `json:"appKey"`
	AppSecret       string `json:"appSecret"`
	TokenGet        signed `json:"token_get"`
	ApimGet         signed `json:"apim_get"`
	ApimPost        signed `json:"apim_post"`
	VendorPublished signed `json:"vendor_published"`
	LegacyGet       signed `json:"legacy_get"`
	LegacyPost      signed `json:"legacy_post"`
	Sealed          signed `json:"sealed"`
}

func readVectors(t testing.TB) (v vectors, c *Credential) {
	t.Helper()
	readJSON(t, "testdata/enos.json", &v)
	return v, NewCredential(v.AppKey, v.AppSecret)
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestTokenVector(t *testing.T) {
	v, c := readVectors(t)
	if got := c.Encryption(v.TokenGet.Timestamp); got != v.TokenGet.Encryption {
		t.Errorf("encryption %s, want %s", got, v.TokenGet.Encryption)
	}
	if !c.CheckEncryption(v.TokenGet.Timestamp, v.TokenGet.Encryption) || c.CheckEncryption("1700000000124", v.TokenGet.Encryption) {
		t.Error("the check disagrees")
	}
}

func TestSignatureVectors(t *testing.T) {
	v, c := readVectors(t)
	for name, s := range map[string]signed{"get": v.ApimGet, "post": v.ApimPost, "vendor": v.VendorPublished} {
		cred := c
		if s.AppSecret != "" {
			cred = NewCredential("any", s.AppSecret)
		}
		if got := cred.Sign(s.AccessToken, s.query(), []byte(s.Body), s.Timestamp); got != s.Signature {
			t.Errorf("%s: %s, want %s", name, got, s.Signature)
		}
		if !cred.CheckSignature(s.Signature, s.AccessToken, s.query(), []byte(s.Body), s.Timestamp) {
			t.Errorf("%s: refused", name)
		}
		if cred.CheckSignature(s.Signature, s.AccessToken, s.query(), []byte(s.Body+" "), s.Timestamp) {
			t.Errorf("%s: another body accepted", name)
		}
		if cred.CheckSignature(s.Signature, s.AccessToken, nil, []byte(s.Body), s.Timestamp) {
			t.Errorf("%s: no query accepted", name)
		}
	}
}

func TestSignatureAsSent(t *testing.T) {
	v, c := readVectors(t)
	q, err := ParseQuery(v.ApimGet.AsSent)
	if err != nil {
		t.Fatal(err)
	}
	s := v.ApimGet
	if !c.CheckSignature(s.Signature, s.AccessToken, q, nil, s.Timestamp) {
		t.Error("the documented reading, of decoded values, is refused")
	}
	raw := Query{{Name: "action", Value: "list"}, {Name: "deviceKey", Value: "dev+1%2B2%2F%C3%BC%26x"}, {Name: "orgId", Value: "o1"}, {Name: "productKey", Value: "pk1"}}
	if !c.CheckSignature(c.Sign(s.AccessToken, raw, nil, s.Timestamp), s.AccessToken, q, nil, s.Timestamp) {
		t.Error("firmware that signs what it concatenates is refused")
	}
}

func TestLegacyVectors(t *testing.T) {
	v, c := readVectors(t)
	for name, s := range map[string]signed{"get": v.LegacyGet, "post": v.LegacyPost} {
		q := s.query().With(ParamAccessKey, v.AppKey).With(ParamSign, "whatever")
		for digest, want := range map[Digest]string{SHA256: s.SignSHA256, SHA1: s.SignSHA1} {
			if got := c.SignLegacy(digest, q, []byte(s.Body)); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			if !c.CheckLegacy(want, q, []byte(s.Body)) || c.CheckLegacy(want, q, []byte("other")) {
				t.Errorf("%s: the check disagrees", name)
			}
		}
	}
	for _, weak := range []string{v.LegacyGet.SignMD5, v.LegacyGet.SignHmacMD5} {
		if _, err := LegacyDigest(weak); err != ErrWeakDigest {
			t.Errorf("%s: %v", weak, err)
		}
		if c.CheckLegacy(weak, v.LegacyGet.query(), nil) {
			t.Error("a weak digest counts")
		}
	}
}

// The Java SDK signs without the parameters that are empty.
func TestLegacyEmptyValues(t *testing.T) {
	v, c := readVectors(t)
	full, _ := ParseQuery("requestTimestamp=1700000000123&orgId=o1&pageToken=")
	if !c.CheckLegacy(v.LegacyGet.SignSHA256, full, nil) {
		t.Error("refused")
	}
}

func TestNameVectors(t *testing.T) {
	var v struct {
		Names []struct{ DER, Text string } `json:"names"`
	}
	readJSON(t, "testdata/dn.json", &v)
	if len(v.Names) < 90 {
		t.Fatalf("%d vectors", len(v.Names))
	}
	for _, n := range v.Names {
		der, err := hex.DecodeString(n.DER)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := NameText(der); err != nil || got != n.Text {
			t.Errorf("%s:\n got %q %v\nwant %q", n.DER, got, err, n.Text)
		}
	}
}
