package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestFirstStartMakesOneOfEach(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		var nodes sync.WaitGroup
		for range 8 {
			nodes.Go(func() {
				if err := f.node(rand.Reader).EnsureAuthorities(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		nodes.Wait()
		all, err := f.Authorities(context.Background())
		if err != nil || len(all) != 2 {
			t.Fatalf("%d authorities, %v", len(all), err)
		}
		for _, a := range all {
			c := parse(t, a.Chain[0])
			if err := c.CheckSignatureFrom(c); err != nil {
				t.Error(err)
			}
			if !c.IsCA || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.SubjectKeyId) != 20 || !c.NotAfter.Equal(start.AddDate(10, 0, 0)) {
				t.Errorf("%s: %+v", a.Kind, c)
			}
			var order []string
			for _, n := range c.Subject.Names {
				order = append(order, n.Type.String())
			}
			if want := []string{"2.5.4.6", "2.5.4.8", "2.5.4.7", "2.5.4.10", "2.5.4.11", "2.5.4.3"}; !cmp.Equal(order, want) {
				t.Errorf("%s: subject %s", a.Kind, c.Subject)
			}
		}
	})
}

// Of several nodes that start at once on an empty store one makes each authority.
func TestNodesStartAtOnce(t *testing.T) {
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) {
			f := newEmptyFixture(t, dsn(t))
			var nodes sync.WaitGroup
			for range 6 {
				nodes.Go(func() {
					if err := f.node(rand.Reader).EnsureAuthorities(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
			nodes.Wait()
			rows, err := f.store.Authorities(context.Background())
			if err != nil || len(rows) != 2 || rows[0].Kind == rows[1].Kind {
				t.Errorf("%d authorities, %v", len(rows), err)
			}
		})
	}
}

// After a rollover the old authority's certificates verify, can be revoked, and
// are in the old one's list; both roots are published.
func TestRollover(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		old := f.active(pki.ECC)
		before := f.issue(1, "pump")
		now, err := f.Create(ctx, pki.NewAuthority{Kind: pki.ECC, Curve: pki.P384, By: by})
		if err != nil {
			t.Fatal(err)
		}
		if now.Subject == old.Subject || f.active(pki.ECC).ID != now.ID || now.Algorithm != "P-384" {
			t.Errorf("after the rollover: %+v", now)
		}
		after := f.issue(2, "valve")
		if after.Authority != now.ID || parse(t, after.DER).SignatureAlgorithm != x509.ECDSAWithSHA384 {
			t.Error("the new authority does not issue")
		}
		text, err := f.AuthorityPEM(ctx, pki.ECC)
		if err != nil || !bytes.Equal(text, append(now.PEM(), old.PEM()...)) {
			t.Errorf("published %s, %v", text, err)
		}
		f.revoke(before.Serial, pki.Superseded)
		if err := f.UpdateLists(ctx); err != nil {
			t.Fatal(err)
		}
		oldList, err1 := f.CRL(ctx, old.ID)
		newList, err2 := f.CRL(ctx, now.ID)
		if err := errors.Join(err1, err2); err != nil || oldList.Entries != 1 || newList.Entries != 0 {
			t.Errorf("%d and %d entries, %v", oldList.Entries, newList.Entries, err)
		}
		renewed, err := f.Renew(ctx, pki.Renewal{Org: org, Device: 2, Serial: after.Serial, By: by})
		if err != nil || renewed.Authority != now.ID {
			t.Errorf("renewed by %s, %v", renewed.Authority, err)
		}
		if _, err := f.Activate(ctx, old.ID, by); err != nil {
			t.Fatal(err)
		}
		if got := f.active(pki.ECC); got.ID != old.ID {
			t.Error("the old authority does not issue again")
		}
		_, err = f.Activate(ctx, old.ID, by)
		refused(t, "active already", err, pki.ErrAuthorityState)
		if _, err := f.Retire(ctx, old.ID, by); err != nil {
			t.Fatal(err)
		}
		_, err = f.Issue(ctx, pki.Request{Org: org, Device: 3, CSR: request(t, ecKey(t), subject("x")), Kind: pki.ECC, By: by})
		refused(t, "no authority issues", err, pki.ErrNoAuthority)
		if err := f.node(rand.Reader).EnsureAuthorities(ctx); err != nil {
			t.Error(err)
		}
		_, err = f.ActiveAuthority(ctx, pki.ECC)
		refused(t, "after a restart", err, pki.ErrNoAuthority)
		_, err = f.Authority(ctx, 12345)
		refused(t, "unknown", err, pki.ErrNotFound)
		_, err = f.CRL(ctx, 12345)
		refused(t, "list of an unknown one", err, pki.ErrNotFound)
	})
}

// offline is a root that is not the server's.
type offline struct {
	t    *testing.T
	key  crypto.Signer
	cert *x509.Certificate
}

func newOffline(t *testing.T, change func(*x509.Certificate)) *offline {
	o := &offline{t: t, key: ecKey(t)}
	tmpl := caTemplate(dn("O", "Example", "CN", "Offline root"))
	if change != nil {
		change(tmpl)
	}
	o.cert = o.sign(tmpl, tmpl, o.key.Public())
	return o
}

func (o *offline) sign(tmpl, parent *x509.Certificate, key any) *x509.Certificate {
	o.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key, o.key)
	if err != nil {
		o.t.Fatal(err)
	}
	return parse(o.t, der)
}

func caTemplate(name pkix.RDNSequence) *x509.Certificate {
	c := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(3, 0, 0), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte("key")}
	c.Subject.FillFromRDNSequence(&name)
	return c
}

func chainPEM(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func keyPEM(t *testing.T, key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

var issuingName = dn("C", "CN", "ST", "Shanghai", "O", "Hallmark", "CN", "Issuing CA")

func TestIntermediateUnderAnOfflineRoot(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		ctx := context.Background()
		first := f.active(pki.ECC)
		waiting, err := f.Prepare(ctx, pki.NewAuthority{Kind: pki.ECC, Subject: pki.Name{CommonName: "Issuing CA"}, By: by})
		if err != nil || waiting.State != pki.Pending || f.active(pki.ECC).ID != first.ID {
			t.Fatalf("%+v, %v", waiting, err)
		}
		req, err := x509.ParseCertificateRequest(waiting.Request)
		if err != nil || req.CheckSignature() != nil {
			t.Fatalf("request: %v", err)
		}
		root := newOffline(t, nil)
		tmpl := caTemplate(issuingName)
		tmpl.RawSubject, tmpl.MaxPathLenZero = req.RawSubject, true
		cert := root.sign(tmpl, root.cert, req.PublicKey)
		_, err = f.Install(ctx, waiting.ID, chainPEM(cert), by)
		refused(t, "without the root", err, pki.ErrBadAuthority)
		_, err = f.Install(ctx, waiting.ID, chainPEM(root.cert, cert), by)
		refused(t, "the wrong way round", err, pki.ErrBadAuthority)
		_, err = f.Install(ctx, first.ID, chainPEM(cert, root.cert), by)
		refused(t, "one that issues already", err, pki.ErrAuthorityState)
		issuing, err := f.Install(ctx, waiting.ID, chainPEM(cert, root.cert), by)
		if err != nil || issuing.State != pki.Active || len(issuing.Request) != 0 {
			t.Fatalf("%+v, %v", issuing.State, err)
		}
		if !bytes.Equal(issuing.RootPEM(), chainPEM(root.cert)) || !bytes.Equal(issuing.ChainPEM(), chainPEM(cert, root.cert)) {
			t.Error("chain")
		}
		c, err := f.Issue(ctx, pki.Request{Org: org, Device: 1, CSR: request(t, ecKey(t), subject("pump")), Kind: pki.ECC, ValidDays: 1095, By: by})
		if err != nil {
			t.Fatal(err)
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root.cert)
		between.AddCert(cert)
		if _, err := parse(t, c.DER).Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: start,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Error(err)
		}
		if c.NotAfter.Time().After(root.cert.NotAfter) {
			t.Error("it outlives its root")
		}
	})
}

func TestImports(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	root := newOffline(t, nil)
	key, r := ecKey(t), rsaKey(t, 0)
	intermediate := func(key any, change func(*x509.Certificate)) *x509.Certificate {
		tmpl := caTemplate(issuingName)
		if change != nil {
			change(tmpl)
		}
		return root.sign(tmpl, root.cert, key)
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short := newOffline(t, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	server := newOffline(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	good := intermediate(key.Public(), nil)
	under := func(o *offline) []byte {
		return chainPEM(o.sign(caTemplate(issuingName), o.cert, key.Public()), o.cert)
	}
	stranger := newOffline(t, nil)
	for name, c := range map[string]struct {
		key, chain []byte
		part       string // of the refusal, "" for none
	}{
		"PKCS#8":   {keyPEM(t, key), chainPEM(good, root.cert), ""},
		"SEC 1":    {pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), chainPEM(good, root.cert), ""},
		"PKCS#1":   {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}), chainPEM(intermediate(r.Public(), nil), root.cert), ""},
		"own root": {keyPEM(t, root.key), chainPEM(root.cert), ""},
		"openssl ecparam": {append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...), chainPEM(good, root.cert), ""},

		"no key":               {nil, chainPEM(good, root.cert), "no private key"},
		"encrypted key":        {pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), chainPEM(good, root.cert), "encrypted"},
		"malformed key":        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), chainPEM(good, root.cert), "malformed"},
		"another key":          {keyPEM(t, ecKey(t)), chainPEM(good, root.cert), "of another key"},
		"P-224":                {keyPEM(t, p224), chainPEM(intermediate(p224.Public(), nil), root.cert), "P-256"},
		"RSA-1024":             {keyPEM(t, weak), chainPEM(intermediate(weak.Public(), nil), root.cert), "bits"},
		"no certificate":       {keyPEM(t, key), []byte("x"), "no certificate"},
		"not a certificate":    {keyPEM(t, key), keyPEM(t, key), "no CERTIFICATE"},
		"malformed":            {keyPEM(t, key), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "malformed"},
		"too many":             {keyPEM(t, key), bytes.Repeat(chainPEM(good), 9), "longer"},
		"no root":              {keyPEM(t, key), chainPEM(good), "not self-signed"},
		"another root":         {keyPEM(t, key), chainPEM(good, stranger.cert), "not signed by the next"},
		"no authority":         {keyPEM(t, key), chainPEM(intermediate(key.Public(), func(c *x509.Certificate) { c.IsCA = false }), root.cert), "CA:TRUE"},
		"may not sign lists":   {keyPEM(t, key), chainPEM(intermediate(key.Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }), root.cert), "cRLSign"},
		"may not sign":         {keyPEM(t, key), chainPEM(intermediate(key.Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), root.cert), "keyCertSign"},
		"expired":              {keyPEM(t, key), chainPEM(intermediate(key.Public(), func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) }), root.cert), "not valid now"},
		"not yet valid":        {keyPEM(t, key), chainPEM(intermediate(key.Public(), func(c *x509.Certificate) { c.NotBefore = start.Add(time.Hour) }), root.cert), "not valid now"},
		"deeper than allowed":  {keyPEM(t, key), under(short), "path length"},
		"only for TLS servers": {keyPEM(t, key), under(server), "does not verify"},
	} {
		a, err := f.Import(t.Context(), c.key, c.chain, by)
		switch {
		case c.part == "" && (err != nil || f.active(a.Kind).ID != a.ID):
			t.Errorf("%s: %v", name, err)
		case c.part != "" && (!errors.Is(err, pki.ErrBadAuthority) || !strings.Contains(err.Error(), c.part)):
			t.Errorf("%s: %v, want %q", name, err, c.part)
		}
	}
	rows, err := f.store.Authorities(t.Context())
	if err != nil || len(rows) != 7 {
		t.Errorf("%d authorities, %v", len(rows), err)
	}
	for _, row := range rows {
		if bytes.Contains(row.Key, sec1) {
			t.Error("a key lies open in the store")
		}
	}
}

// A TLS server that asks for client certificates takes an issued one, and with a
// look into the list refuses it once it is revoked.
func TestMutualTLS(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	for _, kind := range []pki.Kind{pki.RSA, pki.ECC} {
		var key crypto.Signer = ecKey(t)
		if kind == pki.RSA {
			key = rsaKey(t, 1)
		}
		c, err := f.Issue(t.Context(), pki.Request{Org: org, Device: 1, CSR: request(t, key, subject("pump "+kind.String())), Kind: kind, By: by})
		if err != nil {
			t.Fatal(err)
		}
		if err := handshake(t, f, kind, tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: key}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		f.revoke(c.Serial, pki.KeyCompromise)
		if err := handshake(t, f, kind, tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: key}); !errors.Is(err, errRevoked) {
			t.Errorf("%s, revoked: %v", kind, err)
		}
		self := newOffline(t, nil)
		if err := handshake(t, f, kind, tls.Certificate{Certificate: [][]byte{self.cert.Raw}, PrivateKey: self.key}); err == nil {
			t.Errorf("%s: a stranger's certificate is taken", kind)
		}
	}
}

var errRevoked = errors.New("revoked")

// handshake returns what the server makes of a client.
func handshake(t *testing.T, f *fixture, kind pki.Kind, client tls.Certificate) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, f.active(kind).Chain[0]))
	own := newOffline(t, nil)
	list := f.list(kind)
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, Time: f.clock.Now,
		VerifyConnection: func(s tls.ConnectionState) error {
			if _, found := onList(list, pki.Serial(s.PeerCertificates[0].SerialNumber.String())); found {
				return errRevoked
			}
			return nil
		}}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() {
		conn := tls.Client(b, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{client}})
		if conn.Handshake() == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	return tls.Server(a, server).Handshake()
}

// What authorities keep opens only under the right key.
func TestAuthoritiesStaySealed(t *testing.T) {
	f := newFixture(t, engines["sqlite"](t))
	rows, err := f.store.Authorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if _, err := f.ring.Open(row.Key, "authorities/key/"+registry.ID(5).String()); err == nil {
			t.Error("a key opens in another row")
		}
		if _, err := x509.ParsePKCS8PrivateKey(row.Key); err == nil {
			t.Error("a key lies open")
		}
	}
}
