package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// CISSCmd groups the commands for the ciss door.
type CISSCmd struct {
	Settings CISSSettingsCmd `cmd:"" help:"Show or change how the messages of an app are read and written."`
	Root     CISSRootCmd     `cmd:"" help:"Roots (根证书) whose SM2 certificates are trusted."`
	CRL      CISSCRLCmd      `cmd:"" name:"crl" help:"Give the revocation list (CRL) of an authority."`
}

// CISSSettingsCmd shows or changes the settings of an app.
type CISSSettingsCmd struct {
	App    string   `arg:"" help:"Its app id."`
	Change []string `arg:"" optional:"" name:"name=value" help:"Settings to change; none shows them all."`
}

// Help implements kong.HelpProvider.
func (CISSSettingsCmd) Help() string {
	return "The vendor's document leaves open what these settings choose; docs/ciss.md explains each. A value is text or JSON. " +
		"The next request is read by the new settings.\n\nExamples:\n\n" +
		"    hallmark --data ./data ciss settings 9f86d081884c7d65\n" +
		"    hallmark --data ./data ciss settings 9f86d081884c7d65 iv=prefix signature=hmac-sm3 'sign_data=[\"raw\",\"pkcs7\"]'"
}

// Run shows or changes the settings.
func (cmd *CISSSettingsCmd) Run(ctx context.Context, e *Env) error {
	change, err := settingChange(cmd.Change)
	if err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	var settings operator.AppSettings
	if len(change) == 0 {
		settings, err = c.AppSettings(ctx, cmd.App)
	} else {
		settings, err = c.SetAppSettings(ctx, cmd.App, change)
	}
	if err != nil {
		return err
	}
	return e.printFields(settings)
}

// settingChange reads pairs of NAME=VALUE.
func settingChange(pairs []string) (map[string]json.RawMessage, error) {
	change := make(map[string]json.RawMessage)
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usage("%q is not of the form NAME=VALUE", pair)
		}
		value, err := jsonValue(text)
		if err != nil {
			return nil, err
		}
		change[name] = value
	}
	return change, nil
}

// jsonValue reads a value as JSON if it is one that no text setting takes, else
// as text: 16 digits are an IV more likely than a number.
func jsonValue(text string) (json.RawMessage, error) {
	if text == "true" || text == "false" || strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, `"`) ||
		text != "" && len(text) < 10 && strings.Trim(text, "0123456789") == "" {
		if json.Valid([]byte(text)) {
			return json.RawMessage(text), nil
		}
	}
	return json.Marshal(text)
}

// CISSRootCmd groups the commands for authorities.
type CISSRootCmd struct {
	Add    CISSRootAddCmd    `cmd:"" help:"Trust a certificate."`
	List   CISSRootListCmd   `cmd:"" help:"List trusted certificates."`
	Remove CISSRootRemoveCmd `cmd:"" help:"End the trust in a certificate."`
}

// CISSRootAddCmd trusts a certificate.
type CISSRootAddCmd struct {
	File         string `arg:"" placeholder:"FILE|-" help:"The certificate in PEM; - for standard input."`
	Intermediate bool   `help:"It is no root but completes the chains to one."`
}

// Help implements kong.HelpProvider.
func (CISSRootAddCmd) Help() string {
	return "Apps of the organisation may then sign in with certificates of this authority, once they are bound to an account. " +
		"A certificate that is no authority's vouches for itself alone.\n\nExample:\n\n" +
		"    hallmark --data ./data ciss root add carrier-root.pem"
}

// Run trusts a certificate.
func (cmd *CISSRootAddCmd) Run(ctx context.Context, e *Env) error {
	text, err := e.readKey(cmd.File)
	if err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	a, err := c.AddRoot(ctx, operator.RootSpec{Certificate: text, Intermediate: cmd.Intermediate})
	if err != nil {
		return err
	}
	return e.printFields(a)
}

// CISSRootListCmd lists trusted certificates.
type CISSRootListCmd struct{}

// Help implements kong.HelpProvider.
func (CISSRootListCmd) Help() string { return "Example:\n\n    hallmark --data ./data ciss root list" }

// Run lists trusted certificates.
func (CISSRootListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Roots(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"FINGERPRINT", "SUBJECT", "INTERMEDIATE", "NOT AFTER", "REVOKED", "NEXT LIST"}}
	for _, a := range list.Roots {
		revoked, next := "", ""
		if a.CRL != nil {
			revoked, next = fmt.Sprint(a.CRL.Entries), a.CRL.NextUpdate
		}
		t.add(a.Fingerprint, a.Subject, yes(a.Intermediate), a.NotAfter, revoked, next)
	}
	return e.print(list, t)
}

// CISSRootRemoveCmd ends the trust in a certificate.
type CISSRootRemoveCmd struct {
	Fingerprint string `arg:"" help:"SHA-256 of the certificate, as the list shows it."`
}

// Help implements kong.HelpProvider.
func (CISSRootRemoveCmd) Help() string {
	return "Its certificates are refused from the next request on.\n\nExample:\n\n" +
		"    hallmark --data ./data ciss root remove 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
}

// Run ends the trust.
func (cmd *CISSRootRemoveCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.RemoveRoot(ctx, cmd.Fingerprint)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}

// CISSCRLCmd gives a revocation list.
type CISSCRLCmd struct {
	File string `arg:"" placeholder:"FILE|-" help:"The list in DER or PEM; - for standard input."`
}

// Help implements kong.HelpProvider.
func (CISSCRLCmd) Help() string {
	return "The list goes to the trusted authority that signed it. Give a new one before its next update: certificates are refused once that has passed." +
		"\n\nExample:\n\n    hallmark --data ./data ciss crl carrier.crl"
}

// Run gives a revocation list.
func (cmd *CISSCRLCmd) Run(ctx context.Context, e *Env) error {
	var list io.Reader = e.Stdin
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer file.Close()
		list = file
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	a, err := c.SetRootCRL(ctx, list)
	if err != nil {
		return err
	}
	return e.printFields(a)
}
