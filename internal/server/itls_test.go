package server

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

// A device finds the door by server.json, provisions itself, and authenticates;
// after a stop the door is gone.
func TestProvisioningOverITLS(t *testing.T) {
	dir, clock := t.TempDir(), testclock.New(time.UnixMilli(1_700_000_000_000))
	c := config(dir, clock)
	c.ITLSListen = "0.0.0.0:0" // plain, and for others to reach: that is its nature
	st := startWith(t, c, clock)
	st.equip(t)
	product, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "lamp", Algorithm: "aes128", OTP: true})
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(stateOf(t, dir).ITLSAddress)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.provisionITLS(product, "127.0.0.1:"+port, "uid"); err != nil {
		t.Fatal(err)
	}
	st.product = product.ProductKey
	st.wants(t, "authenticate", st.verify(t, st.timeCode(t)), 200)
	if err := st.provisionITLS(product, "127.0.0.1:"+port, "uid"); !errors.Is(err, itls.AlertFingerprintDuplicate) {
		t.Errorf("after it has authenticated: %v", err)
	}
	status, text := st.get(t, st.AdminURL(), "/metrics", readToken(t, dir))
	if status != 200 || !strings.Contains(text, `hallmark_itls_results_total{alert="0"} 1`) || !strings.Contains(text, `hallmark_itls_results_total{alert="175"} 1`) {
		t.Errorf("metrics: %d\n%s", status, text)
	}
	if err := st.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		_ = conn.Close()
		t.Error("the door is still open")
	}
}

func stateOf(t *testing.T, dir string) (state State) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// provisionITLS gives the site's device another identity.
func (st *site) provisionITLS(product operator.CreatedProduct, address, fingerprint string) error {
	token, err := id2.ParseToken(product.ProductSecret)
	if err != nil {
		return err
	}
	request := id2.OTPRequest{KeyType: token.KeyType, Fingerprint: []byte(fingerprint)}
	if _, err := rand.Read(request.SessionKey[:]); err != nil {
		return err
	}
	code, err := request.AuthCode(token)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	data, err := itls.Exchange(conn, itls.Hello{ProductKey: product.ProductKey, AuthCode: code})
	if err != nil {
		return err
	}
	st.id, st.key, err = request.OpenProvisionData(data)
	return err
}

// Without its flag there is no such door, and one that cannot be opened stops the
// start.
func TestITLSIsOffUnlessAskedFor(t *testing.T) {
	st := newSite(t)
	if state := stateOf(t, st.dir); state.ITLSAddress != "" || st.ITLSAddress() != "" {
		t.Errorf("%+v", state)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := config(t.TempDir(), st.clock)
	c.ITLSListen = taken.Addr().String()
	if s, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("%v, %v", s, err)
	}
}
