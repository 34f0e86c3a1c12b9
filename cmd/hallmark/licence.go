package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// LicenceCmd groups the commands for licences.
type LicenceCmd struct {
	List    LicenceListCmd    `cmd:"" help:"List licences, the newest first."`
	Summary LicenceSummaryCmd `cmd:"" help:"Show per product how many are used and left."`
}

// moment is a time on the command line: RFC 3339, or a day, which begins at
// midnight UTC.
type moment string

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			*m = moment(t.UTC().Format(time.RFC3339Nano))
			return nil
		}
	}
	return fmt.Errorf("%q is no time such as 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

// LicenceListCmd lists licences.
type LicenceListCmd struct {
	Product    string `placeholder:"PK" help:"Only those of this product."`
	Device     string `placeholder:"DEVICE" help:"Only those of this device, by id2 or asset id."`
	EndsBefore moment `placeholder:"TIME" help:"Only those that end before this day or time."`
	Limit      int    `default:"100" help:"Most licences to list, up to 1000."`
}

// Help implements kong.HelpProvider.
func (LicenceListCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data licence list --ends-before 2027-01-01"
}

// Validate keeps the limit within what the server answers.
func (cmd *LicenceListCmd) Validate() error { return checkPage(cmd.Limit) }

func checkPage(limit int) error {
	if limit < 1 || limit > maxPage {
		return fmt.Errorf("--limit must be 1 to %d", maxPage)
	}
	return nil
}

// Run lists licences.
func (cmd *LicenceListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Licences(ctx, operator.LicenceQuery{Product: cmd.Product, Device: cmd.Device, EndsBefore: string(cmd.EndsBefore), Limit: cmd.Limit})
	if err != nil {
		return err
	}
	t := table{header: []string{"TAKEN", "PRODUCT", "ID2", "REASON", "UNTIL", "ASSET"}}
	for _, l := range list.Licences {
		t.add(l.Taken, l.ProductKey, l.ID2, l.Reason, l.Until, l.AssetID)
	}
	return e.print(list, t)
}

// LicenceSummaryCmd shows use per product.
type LicenceSummaryCmd struct{}

// Help implements kong.HelpProvider.
func (LicenceSummaryCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data licence summary"
}

// Run shows use per product.
func (LicenceSummaryCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	sum, err := c.LicenceSummary(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"PRODUCT KEY", "NAME", "USED", "QUOTA", "REMAINING", "TERM DAYS", "RENEWS"}}
	for _, p := range sum.Products {
		remaining := "unlimited"
		if p.Quota >= 0 {
			remaining = fmt.Sprint(p.Remaining)
		}
		t.add(p.ProductKey, p.Name, fmt.Sprint(p.Used), orUnlimited(p.Quota, -1), remaining, orUnlimited(int64(p.TermDays), 0), yes(p.AutoRenew))
	}
	return e.print(sum, t)
}
