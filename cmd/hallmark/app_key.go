package main

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
)

// AppNewKeyCmd makes a key as a card would.
type AppNewKeyCmd struct {
	Key  string `required:"" placeholder:"FILE" help:"Where to write the SM2 key, PKCS#8 in PEM; the file must not exist."`
	Cert string `placeholder:"FILE" xor:"what" required:"" help:"Where to write a certificate that the key signs itself, for a year; for tests."`
	CSR  string `name:"csr" placeholder:"FILE" xor:"what" required:"" help:"Where to write a request (PKCS#10) for a certificate authority."`
	Name string `default:"Hallmark test phone" help:"Common name of the subject."`
}

// Help implements kong.HelpProvider.
func (AppNewKeyCmd) Help() string {
	return "A certificate that signs itself vouches for itself alone, and only where it is trusted.\n\nExample:\n\n" +
		"    hallmark app sim new-key --key phone.key --cert phone.pem --name 'Wang Wei'\n" +
		"    hallmark ciss root add --data ./data phone.pem"
}

// newKey is what AppNewKeyCmd prints.
type newKey struct {
	Subject     string `json:"subject"`
	Fingerprint string `json:"fingerprint,omitempty"` // of the certificate
	Key         string `json:"key"`
	Cert        string `json:"cert,omitempty"`
	CSR         string `json:"csr,omitempty"`
}

// Run makes a key and what goes with it.
func (cmd *AppNewKeyCmd) Run(e *Env) error {
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	subject := pkix.Name{CommonName: cmd.Name}
	out := newKey{Subject: subject.String(), Key: cmd.Key, Cert: cmd.Cert, CSR: cmd.CSR}
	path, block := cmd.CSR, &pem.Block{Type: "CERTIFICATE REQUEST"}
	if cmd.Cert != "" {
		path, block.Type = cmd.Cert, "CERTIFICATE"
		var cert *smx509.Certificate
		if cert, err = selfSigned(key, subject); err != nil {
			return err
		}
		block.Bytes, out.Fingerprint = cert.Raw, ciss.Fingerprint(cert)
	} else if block.Bytes, err = smx509.CreateCertificateRequest(rand.Reader, &smx509.CertificateRequest{Subject: subject}, key); err != nil {
		return err
	}
	der, err := smx509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(cmd.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	if err := writeNew(path, pem.EncodeToMemory(block)); err != nil {
		return fmt.Errorf("%w; the key is in %s", err, cmd.Key)
	}
	return e.printFields(out)
}

// selfSigned makes a certificate for a year.
func selfSigned(key *sm2.PrivateKey, subject pkix.Name) (*smx509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &smx509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: smx509.KeyUsageDigitalSignature}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return smx509.ParseCertificate(der)
}
