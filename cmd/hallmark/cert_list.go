package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// certPage says how much of a list to print.
type certPage struct {
	After string `placeholder:"NEXT" help:"Go on after the \"next\" of the list before."`
	Limit int    `default:"100" help:"Most certificates to list."`
}

// Validate refuses a limit that lists nothing.
func (p *certPage) Validate() error {
	if p.Limit < 1 {
		return fmt.Errorf("--limit must be at least 1")
	}
	return nil
}

// print lists the certificates of a query, as many pages as the limit takes.
func (p *certPage) print(ctx context.Context, e *Env, q operator.CertificateQuery) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	all := operator.CertificateList{Certificates: []operator.Certificate{}, Next: p.After}
	for len(all.Certificates) < p.Limit {
		q.After, q.Limit = all.Next, min(p.Limit-len(all.Certificates), maxPage)
		page, err := c.Certificates(ctx, q)
		if err != nil {
			return err
		}
		all.Certificates, all.Next = append(all.Certificates, page.Certificates...), page.Next
		if page.Next == "" {
			break
		}
	}
	if all.Next != "" {
		e.note("there may be more: go on with --after %s, or raise --limit", all.Next)
	}
	return e.printCertificates(all)
}

func (e *Env) printCertificates(list operator.CertificateList) error {
	if e.Output == "csv" {
		return e.certificatesCSV(list)
	}
	t := table{header: []string{"SERIAL", "KIND", "STATUS", "UNTIL", "COMMON NAME", "REASON", "ASSET"}}
	for _, k := range list.Certificates {
		t.add(k.Serial, k.Kind, k.Status, k.NotAfter, k.CommonName, k.Reason, k.AssetID)
	}
	return e.print(list, t)
}

func (e *Env) certificatesCSV(list operator.CertificateList) error {
	out := csv.NewWriter(e.Stdout)
	err := out.Write([]string{"serial", "asset_id", "authority_id", "kind", "status", "common_name", "subject", "not_before", "not_after",
		"revoked", "reason", "revoker", "created", "created_by"})
	for _, k := range list.Certificates {
		err = errors.Join(err, out.Write([]string{k.Serial, k.AssetID, k.AuthorityID, k.Kind, k.Status, k.CommonName, k.Subject, k.NotBefore, k.NotAfter,
			k.Revoked, k.Reason, k.Revoker, k.Created, k.CreatedBy}))
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

// CertListCmd lists certificates.
type CertListCmd struct {
	kindFlag
	certPage

	Device        string `placeholder:"DEVICE" help:"Only those of this device, by id2, asset id or PK/KEY."`
	Status        string `enum:"valid,revoked,expired," default:"" placeholder:"S" help:"Only those that are valid, revoked or expired."`
	CN            string `name:"cn" placeholder:"TEXT…" help:"Only those whose common name begins like this."`
	Subject       string `placeholder:"TEXT" help:"Only those with this in their subject, in capitals or not; looks at all."`
	ExpiresBefore moment `placeholder:"TIME" help:"Only those that end before this day or time."`
}

// Help implements kong.HelpProvider.
func (CertListCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data cert list --device 000F0E0D0C0B0A0908070605\n" +
		"    hallmark --data ./data cert list --status revoked --limit 100000 -o csv > revoked.csv"
}

// Run lists certificates.
func (cmd *CertListCmd) Run(ctx context.Context, e *Env) error {
	return cmd.print(ctx, e, operator.CertificateQuery{Device: cmd.Device, Kind: cmd.Kind, Status: cmd.Status, CN: cmd.CN, Subject: cmd.Subject,
		ExpiresBefore: string(cmd.ExpiresBefore)})
}

// CertSearchCmd finds certificates.
type CertSearchCmd struct {
	certPage

	Text string `arg:"" help:"A serial number, or a part of the subject such as a common name."`
}

// Help implements kong.HelpProvider.
func (CertSearchCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data cert search 1840033\n    hallmark --data ./data cert search ou=pumps"
}

// Run finds certificates: digits are looked up as a serial number first.
func (cmd *CertSearchCmd) Run(ctx context.Context, e *Env) error {
	if strings.Trim(cmd.Text, "0123456789") == "" {
		c, err := e.client()
		if err != nil {
			return err
		}
		var refusal *operator.Error
		k, err := c.Certificate(ctx, cmd.Text)
		if err == nil {
			return e.printCertificates(operator.CertificateList{Certificates: []operator.Certificate{k.Certificate}})
		}
		if !errors.As(err, &refusal) || refusal.Code != "not_found" {
			return err
		}
	}
	return cmd.print(ctx, e, operator.CertificateQuery{Subject: cmd.Text})
}

// span is a length of time on the command line: 30d, 12h.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		*s = span(time.Duration(n) * 24 * time.Hour)
		if err == nil {
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no length of time such as 30d or 12h", text)
	}
	*s = span(d)
	return nil
}

// CertExpiringCmd lists certificates that end soon.
type CertExpiringCmd struct {
	kindFlag
	certPage

	Within span `default:"30d" placeholder:"30d" help:"How soon."`
}

// Help implements kong.HelpProvider.
func (CertExpiringCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data cert expiring --within 30d -o csv"
}

// Run lists certificates that end soon.
func (cmd *CertExpiringCmd) Run(ctx context.Context, e *Env) error {
	until := time.Now().Add(time.Duration(cmd.Within)).UTC().Format(time.RFC3339)
	return cmd.print(ctx, e, operator.CertificateQuery{Kind: cmd.Kind, Status: "valid", ExpiresBefore: until})
}
