package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// door is a minimal server: it makes every check and answers with a function.
func door(t *testing.T, answer func(q *Request, w http.ResponseWriter)) *httptest.Server {
	t.Helper()
	c := NewCredential(captureID, captureSecret)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var q Request
		if err := check(&q, r, body, c, captureTime); err != nil {
			w.Header().Set("Content-Type", q.Format.ContentType())
			w.WriteHeader(err.Status)
			w.Write(AppendError(nil, q.Format, "R", r.Host, err))
			return
		}
		answer(&q, w)
	}))
	t.Cleanup(s.Close)
	return s
}

// reply answers with a reply, stringly or not.
func reply(stringly bool, r Reply) func(*Request, http.ResponseWriter) {
	return func(q *Request, w http.ResponseWriter) {
		w.Write(AppendReply(nil, q.Format, stringly, &r))
	}
}

// newTestClient makes a client of a server with the captures' access key.
func newTestClient(t *testing.T, s *httptest.Server, change func(*ClientOptions)) *Client {
	t.Helper()
	o := ClientOptions{Endpoint: s.URL, Credential: NewCredential(captureID, captureSecret),
		HTTP: s.Client(), Now: func() time.Time { return captureTime }}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nasty are parameters that a wrong encoding would spoil.
var nasty = []Param{{"Id2", "00AAABBB11122281FE150001"}, {"AuthCode", "3~0~Pf+/aA== *()'!:;,@&=?#[]%\"<>\\^`{|}"},
	{"Extra", "中文 é\u2028"}, {"Empty", ""}}

func TestClientEveryWay(t *testing.T) {
	s := door(t, func(q *Request, w http.ResponseWriter) {
		for _, p := range nasty {
			if v, present := q.Get(p.Name); v != p.Value || !present {
				t.Errorf("%s = %q", p.Name, v)
			}
		}
		reply(false, Reply{RequestID: sampleID, Code: CodeOK, Data: TextData(q.Method + q.Action + q.Version)})(q, w)
	})
	for method := HMACSHA1; method <= ACS3HMACSM3; method++ {
		for _, placement := range []Placement{InQueryGET, InQueryPOST, InForm, InJSON} {
			if method < ACS3HMACSHA256 && placement == InJSON {
				continue
			}
			c := newTestClient(t, s, func(o *ClientOptions) { o.Method, o.Placement = method, placement })
			got, err := c.Call(context.Background(), "Verify", nasty)
			if err != nil {
				t.Fatalf("%v, placement %d: %v", method, placement, err)
			}
			verb := "POST"
			if placement == InQueryGET {
				verb = "GET"
			}
			if got.RequestID != sampleID || !got.Success || string(got.Data) != `"`+verb+`Verify2017-07-07"` {
				t.Errorf("%v, placement %d: %+v", method, placement, got)
			}
		}
	}
}

func TestClientResults(t *testing.T) {
	for _, stringly := range []bool{false, true} {
		c := newTestClient(t, door(t, reply(stringly, Reply{RequestID: "R", Code: 33, Message: "too old"})), nil)
		got, err := c.Call(context.Background(), "Verify", nil)
		if err != nil || got.Code != 33 || got.Success || got.Message != "too old" || got.Data != nil {
			t.Errorf("%+v %v", got, err)
		}
	}
}

func TestClientRefused(t *testing.T) {
	s := door(t, reply(false, Reply{Code: CodeOK}))
	c := newTestClient(t, s, func(o *ClientOptions) { o.Credential = NewCredential(captureID, "other") })
	_, err := c.Call(context.Background(), "Verify", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "SignatureDoesNotMatch" || e.Status != 400 || !strings.Contains(e.Message, "string to sign is:") {
		t.Errorf("%v", err)
	}
	c = newTestClient(t, s, func(o *ClientOptions) { o.Method, o.Now = ACS3HMACSHA256, time.Now().AddDate(1, 0, 0).UTC })
	if _, err = c.Call(context.Background(), "Verify", nil); !errors.As(err, &e) || e.Code != "InvalidTimeStamp.Expired" {
		t.Errorf("%v", err)
	}
}

func TestClientUnreadableAnswers(t *testing.T) {
	for _, v := range []struct {
		status int
		body   string
		want   string
	}{
		{502, "<html>", "HTTP502: not a gateway error: \"<html>\""},
		{502, `{"Code":502}`, "HTTP502"},
		{400, `{"Code":"X","Message":"m","Status":200}`, "X: m"},
		{200, "<html>", "unreadable answer"},
		{200, `{"Code":"x","Success":true}`, "unreadable answer"},
		{200, `{"Code":200}`, "unreadable answer"},
		{200, "", "unreadable answer"},
	} {
		c := newTestClient(t, door(t, func(_ *Request, w http.ResponseWriter) {
			w.WriteHeader(v.status)
			fmt.Fprint(w, v.body)
		}), nil)
		_, err := c.Call(context.Background(), "Verify", nil)
		if err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%d %q: %v", v.status, v.body, err)
		}
		var e *Error
		if errors.As(err, &e) && e.Status != v.status {
			t.Errorf("status %d, want %d", e.Status, v.status)
		}
	}
}

func TestClientNoAnswer(t *testing.T) {
	s := door(t, reply(false, Reply{Code: CodeOK}))
	c := newTestClient(t, s, nil)
	if _, err := c.Call(context.Background(), "Verify", []Param{{"Action", "x"}}); !errors.Is(err, ErrDuplicate) {
		t.Error(err)
	}
	inJSON := newTestClient(t, s, func(o *ClientOptions) { o.Method, o.Placement = ACS3HMACSHA256, InJSON })
	if _, err := inJSON.Call(context.Background(), "Verify", []Param{{"a", "1"}, {"a", "1"}}); !errors.Is(err, ErrDuplicate) {
		t.Error(err)
	}
	noRandom := newTestClient(t, s, func(o *ClientOptions) { o.Random = bytes.NewReader(nil) })
	if _, err := noRandom.Call(context.Background(), "Verify", nil); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	s.Close()
	if _, err := c.Call(context.Background(), "Verify", nil); err == nil {
		t.Error("answer from a closed server")
	}
}

func TestNewClientRefuses(t *testing.T) {
	good := ClientOptions{Endpoint: "https://id2.example/", Credential: NewCredential("a", "b")}
	if _, err := NewClient(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*ClientOptions){
		"no endpoint":   func(o *ClientOptions) { o.Endpoint = "" },
		"bad endpoint":  func(o *ClientOptions) { o.Endpoint = "http://%" },
		"other scheme":  func(o *ClientOptions) { o.Endpoint = "ftp://x" },
		"path":          func(o *ClientOptions) { o.Endpoint = "http://x/y" },
		"no credential": func(o *ClientOptions) { o.Credential = nil },
		"public key":    func(o *ClientOptions) { o.Credential = NewRSACredential("a", nil) },
		"RSA":           func(o *ClientOptions) { o.Method = ACS3RSASHA256 },
		"bad method":    func(o *ClientOptions) { o.Method = 99 },
		"V1 JSON":       func(o *ClientOptions) { o.Placement = InJSON },
		"bad placement": func(o *ClientOptions) { o.Placement = 99 },
	} {
		o := good
		change(&o)
		if _, err := NewClient(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	c := NewCredential("a", "b")
	m := Message{Method: "GET"}
	if _, _, err := m.SignV1(c, ACS3HMACSHA256); err != ErrCannotSign {
		t.Error(err)
	}
	if _, err := m.SignV3(c, HMACSHA1, "h", "", nil); err != ErrCannotSign {
		t.Error(err)
	}
	for _, name := range []string{"Signature", "Version"} {
		m.Params = []Param{{name, "x"}}
		if _, _, err := m.SignV1(c, HMACSHA1); err != ErrDuplicate {
			t.Error(name, err)
		}
	}
}

// TestCredentialHidesSecret checks that printing a credential does not print
// its secret.
func TestCredentialHidesSecret(t *testing.T) {
	c := NewCredential("visible", "hidden")
	c.appendMAC(nil, HMACSHA1, nil)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, c); strings.Contains(s, "hidden") || strings.Contains(s, fmt.Sprint([]byte("hidden"))) {
			t.Error(s)
		}
	}
	if c.AccessKeyID() != "visible" {
		t.Error(c.AccessKeyID())
	}
}

func TestSignatureMethodNames(t *testing.T) {
	for m := HMACSHA1; m < endOfMethods; m++ {
		if m.String() == "unknown" {
			t.Errorf("method %d has no name", m)
		}
	}
	if SignatureMethod(0).String() != "unknown" {
		t.Error("zero is no method")
	}
}
