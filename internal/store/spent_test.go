package store

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/replay/replaytest"
)

// openPG opens a store of its own on a database, as another node does. Nodes'
// clocks are hours apart: nothing may go by them.
func openPG(t testing.TB, dsn string, clock time.Duration) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{DSN: dsn, Random: rand.Reader, Now: func() time.Time { return time.Now().Add(clock) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// cluster is several nodes on one database.
type cluster struct {
	testing.TB
	dsn     string
	stores  []*Store
	ledgers []*Ledger
}

func newCluster(t testing.TB, nodes int) *cluster {
	t.Helper()
	c := &cluster{TB: t, dsn: pgtest.Database(t)}
	for n := range nodes {
		s := openPG(t, c.dsn, time.Duration(n-1)*time.Hour)
		c.stores, c.ledgers = append(c.stores, s), append(c.ledgers, s.Ledger())
	}
	return c
}

// shift sets the server's clock as all nodes read it.
func (c *cluster) shift(d time.Duration) {
	for _, l := range c.ledgers {
		l.shift = d.Milliseconds()
	}
}

// now is the shifted clock.
func (c *cluster) now() time.Time {
	c.Helper()
	now, err := c.stores[0].Time(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	return now.Add(time.Duration(c.ledgers[0].shift) * time.Millisecond)
}

// exec runs a statement past all code under test.
func (c *cluster) exec(query string, args ...any) {
	c.Helper()
	if _, err := c.stores[0].read.ExecContext(context.WithoutCancel(c.Context()), query, args...); err != nil {
		c.Fatal(err)
	}
}

// setDevice writes a device's row, made when it is new.
func (c *cluster) setDevice(asset int64, d replaytest.Device) {
	c.Helper()
	c.exec(`INSERT INTO devices (asset, org, algorithm, key, state, version, created) VALUES ($1, 1, 1, '', $2, $3, 0)
		ON CONFLICT (asset) DO UPDATE SET state = excluded.state, version = excluded.version`, asset, int64(d.State), d.Version)
}

// keys returns all that the tables hold.
func (c *cluster) keys() map[replay.Key]bool {
	c.Helper()
	keys := make(map[replay.Key]bool)
	for ring := range spentRing {
		rows, err := selectAll(context.WithoutCancel(c.Context()), c.stores[0], func(row scanner) (k []byte, err error) {
			return k, row.Scan(&k)
		}, "SELECT key FROM spent_"+itoa(ring))
		if err != nil {
			c.Fatal(err)
		}
		for _, k := range rows {
			keys[replay.Key(k)] = true
		}
	}
	return keys
}

func (c *cluster) world() *replaytest.World {
	w := &replaytest.World{Now: c.now, SetDevice: c.setDevice, Keys: c.keys,
		Advance:      func(d time.Duration) { c.shift(time.Duration(c.ledgers[0].shift)*time.Millisecond + d) },
		RemoveDevice: func(asset int64) { c.exec(`DELETE FROM devices WHERE asset = $1`, asset) }}
	for _, l := range c.ledgers {
		w.Nodes = append(w.Nodes, l)
	}
	return w
}

// testAsset is the device of codes that need one.
const testAsset = 7001

// ready is a cluster with testAsset.
func ready(t testing.TB, nodes int) (*cluster, []*replay.Shared) {
	t.Helper()
	c := newCluster(t, nodes)
	c.setDevice(testAsset, replaytest.Device{Version: 1, State: registry.Active})
	w := c.world()
	return c, replaytest.Guards(t, w.Nodes)
}

func stampedCode(n int, at time.Time) replay.Code {
	return replay.Code{Key: replaytest.Key(n), Timestamp: true, At: at, Asset: testAsset, Version: 1}
}

// Everything that is promised of a ledger, on three nodes whose own clocks are
// an hour behind, right, and an hour ahead.
func TestLedger(t *testing.T) {
	replaytest.Run(t, func(t *testing.T) *replaytest.World { return newCluster(t, 3).world() })
}

// A device suspended through one node is refused by others whatever they
// remember of it.
func TestSuspendedDeviceBehindAStaleCache(t *testing.T) {
	c := newCluster(t, 2)
	fill(t, c.stores[0])
	guards := replaytest.Guards(t, c.world().Nodes)
	d := testDevice(1)
	code := replay.Code{Key: replaytest.Key(1), At: c.now(), Asset: int64(d.Asset), Version: 1}
	suspended := d
	suspended.State, suspended.Version = registry.Suspended, 2
	if err := c.stores[0].UpdateDevice(t.Context(), suspended, 1, event); err != nil {
		t.Fatal(err)
	}
	for version := range int64(3) {
		code.Version = version
		if err := guards[1].Spend(t.Context(), code); !errors.Is(err, replay.ErrChanged) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if len(c.keys()) != 0 {
		t.Error("something was spent")
	}
	resumed := d
	resumed.State, resumed.Version = registry.Active, 3
	if err := c.stores[0].UpdateDevice(t.Context(), resumed, 2, event); err != nil {
		t.Fatal(err)
	}
	code.Version = 3
	if err := guards[1].Spend(t.Context(), code); err != nil {
		t.Errorf("the same code after the device was resumed: %v", err)
	}
}

func TestSynchronousCommitOffIsRefused(t *testing.T) {
	dsn := pgtest.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	for _, setting := range []string{"off", "on", "local", "remote_apply"} {
		pgtest.Exec(t, "ALTER DATABASE "+database+" SET synchronous_commit = "+setting)
		s, err := Open(t.Context(), Options{DSN: dsn, Random: rand.Reader, Now: time.Now})
		if setting == "off" {
			if err == nil || !strings.Contains(err.Error(), "synchronous_commit is off") {
				t.Errorf("off: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", setting, err)
			continue
		}
		_ = s.Close()
	}
}

// Codes come for hours and every table is used again and again: each code
// counts once while its window lasts and never after, and what is kept does not
// grow.
func TestRingTurns(t *testing.T) {
	c, guards := ready(t, 3)
	const step = 7 * time.Minute
	most := 0
	var at []time.Time
	for n := range 60 { // seven hours
		c.shift(time.Duration(n) * step)
		at = append(at, c.now().Add(time.Duration(n%3-1)*9*time.Minute))
		if err := guards[n%3].Spend(t.Context(), stampedCode(n, at[n])); err != nil {
			t.Fatalf("code %d: %v", n, err)
		}
		for back := 0; back <= n && back < 20; back++ {
			err := guards[(n+back)%3].Spend(t.Context(), stampedCode(n-back, at[n-back]))
			if !errors.Is(err, replay.ErrSpent) && !errors.Is(err, replay.ErrStale) {
				t.Errorf("code %d at step %d: %v", n-back, n, err)
			}
			if age := c.now().Sub(at[n-back]); age < replay.SharedSkew && !errors.Is(err, replay.ErrSpent) {
				t.Errorf("code %d at step %d, %v old: %v", n-back, n, age, err)
			}
		}
		most = max(most, len(c.keys()))
	}
	if longest := int((time.Duration(spentKeep+2*spentSlot+spentSkew) * time.Millisecond) / step); most > longest+3 {
		t.Errorf("%d codes kept at once; one comes every %v", most, step)
	}
}

// Many nodes find at once that every table must move on, while codes come.
func TestTablesMoveOnceWhoeverAsks(t *testing.T) {
	c, _ := ready(t, 6)
	for turn := range 3 {
		c.shift(time.Duration(turn) * 3 * time.Hour)
		now := c.now()
		guards := replaytest.Guards(t, c.world().Nodes)
		var all sync.WaitGroup
		for n := range 60 {
			all.Go(func() {
				code := stampedCode(1000*turn+n, now.Add(time.Duration(n%19-9)*time.Minute))
				if err := guards[n%6].Spend(context.WithoutCancel(t.Context()), code); err != nil {
					t.Errorf("code %d: %v", n, err)
				}
			})
		}
		all.Wait()
		if keys := c.keys(); len(keys) != 60 {
			t.Errorf("turn %d: %d codes kept, want those of this turn alone: 60", turn, len(keys))
		}
	}
}

// A node whose statement carries an old reading of the clock, and that
// remembers the table as its slot's, comes too late.
func TestLateInsertIntoAReusedTable(t *testing.T) {
	c, guards := ready(t, 2)
	at := c.now()
	if err := guards[0].Spend(t.Context(), stampedCode(1, at)); err != nil {
		t.Fatal(err)
	}
	late := c.ledgers[0] // its clock stays
	c.ledgers[1].shift = (80 * time.Minute).Milliseconds()
	if err := guards[1].Spend(t.Context(), stampedCode(2, at.Add(80*time.Minute))); err != nil {
		t.Fatal(err)
	}
	if ringOf(slotOf(at.UnixMilli())) != ringOf(slotOf(at.Add(80*time.Minute).UnixMilli())) || len(c.keys()) != 1 {
		t.Fatal("the table was not used again")
	}
	if late.open[ringOf(slotOf(at.UnixMilli()))].Load() != slotOf(at.UnixMilli()) {
		t.Fatal("the late node knows of it")
	}
	for _, n := range []int{1, 3} {
		if err := guards[0].Spend(t.Context(), stampedCode(n, at)); !errors.Is(err, replay.ErrStale) {
			t.Errorf("code %d: %v", n, err)
		}
	}
	if keys := c.keys(); len(keys) != 1 || !keys[replaytest.Key(2)] {
		t.Errorf("%d codes kept", len(keys))
	}
}

// waiting waits until a session waits for a lock of another.
func (c *cluster) waiting() {
	c.Helper()
	for {
		n, err := scanInt(c.stores[0].read.QueryRowContext(c.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`))
		if err != nil {
			c.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
}

// A statement is under way in a table that another node wants to empty: the
// other waits, and what was recorded meanwhile is forgotten for good.
func TestEmptyingWaitsForStatementsUnderWay(t *testing.T) {
	c, guards := ready(t, 2)
	at := c.now()
	if err := guards[0].Spend(t.Context(), stampedCode(1, at)); err != nil {
		t.Fatal(err)
	}
	ring := ringOf(slotOf(at.UnixMilli()))
	tx, err := c.stores[0].read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, id := replaytest.Key(2), replaytest.Key(3)
	ms := at.UnixMilli()
	res, err := tx.ExecContext(t.Context(), recordText[ring], [][]byte{key[:]}, [][]byte{id[:]}, []int64{ms}, []int64{ms + 600_000},
		[]int64{testAsset}, []int64{1}, slotOf(ms), int64(0))
	if n, err := affected(res, err); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	c.ledgers[1].shift = (80 * time.Minute).Milliseconds()
	next := make(chan error)
	go func() {
		next <- guards[1].Spend(context.WithoutCancel(t.Context()), stampedCode(4, at.Add(80*time.Minute)))
	}()
	c.waiting()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-next; err != nil {
		t.Error(err)
	}
	if keys := c.keys(); len(keys) != 1 || !keys[replaytest.Key(4)] {
		t.Errorf("%d codes kept", len(keys))
	}
	if err := guards[0].Spend(t.Context(), stampedCode(2, at)); !errors.Is(err, replay.ErrStale) {
		t.Errorf("the code of the emptied table: %v", err)
	}
}

// A table is being emptied when a statement comes that by its own clock is in
// time: it waits, and then sees that its slot is gone.
func TestStatementWaitsForEmptying(t *testing.T) {
	c, guards := ready(t, 2)
	at := c.now()
	if err := guards[0].Spend(t.Context(), stampedCode(1, at)); err != nil {
		t.Fatal(err)
	}
	slot := slotOf(at.UnixMilli())
	tx, err := c.stores[1].read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`UPDATE spent_slots SET slot = slot + 8 WHERE ring = ` + itoa(ringOf(slot)),
		`TRUNCATE TABLE spent_` + itoa(ringOf(slot)),
	} {
		if _, err := tx.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	again := make(chan error)
	go func() { again <- guards[0].Spend(context.WithoutCancel(t.Context()), stampedCode(1, at)) }()
	c.waiting()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-again; !errors.Is(err, replay.ErrStale) {
		t.Errorf("a spent code, after its table was emptied: %v", err)
	}
	if n := len(c.keys()); n != 0 {
		t.Errorf("%d codes kept", n)
	}
}

// The server's clock was far ahead for a while: nothing counts twice, codes of
// the present are refused, and the documented remedy helps.
func TestServerClockAheadAndBack(t *testing.T) {
	c, guards := ready(t, 2)
	at := c.now()
	if err := guards[0].Spend(t.Context(), stampedCode(1, at)); err != nil {
		t.Fatal(err)
	}
	c.shift(24 * time.Hour)
	if err := guards[0].Spend(t.Context(), stampedCode(2, c.now())); err != nil {
		t.Fatal(err)
	}
	c.shift(0)
	for n, guard := range guards {
		if err := guard.Spend(t.Context(), stampedCode(1, at)); !errors.Is(err, replay.ErrStale) {
			t.Errorf("node %d: a spent code after the clock came back: %v", n, err)
		}
	}
	for n := range 2 { // the second time the nodes take the slot for open
		c.exec(`UPDATE spent_slots SET slot = ring`)
		if err := guards[0].Spend(t.Context(), stampedCode(5+n, c.now())); err != nil {
			t.Errorf("after the remedy: %v", err)
		}
	}
}

// All slots of a batch go together.
func TestBatchOverSeveralSlots(t *testing.T) {
	c, _ := ready(t, 1)
	now := c.now().UnixMilli()
	var attempts []replay.Attempt
	for i := range 19 {
		at := now + int64(i-9)*time.Minute.Milliseconds()
		a := replay.Attempt{Key: replay.Key{byte(i)}, ID: [16]byte{byte(i)}, At: at, Until: now + 60_000, Asset: testAsset, Version: 1}
		if i%4 == 3 {
			a.Version = 9
		}
		attempts = append(attempts, a)
	}
	kept, err := c.ledgers[0].RecordCodes(t.Context(), attempts)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, err := c.ledgers[0].JudgeCodes(t.Context(), attempts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range attempts {
		want := replay.VerdictMine
		if i%4 == 3 {
			want = replay.VerdictChanged
		}
		if kept[i] != (i%4 != 3) || verdicts[i] != want {
			t.Errorf("code %d: kept %v, verdict %d", i, kept[i], verdicts[i])
		}
	}
}

func TestSlotArithmetic(t *testing.T) {
	for _, c := range []struct {
		ms, slot int64
		ring     int
	}{{0, 0, 0}, {599_999, 0, 0}, {600_000, 1, 1}, {8 * 600_000, 8, 0}, {-1, -1, 7}, {-600_000, -1, 7}, {-600_001, -2, 6}} {
		if slot := slotOf(c.ms); slot != c.slot || ringOf(slot) != c.ring {
			t.Errorf("%d ms: slot %d in table %d, want %d in %d", c.ms, slot, ringOf(slot), c.slot, c.ring)
		}
	}
	longest := (replay.MaxSharedLifetime + replay.SharedTolerance).Milliseconds()
	if spare := spentKeep - max(longest, spentSkew); spare < 5*60_000 {
		t.Errorf("a table is emptied %d ms after its last code's window", spare)
	}
	if spentSlot+spentKeep > spentRing*spentSlot-spentSkew {
		t.Error("a slot is needed before its table is free")
	}
}

// Statements that list the same keys in opposite orders do not wait for each
// other: the rows go in by the order of the keys whatever a caller does.
func TestNoDeadlocks(t *testing.T) {
	c, _ := ready(t, 3)
	const keys, rounds = 100, 60
	ms := c.now().UnixMilli()
	slot := slotOf(ms)
	if err := c.ledgers[0].openSlot(t.Context(), slot); err != nil {
		t.Fatal(err)
	}
	var kept atomic.Int64
	for round := range rounds {
		var all sync.WaitGroup
		for n, s := range c.stores {
			g := newSlotGroup(slot, keys)
			for i := range keys {
				if n%2 == 1 {
					i = keys - 1 - i
				}
				g.add(i, &replay.Attempt{Key: replaytest.Key(1000*round + i), ID: [16]byte{byte(n)}, At: ms, Until: ms + 600_000, Asset: testAsset, Version: 1})
			}
			all.Go(func() {
				rows, err := affected(s.read.ExecContext(context.WithoutCancel(t.Context()), recordText[ringOf(slot)],
					g.keys, g.ids, g.ats, g.untils, g.assets, g.versions, slot, int64(0)))
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				kept.Add(rows)
			})
		}
		all.Wait()
	}
	if kept.Load() != keys*rounds {
		t.Errorf("%d rows kept, want %d", kept.Load(), keys*rounds)
	}
}
