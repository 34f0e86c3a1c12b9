package httpd

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// BenchmarkCISSLogin measures a loginVerify through the door and into a store on
// disk, beside the one SM2 verification it cannot do without, in processor time.
// The chain is in the cache; the sessions and messages are made before.
func BenchmarkCISSLogin(b *testing.B) {
	for name, filling := range map[string]int{"short": 90, "long": 600} {
		b.Run(name, func(b *testing.B) {
			p := newPhone(b, nil)
			p.cert = p.certificate(3, p.root, p.card, func(c *smx509.Certificate) {
				c.CRLDistributionPoints = []string{"http://crl.example.com/" + strings.Repeat("x", filling)}
			})
			p.bind(p.cert)
			logins := make([]doorLogin, b.N)
			for i := range logins {
				logins[i] = p.prepareLogin()
			}
			b.ResetTimer()
			whole, bare := p.takeTurns(logins)
			b.ReportMetric(0, "ns/op") // of both, which says nothing
			b.ReportMetric(whole.Seconds()*1e6/float64(b.N), "whole-µs")
			b.ReportMetric(bare.Seconds()*1e6/float64(b.N), "bare-µs")
			b.ReportMetric(whole.Seconds()/bare.Seconds(), "whole/bare")
		})
	}
}

// doorLogin is a login that waits to be sent, and what its card has signed.
type doorLogin struct {
	request            *http.Request
	message, signature []byte
}

// prepareLogin makes a session, has it scanned and seals its login.
func (p *phone) prepareLogin() doorLogin {
	p.t.Helper()
	authID, _ := p.session()
	_, err := p.scans.Scan(p.t.Context(), scanlogin.App{ID: p.app.ID, Org: p.org, By: operatorActor}, authID, string(ciss.StatusScanned))
	p.must(err)
	settings := p.channel.Settings()
	message, err := settings.SignedMessage(authID)
	p.must(err)
	signature, err := settings.Sign(rand.Reader, p.card, message)
	p.must(err)
	param := p.sealLogin(ciss.LoginVerify{AuthID: authID, SignCert: hex.EncodeToString(p.cert.Raw), SignData: hex.EncodeToString(signature)})
	request := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: ciss.PathLoginVerify}, Host: "localhost", RemoteAddr: "127.0.0.1:1",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(ciss.Request{AppID: p.app.ID, Param: param}.Append(nil)))}
	return doorLogin{request, message, signature}
}

// takeTurns sends the logins and verifies their signatures, some of each in turn.
func (p *phone) takeTurns(logins []doorLogin) (whole, bare time.Duration) {
	const turn = 50
	w := &nowhere{header: http.Header{}}
	for len(logins) > 0 {
		some := logins[:min(turn, len(logins))]
		logins = logins[len(some):]
		began := processorTime(p.t)
		for _, l := range some {
			p.handler.ServeHTTP(w, l.request)
			if !bytes.HasPrefix(w.body, []byte(`{"statusCode":200,`)) {
				p.t.Fatalf("answer %s", w.body)
			}
		}
		sent := processorTime(p.t)
		for _, l := range some {
			if !sm2.VerifyASN1WithSM2(&p.card.PublicKey, nil, l.message, l.signature) {
				p.t.Fatal("refused")
			}
		}
		whole, bare = whole+sent-began, bare+processorTime(p.t)-sent
	}
	return whole, bare
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
