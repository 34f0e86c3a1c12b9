package registry

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// KeyText is a device key as operators write it: one of the two is set.
type KeyText struct {
	Hex string // a symmetric key
	PEM string // a public key
}

func (k KeyText) parse(a id2.Algorithm) (id2.Key, error) {
	if !a.Valid() {
		return id2.Key{}, invalid("made through the EnOS door: there are no ID² keys here")
	}
	if a.Symmetric() {
		return k.parseHex(a)
	}
	if k.PEM == "" {
		return id2.Key{}, invalid("%s devices need public_key_pem", a)
	}
	key, err := id2.ParsePublicKeyPEM(a, []byte(k.PEM))
	if err != nil {
		return id2.Key{}, invalid("public_key_pem: %v", err)
	}
	return key, nil
}

func (k KeyText) parseHex(a id2.Algorithm) (id2.Key, error) {
	if k.Hex == "" {
		return id2.Key{}, invalid("%s devices need key_hex", a)
	}
	if len(k.Hex) != 2*a.KeySize() {
		return id2.Key{}, invalid("key_hex: a key of %s has %d hexadecimal digits, not %d", a, 2*a.KeySize(), len(k.Hex))
	}
	raw, err := hex.DecodeString(k.Hex)
	if err != nil {
		return id2.Key{}, invalid("key_hex: not hexadecimal") // never the text: it is a key
	}
	defer clear(raw)
	key, err := id2.NewSymmetricKey(a, raw)
	if err != nil {
		return id2.Key{}, invalid("key_hex: %v", err)
	}
	return key, nil
}

// ImportResult tells what an import did.
type ImportResult struct {
	Imported  int64
	Unchanged int64
	Refused   []Refusal
	// RefusedTotal counts also those past the first maxRefusals.
	RefusedTotal int64
}

// Refusal is one row that was not taken.
type Refusal struct {
	Line   int
	ID2    string
	Reason string
}

// maxRefusals bounds what a result names one by one.
const maxRefusals = 10_000

func (res *ImportResult) refuse(row importRow, reason string) {
	res.RefusedTotal++
	if len(res.Refused) < maxRefusals {
		res.Refused = append(res.Refused, Refusal{Line: row.line, ID2: clip(row.id2), Reason: reason})
	}
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// importBatch is how many rows go into one transaction. The assets of a batch
// are neighbours at a random place: the places spread evenly over a store's
// ranges, and each batch touches few pages of it.
const importBatch = 1 << 12

// importBytes ends a batch of long rows sooner, so that memory stays bounded.
const importBytes = 4 << 20

// importRow is one row of the file on its way in.
type importRow struct {
	line              int
	id2, device, name string
	text              KeyText
	key               id2.Key
	err               error // why the row is refused
	row               DeviceRow
}

// ImportDevices reads CSV with a header (columns id2, key_hex or
// public_key_pem, and optionally device_key and name) and binds the devices to
// the product. A row that is there already with the same product and key is
// unchanged, so that an import can be run again after it broke. Refused rows
// do not stop the rest; an error means that reading or the store failed, and
// what was counted until then is in.
func (r *Registry) ImportDevices(ctx context.Context, org ID, product string, file io.Reader, by audit.Actor) (ImportResult, error) {
	var res ImportResult
	p, err := r.Product(ctx, org, product)
	if err != nil {
		return res, err
	}
	rows, err := newImportReader(file)
	if err != nil {
		return res, err
	}
	// One goroutine reads and prepares batches while the other has the last one
	// written: both cores work, and at most three batches are in memory.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []importRow, 1)
	var readErr error
	go func() {
		defer close(batches)
		readErr = r.prepareBatches(ctx, &p, rows, batches)
	}()
	for batch := range batches {
		if err := r.insertBatch(ctx, &p, batch, &res, by); err != nil {
			return res, err
		}
	}
	return res, readErr
}

func (r *Registry) prepareBatches(ctx context.Context, p *Product, rows *importReader, out chan<- []importRow) error {
	for {
		batch, err := rows.next(importBatch)
		if len(batch) > 0 {
			if err := r.prepare(p, batch); err != nil {
				return err
			}
			select {
			case out <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// prepare checks, parses and seals the rows of a batch on all cores.
func (r *Registry) prepare(p *Product, batch []importRow) error {
	first, err := NewID(r.random)
	if err != nil {
		return err
	}
	first &^= importBatch - 1
	var wg sync.WaitGroup
	parts := runtime.GOMAXPROCS(0)
	for i := range parts {
		from, to := i*len(batch)/parts, (i+1)*len(batch)/parts
		wg.Go(func() {
			for j := from; j < to; j++ {
				batch[j].err = r.prepareRow(p, &batch[j], first+ID(j))
			}
		})
	}
	wg.Wait()
	return nil
}

func (r *Registry) prepareRow(p *Product, row *importRow, asset ID) error {
	if row.err != nil {
		return row.err
	}
	if !id2.ValidID(row.id2) {
		return invalid("id2: 24 to 48 printable characters without ~ are needed")
	}
	if len(row.name) > maxName || len(row.device) > maxName || !isText(row.name) || !isText(row.device) {
		return invalid("name and device_key have at most %d bytes of text without control characters", maxName)
	}
	var err error
	if row.key, err = row.text.parse(p.Algorithm); err != nil {
		return err
	}
	row.row = DeviceRow{Device: Device{Asset: asset, Org: p.Org, ID2: row.id2, Product: p.Key, Name: row.name,
		DeviceKey: row.device, Algorithm: p.Algorithm, Version: 1, Created: At(r.now())}}
	row.row.Key, err = r.sealKey(asset, &row.key)
	return err
}

func (r *Registry) insertBatch(ctx context.Context, p *Product, batch []importRow, res *ImportResult, by audit.Actor) error {
	good, twins := splitBatch(batch, res)
	if err := r.insertRows(ctx, p, good, res, by); err != nil {
		return err
	}
	// A second row of the same id2 is judged against the first, now stored.
	for i := range twins {
		if err := r.insertRows(ctx, p, twins[i:i+1], res, by); err != nil {
			return err
		}
	}
	return nil
}

// splitBatch counts the refused rows and sets aside those whose id2 or device
// key came earlier in the batch.
func splitBatch(batch []importRow, res *ImportResult) (good, twins []importRow) {
	good = batch[:0]
	seen := make(map[string]bool, len(batch))
	for _, row := range batch {
		switch {
		case row.err != nil:
			res.refuse(row, row.err.Error())
		case seen[row.id2] || row.device != "" && seen["\x00"+row.device]:
			twins = append(twins, row)
		default:
			seen[row.id2] = true
			seen["\x00"+row.device] = row.device != ""
			good = append(good, row)
		}
	}
	return good, twins
}

func (r *Registry) insertRows(ctx context.Context, p *Product, rows []importRow, res *ImportResult, by audit.Actor) error {
	if len(rows) == 0 {
		return nil
	}
	devices := make([]DeviceRow, len(rows))
	for i := range rows {
		devices[i] = rows[i].row
	}
	event := by.Did("device.import", "product", p.Key, map[string]any{"rows": len(rows), "first_line": rows[0].line})
	added, err := r.store.InsertDevices(ctx, devices, event.In(int64(p.Org)))
	if err != nil {
		return err
	}
	res.Imported += int64(len(added))
	if len(added) == len(rows) {
		return nil
	}
	return r.judgeOld(ctx, p, rows, added, res)
}

// judgeOld tells unchanged rows from refused ones among those not added.
func (r *Registry) judgeOld(ctx context.Context, p *Product, rows []importRow, added map[ID]bool, res *ImportResult) error {
	ids := make([]string, 0, len(rows)-len(added))
	for _, row := range rows {
		if !added[row.row.Asset] {
			ids = append(ids, row.id2)
		}
	}
	stored, err := r.store.DevicesByID2(ctx, p.Org, ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*DeviceRow, len(stored))
	for i := range stored {
		byID[stored[i].ID2] = &stored[i]
	}
	for _, row := range rows {
		if added[row.row.Asset] {
			continue
		}
		if reason := r.compare(p, &row, byID[row.id2]); reason != "" {
			res.refuse(row, reason)
		} else {
			res.Unchanged++
		}
	}
	return nil
}

// compare says why a row differs from the stored device, "" when it does not.
func (r *Registry) compare(p *Product, row *importRow, old *DeviceRow) string {
	switch {
	case old == nil:
		return "device_key: already belongs to another device of this product"
	case old.Product != p.Key:
		return "id2: already there under another product"
	case old.Algorithm != p.Algorithm || !r.sameKey(old, &row.key):
		return "id2: already there with another key (hallmark device rekey replaces it)"
	}
	return ""
}

func (r *Registry) sameKey(old *DeviceRow, key *id2.Key) bool {
	stored, err := r.openKey(old)
	if err != nil {
		return false
	}
	a, b := stored.Bytes(), key.Bytes()
	return subtle.ConstantTimeCompare(a, b) == 1
}

// importReader turns CSV into rows.
type importReader struct {
	csv     *csv.Reader
	limit   *recordLimiter
	columns map[string]int
}

func newImportReader(file io.Reader) (*importReader, error) {
	limit := &recordLimiter{r: file}
	text := bufio.NewReaderSize(limit, 64<<10)
	if mark, _ := text.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = text.Discard(len(mark)) // it is there
	}
	c := csv.NewReader(text)
	c.ReuseRecord = true
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, invalid("the file is empty: a header line such as id2,key_hex is needed")
	}
	if err != nil {
		return nil, invalid("header: %v", err)
	}
	columns, err := importColumns(header)
	return &importReader{csv: c, limit: limit, columns: columns}, err
}

// byteOrderMark begins the files of some spreadsheets.
const byteOrderMark = "\ufeff"

// importColumns returns the place of each column by name.
func importColumns(header []string) (map[string]int, error) {
	columns := make(map[string]int)
	for i, name := range header {
		name = strings.TrimSpace(name)
		switch name {
		case "id2", "key_hex", "public_key_pem", "device_key", "name":
		default:
			return nil, unknownColumn(i, name)
		}
		if _, twice := columns[name]; twice {
			return nil, invalid("header: column %q stands twice", name)
		}
		columns[name] = i
	}
	_, hasHex := columns["key_hex"]
	_, hasPEM := columns["public_key_pem"]
	if _, ok := columns["id2"]; !ok || !hasHex && !hasPEM {
		return nil, invalid("header: the columns id2 and key_hex (or public_key_pem) are needed")
	}
	return columns, nil
}

// maxShownColumn is shorter than any key: in a file without a header the first
// row stands in its place, and must not be shown.
const maxShownColumn = 20

func unknownColumn(i int, name string) error {
	const known = "the columns are id2, key_hex or public_key_pem, device_key, name"
	if len(name) > maxShownColumn {
		return invalid("header: column %d has an unknown name, or the header line is missing; %s", i+1, known)
	}
	return invalid("header: unknown column %q; %s", name, known)
}

// next returns up to n rows of together little more than importBytes; io.EOF
// comes with or after the last ones.
func (ir *importReader) next(n int) ([]importRow, error) {
	rows := make([]importRow, 0, n)
	for start := ir.csv.InputOffset(); len(rows) < n && ir.csv.InputOffset()-start < importBytes; {
		record, err := ir.csv.Read()
		ir.limit.used = 0
		if errors.Is(err, io.EOF) {
			return rows, err
		}
		row, err := ir.row(record, err)
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// row turns one record into a row; a malformed line is a refused row, a failing
// reader is an error.
func (ir *importReader) row(record []string, err error) (importRow, error) {
	get := func(name string) string {
		i, ok := ir.columns[name]
		if !ok || i >= len(record) {
			return ""
		}
		return strings.Clone(strings.TrimSpace(record[i]))
	}
	var malformed *csv.ParseError
	switch {
	case errors.Is(err, csv.ErrFieldCount) && errors.As(err, &malformed):
		return importRow{line: malformed.StartLine, id2: get("id2"), err: invalid("wrong number of fields")}, nil
	case errors.As(err, &malformed):
		return importRow{line: malformed.StartLine, err: invalid("not well-formed CSV: %v", malformed.Err)}, nil
	case err != nil:
		return importRow{}, fmt.Errorf("read the file: %w", err)
	}
	line, _ := ir.csv.FieldPos(0)
	return importRow{line: line, id2: get("id2"), device: get("device_key"), name: get("name"),
		text: KeyText{Hex: get("key_hex"), PEM: get("public_key_pem")}}, nil
}

// maxImportRecord bounds one record, so that a quote that is never closed
// cannot fill memory.
const maxImportRecord = 1 << 20

var errLongRecord = &InvalidError{fmt.Sprintf("a record is longer than %d bytes: is a quote missing?", maxImportRecord)}

// recordLimiter fails when one record takes more than maxImportRecord bytes.
type recordLimiter struct {
	r    io.Reader
	used int // bytes read since the last record was complete
}

func (l *recordLimiter) Read(p []byte) (int, error) {
	if l.used > maxImportRecord {
		return 0, errLongRecord
	}
	n, err := l.r.Read(p)
	l.used += n
	return n, err
}
