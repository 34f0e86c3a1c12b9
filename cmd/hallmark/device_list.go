package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// deviceFilter chooses devices.
type deviceFilter struct {
	Product string `placeholder:"PK" help:"Only those of this product."`
	State   string `enum:"unactivated,active,suspended,expired,discarded," default:"" placeholder:"S" help:"Only those in this state: unactivated, active, suspended, expired, discarded."`
	Prefix  string `placeholder:"ID2…" help:"Only those whose id2 begins like this."`
}

func (f *deviceFilter) query() operator.DeviceQuery {
	return operator.DeviceQuery{Product: f.Product, State: f.State, Prefix: f.Prefix}
}

// DeviceListCmd lists devices.
type DeviceListCmd struct {
	deviceFilter

	After string `placeholder:"NEXT" help:"Go on after the \"next\" of the list before."`
	Limit int    `default:"100" help:"Most devices to list."`
}

// Help implements kong.HelpProvider.
func (DeviceListCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data device list --product a1Xy3ZpQ9rS --state suspended"
}

// Validate refuses a limit that lists nothing.
func (cmd *DeviceListCmd) Validate() error {
	if cmd.Limit < 1 {
		return fmt.Errorf("--limit must be at least 1")
	}
	return nil
}

// Run lists devices.
func (cmd *DeviceListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := cmd.fetch(ctx, c)
	if err != nil {
		return err
	}
	t := table{header: []string{"ID2", "NAME", "PRODUCT", "STATE", "LICENCE UNTIL", "LAST SEEN", "ASSET"}}
	for _, d := range list.Devices {
		t.add(d.ID2, d.Name, d.ProductKey, d.State, d.LicenceUntil, d.LastSeen, d.AssetID)
	}
	if list.Next != "" {
		e.note("there may be more: go on with --after %s, raise --limit, or use device export", list.Next)
	}
	return e.print(list, t)
}

// fetch walks as many pages as the limit takes.
func (cmd *DeviceListCmd) fetch(ctx context.Context, c *operator.Client) (operator.DeviceList, error) {
	all := operator.DeviceList{Devices: []operator.Device{}, Next: cmd.After}
	q := cmd.query()
	for len(all.Devices) < cmd.Limit {
		q.After, q.Limit = all.Next, min(cmd.Limit-len(all.Devices), maxPage)
		page, err := c.Devices(ctx, q)
		if err != nil {
			return all, err
		}
		all.Devices, all.Next = append(all.Devices, page.Devices...), page.Next
		if page.Next == "" {
			break
		}
	}
	return all, nil
}

// maxPage is the most rows that the server answers at once.
const maxPage = 1000

// DeviceExportCmd writes all devices.
type DeviceExportCmd struct{ deviceFilter }

// Help implements kong.HelpProvider.
func (DeviceExportCmd) Help() string {
	return "Writes CSV unless -o json is given. Keys are never written.\n\nExample:\n\n" +
		"    hallmark --data ./data device export --product a1Xy3ZpQ9rS > lamps.csv"
}

// Run writes all devices as they come.
func (cmd *DeviceExportCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	format := "csv"
	if e.Output == "json" {
		format = "ndjson"
	}
	stream, err := c.ExportDevices(ctx, cmd.query(), format)
	if err != nil {
		return err
	}
	defer stream.Close()
	from := io.Reader(stream)
	if !isTerminal(e.Stdout) { // rows and a bar do not share a screen
		bar := e.progress("exporting", -1)
		defer bar.finish()
		from = bar.reader(stream)
	}
	if format == "csv" {
		_, err = io.Copy(e.Stdout, from)
	} else {
		err = exportJSON(e.Stdout, from)
	}
	return exportError(ctx, err)
}

// exportJSON makes one document of one object a line.
func exportJSON(w io.Writer, from io.Reader) error {
	if _, err := fmt.Fprint(w, `{"devices": [`); err != nil {
		return err
	}
	n, err := copyLines(w, from)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n], \"count\": %d}\n", n)
	return err
}

func exportError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errInterrupted
	}
	return withHint(fmt.Errorf("the export broke off, what was written is not whole: %w", err), "run it again; the server's log may say why")
}

// DeviceImportCmd brings in devices.
type DeviceImportCmd struct {
	Product string `required:"" placeholder:"PK" help:"Product that the devices are of."`
	File    string `arg:"" placeholder:"FILE.csv|-" help:"CSV file, - for standard input."`
}

// Help implements kong.HelpProvider.
func (DeviceImportCmd) Help() string {
	return "The file has a header: id2, key_hex or public_key_pem, and optionally device_key and name.\n" +
		"Rows that are refused are named and do not stop the rest; the exit status is then 3.\n" +
		"An import that broke off can be run again: rows that are in count as unchanged.\n\nExample:\n\n" +
		"    hallmark --data ./data device import --product a1Xy3ZpQ9rS lamps.csv\n" +
		"    zcat lamps.csv.gz | hallmark --data ./data device import --product a1Xy3ZpQ9rS -"
}

// Run brings in devices.
func (cmd *DeviceImportCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	file, err := e.open(cmd.File)
	if err != nil {
		return err
	}
	defer file.Close()
	bar := e.progress("importing", size(file))
	res, err := c.ImportDevices(ctx, cmd.Product, bar.reader(file))
	bar.finish()
	if err != nil {
		return importError(ctx, err)
	}
	if err := e.printImport(res); err != nil {
		return err
	}
	if res.RefusedTotal > 0 {
		return &partlyError{fmt.Sprintf("rows refused: %d; the rest is in", res.RefusedTotal), "correct them and import the file again"}
	}
	return nil
}

// importError says what an interrupt or a lost server leaves behind.
func importError(ctx context.Context, err error) error {
	var server *operator.Error
	if ctx.Err() != nil {
		err = errInterrupted
	} else if !errors.As(err, &server) || server.Status != 0 {
		return err
	}
	return withHint(fmt.Errorf("the import broke off: %w", err), "run it again: rows that are in count as unchanged")
}

// shownRefusals is how many refused rows people are shown.
const shownRefusals = 20

func (e *Env) printImport(res operator.ImportResult) error {
	if res.RefusedTotal > shownRefusals && e.Output != "json" {
		e.note("the first %d refused rows are shown; -o json names more", shownRefusals)
	}
	return e.show(res, func(w io.Writer) {
		fmt.Fprintf(w, "imported %d, unchanged %d, refused %d\n", res.Imported, res.Unchanged, res.RefusedTotal)
		if len(res.Refused) == 0 {
			return
		}
		t := table{header: []string{"LINE", "ID2", "REASON"}}
		for _, r := range res.Refused[:min(len(res.Refused), shownRefusals)] {
			t.add(fmt.Sprint(r.Line), r.ID2, r.Reason)
		}
		t.write(w)
	})
}
