package calls

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/load"
)

// Only whole codes of success count, and what is no JSON has the status for a code.
func TestJudge(t *testing.T) {
	j := judge("Code", "200", "Message")
	for _, c := range []struct {
		status              int
		body, code, message string
	}{
		{200, `{"RequestId":"x","Data":true,"Code":200,"Success":true}`, "", ""},
		{200, `{"Code":200}`, "", ""},
		{200, `{"Code": "200"}`, "", ""}, // a server that answers text
		{200, `{"Code":2001,"Message":"m"}`, "2001", "m"},
		{200, `{"Code":35,"Success":false,"Message":"challenge invalid"}`, "35", "challenge invalid"},
		{200, `{"Code":20`, "HTTP 200", `{"Code":20`},
		{400, `{"Code":"SignatureDoesNotMatch","Message":"no"}`, "SignatureDoesNotMatch", "no"},
		{500, `{"Code":200}`, "HTTP 500", ""},
		{502, `<html>`, "HTTP 502", "<html>"},
		{503, `{}`, "HTTP 503", ""},
		{503, ``, "HTTP 503", ""},
		{400, `{"Code":"x","Message":"` + strings.Repeat("長", 300) + `"}`, "x", strings.Repeat("長", 200) + "…"},
	} {
		if code, message := j(c.status, []byte(c.body)); code != c.code || message != c.message {
			t.Errorf("%d %s: %q, %q", c.status, c.body, code, message)
		}
	}
}

func TestChoose(t *testing.T) {
	k, err := Find("verify-challenge")
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{"": "aes128", "sm4": "sm4", "secp256k1": "secp256k1"} {
		if got, err := k.Choose(given); err != nil || got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
	if _, err := k.Choose("des"); err == nil {
		t.Error("an unknown algorithm was taken")
	}
	if _, err := Find("nothing"); err == nil || !strings.Contains(err.Error(), "verify-signature") {
		t.Error(err)
	}
}

// A request that is recorded is not sent; all others are.
func TestRecord(t *testing.T) {
	sent := 0
	client := &http.Client{Transport: recorder{roundTrip(func(*http.Request) (*http.Response, error) { sent++; return nil, errors.New("sent") })}}
	post := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h:1/p?q=1", strings.NewReader("body"))
		if err != nil {
			return err
		}
		_, err = client.Do(req)
		return err
	}
	got, err := record(t.Context(), post)
	if err != nil || !strings.HasPrefix(string(got), "POST /p?q=1 HTTP/1.1\r\nHost: h:1\r\n") || !strings.HasSuffix(string(got), "Content-Length: 4\r\n\r\nbody") || sent != 0 {
		t.Errorf("%q, %v, %d sent", got, err, sent)
	}
	if err := post(t.Context()); err == nil || sent != 1 {
		t.Errorf("%v, %d sent", err, sent)
	}
	if _, err := record(t.Context(), func(context.Context) error { return nil }); err == nil {
		t.Error("nothing was recorded")
	}
	if _, err := record(t.Context(), func(context.Context) error { return errNoCode }); !errors.Is(err, errNoCode) {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMany(t *testing.T) {
	made, err := many(t.Context(), 500, func(_ context.Context, i int) (int, error) { return i * i, nil })
	if err != nil || len(made) != 500 || made[499] != 499*499 {
		t.Errorf("%d made, %v", len(made), err)
	}
	broken := errors.New("broken")
	if _, err := many(t.Context(), 500, func(_ context.Context, i int) (load.Request, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if made, err := many(t.Context(), 0, func(context.Context, int) (int, error) { return 0, broken }); err != nil || len(made) != 0 {
		t.Errorf("%d made, %v", len(made), err)
	}
}

func TestRequestsOfTheLoadTakeTurns(t *testing.T) {
	b := &backEnd{devices: []simulated{{id: "a"}, {id: "b"}}}
	for i, want := range []string{"a", "b", "a"} {
		if got := b.device(i).id; got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
}
