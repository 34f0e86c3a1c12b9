package main

import (
	"context"
	"fmt"
	"io"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// CACmd groups the commands for certificate authorities.
type CACmd struct {
	List     CAListCmd     `cmd:"" help:"List certificate authorities."`
	Show     CAShowCmd     `cmd:"" help:"Show an authority."`
	Create   CACreateCmd   `cmd:"" help:"Make a root that issues from now on."`
	Import   CAImportCmd   `cmd:"" help:"Bring an authority of your own, with its key."`
	CSR      CACSRCmd      `cmd:"" name:"csr" help:"Make a key and a request, for an intermediate under a root elsewhere."`
	Install  CAInstallCmd  `cmd:"" help:"Bring the certificate that answers such a request."`
	Retire   CARetireCmd   `cmd:"" help:"Let an authority issue no more; its revocation list goes on."`
	Activate CAActivateCmd `cmd:"" help:"Let a retired authority issue again."`
	CRL      CACRLCmd      `cmd:"" name:"crl" help:"Print the revocation list (CRL) of an authority."`
	Export   CAExportCmd   `cmd:"" help:"Print the certificate of an authority."`
}

// authorityArg is the authority that a command is about.
type authorityArg struct {
	Authority string `arg:"" help:"Its id, or rsa, ecc or sm2 for the one that issues."`
}

// subjectFlags describe an authority that is to be made.
type subjectFlags struct {
	Kind    string `required:"" enum:"rsa,ecc,sm2" placeholder:"KIND" help:"Kind of its key and of those it certifies: rsa, ecc or sm2."`
	Curve   string `enum:"P-256,P-384," default:"" placeholder:"CURVE" help:"Curve of an ecc key: P-256, the default, or P-384."`
	Subject string `placeholder:"DN" help:"Its subject, such as \"C=CN, ST=Shanghai, L=Shanghai, O=Example, OU=Devices, CN=Example CA\"; what is left out is as at the first start."`
}

func (f *subjectFlags) spec() operator.AuthoritySpec {
	return operator.AuthoritySpec{Kind: f.Kind, Curve: f.Curve, Subject: f.Subject}
}

// CAListCmd lists authorities.
type CAListCmd struct{}

// Help implements kong.HelpProvider.
func (CAListCmd) Help() string { return "Example:\n\n    hallmark --data ./data ca list" }

// Run lists authorities.
func (CAListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Authorities(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"AUTHORITY", "KIND", "STATE", "KEY", "UNTIL", "SUBJECT"}}
	for _, a := range list.Authorities {
		t.add(a.AuthorityID, a.Kind, a.State, a.Algorithm, a.NotAfter, a.Subject)
	}
	return e.print(list, t)
}

// CAShowCmd shows an authority.
type CAShowCmd struct{ authorityArg }

// Help implements kong.HelpProvider.
func (CAShowCmd) Help() string { return "Example:\n\n    hallmark --data ./data ca show rsa" }

// Run shows an authority.
func (cmd *CAShowCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return e.printAuthority(c.Authority(ctx, cmd.Authority))
}

// printAuthority prints what people read of an authority: its PEM texts are for
// ca export and for JSON.
func (e *Env) printAuthority(a operator.Authority, err error) error {
	if err != nil {
		return err
	}
	short := a
	short.CertificatePEM, short.ChainPEM, short.CSRPEM = "", "", ""
	t, err := fields(short)
	if err != nil {
		return err
	}
	return e.print(a, t)
}

// CACreateCmd makes a root.
type CACreateCmd struct {
	subjectFlags

	Years int `default:"10" help:"How long it lasts."`
}

// Help implements kong.HelpProvider.
func (CACreateCmd) Help() string {
	return "The authority of its kind that issued before is retired: its certificates stay good.\n\nExample:\n\n" +
		"    hallmark --data ./data ca create --kind ecc --subject \"O=Example, CN=Example device root 2\""
}

// Run makes a root.
func (cmd *CACreateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := cmd.spec()
	spec.Years = cmd.Years
	return e.printAuthority(c.CreateAuthority(ctx, spec))
}

// CARetireCmd retires an authority.
type CARetireCmd struct{ authorityArg }

// Help implements kong.HelpProvider.
func (CARetireCmd) Help() string {
	return "No certificate of its kind is issued until another is made or activated.\n\nExample:\n\n    hallmark --data ./data ca retire rsa"
}

// Run retires an authority.
func (cmd *CARetireCmd) Run(ctx context.Context, e *Env) error {
	return changeAuthority(ctx, e, cmd.Authority, "retire")
}

// CAActivateCmd lets a retired authority issue again.
type CAActivateCmd struct{ authorityArg }

// Help implements kong.HelpProvider.
func (CAActivateCmd) Help() string {
	return "The one of its kind that issues is retired.\n\nExample:\n\n    hallmark --data ./data ca activate 3k9x0m2v7q1ab"
}

// Run lets a retired authority issue again.
func (cmd *CAActivateCmd) Run(ctx context.Context, e *Env) error {
	return changeAuthority(ctx, e, cmd.Authority, "activate")
}

func changeAuthority(ctx context.Context, e *Env, id, action string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return e.printAuthority(c.ChangeAuthority(ctx, id, action))
}

// CACRLCmd prints a revocation list.
type CACRLCmd struct{ authorityArg }

// Help implements kong.HelpProvider.
func (CACRLCmd) Help() string {
	return "Prints PEM. Verifiers fetch it in DER from the address that certificates name.\n\nExample:\n\n" +
		"    hallmark --data ./data ca crl rsa | openssl crl -noout -text"
}

// Run prints a revocation list.
func (cmd *CACRLCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.CRL(ctx, cmd.Authority)
	if err != nil {
		return err
	}
	return e.show(list, func(w io.Writer) { fmt.Fprint(w, list.PEM) })
}

// CAExportCmd prints certificates.
type CAExportCmd struct {
	authorityArg

	Chain bool `help:"With those above it, up to the root."`
	Root  bool `help:"Only the root above it, which is what verifiers trust."`
}

// Help implements kong.HelpProvider.
func (CAExportCmd) Help() string {
	return "Prints PEM. Its key does not leave the server.\n\nExample:\n\n    hallmark --data ./data ca export rsa --root > root.pem"
}

// Run prints certificates.
func (cmd *CAExportCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	a, err := c.Authority(ctx, cmd.Authority)
	if err != nil {
		return err
	}
	text := a.CertificatePEM
	switch {
	case cmd.Chain && cmd.Root:
		return usage("--chain and --root exclude each other")
	case cmd.Chain:
		text = a.ChainPEM
	case cmd.Root:
		text = lastPEM(a.ChainPEM)
	}
	if text == "" {
		return withHint(fmt.Errorf("authority %s has no certificate yet", cmd.Authority), "bring it with hallmark ca install")
	}
	return e.show(map[string]string{"pem": text}, func(w io.Writer) { fmt.Fprint(w, text) })
}
