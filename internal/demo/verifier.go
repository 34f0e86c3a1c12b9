package demo

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/enos"
)

// What a verifier says of a certificate.
const (
	certRevoked = "revoked"
	certUnknown = "unknown authority"
)

// verifier is a TLS server that wants a certificate of its peer, as an MQTT broker
// would. It answers with its verdict.
type verifier struct {
	net.Listener
	roots *x509.CertPool
	ca    *x509.Certificate

	mu  sync.Mutex // guards crl
	crl *x509.RevocationList
}

// newVerifier starts a verifier that trusts the ECC authority.
func (d *Demo) newVerifier(client *enos.Client) (*verifier, error) {
	ca, err := client.CACertificate(d.ctx, enos.ECC)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	own, err := selfSigned(key, "verifier")
	if err != nil {
		return nil, err
	}
	v := &verifier{roots: x509.NewCertPool(), ca: ca}
	v.roots.AddCert(ca)
	pair := tls.Certificate{Certificate: [][]byte{pemBytes(own)}, PrivateKey: key}
	// Any certificate may come in, so that the verdict can be told.
	v.Listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		return nil, err
	}
	go v.serve()
	return v, nil
}

func (v *verifier) serve() {
	for {
		conn, err := v.Accept()
		if err != nil {
			return // closed
		}
		go v.answer(conn.(*tls.Conn))
	}
}

// peerPatience bounds a conversation.
const peerPatience = 10 * time.Second

func (v *verifier) answer(conn *tls.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(peerPatience)) != nil || conn.Handshake() != nil {
		return // the peer sees that nothing comes
	}
	_, _ = io.WriteString(conn, v.verdict(conn.ConnectionState().PeerCertificates[0]))
}

// verdict says whether a certificate is good for a TLS client.
func (v *verifier) verdict(cert *x509.Certificate) string {
	_, err := cert.Verify(x509.VerifyOptions{Roots: v.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return certUnknown
	case err != nil:
		return err.Error()
	case v.lists(cert.SerialNumber.String()):
		return certRevoked
	}
	return ok
}

// fetchList fetches the authority's revocation list and checks its signature.
func (v *verifier) fetchList(ctx context.Context, client *enos.Client) error {
	list, err := client.CRL(ctx, enos.ECC)
	if err != nil {
		return err
	}
	if err := list.CheckSignatureFrom(v.ca); err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.crl = list
	return nil
}

// lists reports whether a serial number is in the revocation list.
func (v *verifier) lists(serial string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.crl != nil && slices.ContainsFunc(v.crl.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.String() == serial })
}

// shows lets a device show a certificate to the verifier and records the verdict.
func (d *Demo) shows(v *verifier, what, expected, cert string, key crypto.Signer) error {
	pair := tls.Certificate{Certificate: [][]byte{pemBytes(cert)}, PrivateKey: key}
	dialer := tls.Dialer{Config: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}} // who the verifier is does not matter here
	conn, err := dialer.DialContext(d.ctx, "tcp", v.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	verdict, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	d.check(what, expected, string(verdict))
	return nil
}

func pemBytes(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	return block.Bytes
}

// selfSigned makes a certificate that nobody trusts.
func selfSigned(key crypto.Signer, name string) (string, error) {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), err
}
