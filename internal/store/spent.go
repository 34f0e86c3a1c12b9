package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// The ring of tables, in milliseconds. A slot is ten minutes of the codes' own
// times, and a table holds the codes of one slot.
//
// A code is accepted from replay.SharedSkew before its time, and until at most
// MaxSharedLifetime + SharedTolerance = 20 min 5 s after. A slot that ended
// spentKeep = 30 minutes ago by the store's clock is therefore out of every
// window, by ten minutes at least, and its table may go to the slot eight
// later: that one is first needed 10 minutes before it begins, which is
// 7·10 − 10 = 60 minutes after the old one ended.
const (
	spentRing = 8
	spentSlot = int64(10 * time.Minute / time.Millisecond)
	spentKeep = int64(30 * time.Minute / time.Millisecond)
	spentSkew = int64(replay.SharedSkew / time.Millisecond)
)

// Ledger implements replay.Ledger on PostgreSQL. It is safe for concurrent use,
// by any number of processes.
//
// # Why nothing counts twice
//
// A key's time never differs, so its slot and its table do not either. The
// table's primary key lets one attempt in. It forgets that attempt only when
// the table is emptied, in the same transaction that raises the slot's number in
// spent_slots. That number never falls, and an attempt is recorded only by a
// statement that itself reads the number of the attempt's own slot there. So
// whatever clocks do, a slot that was left is closed for good.
//
// What remains is a statement that read the old number, was held up, and inserts
// into the emptied table. Two things each exclude it. The statement also reads
// the store's clock and finds the code in its window, at least ten minutes before
// anybody may empty the table by the same clock; the server ends statements after
// ten seconds. And where a statement locks its tables before it takes its
// snapshot, as PostgreSQL's do in READ COMMITTED, TRUNCATE waits for statements
// that may have read the old number and those after it read the new one, even
// if the clock is set forward in between. (A row lock on the number would say the
// same to every engine, but shared row locks by every statement of every node
// make PostgreSQL's vacuum rewrite whole tables to be rid of them.)
//
// # If the server's clock runs far ahead
//
// Tables given to slots in the far future refuse the codes of the present once
// the clock is right again. The remedy is the one for a fresh start: with all
// nodes stopped for half an hour, UPDATE spent_slots SET slot = ring.
type Ledger struct {
	store *Store
	// open holds for each table the slot that it was last seen to hold. A table
	// that has moved on meanwhile is no danger: nothing can be recorded.
	open [spentRing]atomic.Int64
	// shift is added to the server's clock, by tests.
	shift int64
}

var _ replay.Ledger = (*Ledger)(nil)

// Ledger returns the ledger kept in this store, which must be one that several
// processes may use.
func (s *Store) Ledger() *Ledger { return &Ledger{store: s} }

// slotOf is the slot of a time.
func slotOf(ms int64) int64 { return floorDiv(ms, spentSlot) }

// ringOf is the number of a slot's table.
func ringOf(slot int64) int { return int(slot - spentRing*floorDiv(slot, spentRing)) }

// floorDiv divides and rounds down, below zero too.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// spentAsked are the attempts as the statements below take them. $7 is their
// slot, $8 a shift of the clock.
const spentAsked = `unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[])
	AS c(key, attempt, at, until, asset, version)`

// recordText records attempts of one slot in one step: the window is judged by
// the server's clock, the device as it is now, and the table must still hold the
// slot. It returns the keys that were not there before. Rows go in by the
// order of their keys, whatever the plan: two statements that wait for each
// other's rows would never end.
var recordText = spentTexts(`INSERT INTO {table} (key, attempt)
	SELECT c.key, c.attempt FROM ` + spentAsked + `
	CROSS JOIN (SELECT {clock} + $8::BIGINT AS now) n
	JOIN spent_slots s ON s.ring = {ring} AND s.slot = $7
	JOIN devices d ON d.asset = c.asset AND d.version = c.version AND {may}
	WHERE n.now < c.until AND c.at < n.now + {skew}
	ORDER BY c.key
	ON CONFLICT DO NOTHING
	RETURNING key`)

// judgeText tells of each attempt the replay.Verdict, or slotLost. What the table
// holds counts before what the clock says, and that before the device.
var judgeText = spentTexts(`SELECT c.attempt,
		CASE WHEN p.attempt = c.attempt THEN 1
		WHEN p.key IS NOT NULL THEN 2
		WHEN s.slot > $7 OR n.now >= c.until OR c.at >= n.now + {skew} THEN 3
		WHEN s.slot < $7 THEN 5
		WHEN d.asset IS NULL THEN 4
		ELSE 0 END
	FROM ` + spentAsked + `
	CROSS JOIN (SELECT {clock} + $8::BIGINT AS now) n
	JOIN spent_slots s ON s.ring = {ring}
	LEFT JOIN {table} p ON p.key = c.key
	LEFT JOIN devices d ON d.asset = c.asset AND d.version = c.version AND {may}`)

// slotLost is no verdict but says that a slot has no table yet. A node that took
// it for open outlived a restore, or the remedy above: it looks again.
const slotLost = 5

// spentTexts writes a statement for each table.
func spentTexts(text string) (texts [spentRing]string) {
	for ring := range texts {
		n := strconv.Itoa(ring)
		texts[ring] = strings.NewReplacer("{table}", "spent_"+n, "{ring}", n, "{clock}", postgresEngine.clock,
			"{skew}", strconv.FormatInt(spentSkew, 10),
			"{may}", fmt.Sprintf("d.state NOT IN (%d, %d)", registry.Suspended, registry.Discarded)).Replace(text)
	}
	return texts
}

// slotGroup is attempts of one slot and their places in the caller's list.
type slotGroup struct {
	slot                          int64
	places                        []int
	keys, ids                     [][]byte
	ats, untils, assets, versions []int64
}

// bySlot parts attempts by slot, keeping their order within each. The groups are
// in the order of their tables: who needs several takes them in one direction.
func bySlot(attempts []replay.Attempt) []*slotGroup {
	var groups []*slotGroup
	for i := range attempts {
		a := &attempts[i]
		slot := slotOf(a.At)
		at := slices.IndexFunc(groups, func(g *slotGroup) bool { return g.slot == slot })
		if at < 0 {
			at = len(groups)
			groups = append(groups, newSlotGroup(slot, len(attempts)-i))
		}
		groups[at].add(i, a)
	}
	slices.SortFunc(groups, func(a, b *slotGroup) int {
		return cmp.Or(cmp.Compare(ringOf(a.slot), ringOf(b.slot)), cmp.Compare(a.slot, b.slot))
	})
	return groups
}

func newSlotGroup(slot int64, room int) *slotGroup {
	bytes, numbers := make([][]byte, 2*room), make([]int64, 4*room)
	column := func(n int) []int64 { return numbers[n*room : n*room : (n+1)*room] }
	return &slotGroup{slot: slot, places: make([]int, 0, room), keys: bytes[:0:room], ids: bytes[room:room],
		ats: column(0), untils: column(1), assets: column(2), versions: column(3)}
}

func (g *slotGroup) add(place int, a *replay.Attempt) {
	g.places = append(g.places, place)
	g.keys, g.ids = append(g.keys, a.Key[:]), append(g.ids, a.ID[:])
	g.ats, g.untils = append(g.ats, a.At), append(g.untils, a.Until)
	g.assets, g.versions = append(g.assets, a.Asset), append(g.versions, a.Version)
}

// RecordCodes implements replay.Ledger. All slots' statements go in one round
// trip and one transaction, which PostgreSQL commits before it says that it is
// ready for more; nothing is taken for recorded before that.
func (l *Ledger) RecordCodes(ctx context.Context, attempts []replay.Attempt) ([]bool, error) {
	groups := bySlot(attempts)
	for try := 1; ; try++ {
		kept := make([]bool, len(attempts))
		err := l.recordOnce(ctx, groups, kept)
		switch {
		case err == nil:
			return kept, nil
		case errors.Is(err, replay.ErrUnresolved) || try == maxTries || !retryable(err):
			return nil, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

func (l *Ledger) recordOnce(ctx context.Context, groups []*slotGroup, kept []bool) error {
	for _, g := range groups {
		if err := l.openSlot(ctx, g.slot); err != nil {
			return err
		}
	}
	sent := false
	err := l.pipeline(ctx, &sent, &recordText, groups, func(g *slotGroup, row pgx.Rows) error {
		var key pgtype.DriverBytes // valid until the next row
		if err := row.Scan(&key); err != nil {
			return err
		}
		at, ok := slices.BinarySearchFunc(g.keys, []byte(key), bytes.Compare)
		if !ok {
			return errors.New("the database returned a key that was not asked for")
		}
		kept[g.places[at]] = true
		return nil
	})
	if err != nil && sent && !nothingDone(err) {
		return fmt.Errorf("%w: %w", replay.ErrUnresolved, err)
	}
	return err
}

// nothingDone reports whether a statement that was given to a connection
// certainly changed nothing: it was not sent, or the server refused it. A server
// that ends the connection (FATAL) may have committed before, and engines on
// several machines say so themselves when they do not know.
func nothingDone(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.SeverityUnlocalized == "ERROR" && server.Code != "40003" && server.Code != "08007"
	}
	return pgconn.SafeToRetry(err)
}

// JudgeCodes implements replay.Ledger.
func (l *Ledger) JudgeCodes(ctx context.Context, attempts []replay.Attempt) ([]replay.Verdict, error) {
	groups := bySlot(attempts)
	places := make(map[[16]byte]int, len(attempts))
	for i := range attempts {
		places[attempts[i].ID] = i
	}
	verdicts := make([]replay.Verdict, len(attempts))
	for try := 1; ; try++ {
		var sent bool
		err := l.pipeline(ctx, &sent, &judgeText, groups, func(g *slotGroup, row pgx.Rows) error {
			var id pgtype.DriverBytes
			var verdict int32
			if err := row.Scan(&id, &verdict); err != nil {
				return err
			}
			if verdict == slotLost {
				l.open[ringOf(g.slot)].Store(math.MinInt64)
				verdict = int32(replay.VerdictOpen)
			}
			verdicts[places[[16]byte(id)]] = replay.Verdict(verdict)
			return nil
		})
		if err == nil || try == maxTries || !retryable(err) {
			return verdicts, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// pipeline runs one statement for each group in one round trip and gives each
// row to scan. sent tells whether a connection was had for it.
func (l *Ledger) pipeline(ctx context.Context, sent *bool, texts *[spentRing]string, groups []*slotGroup, scan func(*slotGroup, pgx.Rows) error) error {
	var batch pgx.Batch
	for _, g := range groups {
		batch.Queue(texts[ringOf(g.slot)], g.keys, g.ids, g.ats, g.untils, g.assets, g.versions, g.slot, l.shift)
	}
	conn, err := l.store.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		*sent = true
		results := driver.(*stdlib.Conn).Conn().SendBatch(ctx, &batch)
		for _, g := range groups {
			if err := scanAll(results, g, scan); err != nil {
				return errors.Join(err, results.Close())
			}
		}
		return results.Close() // the commit's own error comes here
	})
}

func scanAll(results pgx.BatchResults, g *slotGroup, scan func(*slotGroup, pgx.Rows) error) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(g, rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// openSlot gives a slot its table if it has none yet. Nodes look once for each
// new slot; whoever is first moves all tables on whose codes have expired.
func (l *Ledger) openSlot(ctx context.Context, slot int64) error {
	ring := ringOf(slot)
	if l.open[ring].Load() == slot {
		return nil
	}
	slots, now, err := l.slots(ctx)
	if err != nil {
		return err
	}
	first := slotOf(now - spentKeep) // the oldest that is still needed
	for r := range slots {
		if want := first + int64(ringOf(int64(r)-first)); slots[r] < want {
			moved, err := l.moveTable(ctx, r, slots[r], want)
			if err != nil {
				return fmt.Errorf("empty the table of expired codes: %w", err)
			}
			if moved {
				slots[r] = want
			}
		}
	}
	if slots[ring] == slot {
		l.open[ring].Store(slot)
	}
	return nil
}

// slots returns which slot each table holds, and the time.
func (l *Ledger) slots(ctx context.Context) (slots [spentRing]int64, now int64, err error) {
	rows, err := selectAll(ctx, l.store, func(row scanner) (r [3]int64, err error) {
		return r, row.Scan(&r[0], &r[1], &r[2])
	}, `SELECT ring, slot, `+postgresEngine.clock+` + $1::BIGINT FROM spent_slots ORDER BY ring`, l.shift)
	if err == nil && len(rows) != spentRing {
		err = fmt.Errorf("spent_slots has %d rows instead of %d", len(rows), spentRing)
	}
	if err != nil {
		return slots, 0, err
	}
	for i, r := range rows {
		slots[i] = r[1]
	}
	return slots, rows[0][2], nil
}

// moveTable empties a table and gives it to a later slot, if it still holds the
// one it was seen to hold and that one's codes have expired by the server's
// clock. Who is not certain to have done it looks again. Each table has a
// transaction of its own: who emptied two at once could wait for somebody who
// waits for the other.
func (l *Ledger) moveTable(ctx context.Context, ring int, from, to int64) (moved bool, err error) {
	err = l.store.write(ctx, func(tx txn) error {
		n, err := affected(tx.Exec(`UPDATE spent_slots SET slot = $1 WHERE ring = $2 AND slot = $3
			AND (slot + 1) * $4 + $5 <= `+postgresEngine.clock+` + $6`, to, ring, from, spentSlot, spentKeep, l.shift))
		if moved = n == 1; err != nil || !moved {
			return err
		}
		_, err = tx.Exec(`TRUNCATE TABLE spent_` + strconv.Itoa(ring))
		return err
	})
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	return moved, err
}
