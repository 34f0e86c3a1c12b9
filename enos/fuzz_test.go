package enos

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// naiveText builds the text under a signature as the vendor's documents tell it.
func naiveText(q Query, leaveOut string) string {
	values := make(map[string]string)
	var names []string
	for _, p := range q {
		if !strings.Contains(leaveOut, " "+p.Name+" ") {
			values[p.Name] = p.Value
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + values[name])
	}
	return b.String()
}

// FuzzSignatures checks both canonicalisers against a naive one, and that what
// one client signs no other query of the same request passes.
func FuzzSignatures(f *testing.F) {
	f.Add("action=list&deviceKey=dev+1%2B2%2F%C3%BC%26x&orgId=o1", []byte(`{"certSn": 1}`), "1700000000123")
	f.Add("accessKey=a&sign=b&requestTimestamp=1&orgId=%20&e=", []byte(nil), "")
	c := NewCredential("key-0a", "secret-0b")
	f.Fuzz(func(t *testing.T, raw string, body []byte, timestamp string) {
		q, err := ParseQuery(raw)
		if err != nil {
			return
		}
		if got, want := string(q.appendSigned(nil, decoded)), naiveText(q, ""); got != want {
			t.Errorf("signed text %q, want %q", got, want)
		}
		if got, want := string(q.appendSigned(nil, decoded, ParamAccessKey, ParamSign)), naiveText(q, " accessKey sign "); got != want {
			t.Errorf("legacy text %q, want %q", got, want)
		}
		if !c.CheckSignature(c.Sign("tok", q, body, timestamp), "tok", q, body, timestamp) {
			t.Error("its own signature is refused")
		}
		for _, d := range []Digest{SHA1, SHA256} {
			if !c.CheckLegacy(c.SignLegacy(d, q, body), q, body) {
				t.Error("its own legacy signature is refused")
			}
		}
		again, err := ParseQuery(q.Encode())
		if err != nil || naiveText(again, "") != naiveText(q, "") {
			t.Errorf("%q encodes as %q: %v", raw, q.Encode(), err)
		}
		if c.CheckSignature(c.Sign("tok", q, body, timestamp), "tok", q.With("\x00", "\x00"), body, timestamp) {
			t.Error("one parameter more is accepted")
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"certSn":1,"validDay":"5","csr":"x"}`, `{"appKey":"a","encryption":"b","timestamp":17}`, `{"timestamp":"1"}`, `{"reason":-1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, into := range []any{new(ApplyRequest), new(RenewRequest), new(RevokeRequest), new(TokenRequest)} {
			err := Decode(body, into)
			if err == nil && !json.Valid(body) {
				t.Errorf("%q was accepted", body)
			}
			if refusal, ok := err.(*Error); err != nil && (!ok || refusal.Code != CodeInvalidArgument) {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
}
