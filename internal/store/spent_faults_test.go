package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/faultproxy"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/replay/replaytest"
)

const (
	theInsert = "insert into spent_"
	theRead   = "select c.attempt"
)

// broken is a node behind a proxy that breaks what it says, and another that
// is well.
type broken struct {
	*cluster
	proxy *faultproxy.Proxy
	sick  *replay.Shared
	well  *replay.Shared
}

func newBroken(t testing.TB) *broken {
	t.Helper()
	c, guards := ready(t, 1)
	b := &broken{cluster: c, proxy: faultproxy.Start(t, c.dsn), well: guards[0]}
	s := openPG(t, b.proxy.DSN(c.dsn), 0)
	s.read.SetMaxOpenConns(1) // so that a cut leaves none
	b.sick = replaytest.Guards(t, []replay.Ledger{s.Ledger()})[0]
	return b
}

// attempt returns whose attempt is kept at a key, or "".
func (b *broken) attempt(n int) string {
	b.Helper()
	var found string
	for ring := range spentRing {
		key := replaytest.Key(n)
		ids, err := selectAll(b.Context(), b.stores[0], func(row scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT encode(attempt, 'hex') FROM spent_`+itoa(ring)+` WHERE key = $1`, key[:])
		if err != nil || len(ids) > 1 || len(ids) == 1 && found != "" {
			b.Fatal(ids, err)
		}
		if len(ids) == 1 {
			found = ids[0]
		}
	}
	return found
}

// Whatever breaks once, the caller learns the truth, and others too.
func TestLostAnswersAreResolved(t *testing.T) {
	b := newBroken(t)
	for n, c := range []struct {
		name   string
		match  func(faultproxy.Request) bool
		action faultproxy.Action
	}{
		{"before the statement", faultproxy.Running(theInsert), faultproxy.CutBefore()},
		{"in the middle of it", faultproxy.Running(theInsert), faultproxy.CutMidway(40)},
		{"before it was to be committed", faultproxy.Running(theInsert), faultproxy.CutMidway(-5)},
		{"after the commit", faultproxy.Running(theInsert), faultproxy.CutAfter()},
		{"before the row", faultproxy.Running(theInsert), faultproxy.CutAnswer('D')},
		{"between row and completion", faultproxy.Running(theInsert), faultproxy.CutAnswer('C')},
		{"between completion and commit", faultproxy.Running(theInsert), faultproxy.CutAnswer('Z')},
		{"serialization failure", faultproxy.Running(theInsert), faultproxy.Fail("40001")},
		{"deadlock", faultproxy.Running(theInsert), faultproxy.Fail("40P01")},
		{"read-only for a while", faultproxy.Running(theInsert), faultproxy.Fail("25006")},
		{"an engine that does not know", faultproxy.Running(theInsert), faultproxy.Fail("40003")},
		{"a server that stops", faultproxy.Running(theInsert), faultproxy.Kill("57P01")},
		{"while it is prepared", faultproxy.Preparing(theInsert), faultproxy.CutAfter()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n == 12 {
				b.proxy.CutAll() // a new connection prepares anew
			}
			f := b.proxy.On(c.match, c.action)
			if err := b.sick.Spend(t.Context(), stampedCode(n, b.now())); err != nil || !f.Hit() {
				t.Errorf("Spend: %v, struck %v", err, f.Hit())
			}
			if b.attempt(n) == "" {
				t.Error("nothing is kept")
			}
			if err := b.well.Spend(t.Context(), stampedCode(n, b.now())); !errors.Is(err, replay.ErrSpent) {
				t.Errorf("Spend on another node: %v", err)
			}
		})
	}
}

// The answer to "why not" may be lost, too.
func TestLostVerdictsAreAskedForAgain(t *testing.T) {
	b := newBroken(t)
	if err := b.well.Spend(t.Context(), stampedCode(1, b.now())); err != nil {
		t.Fatal(err)
	}
	for name, action := range map[string]faultproxy.Action{
		"before": faultproxy.CutBefore(), "after": faultproxy.CutAfter(), "half": faultproxy.CutAnswer('C'), "failure": faultproxy.Fail("40001"),
	} {
		f := b.proxy.On(faultproxy.Running(theRead), action)
		if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); !errors.Is(err, replay.ErrSpent) || !f.Hit() {
			t.Errorf("%s: %v, struck %v", name, err, f.Hit())
		}
	}
}

// Refusals that do not pass are no lost answers, and spend nothing.
func TestPlainFailureSpendsNothing(t *testing.T) {
	b := newBroken(t)
	b.proxy.On(faultproxy.Running(theInsert), faultproxy.Fail("53100"))
	if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); err == nil || errors.Is(err, replay.ErrUnresolved) || errors.Is(err, replay.ErrSpent) {
		t.Errorf("a full disk: %v", err)
	}
	if b.attempt(1) != "" {
		t.Error("something is kept")
	}
	if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The connection is cut and the store stays away: nobody guesses. What another
// node is told later agrees with what was done.
func TestUnreachableAfterACut(t *testing.T) {
	for name, c := range map[string]struct {
		action faultproxy.Action
		spent  bool
	}{
		"before": {faultproxy.CutBefore(), false}, "midway": {faultproxy.CutMidway(-5), false},
		"after": {faultproxy.CutAfter(), true}, "in the answer": {faultproxy.CutAnswer('Z'), true}, "by a server that stops": {faultproxy.Kill("57P01"), true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroken(t)
			if err := b.sick.Spend(t.Context(), stampedCode(0, b.now())); err != nil {
				t.Fatal(err)
			}
			b.proxy.Refuse(-1)
			f := b.proxy.On(faultproxy.Running(theInsert), c.action)
			if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); !errors.Is(err, replay.ErrUnresolved) || !f.Hit() {
				t.Errorf("Spend: %v, struck %v", err, f.Hit())
			}
			want := map[bool]error{true: replay.ErrSpent}[c.spent]
			if err := b.well.Spend(t.Context(), stampedCode(1, b.now())); !errors.Is(err, want) {
				t.Errorf("Spend on another node: %v, want %v", err, want)
			}
			b.proxy.Refuse(0)
			if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); !errors.Is(err, replay.ErrSpent) {
				t.Errorf("Spend when the store is back: %v", err)
			}
		})
	}
}

// A statement still travels when its connection is long gone and its attempt
// was made again.
func TestOrphanedStatement(t *testing.T) {
	for _, c := range []struct {
		name         string
		landsFirst   bool // before the attempt is made again
		othersSecond bool // another node spends the code in between
		sick, well   error
	}{
		{"after the second try", false, false, nil, replay.ErrSpent},
		{"before the second try", true, false, nil, replay.ErrSpent},
		{"before the other node", true, true, nil, replay.ErrSpent},
		{"after the other node", false, true, replay.ErrSpent, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroken(t)
			first, second := make(chan struct{}), make(chan struct{})
			orphan := b.proxy.On(faultproxy.Running(theInsert), faultproxy.Orphan(first))
			again := b.proxy.On(faultproxy.Running(theInsert), faultproxy.Hold(second))
			code := stampedCode(1, b.now())
			told := make(chan error)
			go func() { told <- b.sick.Spend(context.WithoutCancel(t.Context()), code) }()
			<-again.Struck()
			land := func() { close(first); <-orphan.Done() }
			if c.landsFirst {
				land()
			}
			other := func() {
				if err := b.well.Spend(t.Context(), code); !errors.Is(err, c.well) {
					t.Errorf("the other node: %v, want %v", err, c.well)
				}
			}
			if c.othersSecond {
				other()
			}
			close(second)
			if err := <-told; !errors.Is(err, c.sick) {
				t.Errorf("the sick node: %v, want %v", err, c.sick)
			}
			before := b.attempt(1)
			if !c.landsFirst {
				land()
			}
			if after := b.attempt(1); after != before || before == "" {
				t.Errorf("the orphan changed %q to %q", before, after)
			}
			if !c.othersSecond {
				other()
			}
		})
	}
}

// The transaction that gives a table to a later slot may break, too.
func TestBrokenMoves(t *testing.T) {
	for name, action := range map[string]faultproxy.Action{
		"before": faultproxy.CutBefore(), "after": faultproxy.CutAfter(), "serialization failure": faultproxy.Fail("40001"), "deadlock": faultproxy.Fail("40P01"),
	} {
		for _, at := range []string{"commit", "truncate", "update spent_slots"} {
			t.Run(name+" "+at, func(t *testing.T) {
				b := newBroken(t)
				f := b.proxy.On(faultproxy.Running(at), action)
				if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); err != nil || !f.Hit() {
					t.Errorf("Spend: %v, struck %v", err, f.Hit())
				}
				if err := b.well.Spend(t.Context(), stampedCode(1, b.now())); !errors.Is(err, replay.ErrSpent) {
					t.Errorf("Spend on another node: %v", err)
				}
			})
		}
	}
}

// Three nodes spend the same codes while every connection breaks now and then
// in every way: at most one ever succeeds, and one does unless somebody was
// left in doubt.
func TestNeverTwoWinners(t *testing.T) {
	c, _ := ready(t, 1)
	var ledgers []replay.Ledger
	var faults []*faultproxy.Fault
	for node := range 3 {
		proxy := faultproxy.Start(t, c.dsn)
		ledgers = append(ledgers, openPG(t, proxy.DSN(c.dsn), 0).Ledger())
		faults = append(faults, breakNowAndThen(proxy, uint64(node))...)
	}
	guards := replaytest.Guards(t, ledgers)
	const codes = 60
	at := c.now()
	var won, doubt [codes]atomic.Int64
	var all sync.WaitGroup
	for g := range 30 {
		all.Go(func() {
			for i := range codes {
				n := (i + 7*(g/3)) % codes
				switch err := guards[g%3].Spend(context.WithoutCancel(t.Context()), stampedCode(n, at)); {
				case err == nil:
					won[n].Add(1)
				case errors.Is(err, replay.ErrUnresolved):
					doubt[n].Add(1)
				case !errors.Is(err, replay.ErrSpent):
					t.Errorf("code %d: %v", n, err)
				}
			}
		})
	}
	all.Wait()
	for n := range codes {
		if w := won[n].Load(); w > 1 || w == 0 && doubt[n].Load() == 0 {
			t.Errorf("code %d: %d winners, %d in doubt", n, w, doubt[n].Load())
		}
	}
	hits := 0
	for _, f := range faults {
		if f.Hit() {
			hits++
		}
	}
	if hits < 20 {
		t.Errorf("%d faults struck of %d", hits, len(faults))
	}
	if kept := len(c.keys()); kept != codes {
		t.Errorf("%d codes kept of %d", kept, codes)
	}
}

// breakNowAndThen arms faults of every kind, each some requests after the one
// before it.
func breakNowAndThen(proxy *faultproxy.Proxy, seed uint64) (faults []*faultproxy.Fault) {
	r := rand.New(rand.NewPCG(seed, 1))
	open := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(open) })
	ran, due := 0, 0
	proxy.On(func(q faultproxy.Request) bool {
		if q.Kind == faultproxy.Run {
			ran++
		}
		return false
	}, faultproxy.CutBefore())
	for i := range 40 {
		action := []faultproxy.Action{
			faultproxy.CutBefore(), faultproxy.CutMidway(30), faultproxy.CutMidway(-5), faultproxy.CutAfter(), faultproxy.CutAnswer('C'),
			faultproxy.CutAnswer('Z'), faultproxy.Orphan(open), faultproxy.Fail("40001"), faultproxy.Fail("40P01"), faultproxy.Kill("57P01"),
		}[i%10]
		due += 2 + r.IntN(5)
		at := due
		faults = append(faults, proxy.On(func(q faultproxy.Request) bool { return q.Kind == faultproxy.Run && ran >= at }, action))
	}
	return faults
}

// The store fails over: connections break, and for a while none is accepted.
func TestLedgerFailover(t *testing.T) {
	b := newBroken(t)
	if err := b.sick.Spend(t.Context(), stampedCode(0, b.now())); err != nil {
		t.Fatal(err)
	}
	b.proxy.Refuse(3)
	b.proxy.CutAll()
	if err := b.sick.Spend(t.Context(), stampedCode(1, b.now())); err != nil {
		t.Error(err)
	}
	if _, refused := b.proxy.Counts(); refused != 3 {
		t.Errorf("%d connections refused: the failover was not seen", refused)
	}
	b.proxy.Refuse(-1)
	b.proxy.CutAll()
	if err := b.sick.Spend(t.Context(), stampedCode(2, b.now())); err == nil {
		t.Error("spent without a store")
	} else if fmt.Sprint(err) == "" {
		t.Error("without a word")
	}
	b.proxy.Refuse(0)
	if err := b.sick.Spend(t.Context(), stampedCode(2, b.now())); err != nil {
		t.Errorf("after the failover: %v", err)
	}
}
