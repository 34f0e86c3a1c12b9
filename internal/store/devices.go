package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

const deviceColumns = `SELECT asset, org, coalesce(id2, ''), product_key, name, coalesce(device_key, ''), algorithm, key, state,
	licensed, licence_until, activated, last_seen, auth_count, day, day_count, version, created`

func scanDevice(row scanner) (registry.DeviceRow, error) {
	var d registry.DeviceRow
	var algorithm, state int64
	err := row.Scan(&d.Asset, &d.Org, &d.ID2, &d.Product, &d.Name, &d.DeviceKey, &algorithm, &d.Key, &state,
		&d.Licensed, &d.LicenceUntil, &d.Activated, &d.LastSeen, &d.AuthCount, &d.Day, &d.DayCount, &d.Version, &d.Created)
	d.Algorithm, d.State = id2.Algorithm(algorithm), registry.State(state)
	return d, err
}

// DeviceByID2 implements registry.DeviceStore.
func (s *Store) DeviceByID2(ctx context.Context, org registry.ID, id string) (registry.DeviceRow, error) {
	if s.lookups == nil {
		return selectOne(ctx, scanDevice, func() *sql.Row {
			return s.read.QueryRowContext(ctx, deviceColumns+` FROM devices WHERE org = $1 AND id2 = $2`, org, id)
		})
	}
	answer, err := s.lookups.Do(ctx, deviceName{org, id})
	if err == nil && !answer.ok {
		err = registry.ErrNotFound
	}
	return answer.device, err
}

// DeviceByAsset implements registry.DeviceStore.
func (s *Store) DeviceByAsset(ctx context.Context, org, asset registry.ID) (registry.DeviceRow, error) {
	return selectOne(ctx, scanDevice, func() *sql.Row {
		return s.read.QueryRowContext(ctx, deviceColumns+` FROM devices WHERE asset = $1 AND org = $2`, asset, org)
	})
}

// lookupChunk is how many devices one query looks up.
const lookupChunk = 256

// DevicesByID2 implements registry.DeviceStore.
func (s *Store) DevicesByID2(ctx context.Context, org registry.ID, ids []string) ([]registry.DeviceRow, error) {
	var out []registry.DeviceRow
	for len(ids) > 0 {
		chunk := ids[:min(len(ids), lookupChunk)]
		ids = ids[len(chunk):]
		var q strings.Builder
		q.WriteString(deviceColumns + ` FROM devices WHERE org = ` + s.engine.parameter(1) + ` AND id2 IN (`)
		args := []any{org}
		for i, id := range chunk {
			if i > 0 {
				q.WriteString(", ")
			}
			args = append(args, id)
			q.WriteString(s.engine.parameter(len(args)))
		}
		found, err := selectAll(ctx, s, scanDevice, q.String()+")", args...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// Devices implements registry.DeviceStore.
func (s *Store) Devices(ctx context.Context, org registry.ID, f registry.DeviceFilter, now registry.Instant) ([]registry.Device, error) {
	q := deviceQuery(deviceColumns, org, f, now)
	return selectAll(ctx, s, func(row scanner) (registry.Device, error) {
		d, err := scanDevice(row)
		return d.Device, err
	}, q.text()+" ORDER BY asset LIMIT "+itoa(f.Limit)+" OFFSET "+itoa(f.Offset), q.args...)
}

// deviceQuery begins a query of the devices that a filter chooses.
func deviceQuery(columns string, org registry.ID, f registry.DeviceFilter, now registry.Instant) *query {
	q := newQuery(columns+` FROM devices WHERE org = $1 AND asset > $2`, org, f.After)
	if f.Product != "" {
		q.and("product_key = ?", f.Product)
	}
	if f.DeviceKey != "" {
		q.and("device_key = ?", f.DeviceKey)
	}
	if f.Prefix != "" {
		q.and("id2 >= ?", f.Prefix)
		q.and("id2 < ?", f.Prefix+"\U0010FFFF")
	}
	if f.State != nil {
		stateCondition(q, *f.State, now)
	}
	return q
}

// stateCondition says in SQL what registry.Device.StateAt computes.
func stateCondition(q *query, state registry.State, now registry.Instant) {
	released := now - registry.ReleaseAfter
	switch state {
	case registry.Active:
		q.and("state = ?", int64(registry.Active))
		q.and("licence_until > ?", now)
	case registry.Expired:
		q.and("state = ?", int64(registry.Active))
		q.and("licence_until <= ?", now)
		q.and("licence_until > ?", released)
	case registry.Unactivated:
		q.and("(state = 0 OR state = 1 AND licence_until <= ?)", released)
	default:
		q.and("state = ?", int64(state))
	}
}

// errNothingAdded rolls back a transaction, and its audit event, that would add
// no device.
var errNothingAdded = errors.New("nothing added")

// insertChunk is how many devices one INSERT takes: most of its cost is not
// in the rows.
const insertChunk = 64

// insertText returns an INSERT of n devices.
func (e *engine) insertText(n int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO devices (asset, org, id2, product_key, name, device_key, algorithm, key, created) VALUES `)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for column := range 9 {
			b.WriteString(map[bool]string{true: "(", false: ", "}[column == 0] + e.parameter(9*i+column+1))
		}
		b.WriteByte(')')
	}
	b.WriteString(` ON CONFLICT DO NOTHING`)
	return b.String()
}

// InsertDevices implements registry.DeviceStore.
func (s *Store) InsertDevices(ctx context.Context, rows []registry.DeviceRow, e audit.Event) (map[registry.ID]bool, error) {
	var added map[registry.ID]bool
	err := s.writeAudited(ctx, e, func(tx txn) (err error) {
		if added, err = s.insertDevices(tx, rows); err == nil && len(added) == 0 {
			err = errNothingAdded
		}
		return err
	})
	if errors.Is(err, errNothingAdded) {
		err = nil
	}
	return added, err
}

func (s *Store) insertDevices(tx txn, rows []registry.DeviceRow) (map[registry.ID]bool, error) {
	added := make(map[registry.ID]bool, len(rows))
	whole, err := tx.Prepare(s.engine.insertText(insertChunk))
	if err != nil {
		return nil, err
	}
	defer whole.Close()
	for len(rows) > 0 {
		chunk := rows[:min(len(rows), insertChunk)]
		rows = rows[len(chunk):]
		var n int64
		if len(chunk) == insertChunk {
			n, err = affected(whole.Exec(deviceArgs(chunk)...))
		} else {
			n, err = affected(tx.Exec(s.engine.insertText(len(chunk)), deviceArgs(chunk)...))
		}
		if err == nil {
			err = noteAdded(tx, chunk, n, added)
		}
		if err != nil {
			return nil, err
		}
	}
	return added, nil
}

func deviceArgs(rows []registry.DeviceRow) []any {
	args := make([]any, 0, 9*len(rows))
	for i := range rows {
		d := &rows[i]
		args = append(args, int64(d.Asset), int64(d.Org), nullable(d.ID2), d.Product, d.Name, nullable(d.DeviceKey),
			int64(d.Algorithm), blob(d.Key), int64(d.Created))
	}
	return args
}

// noteAdded notes which rows of a chunk are in. When not all n are, it looks
// for their assets, which are new and so nobody else's.
func noteAdded(tx txn, chunk []registry.DeviceRow, n int64, added map[registry.ID]bool) error {
	for i := range chunk {
		asset := chunk[i].Asset
		if n == int64(len(chunk)) {
			added[asset] = true
			continue
		}
		var found int64
		err := tx.QueryRow(`SELECT count(*) FROM devices WHERE asset = $1 AND id2 = $2`, asset, chunk[i].ID2).Scan(&found)
		if err != nil {
			return err
		}
		if found == 1 {
			added[asset] = true
		}
	}
	return nil
}

// nullable keeps "" out of unique columns.
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// blob keeps a device without an ID² key from a key that is NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// UpdateDevice implements registry.DeviceStore.
func (s *Store) UpdateDevice(ctx context.Context, d registry.DeviceRow, version int64, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error { return s.updateDevice(tx, d, version) })
}

func (s *Store) updateDevice(tx txn, d registry.DeviceRow, version int64) error {
	res, err := tx.Exec(`UPDATE devices SET state = $1, key = $2, name = $3, version = $4
		WHERE asset = $5 AND org = $6 AND version = $7`, int64(d.State), blob(d.Key), d.Name, d.Version, d.Asset, d.Org, version)
	if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
		return err
	}
	return s.noteChange(tx, registry.DeviceChanged, d.Org, d.ID2)
}

// DeleteDevice implements registry.DeviceStore.
func (s *Store) DeleteDevice(ctx context.Context, org, asset registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		var id string
		err := tx.QueryRow(`DELETE FROM devices WHERE asset = $1 AND org = $2 RETURNING coalesce(id2, '')`, asset, org).Scan(&id)
		if err := absent(err); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM enos_devices WHERE asset = $1`, asset); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM fingerprints WHERE asset = $1`, asset); err != nil {
			return err
		}
		if err := s.cease(tx, org, asset, e); err != nil {
			return err
		}
		return s.noteChange(tx, registry.DeviceChanged, org, id)
	})
}

// AddUsage implements registry.DeviceStore.
func (s *Store) AddUsage(ctx context.Context, batch []registry.Usage) error {
	if len(batch) == 0 {
		return nil
	}
	// In one order, or two nodes would wait for each other.
	batch = slices.SortedFunc(slices.Values(batch), func(a, b registry.Usage) int { return cmp.Compare(a.Asset, b.Asset) })
	return s.write(ctx, func(tx txn) error {
		stmt, err := tx.Prepare(`UPDATE devices SET auth_count = auth_count + $1,
			last_seen = CASE WHEN last_seen < $2 THEN $2 ELSE last_seen END,
			day_count = CASE WHEN day = $3 THEN day_count + $4 WHEN day < $3 THEN $4 ELSE day_count END,
			day = CASE WHEN day < $3 THEN $3 ELSE day END
			WHERE asset = $5`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, u := range batch {
			if _, err := stmt.Exec(u.Count, int64(u.LastSeen), u.Day, u.DayCount, int64(u.Asset)); err != nil {
				return err
			}
		}
		return nil
	})
}
