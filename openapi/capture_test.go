package openapi

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The access key of the captures, which are requests of real clients.
const (
	captureID     = "testAkId0001"
	captureSecret = "testAkSecret0001"
)

// captures returns the raw requests by file name.
func captures(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/captures/*.txt")
	if err != nil || len(files) != 30 {
		tb.Fatalf("captures: %d files, %v", len(files), err)
	}
	all := make(map[string][]byte)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".txt")] = raw
	}
	return all
}

// readRaw parses a raw request, its body included.
func readRaw(raw []byte) (*http.Request, []byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(r.Body)
	return r, body, err
}

// mustReadRaw parses a raw request that is known to be good.
func mustReadRaw(tb testing.TB, raw []byte) (*http.Request, []byte) {
	tb.Helper()
	r, body, err := readRaw(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return r, body
}

// captureTime is within the window of every capture.
var captureTime = time.Date(2026, 11, 21, 16, 46, 0, 0, time.UTC)

// check makes all the checks of this package in the order of a server.
func check(q *Request, r *http.Request, body []byte, c *Credential, now time.Time) *Error {
	if err := q.Decode(r, body); err != nil {
		return err
	}
	if err := q.CheckSystem(); err != nil {
		return err
	}
	if err := q.CheckTime(now, 15*time.Minute); err != nil {
		return err
	}
	return q.Verify(c)
}

func TestCaptures(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	var q Request // one for all, so that reuse is tested too
	for name, raw := range captures(t) {
		t.Run(name, func(t *testing.T) {
			r, body := mustReadRaw(t, raw)
			err := check(&q, r, body, c, captureTime)
			switch {
			case strings.Contains(name, "bearer"):
				checkBearerCapture(t, &q, err)
				return
			case strings.Contains(name, "sts"):
				if err != ErrSecurityToken {
					t.Fatalf("security token: got %v", err)
				}
				q.securityToken = "" // the signature is good all the same
				if err := firstError(q.CheckSystem(), q.CheckTime(captureTime, time.Minute), q.Verify(c)); err != nil {
					t.Fatal(err)
				}
			case err != nil:
				t.Fatal(err)
			}
			checkCaptureFields(t, name, &q)
		})
	}
}

// firstError returns the first error that is not nil.
func firstError(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkBearerCapture checks the refusal of a bearer token. V1 signs such a
// request with an empty key all the same.
func checkBearerCapture(t *testing.T, q *Request, err *Error) {
	t.Helper()
	if err != ErrBearerToken {
		t.Fatalf("bearer token: got %v", err)
	}
	if q.Format != FormatJSON {
		t.Errorf("format %v", q.Format)
	}
	if q.Style == StyleV1 {
		q.SignatureMethod = HMACSHA1
		if err := q.Verify(NewCredential("", "")); err != nil {
			t.Error(err)
		}
	}
}

// checkCaptureFields checks what a request says against what its capture holds.
func checkCaptureFields(t *testing.T, name string, q *Request) {
	t.Helper()
	want := map[string]string{"ApiVersion": "1.1.2", "Id2": "00FFFF00FFFFFF1DB47A0001"}
	action := "GetServerRandom"
	if strings.Contains(name, "nasty") {
		action = "Verify"
		want = map[string]string{"ApiVersion": "1.1.2", "Id2": "00AAABBB11122281FE150001", "ProductKey": "a1BwAGV0001",
			"AuthCode": "3~0~0123456789ABCDEF~1499753003564~Pf+/aA== *()'!:;,@&=?#[]%\"<>\\^`{|}",
			"Extra":    "中文 é", "Empty": ""}
	}
	for k, v := range want {
		if got, present := q.Get(k); got != v || !present {
			t.Errorf("%s = %q, %v; want %q", k, got, present, v)
		}
	}
	if _, present := q.Get("id2"); present {
		t.Error("names must be case-sensitive")
	}
	style := StyleV1
	if strings.Contains(name, "_v3_") {
		style = StyleV3
	}
	format := FormatJSON
	if strings.Contains(name, "xml") {
		format = FormatXML
	}
	if q.Action != action || q.Version != "2017-07-07" || q.AccessKeyID != captureID ||
		q.Style != style || q.Format != format || len(q.Nonce) < 32 || q.Time.Year() != 2026 {
		t.Errorf("fields: %s %s %s %v %v %q %v", q.Action, q.Version, q.AccessKeyID, q.Style, q.Format, q.Nonce, q.Time)
	}
}

// signedBytes returns the positions in a raw request that its signature
// covers, or that carry the signature.
func signedBytes(raw []byte, style Style) []int {
	var at []int
	add := func(from, to int) {
		for i := from; i < to; i++ {
			if raw[i] != '\r' && raw[i] != '\n' {
				at = append(at, i)
			}
		}
	}
	head := bytes.Index(raw, []byte("\r\n\r\n")) + 4
	lineStart := 0
	for lineStart < head-2 {
		lineEnd := lineStart + bytes.Index(raw[lineStart:], []byte("\r\n"))
		line := strings.ToLower(string(raw[lineStart:lineEnd]))
		switch {
		case lineStart == 0:
			add(0, strings.LastIndex(line, " http/"))
		case style == StyleV1:
		case strings.HasPrefix(line, "x-acs-"), strings.HasPrefix(line, "authorization:"),
			strings.HasPrefix(line, "host:"), strings.HasPrefix(line, "content-type:"):
			add(lineStart, lineEnd)
		}
		lineStart = lineEnd + 2
	}
	add(head, len(bytes.TrimRight(raw, "\r\n")))
	return at
}

// TestCapturesTampered changes one byte at a time; no spelling of a request
// differs from an equivalent one in the lowest bit of one byte.
func TestCapturesTampered(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	var q Request
	for name, raw := range captures(t) {
		r, _ := mustReadRaw(t, raw)
		positions := signedBytes(raw, styleOf(r.Header))
		if len(positions) < 150 {
			t.Errorf("%s: only %d signed bytes", name, len(positions))
		}
		for _, i := range positions {
			raw[i] ^= 1
			if r, body, err := readRaw(raw); err == nil && check(&q, r, body, c, captureTime) == nil {
				t.Errorf("%s: byte %d changed to %q and accepted", name, i, raw[i])
			}
			raw[i] ^= 1
		}
	}
}

func TestCapturesOtherMethodHostAndSecret(t *testing.T) {
	good, bad := NewCredential(captureID, captureSecret), NewCredential(captureID, captureSecret+"x")
	var q Request
	for name, raw := range captures(t) {
		r, body := mustReadRaw(t, raw)
		if err := check(&q, r, body, bad, captureTime); err == nil {
			t.Errorf("%s: accepted with another secret", name)
		}
		method := r.Method
		r.Method = map[string]string{"GET": "POST", "POST": "GET"}[method]
		if err := check(&q, r, body, good, captureTime); err == nil {
			t.Errorf("%s: accepted with another method", name)
		}
		r.Method, r.Host = method, "other.example"
		if err := check(&q, r, body, good, captureTime); err == nil && q.Style == StyleV3 {
			t.Errorf("%s: accepted for another host", name)
		}
	}
}
