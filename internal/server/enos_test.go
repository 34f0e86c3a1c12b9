package server

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

// sealKey fetches the key that Poseidon must be given, and the status.
func sealKey(t *testing.T, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url + "/enos/CA/poseidon.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

// The key for sealed tokens stays what it is over restarts, or every SDK that was
// given it would be refused; so do access tokens. Without the option there is none.
func TestEnOSKeysSurviveARestart(t *testing.T) {
	clock := testclock.New(time.UnixMilli(1_700_000_000_000))
	c := config(t.TempDir(), clock)
	first := startWith(t, c, clock)
	if status, _ := sealKey(t, first.URL()); status != http.StatusNotFound {
		t.Errorf("without the option: %d", status)
	}
	app, err := first.op.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "enos"})
	if err != nil {
		t.Fatal(err)
	}
	cred := enos.NewCredential(app.AppKey, app.AppSecret)
	token := enosToken(t, first.URL(), cred, clock)
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.EnOSSealed = true
	second := startWith(t, c, clock)
	_, key := sealKey(t, second.URL())
	if err := second.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := startWith(t, c, clock)
	status, again := sealKey(t, third.URL())
	if status != http.StatusOK || string(again) != string(key) {
		t.Errorf("%d: %s, before the restart %s", status, again, key)
	}
	block, _ := pem.Decode(key)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cred.Seal(public.(*rsa.PublicKey), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := enos.FormatTimestamp(clock.Now())
	q := enos.Query{{Name: "action", Value: "search"}, {Name: "orgId", Value: app.OrgID}}
	for what, h := range map[string]http.Header{
		"sealed token":    {enos.HeaderToken: {sealed}},
		"token of before": {enos.HeaderToken: {token}, enos.HeaderTimestamp: {at}, enos.HeaderSignature: {cred.Sign(token, q, nil, at)}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, third.URL()+"/connect-service/v2.1/products?"+q.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = h
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if want := `{"code":0,`; err != nil || len(body) < len(want) || string(body[:len(want)]) != want {
			t.Errorf("%s: %s %v", what, body, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func enosToken(t *testing.T, url string, cred *enos.Credential, clock *testclock.Clock) string {
	t.Helper()
	c, err := enos.NewClient(enos.ClientOptions{BaseURL: url, Credential: cred, OrgID: "any", Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}
