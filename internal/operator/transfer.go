package operator

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// ImportResult is what an import did. Refused names the first rows that were
// not taken, RefusedTotal counts all of them.
type ImportResult struct {
	Imported     int64     `json:"imported"`
	Unchanged    int64     `json:"unchanged"`
	Refused      []Refusal `json:"refused"`
	RefusedTotal int64     `json:"refused_total"`
}

// Refusal is one row that was not taken.
type Refusal struct {
	Line   int    `json:"line"`
	ID2    string `json:"id2"`
	Reason string `json:"reason"`
}

// maxStall is how long a transfer may stand still. The whole of it may take as
// long as it needs, beyond the time limits of ordinary requests.
const maxStall = 5 * time.Minute

func importDevices(c *call) (any, error) {
	if err := c.mediaType("text/csv"); err != nil {
		return nil, err
	}
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	c.liftDeadlines()
	body := &patientReader{r: c.r.Body, control: http.NewResponseController(c.w)}
	res, err := c.Registry.ImportDevices(c.r.Context(), org, c.r.PathValue("product_key"), body, c.by)
	if err != nil {
		return nil, importError(res, err)
	}
	return viewImport(res), nil
}

// liftDeadlines frees a request from the time limits of ordinary ones. The
// read deadline matters even where nothing is left to read: when it passes, the
// server takes the caller for gone.
func (c *call) liftDeadlines() {
	control := http.NewResponseController(c.w)
	setDeadline(control.SetReadDeadline, 0)
	setDeadline(control.SetWriteDeadline, 0)
}

// setDeadline moves a deadline of the connection, or lifts it. Writers that
// are no connection have no deadline to move.
func setDeadline(set func(time.Time) error, stall time.Duration) {
	var at time.Time
	if stall > 0 {
		at = time.Now().Add(stall)
	}
	_ = set(at)
}

// patientReader lets a body take any time as long as it moves, and lifts the
// deadline at its end, before the last rows are written.
type patientReader struct {
	r       io.Reader
	control *http.ResponseController
}

func (p *patientReader) Read(b []byte) (int, error) {
	setDeadline(p.control.SetReadDeadline, maxStall)
	n, err := p.r.Read(b)
	if err != nil {
		setDeadline(p.control.SetReadDeadline, 0)
	}
	return n, err
}

// importError says what is in when an import ended early.
func importError(res registry.ImportResult, err error) error {
	if res.Imported+res.Unchanged+res.RefusedTotal == 0 {
		return err
	}
	return fmt.Errorf("%w with %d rows imported, %d unchanged, %d refused: %w", errPartly, res.Imported, res.Unchanged, res.RefusedTotal, err)
}

func viewImport(res registry.ImportResult) ImportResult {
	return ImportResult{Imported: res.Imported, Unchanged: res.Unchanged, RefusedTotal: res.RefusedTotal,
		Refused: views(res.Refused, func(r registry.Refusal) Refusal { return Refusal(r) })}
}

// exportDevices streams every device that the filter chooses, a page at a
// time, as CSV or one JSON object a line.
func exportDevices(c *call) (any, error) {
	org, f, err := c.deviceFilter()
	if err != nil {
		return nil, err
	}
	write, contentType, err := c.exportWriter()
	if err != nil {
		return nil, err
	}
	f.Limit = registry.MaxPage
	page, err := c.Registry.Devices(c.r.Context(), org, f)
	if err != nil {
		return nil, err
	}
	c.w.Header().Set("Content-Type", contentType)
	c.liftDeadlines()
	control := http.NewResponseController(c.w)
	for len(page) > 0 && err == nil {
		setDeadline(control.SetWriteDeadline, maxStall)
		if err = write(views(page, c.deviceViewer())); err == nil {
			f.After = page[len(page)-1].Asset
			page, err = c.Registry.Devices(c.r.Context(), org, f)
		}
	}
	if err == nil {
		err = write(nil) // an empty export has a header too
	}
	c.endExport(err)
	return nil, nil
}

// endExport tears the connection when an export failed half way: the status
// is sent, and a file that merely stops would pass for a whole one.
func (c *call) endExport(err error) {
	if err == nil {
		return
	}
	if c.r.Context().Err() == nil {
		c.Log.ErrorContext(c.r.Context(), "device export broke off", "request", c.RequestID(c.r), "error", err)
	}
	panic(http.ErrAbortHandler)
}

// exportWriter returns what writes a page in the format asked for.
func (c *call) exportWriter() (write func([]Device) error, contentType string, err error) {
	switch format := c.query.get("format"); format {
	case "", "csv":
		return csvWriter(c.w), "text/csv; charset=utf-8", nil
	case "ndjson":
		enc := json.NewEncoder(c.w)
		return func(page []Device) error {
			var err error
			for _, d := range page {
				err = errors.Join(err, enc.Encode(d))
			}
			return err
		}, "application/x-ndjson", nil
	default:
		return nil, "", invalid("query: format must be csv or ndjson, not %q", clip(format))
	}
}

var exportHeader = []string{"id2", "device_key", "name", "product_key", "algorithm", "state", "licensed", "licence_until",
	"activated", "last_seen", "auth_count", "created", "asset_id", "org_id"}

func csvWriter(w io.Writer) func([]Device) error {
	out := csv.NewWriter(w)
	begun := false
	return func(page []Device) error {
		var err error
		if !begun {
			begun, err = true, out.Write(exportHeader)
		}
		for _, d := range page {
			err = errors.Join(err, out.Write([]string{d.ID2, d.DeviceKey, d.Name, d.ProductKey, d.Algorithm, d.State, d.Licensed,
				d.LicenceUntil, d.Activated, d.LastSeen, strconv.FormatInt(d.AuthCount, 10), d.Created, d.AssetID, d.OrgID}))
		}
		out.Flush()
		return errors.Join(err, out.Error())
	}
}
