package server

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// card is a phone's key with a certificate that it signs itself.
type card struct {
	key  *sm2.PrivateKey
	cert *smx509.Certificate
}

func newCard(t *testing.T) card {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Wang Wei"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: smx509.KeyUsageDigitalSignature}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return card{key, cert}
}

func (c card) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw}))
}

// confirm confirms a code and returns what the app is told, "" for success.
func (c card) confirm(t *testing.T, app *ciss.Client, authID string) string {
	t.Helper()
	s := ciss.DefaultSettings()
	signature, err := s.Sign(rand.Reader, c.key, []byte(authID))
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.Login(t.Context(), authID, c.cert.Raw, signature)
	var refusal *ciss.StatusError
	if err != nil && !errors.As(err, &refusal) {
		t.Error(err)
		return err.Error()
	}
	if err != nil {
		return refusal.Desc
	}
	return ""
}

// A code that one node shows is scanned and confirmed through another, once; and
// what one node is told to trust no more, the other refuses within a second or so.
func TestScanLoginOverTwoNodes(t *testing.T) {
	first := onPostgres(t, pgtest.Database(t))
	a, err := Start(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Shutdown(context.Background()) }()
	second := first
	second.DataDir = t.TempDir()
	copyDir(t, first.DataDir, second.DataDir, "")
	b, err := Start(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Shutdown(context.Background()) }()

	wang := newCard(t)
	op := operator.NewClient(operator.ClientOptions{URL: a.URL(), Token: readToken(t, first.DataDir)})
	_, err1 := op.CreateAccount(t.Context(), operator.AccountSpec{Name: "wang", Role: "admin"})
	_, err2 := op.BindAccount(t.Context(), "wang", operator.BindingSpec{Certificate: wang.pem()})
	root, err3 := op.AddRoot(t.Context(), operator.RootSpec{Certificate: wang.pem()})
	client, err4 := op.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "ciss"})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	apps := [2]*ciss.Client{newApp(t, a.URL(), client), newApp(t, b.URL(), client)}
	org, err := a.Registry().Org(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	session, secret, err := a.Scans().Create(t.Context(), org.ID, scanlogin.Requester{Address: "203.0.113.7"})
	if err != nil {
		t.Fatal(err)
	}
	if asks, err := apps[1].Scan(t.Context(), session.AuthID); err != nil || !strings.Contains(asks.Desc, "203.0.113.7") {
		t.Errorf("scanned at the other node: %+v, %v", asks, err)
	}
	const callers = 20
	told := make([]string, callers)
	var wg sync.WaitGroup
	for i := range told {
		wg.Go(func() { told[i] = wang.confirm(t, apps[i%2], session.AuthID) })
	}
	wg.Wait()
	won := 0
	for _, words := range told {
		if words == "" {
			won++
		} else if words != "二维码已使用或已取消" {
			t.Errorf("a loser is told %q", words)
		}
	}
	if collected, err := b.Scans().Collect(t.Context(), session.AuthID, secret); err != nil || won != 1 || collected.Account == 0 {
		t.Errorf("%d confirmations won; collected %+v, %v", won, collected, err)
	}

	if _, err := op.RemoveRoot(t.Context(), root.Fingerprint); err != nil {
		t.Fatal(err)
	}
	session, _, err = b.Scans().Create(t.Context(), org.ID, scanlogin.Requester{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apps[0].Scan(t.Context(), session.AuthID); err != nil {
		t.Fatal(err)
	}
	if words := wang.confirm(t, apps[0], session.AuthID); words != "证书不受信任" {
		t.Errorf("at the node that was told: %q", words)
	}
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		trust, err := b.Registry().Trust(t.Context(), org.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Check(wang.cert.Raw, ciss.UsageSignature, time.Now()); err != nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the other node never hears of it")
		}
	}
	if words := wang.confirm(t, apps[1], session.AuthID); words != "证书不受信任" {
		t.Errorf("at the other node: %q", words)
	}
}

func newApp(t *testing.T, url string, c operator.CreatedClient) *ciss.Client {
	t.Helper()
	key, err := ciss.ParseKey(c.AppSM4Key)
	if err != nil {
		t.Fatal(err)
	}
	app, err := ciss.NewClient(ciss.ClientOptions{BaseURL: url, AppID: c.AppID, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return app
}
