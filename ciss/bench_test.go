package ciss

import (
	"encoding/hex"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// BenchmarkLoginVerify measures all the cryptography of a loginVerify, from the
// text of param to that of returnObj, beside the SM2 verifications it cannot do
// without: of the card's signature, and of the certificate's where its chain is
// not in the cache. A short certificate has half a kilobyte, a long one a whole,
// as the vendor's sample.
func BenchmarkLoginVerify(b *testing.B) {
	for name, filling := range map[string]int{"short": 90, "long": 600} {
		l := newLogin(b, filling)
		options := TrustOptions{Roots: []*smx509.Certificate{l.ca}}
		trust := newTrust(b, options)
		b.Run(name+"/uncached", func(b *testing.B) {
			sideBySide(b, func() { l.serve(b, trust) }, func() { l.verify(b); l.verifyCert(b) })
		})
		options.Cache = 64
		cached := newTrust(b, options)
		b.Run(name+"/cached", func(b *testing.B) {
			sideBySide(b, func() { l.serve(b, cached) }, func() { l.verify(b) })
		})
	}
}

// login is a loginVerify and what it was made of.
type login struct {
	channel   *Channel
	ca, cert  *smx509.Certificate
	key       *sm2.PrivateKey
	signature []byte
	param     string
}

func newLogin(b *testing.B, filling int) *login {
	b.Helper()
	ca := newCA(b, "Root", nil, nil)
	l := &login{channel: newTestChannel(b, nil), ca: ca.cert, key: newKey(b)}
	l.cert = ca.issue(b, 7, &l.key.PublicKey, func(c *smx509.Certificate) {
		c.CRLDistributionPoints = []string{"http://crl.example.com/" + strings.Repeat("x", filling)}
	})
	l.signature = (signer{nil, l.cert, l.key}).der(b, l.channel.settings, []byte(testAuthID))
	param, err := l.channel.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: hex.EncodeToString(l.cert.Raw),
		SignData: hex.EncodeToString(l.signature), Time: testTime})
	if err != nil {
		b.Fatal(err)
	}
	l.param = param
	return l
}

func (l *login) serve(b *testing.B, trust *Trust) {
	m, err := l.channel.OpenLoginVerify(l.param, testTime)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := l.channel.CheckLogin(&m, trust, certTime); err != nil {
		b.Fatal(err)
	}
	if _, err := l.channel.SealResponse(Response{Desc: "成功", Time: testTime}); err != nil {
		b.Fatal(err)
	}
}

func (l *login) verify(b *testing.B) {
	if !sm2.VerifyASN1WithSM2(&l.key.PublicKey, nil, []byte(testAuthID), l.signature) {
		b.Fatal("refused")
	}
}

func (l *login) verifyCert(b *testing.B) {
	if err := l.cert.CheckSignatureFrom(l.ca); err != nil {
		b.Fatal(err)
	}
}

// sideBySide reports the processor time of both functions. They take turns, so
// that whatever else the machine does falls on both alike.
func sideBySide(b *testing.B, whole, bare func()) {
	const turn = 50
	var spent [2]time.Duration
	for b.Loop() {
		for i, f := range []func(){whole, bare} {
			before := cpu(b)
			for range turn {
				f()
			}
			spent[i] += cpu(b) - before
		}
	}
	b.ReportMetric(0, "ns/op") // of both, which says nothing
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(turn*b.N)/1000, "whole-µs")
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(turn*b.N)/1000, "bare-µs")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "whole/bare")
}

func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkScan(b *testing.B) {
	c := newTestChannel(b, nil)
	param, err := c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.OpenScan(param, testTime); err != nil {
			b.Fatal(err)
		}
	}
}
