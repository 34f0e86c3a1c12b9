package ciss

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// BenchmarkLoginVerify measures all the cryptography of a loginVerify, from the
// text of param to that of returnObj, beside the SM2 verifications it cannot do
// without. A short certificate has half a kilobyte, a long one a whole, as the
// vendor's sample.
func BenchmarkLoginVerify(b *testing.B) {
	ca := newCA(b, "Root", nil, nil)
	key := newKey(b)
	c := newTestChannel(b, nil)
	for name, filling := range map[string]int{"short": 90, "long": 600} {
		cert := ca.issue(b, 7, &key.PublicKey, func(c *smx509.Certificate) {
			c.CRLDistributionPoints = []string{"http://crl.example.com/" + strings.Repeat("x", filling)}
		})
		signature := (signer{nil, cert, key}).der(b, c.settings, []byte(testAuthID))
		param, err := c.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: hex.EncodeToString(cert.Raw),
			SignData: hex.EncodeToString(signature), Time: testTime})
		if err != nil {
			b.Fatal(err)
		}
		options := TrustOptions{Roots: []*smx509.Certificate{ca.cert}}
		b.Run(name+"/uncached", func(b *testing.B) { benchLogin(b, c, param, newTrust(b, options)) })
		options.Cache = 64
		b.Run(name+"/cached", func(b *testing.B) { benchLogin(b, c, param, newTrust(b, options)) })
		b.Run(name+"/signature", func(b *testing.B) {
			for b.Loop() {
				if !sm2.VerifyASN1WithSM2(&key.PublicKey, nil, []byte(testAuthID), signature) {
					b.Fatal("refused")
				}
			}
		})
		b.Run(name+"/chain", func(b *testing.B) {
			for b.Loop() {
				if err := cert.CheckSignatureFrom(ca.cert); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchLogin(b *testing.B, c *Channel, param string, trust *Trust) {
	b.ReportAllocs()
	for b.Loop() {
		m, err := c.OpenLoginVerify(param, testTime)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.CheckLogin(&m, trust, certTime); err != nil {
			b.Fatal(err)
		}
		if _, err := c.SealResponse(Response{Desc: "成功", Time: testTime}); err != nil {
			b.Fatal(err)
		}
	}
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
