package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Upstream implements registry.RelayStore.
func (s *Store) Upstream(ctx context.Context, org registry.ID) (registry.UpstreamRow, error) {
	return selectOne(ctx, func(row scanner) (u registry.UpstreamRow, err error) {
		var timeout, insecure int64
		err = row.Scan(&u.Org, &u.Endpoint, &u.AccessKeyID, &u.Sealed, &u.CA, &timeout, &insecure, &u.Changed)
		u.Timeout, u.InsecureHTTP = time.Duration(timeout)*time.Millisecond, insecure != 0
		return u, err
	}, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT org, endpoint, access_key_id, secret, ca, timeout_ms, insecure_http, changed
			FROM relay_upstreams WHERE org = $1`, org)
	})
}

// SetUpstream implements registry.RelayStore.
func (s *Store) SetUpstream(ctx context.Context, u registry.UpstreamRow, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		_, err := tx.Exec(`INSERT INTO relay_upstreams (org, endpoint, access_key_id, secret, ca, timeout_ms, insecure_http, changed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org) DO UPDATE SET endpoint = excluded.endpoint,
			access_key_id = excluded.access_key_id, secret = excluded.secret, ca = excluded.ca, timeout_ms = excluded.timeout_ms,
			insecure_http = excluded.insecure_http, changed = excluded.changed`,
			u.Org, u.Endpoint, u.AccessKeyID, u.Sealed, u.CA, u.Timeout.Milliseconds(), flag(u.InsecureHTTP), u.Changed)
		if err != nil {
			return err
		}
		return s.noteChange(tx, registry.RelayChanged, u.Org, "")
	})
}

// RemoveUpstream implements registry.RelayStore.
func (s *Store) RemoveUpstream(ctx context.Context, org registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM relay_upstreams WHERE org = $1`, org)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		return s.noteChange(tx, registry.RelayChanged, org, "")
	})
}

// AddRelayed implements registry.RelayStore.
func (s *Store) AddRelayed(ctx context.Context, batch []registry.Relayed) error {
	if len(batch) == 0 {
		return nil
	}
	// In one order, or two nodes would wait for each other.
	batch = slices.SortedFunc(slices.Values(batch), func(a, b registry.Relayed) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID2, b.ID2))
	})
	return s.write(ctx, func(tx txn) error {
		for i := range batch {
			if err := s.addRelayed(tx, &batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// addRelayed adds to a device's counters, or adds the device. Where another node
// adds it meanwhile, there is a row to add to after that.
func (s *Store) addRelayed(tx txn, r *registry.Relayed) error {
	for range 2 {
		n, err := affected(tx.Exec(`UPDATE relayed_devices SET product_key = CASE WHEN $1 = '' THEN product_key ELSE $1 END,
			last_seen = CASE WHEN last_seen < $2 THEN $2 ELSE last_seen END, auth_count = auth_count + $3 WHERE org = $4 AND id2 = $5`,
			r.Product, int64(r.Last), r.Count, r.Org, r.ID2))
		if err != nil || n == 1 {
			return err
		}
		n, err = affected(tx.Exec(`INSERT INTO relayed_devices (org, id2, product_key, first_seen, last_seen, auth_count)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, r.Org, r.ID2, r.Product, int64(r.First), int64(r.Last), r.Count))
		if err != nil {
			return err
		}
		if n == 1 {
			return s.appendAudit(tx, r.Event)
		}
	}
	return registry.ErrConflict
}

// heldHere tells whether the key of a relayed device is held here by now.
const heldHere = `EXISTS (SELECT 1 FROM devices d WHERE d.org = r.org AND d.id2 = r.id2)`

// RelayedDevices implements registry.RelayStore.
func (s *Store) RelayedDevices(ctx context.Context, org registry.ID, f registry.RelayedFilter) ([]registry.Relayed, error) {
	q := newQuery(`SELECT org, id2, product_key, first_seen, last_seen, auth_count, CASE WHEN `+heldHere+` THEN 1 ELSE 0 END
		FROM relayed_devices r WHERE org = $1 AND id2 > $2`, org, f.After)
	if f.Product != "" {
		q.and("product_key = ?", f.Product)
	}
	text := q.text()
	if !f.Held {
		text += " AND NOT " + heldHere
	}
	return selectAll(ctx, s, func(row scanner) (r registry.Relayed, err error) {
		var held int64
		err = row.Scan(&r.Org, &r.ID2, &r.Product, &r.First, &r.Last, &r.Count, &held)
		r.Held = held != 0
		return r, err
	}, text+" ORDER BY id2 LIMIT "+itoa(f.Limit), q.args...)
}

// CountRelayed implements registry.RelayStore.
func (s *Store) CountRelayed(ctx context.Context, org registry.ID, now registry.Instant) (registry.RelayedCount, error) {
	ago := func(days time.Duration) int64 { return int64(now) - (days * 24 * time.Hour).Milliseconds() }
	q := newQuery(`SELECT count(CASE WHEN NOT held AND last_seen > $1 THEN 1 END), count(CASE WHEN NOT held AND last_seen > $2 THEN 1 END),
		count(CASE WHEN NOT held AND last_seen > $3 THEN 1 END), count(CASE WHEN NOT held THEN 1 END), count(CASE WHEN held THEN 1 END)
		FROM (SELECT last_seen, `+heldHere+` AS held FROM relayed_devices r WHERE org >= 0`, ago(1), ago(7), ago(30))
	if org != 0 {
		q.and("org = ?", org)
	}
	return selectOne(ctx, func(row scanner) (c registry.RelayedCount, err error) {
		return c, row.Scan(&c.Day, &c.Week, &c.Month, &c.All, &c.Held)
	}, func() *sql.Row { return s.read.QueryRowContext(ctx, q.text()+`) counted`, q.args...) })
}
