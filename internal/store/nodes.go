package store

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Shared reports whether several processes may use the store at once.
func (s *Store) Shared() bool { return s.engine.clock != "" }

// Time is the store's clock, by which all nodes go; the process's own where it
// is alone.
func (s *Store) Time(ctx context.Context) (time.Time, error) {
	if !s.Shared() {
		return s.now(), nil
	}
	ms, err := selectOne(ctx, scanInt, func() *sql.Row { return s.read.QueryRowContext(ctx, "SELECT "+s.engine.clock) })
	return time.UnixMilli(ms), err
}

func scanInt(row scanner) (n int64, err error) { return n, row.Scan(&n) }

// NewEpoch takes a number that no start of this store has used, makes that
// durable and returns it with the store's time. Numbers are drawn at random, so
// that a store restored from a backup does not count over the same ones again.
func (s *Store) NewEpoch(ctx context.Context) (number uint32, began time.Time, err error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return 0, began, fmt.Errorf("draw an epoch: %w", err)
		}
		number = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if began, err = s.Time(ctx); err != nil {
			return 0, began, err
		}
		var taken bool
		err = s.write(ctx, func(tx txn) error {
			n, err := affected(tx.Exec(`INSERT INTO epochs (epoch, began) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
				int64(number), began.UnixMilli()))
			taken = n == 0
			return err
		})
		if err != nil || !taken {
			return number, began, err
		}
	}
}

// EpochBegan tells when an epoch began, or registry.ErrNotFound.
func (s *Store) EpochBegan(ctx context.Context, number uint32) (time.Time, error) {
	ms, err := selectOne(ctx, scanInt, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT began FROM epochs WHERE epoch = $1`, int64(number))
	})
	return time.UnixMilli(ms), err
}

// ChallengeKey is a sealed key of challenges and when it was published, by the
// store's clock.
type ChallengeKey struct {
	ID        registry.ID
	Secret    []byte
	Published registry.Instant
}

// ChallengeKeys returns the keys, the newest first.
func (s *Store) ChallengeKeys(ctx context.Context) ([]ChallengeKey, error) {
	return selectAll(ctx, s, func(row scanner) (k ChallengeKey, err error) {
		return k, row.Scan(&k.ID, &k.Secret, &k.Published)
	}, `SELECT id, secret, published FROM challenge_keys ORDER BY published DESC, id LIMIT 8`)
}

// AddChallengeKey publishes a key unless there is one from after a moment
// already, as when another node was faster; the keys published before
// forgetBefore are removed.
func (s *Store) AddChallengeKey(ctx context.Context, k ChallengeKey, unlessAfter, forgetBefore registry.Instant) error {
	return s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`INSERT INTO challenge_keys (id, secret, published)
			SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT id FROM challenge_keys WHERE published > $4)`,
			k.ID, k.Secret, k.Published, unlessAfter)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM challenge_keys WHERE published < $1`, forgetBefore)
		return err
	})
}

// noteChange tells the other nodes' caches of a change, in its transaction.
func (s *Store) noteChange(tx txn, kind registry.ChangeKind, org registry.ID, name string) error {
	if !s.Shared() {
		return nil
	}
	id, err := registry.NewID(s.random)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO changes (id, at, kind, org, name) VALUES ($1, `+s.engine.clock+`, $2, $3, $4)`, id, int64(kind), org, name)
	return err
}

// maxChanges bounds what one look returns; a node that finds as many forgets
// everything.
const maxChanges = 10_000

// Changes returns the changes since a moment of the store's clock, and that
// clock; all is true when there are too many to name.
func (s *Store) Changes(ctx context.Context, since registry.Instant) (changes []registry.Change, now registry.Instant, all bool, err error) {
	at, err := s.Time(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	changes, err = selectAll(ctx, s, func(row scanner) (c registry.Change, err error) {
		return c, row.Scan(&c.ID, &c.Kind, &c.Org, &c.Name)
	}, `SELECT id, kind, org, name FROM changes WHERE at > $1 LIMIT `+itoa(maxChanges), since)
	return changes, registry.At(at), len(changes) == maxChanges, err
}

// Prune forgets the changes and the nodes last seen before a moment.
func (s *Store) Prune(ctx context.Context, changes, nodes registry.Instant) error {
	return s.write(ctx, func(tx txn) error {
		if _, err := tx.Exec(`DELETE FROM changes WHERE at < $1`, changes); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM nodes WHERE seen < $1`, nodes)
		return err
	})
}

// Beat tells that a node lives, and returns whether it was asked to drain.
func (s *Store) Beat(ctx context.Context, n registry.Node) (draining bool, err error) {
	err = s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`INSERT INTO nodes (id, url, version, started, seen) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, url = excluded.url`, n.ID, n.URL, n.Version, n.Started, n.Seen)
		if err != nil {
			return err
		}
		asked, err := scanInt(tx.QueryRow(`SELECT draining FROM nodes WHERE id = $1`, n.ID))
		draining = asked != 0
		return err
	})
	return draining, err
}

// RemoveNode forgets a node that has stopped.
func (s *Store) RemoveNode(ctx context.Context, id registry.ID) error {
	return s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`DELETE FROM nodes WHERE id = $1`, id)
		return err
	})
}

// Nodes implements registry.NodeStore.
func (s *Store) Nodes(ctx context.Context) ([]registry.Node, error) {
	return selectAll(ctx, s, func(row scanner) (n registry.Node, err error) {
		var draining int64
		err = row.Scan(&n.ID, &n.URL, &n.Version, &n.Started, &n.Seen, &draining)
		n.Draining = draining != 0
		return n, err
	}, `SELECT id, url, version, started, seen, draining FROM nodes ORDER BY started, id`)
}

// SetNodeDraining implements registry.NodeStore.
func (s *Store) SetNodeDraining(ctx context.Context, id registry.ID, draining bool, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE nodes SET draining = $1 WHERE id = $2`, flag(draining), id)
		return exactlyOne(res, err, registry.ErrNotFound)
	})
}
