package store

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/faultproxy"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// proxied is a filled store behind a proxy, and a way past it.
type proxied struct {
	*testing.T
	proxy  *faultproxy.Proxy
	store  *Store
	direct *Store
}

func newProxied(t *testing.T) *proxied {
	t.Helper()
	dsn, again := used(t)
	p := &proxied{T: t, proxy: faultproxy.Start(t, dsn), direct: open(t, dsn)}
	if again {
		p.reset()
	} else {
		p.keep()
	}
	o := options(p.proxy.DSN(dsn))
	o.Random = rand.Reader // not what the other store draws
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.read.SetMaxOpenConns(1)
	p.store = s
	return p
}

// free are the databases that no test uses now, "" for one that is not made
// yet. To make one takes ten times as long as to put it back as fill left it.
var free = make(chan string, 4)

func init() {
	for range cap(free) {
		free <- ""
	}
}

// used returns the address of a database that others used before, or of a new
// one, filled.
func used(t *testing.T) (dsn string, again bool) {
	t.Helper()
	dsn = <-free
	t.Cleanup(func() { free <- dsn })
	if again = dsn != ""; !again {
		dsn = filled["postgres"](t)
	}
	return dsn, again
}

// keep puts a copy of each table aside.
func (p *proxied) keep() {
	p.Helper()
	p.run("CREATE SCHEMA kept")
	for _, table := range tables(p.T) {
		p.run("CREATE TABLE kept." + table + " AS TABLE " + table)
	}
}

// reset fills each table from its copy.
func (p *proxied) reset() {
	p.Helper()
	all := tables(p.T)
	for _, table := range slices.Backward(all) { // first what refers to others
		p.run("DELETE FROM " + table)
	}
	for _, table := range all {
		p.run("INSERT INTO " + table + " SELECT * FROM kept." + table)
	}
}

// run runs a statement past the proxy.
func (p *proxied) run(statement string) {
	p.Helper()
	if _, err := p.direct.read.ExecContext(p.Context(), statement); err != nil {
		p.Fatal(err)
	}
}

// drawn are the values that each run of a transaction draws anew, or reads from
// the engine's clock.
var drawn = regexp.MustCompile(`\b(id|epoch|began|mac)=\S+ |\bat=\S+ (kind=)`)

// rows is the whole store without what is drawn.
func (p *proxied) rows() contents {
	p.Helper()
	all := dump(p.T, p.direct)
	for _, rows := range all {
		for i := range rows {
			rows[i] = drawn.ReplaceAllString(rows[i], "$2")
		}
		slices.Sort(rows)
	}
	return all
}

// statement matches the first statement inside a transaction.
func statement(r faultproxy.Request) bool {
	text := strings.ToLower(r.SQL)
	return r.Kind == faultproxy.Run && (strings.HasPrefix(text, "insert") || strings.HasPrefix(text, "update") ||
		strings.HasPrefix(text, "delete") || strings.HasPrefix(text, "select id, at, org"))
}

// outcome returns the store after a write that nothing disturbs, and undoes it.
func (p *proxied) outcome(write func(context.Context, *Store) error) contents {
	p.Helper()
	defer p.reset()
	if err := write(p.Context(), p.direct); err != nil {
		p.Fatal(err)
	}
	return p.rows()
}

// Every write is made again when its transaction lost against another, or its
// connection before the commit; and it is made once.
func TestEveryWriteIsRetried(t *testing.T) {
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t)
			want := p.outcome(write)
			faults := []*faultproxy.Fault{
				p.proxy.On(statement, faultproxy.Fail("40P01")),
				p.proxy.On(statement, faultproxy.CutAfter()),
				p.proxy.On(faultproxy.Running("commit"), faultproxy.Fail("40001")),
			}
			if err := write(t.Context(), p.store); err != nil {
				t.Error(err)
			}
			for i, f := range faults {
				if !f.Hit() {
					t.Errorf("fault %d did not strike", i)
				}
			}
			if diff := cmp.Diff(want, p.rows()); diff != "" {
				t.Errorf("made again, it left something else:\n%s", diff)
			}
		})
	}
}

// A lost commit is reported as what it is, and is all or nothing.
func TestEveryCommitMayBeLost(t *testing.T) {
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t)
			want, before := p.outcome(write), p.rows()
			f := p.proxy.On(faultproxy.Running("commit"), faultproxy.CutBefore())
			if err := write(t.Context(), p.store); !errors.Is(err, ErrUnknown) || !f.Hit() {
				t.Errorf("lost on its way: %v", err)
			}
			if diff := cmp.Diff(before, p.rows()); diff != "" {
				t.Errorf("lost on its way, and done:\n%s", diff)
			}
			f = p.proxy.On(faultproxy.Running("commit"), faultproxy.CutAfter())
			if err := write(t.Context(), p.store); !errors.Is(err, ErrUnknown) || !f.Hit() {
				t.Fatalf("answer lost: %v", err)
			}
			<-f.Done()
			if diff := cmp.Diff(want, p.rows()); diff != "" {
				t.Errorf("answer lost, and not what the write does:\n%s", diff)
			}
		})
	}
}

// reads are the ways to read that a request may depend on.
var reads = map[string]func(context.Context, *Store) (any, error){
	"Meta":          func(ctx context.Context, s *Store) (any, error) { return s.Meta(ctx, "none") },
	"Orgs":          func(ctx context.Context, s *Store) (any, error) { return s.Orgs(ctx) },
	"Product":       func(ctx context.Context, s *Store) (any, error) { return s.Product(ctx, "P1") },
	"Products":      func(ctx context.Context, s *Store) (any, error) { return s.Products(ctx, 1) },
	"DeviceByID2":   func(ctx context.Context, s *Store) (any, error) { return s.DeviceByID2(ctx, 1, testDevice(1).ID2) },
	"DeviceByAsset": func(ctx context.Context, s *Store) (any, error) { return s.DeviceByAsset(ctx, 1, testDevice(1).Asset) },
	"DevicesByID2": func(ctx context.Context, s *Store) (any, error) {
		return s.DevicesByID2(ctx, 1, []string{testDevice(1).ID2, testDevice(2).ID2})
	},
	"Devices": func(ctx context.Context, s *Store) (any, error) {
		return s.Devices(ctx, 1, registry.DeviceFilter{Limit: 9}, testTime)
	},
	"Licences": func(ctx context.Context, s *Store) (any, error) {
		return s.Licences(ctx, 1, registry.LicenceFilter{Limit: 9})
	},
	"ProductByToken": func(ctx context.Context, s *Store) (any, error) {
		return s.ProductByToken(ctx, 1, testProduct("P1").SecretHash)
	},
	"Fingerprint": func(ctx context.Context, s *Store) (any, error) {
		return s.Fingerprint(ctx, 1, testReprovisioning().Fingerprint, []byte("code"))
	},
	"Client":  func(ctx context.Context, s *Store) (any, error) { return s.Client(ctx, "AK1") },
	"Clients": func(ctx context.Context, s *Store) (any, error) { return s.Clients(ctx, 1) },
	"AuditEvents": func(ctx context.Context, s *Store) (any, error) {
		return s.AuditEvents(ctx, registry.AuditFilter{Limit: 9})
	},
	"Nodes":         func(ctx context.Context, s *Store) (any, error) { return s.Nodes(ctx) },
	"EpochBegan":    func(ctx context.Context, s *Store) (any, error) { return s.EpochBegan(ctx, 1) },
	"ChallengeKeys": func(ctx context.Context, s *Store) (any, error) { return s.ChallengeKeys(ctx) },
}

// Every read is made again when something breaks, and answers as if nothing had.
func TestEveryReadIsRetried(t *testing.T) {
	p := newProxied(t)
	selects := faultproxy.Running("select")
	for name, read := range reads {
		want, wantErr := read(t.Context(), p.direct)
		for how, action := range map[string]faultproxy.Action{
			"before": faultproxy.CutBefore(), "after": faultproxy.CutAfter(), "row": faultproxy.CutAnswer('D'), "end": faultproxy.CutAnswer('C'),
			"serialization failure": faultproxy.Fail("40001"), "stopping": faultproxy.Kill("57P01"),
		} {
			f := p.proxy.On(selects, action)
			got, err := read(t.Context(), p.store)
			if !f.Hit() || !errors.Is(err, wantErr) {
				t.Errorf("%s, %s: %v, struck %v", name, how, err, f.Hit())
			}
			if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Errorf("%s, %s:\n%s", name, how, diff)
			}
		}
	}
}

// All connections break and no new one is accepted for a while: what is asked
// meanwhile waits, up to a bound, and then everything works again.
func TestFailover(t *testing.T) {
	p := newProxied(t)
	for name, do := range map[string]func() error{
		"write": func() error {
			_, err := p.store.ClaimMeta(t.Context(), "failover", map[string][]byte{"failover": {1}})
			return err
		},
		"read": func() error { _, err := p.store.Product(t.Context(), "P1"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := p.proxy.Counts()
			p.proxy.Refuse(3)
			p.proxy.CutAll()
			if err := do(); err != nil {
				t.Error(err)
			}
			if _, now := p.proxy.Counts(); now-refused != 3 {
				t.Errorf("%d connections refused", now-refused)
			}
			p.proxy.Refuse(-1)
			p.proxy.CutAll()
			if err := do(); err == nil || errors.Is(err, ErrUnknown) {
				t.Errorf("without a server: %v", err)
			}
			p.proxy.Refuse(0)
			if err := do(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
