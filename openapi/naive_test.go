package openapi

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm3"
)

// This file is a second implementation of the signatures, written for
// obviousness, that the tests hold against the one in use.

// naiveEscape percent-encodes by RFC 3986.
func naiveEscape(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

// naiveQuery is the canonical form of parameters.
func naiveQuery(values url.Values) string {
	var keys []string
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var pairs []string
	for _, k := range keys {
		pairs = append(pairs, naiveEscape(k)+"="+naiveEscape(values.Get(k)))
	}
	return strings.Join(pairs, "&")
}

// naiveStringToSign is the V1 string to sign.
func naiveStringToSign(method string, values url.Values) string {
	unsigned := url.Values{}
	for k, v := range values {
		if k != "Signature" {
			unsigned[k] = v
		}
	}
	return method + "&%2F&" + naiveEscape(naiveQuery(unsigned))
}

// naiveSignV1 is the V1 signature with HMAC-SHA1 or HMAC-SHA256.
func naiveSignV1(method string, values url.Values, secret string) string {
	h := sha1.New
	if values.Get("SignatureMethod") == "HMAC-SHA256" {
		h = sha256.New
	}
	mac := hmac.New(h, []byte(secret+"&"))
	mac.Write([]byte(naiveStringToSign(method, values)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// naiveHash is SM3 for SM3 methods, else SHA-256.
func naiveHash(algorithm string) func() hash.Hash {
	if strings.HasSuffix(algorithm, "SM3") {
		return sm3.New
	}
	return sha256.New
}

// naiveHex is the hexadecimal hash of data.
func naiveHex(algorithm, data string) string {
	h := naiveHash(algorithm)()
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil))
}

// naiveCanonicalRequest is the V3 canonical request.
func naiveCanonicalRequest(r *http.Request, algorithm, body string, signed []string) string {
	lines := []string{r.Method, "/", naiveQuery(r.URL.Query())}
	for _, name := range signed {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		slices.Sort(values)
		lines = append(lines, name+":"+strings.Join(values, ","))
	}
	lines = append(lines, "", strings.Join(signed, ";"), naiveHex(algorithm, body))
	return strings.Join(lines, "\n")
}

// naiveSignV3 is the V3 signature with an HMAC.
func naiveSignV3(r *http.Request, algorithm, body, secret string, signed []string) string {
	mac := hmac.New(naiveHash(algorithm), []byte(secret))
	mac.Write([]byte(algorithm + "\n" + naiveHex(algorithm, naiveCanonicalRequest(r, algorithm, body, signed))))
	return hex.EncodeToString(mac.Sum(nil))
}

// naiveSignRSA is the V3 signature with an RSA key.
func naiveSignRSA(t *testing.T, r *http.Request, body string, key *rsa.PrivateKey, signed []string) string {
	t.Helper()
	const algorithm = "ACS3-RSA-SHA256"
	digest := sha256.Sum256([]byte(algorithm + "\n" + naiveHex(algorithm, naiveCanonicalRequest(r, algorithm, body, signed))))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sig)
}
