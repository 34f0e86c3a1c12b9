package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// CertCmd groups the commands for device certificates.
type CertCmd struct {
	Issue    CertIssueCmd    `cmd:"" help:"Certify a device from a request (CSR)."`
	IssueAll CertIssueAllCmd `cmd:"" help:"Certify many devices from a directory of requests."`
	Renew    CertRenewCmd    `cmd:"" help:"Issue a certificate in place of one that is valid."`
	Revoke   CertRevokeCmd   `cmd:"" help:"Revoke certificates (吊销)."`
	Hold     CertHoldCmd     `cmd:"" help:"Revoke a certificate until unhold."`
	Unhold   CertUnholdCmd   `cmd:"" help:"End a hold."`
	Get      CertGetCmd      `cmd:"" help:"Print a certificate."`
	List     CertListCmd     `cmd:"" help:"List certificates, the next to expire first."`
	Search   CertSearchCmd   `cmd:"" help:"Find certificates by serial number or by a part of the subject."`
	Expiring CertExpiringCmd `cmd:"" help:"List valid certificates that end soon."`
}

// kindNames are what --kind takes.
type kindFlag struct {
	Kind string `enum:"rsa,ecc,sm2," default:"" placeholder:"KIND" help:"Kind of the authority: rsa, ecc or sm2."`
}

// issueFlags say how to issue.
type issueFlags struct {
	kindFlag

	Days int    `placeholder:"N" help:"How long it is valid; the product's default if not given."`
	Out  string `placeholder:"FILE" help:"Write the certificate here instead of on standard output."`
}

// Validate refuses days that are none.
func (f *issueFlags) Validate() error {
	if f.Days < 0 {
		return fmt.Errorf("--days must be at least 1")
	}
	return nil
}

// CertIssueCmd certifies a device.
type CertIssueCmd struct {
	issueFlags

	Device string `required:"" placeholder:"DEVICE" help:"Its id2, asset id, or product key and device key: PK/KEY."`
	CSR    string `required:"" name:"csr" placeholder:"FILE|-" help:"Request, PKCS#10 in PEM; - for standard input."`
}

// Help implements kong.HelpProvider.
func (CertIssueCmd) Help() string {
	return "Prints the certificate in PEM. The request's key must be RSA of 2048 bits (the default, --kind rsa) or on P-256 (--kind ecc), " +
		"and its C, ST and O those of the authority. A valid certificate that the device has is revoked as SUPERSEDED.\n\nExample:\n\n" +
		"    hallmark --data ./data cert issue --device 000F0E0D0C0B0A0908070605 --kind ecc --csr pump.csr > pump.pem"
}

// Run certifies a device.
func (cmd *CertIssueCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	csr, err := e.readText(cmd.CSR)
	if err != nil {
		return err
	}
	k, err := c.IssueCertificate(ctx, operator.CertificateSpec{Device: cmd.Device, CSRPEM: csr, Days: cmd.Days, Kind: cmd.Kind})
	return e.printIssued(k, cmd.Out, err)
}

// printIssued prints a certificate, or writes it to a file.
func (e *Env) printIssued(k operator.CertificatePEM, out string, err error) error {
	if err != nil {
		return err
	}
	e.note("serial %s, valid until %s", k.Serial, k.NotAfter)
	if out != "" {
		if err := os.WriteFile(out, []byte(k.PEM), 0o644); err != nil {
			return withHint(err, "hallmark cert get %s prints it again", k.Serial)
		}
		if e.Output != "json" {
			return nil
		}
	}
	return e.show(k, func(w io.Writer) { fmt.Fprint(w, k.PEM) })
}

// serialArg is the certificate that a command is about.
type serialArg struct {
	Serial string `arg:"" help:"Its serial number in decimal."`
}

// CertRenewCmd renews a certificate.
type CertRenewCmd struct {
	serialArg
	issueFlags

	CSR string `name:"csr" placeholder:"FILE|-" help:"A new request, PKCS#10 in PEM; key and subject stay if not given."`
}

// Help implements kong.HelpProvider.
func (CertRenewCmd) Help() string {
	return "The old one is revoked as SUPERSEDED.\n\nExample:\n\n    hallmark --data ./data cert renew 1840033 --days 365 > pump.pem"
}

// Run renews a certificate.
func (cmd *CertRenewCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := operator.RenewalSpec{Days: cmd.Days, Kind: cmd.Kind}
	if cmd.CSR != "" {
		if spec.CSRPEM, err = e.readText(cmd.CSR); err != nil {
			return err
		}
	}
	k, err := c.RenewCertificate(ctx, cmd.Serial, spec)
	return e.printIssued(k, cmd.Out, err)
}

// CertGetCmd prints a certificate.
type CertGetCmd struct {
	serialArg

	PEM bool `name:"pem" help:"Print only the certificate, in PEM."`
}

// Help implements kong.HelpProvider.
func (CertGetCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data cert get 1840033 --pem | openssl x509 -noout -text"
}

// Run prints a certificate.
func (cmd *CertGetCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	k, err := c.Certificate(ctx, cmd.Serial)
	if err == nil && cmd.PEM && e.Output != "json" {
		_, err = fmt.Fprint(e.Stdout, k.PEM)
		return err
	}
	return e.printCertificate(k, err)
}

// printCertificate prints what people read of a certificate.
func (e *Env) printCertificate(k operator.CertificatePEM, err error) error {
	if err != nil {
		return err
	}
	t, err := fields(k.Certificate)
	if err != nil {
		return err
	}
	return e.print(k, t)
}

// CertHoldCmd holds a certificate.
type CertHoldCmd struct{ serialArg }

// Help implements kong.HelpProvider.
func (CertHoldCmd) Help() string {
	return "It is in the revocation list (CERTIFICATE_HOLD) until cert unhold takes it out, or cert revoke makes it final.\n\nExample:\n\n" +
		"    hallmark --data ./data cert hold 1840033"
}

// Run holds a certificate.
func (cmd *CertHoldCmd) Run(ctx context.Context, e *Env) error {
	return changeCertificate(ctx, e, cmd.Serial, "hold")
}

// CertUnholdCmd ends a hold.
type CertUnholdCmd struct{ serialArg }

// Help implements kong.HelpProvider.
func (CertUnholdCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data cert unhold 1840033"
}

// Run ends a hold.
func (cmd *CertUnholdCmd) Run(ctx context.Context, e *Env) error {
	return changeCertificate(ctx, e, cmd.Serial, "unhold")
}

func changeCertificate(ctx context.Context, e *Env, serial, action string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return e.printCertificate(c.ChangeCertificate(ctx, serial, action))
}
