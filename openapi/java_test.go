package openapi

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// javaV1 is a request in the shape of the vendor's Java SDK: parameters in no
// order, the signature in the middle, a "~" escaped although it need not be,
// API parameters in a form body with Content-MD5 (openapi-rpc §0.2, §1.3).
const javaV1 = "POST /?SignatureVersion=1.0&Action=Verify&Format=JSON&Signature=@&SignatureNonce=0f5d6c3a9e7b4d21&" +
	"Version=2017-07-07&AccessKeyId=testAkId0001&SignatureMethod=HMAC-SHA1&RegionId=cn-shanghai&" +
	"Timestamp=2026-11-21T16%3A45%3A46Z HTTP/1.1\r\n" +
	"Host: id2.example:8080\r\nAccept: application/json\r\nContent-MD5: abcdefghijklmnopqrstuw==\r\n" +
	"Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\nContent-Length: 105\r\n\r\n" +
	"ProductKey=a1BwAGV0001&AuthCode=3%7E0%7E0123456789ABCDEF%7E1499753003564%7EPf%2B%2FaA%3D%3D&ApiVersion=1.1.2&"

// javaV3 is the same for V3: Authorization in another order with spaces after
// the commas, host left out of SignedHeaders, the SM3 header name of its own,
// Action, Version and Format in the query as well (openapi-rpc §0.4, §2.1).
const javaV3 = "POST /?Action=Verify&Version=2017-07-07&Format=XML&AuthCode=3%7E0%7EPf%2B%2FaA%3D%3D&Extra=a+b HTTP/1.1\r\n" +
	"Host: id2.example:8080\r\nAccept: application/xml\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
	"Content-Length: 13\r\nx-acs-action: Verify\r\nx-acs-version: 2017-07-07\r\nx-acs-date: 2026-11-21T16:45:46Z\r\n" +
	"x-acs-signature-nonce: 0f5d6c3a9e7b4d21\r\n@HASH@: @BODY@\r\n" +
	"Authorization: @ALG@ Credential=testAkId0001, Signature=@, SignedHeaders=@SIGNED@\r\n\r\n" +
	"Id2=00AAABBB1"

// fillV3 fills the blanks of javaV3 for an algorithm.
func fillV3(algorithm, hashHeader string) (raw string, signed []string) {
	signed = []string{"content-type", "x-acs-action", hashHeader, "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}
	slices.Sort(signed)
	return strings.NewReplacer("@HASH@", hashHeader, "@ALG@", algorithm, "@SIGNED@", strings.Join(signed, ";"),
		"@BODY@", naiveHex(algorithm, "Id2=00AAABBB1")).Replace(javaV3), signed
}

func TestJavaV1(t *testing.T) {
	r, body := mustReadRaw(t, []byte(javaV1))
	values := r.URL.Query()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	for k := range form {
		values.Set(k, form.Get(k))
	}
	sig := url.QueryEscape(naiveSignV1("POST", values, captureSecret))
	r, body = mustReadRaw(t, []byte(strings.Replace(javaV1, "@", sig, 1)))
	var q Request
	if err := check(&q, r, body, NewCredential(captureID, captureSecret), captureTime); err != nil {
		t.Fatal(err)
	}
	if code, _ := q.Get("AuthCode"); code != "3~0~0123456789ABCDEF~1499753003564~Pf+/aA==" {
		t.Errorf("AuthCode %q", code)
	}
}

func TestJavaV3HMAC(t *testing.T) {
	for _, v := range [][2]string{
		{"ACS3-HMAC-SHA256", "x-acs-content-sha256"},
		{"ACS3-HMAC-SM3", "x-acs-content-sm3"},
		{"ACS3-HMAC-SM3", "x-acs-content-sha256"},
	} {
		raw, signed := fillV3(v[0], v[1])
		r, body := mustReadRaw(t, []byte(raw))
		sig := naiveSignV3(r, v[0], string(body), captureSecret, signed)
		checkJavaV3(t, raw, sig, NewCredential(captureID, captureSecret))
	}
}

func TestJavaV3RSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, signed := fillV3("ACS3-RSA-SHA256", "x-acs-content-sha256")
	r, body := mustReadRaw(t, []byte(raw))
	sig := naiveSignRSA(t, r, string(body), key, signed)
	c := NewRSACredential(captureID, &key.PublicKey)
	checkJavaV3(t, raw, sig, c)
	if _, err := (&Message{}).SignV3(c, ACS3RSASHA256, "h", "", nil); err != ErrCannotSign {
		t.Errorf("signed with a public key: %v", err)
	}
}

// checkJavaV3 checks that a request is accepted as it is and refused with
// another Host-independent part changed.
func checkJavaV3(t *testing.T, raw, sig string, c *Credential) {
	t.Helper()
	raw = strings.Replace(raw, "Signature=@", "Signature="+sig, 1)
	r, body := mustReadRaw(t, []byte(raw))
	var q Request
	if err := check(&q, r, body, c, captureTime); err != nil {
		t.Fatal(err)
	}
	if q.Format != FormatXML || q.Action != "Verify" || q.Nonce != "0f5d6c3a9e7b4d21" {
		t.Errorf("%v %q %q", q.Format, q.Action, q.Nonce)
	}
	r.Host = "elsewhere"
	if err := check(&q, r, body, c, captureTime); err != nil {
		t.Errorf("host is not signed, yet: %v", err)
	}
	for _, change := range [][2]string{
		{"a+b", "a+c"}, {"Id2=00AA", "Id2=00AB"}, {"-nonce: 0", "-nonce: 1"}, {"Signature=" + sig[:8], "Signature=00000000"},
		{"x-acs-date: ", "x-acs-extra: 1\r\nx-acs-date: "},
	} {
		tampered := bytes.Replace([]byte(raw), []byte(change[0]), []byte(change[1]), 1)
		r, body := mustReadRaw(t, tampered)
		if err := check(&q, r, body, c, captureTime); err == nil || err.Status != http.StatusBadRequest {
			t.Errorf("%q: %v", change, err)
		}
	}
}
