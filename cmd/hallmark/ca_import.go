package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// lastPEM returns the last block of a text in PEM.
func lastPEM(text string) string {
	return text[max(strings.LastIndex(text, "-----BEGIN "), 0):]
}

// CAImportCmd brings an authority.
type CAImportCmd struct {
	Key   string `required:"" placeholder:"FILE|-" help:"Its private key, PEM, not encrypted; - for standard input."`
	Chain string `required:"" placeholder:"FILE" help:"Its certificate and those above it in PEM, the self-signed root last."`
}

// Help implements kong.HelpProvider.
func (CAImportCmd) Help() string {
	return "The authority of its kind that issued before is retired: its certificates stay good.\n\nExample:\n\n" +
		"    openssl pkey -in issuing.key | hallmark --data ./data ca import --key - --chain chain.pem"
}

// Run brings an authority.
func (cmd *CAImportCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	key, err := e.readText(cmd.Key)
	if err != nil {
		return err
	}
	chain, err := e.readText(cmd.Chain)
	if err != nil {
		return err
	}
	return e.printAuthority(c.ImportAuthority(ctx, operator.AuthorityImport{KeyPEM: key, ChainPEM: chain}))
}

// CACSRCmd prepares an authority.
type CACSRCmd struct{ subjectFlags }

// Help implements kong.HelpProvider.
func (CACSRCmd) Help() string {
	return "Prints the request, PKCS#10 in PEM, for the root's owner to sign as an intermediate (CA:TRUE, pathlen:0, keyCertSign, cRLSign). " +
		"The key stays here. ca install brings the answer.\n\nExample:\n\n" +
		"    hallmark --data ./data ca csr --kind ecc --subject \"O=Example, CN=Example issuing CA\" > issuing.csr"
}

// Run prepares an authority.
func (cmd *CACSRCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := cmd.spec()
	spec.Request = true
	a, err := c.CreateAuthority(ctx, spec)
	if err != nil {
		return err
	}
	e.note("authority %s waits for its certificate: hallmark ca install %s --chain FILE", a.AuthorityID, a.AuthorityID)
	return e.show(a, func(w io.Writer) { fmt.Fprint(w, a.CSRPEM) })
}

// CAInstallCmd brings the certificate of a prepared authority.
type CAInstallCmd struct {
	authorityArg

	Chain string `required:"" placeholder:"FILE|-" help:"Its certificate and those above it in PEM, the self-signed root last; - for standard input."`
}

// Help implements kong.HelpProvider.
func (CAInstallCmd) Help() string {
	return "It issues from now on, and the one of its kind that did is retired.\n\nExample:\n\n" +
		"    cat issuing.pem root.pem | hallmark --data ./data ca install 3k9x0m2v7q1ab --chain -"
}

// Run brings the certificate of a prepared authority.
func (cmd *CAInstallCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	chain, err := e.readText(cmd.Chain)
	if err != nil {
		return err
	}
	return e.printAuthority(c.InstallAuthority(ctx, cmd.Authority, operator.AuthorityChain{ChainPEM: chain}))
}

// maxText bounds files of keys, certificates and requests.
const maxText = 48 << 10

// readText reads a small file, or standard input.
func (e *Env) readText(name string) (string, error) {
	file, err := e.open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxText {
		return "", fmt.Errorf("%s is longer than %d bytes", name, maxText)
	}
	return string(text), nil
}
