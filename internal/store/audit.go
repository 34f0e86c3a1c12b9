package store

import (
	"context"
	"database/sql"
	"io"
	"math"
	"strings"
	"sync/atomic"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// eventIDs numbers the events that one process writes, from a random number on:
// no other process has these, and events that are written together lie together,
// where random numbers would put each on a page of its own.
type eventIDs struct{ last atomic.Uint64 }

func (e *eventIDs) start(random io.Reader) error {
	id, err := registry.NewID(random)
	e.last.Store(uint64(id))
	return err
}

func (e *eventIDs) next() registry.ID { return registry.ID(e.last.Add(1) & math.MaxInt64) }

func (s *Store) appendAudit(tx txn, e audit.Event) error {
	if e.At == 0 {
		e.At = s.now().UnixMilli()
	}
	_, err := tx.Exec(`INSERT INTO audit (id, at, org, actor, request, action, kind, subject, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, s.events.next(), e.At, e.Org, e.Actor, e.Request, e.Action, e.Kind, e.Subject, e.Detail)
	return err
}

// AppendAudit implements registry.AuditStore.
func (s *Store) AppendAudit(ctx context.Context, events []audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(ctx, func(tx txn) error {
		for _, e := range events {
			if err := s.appendAudit(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

const auditColumns = `SELECT id, at, org, actor, request, action, kind, subject, detail, coalesce(seq, 0), mac FROM audit WHERE `

func scanEvent(row scanner) (e audit.Sealed, err error) {
	return e, row.Scan(&e.ID, &e.At, &e.Org, &e.Actor, &e.Request, &e.Action, &e.Kind, &e.Subject, &e.Detail, &e.Seq, &e.MAC)
}

// AuditEvents implements registry.AuditStore.
func (s *Store) AuditEvents(ctx context.Context, f registry.AuditFilter) ([]audit.Sealed, error) {
	q, order := newQuery(auditColumns+"at > $1", int64(-1)), " ORDER BY at DESC, id DESC LIMIT "
	if f.InOrder {
		q, order = newQuery(auditColumns+"seq > $1", f.AfterSeq), " ORDER BY seq LIMIT "
	}
	if f.Org != 0 {
		q.and("org = ?", f.Org)
	}
	if f.Subject != "" {
		q.and("subject = ?", f.Subject)
	}
	if f.Before != 0 {
		q.and("at < ?", f.Before)
	}
	if prefix, ok := strings.CutSuffix(f.Action, "."); ok {
		q.and("action >= ?", prefix+".")
		q.and("action < ?", prefix+"/") // the character after the full stop
	} else if f.Action != "" {
		q.and("action = ?", f.Action)
	}
	return selectAll(ctx, s, scanEvent, q.text()+order+itoa(f.Limit), q.args...)
}

// sealBatch is how many events one transaction chains.
const sealBatch = 500

// SealAudit chains the events that are not yet chained, oldest first, and
// returns how many.
func (s *Store) SealAudit(ctx context.Context, key [32]byte) (int, error) {
	sealed := 0
	// Most of the time there is nothing to do, which must not cost a commit.
	waiting, err := selectOne(ctx, scanInt, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT id FROM audit WHERE seq IS NULL LIMIT 1) AS waiting`)
	})
	if err != nil || waiting == 0 {
		return 0, err
	}
	err = s.write(ctx, func(tx txn) error {
		// One sealer at a time: the others wait for this row, and then see what
		// was chained meanwhile.
		_, err := tx.Exec(`INSERT INTO meta (name, value) VALUES ('audit.sealer', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []byte{})
		if err != nil {
			return err
		}
		chain, err := lastLink(tx, key)
		if err != nil {
			return err
		}
		rows, err := tx.Query(auditColumns + `seq IS NULL ORDER BY at, id LIMIT ` + itoa(sealBatch))
		events, err := collect(rows, err, scanEvent)
		if err != nil {
			return err
		}
		for _, e := range events {
			seq, mac := chain.Next(e.Event)
			if _, err := tx.Exec(`UPDATE audit SET seq = $1, mac = $2 WHERE id = $3`, seq, mac, e.ID); err != nil {
				return err
			}
		}
		sealed = len(events)
		return nil
	})
	return sealed, err
}

// lastLink returns the chain as it ends now.
func lastLink(tx txn, key [32]byte) (*audit.Chain, error) {
	var seq int64
	var mac []byte
	err := tx.QueryRow(`SELECT seq, mac FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1`).Scan(&seq, &mac)
	if err = absent(err); err != nil && err != registry.ErrNotFound {
		return nil, err
	}
	return audit.NewChain(key, seq, mac), nil
}
