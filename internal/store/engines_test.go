package store

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/pgtest"
)

const testTime = 1_700_000_000_000

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// engines are the addresses of a new, empty store on every engine.
var engines = map[string]func(testing.TB) string{
	"sqlite":   func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "test.db") },
	"postgres": pgtest.Database,
}

// filled are the addresses of a new store with what fill makes, on every
// engine. They are copies of one that is made once: to make the tables and fill
// them takes longer than most tests.
var filled = map[string]func(testing.TB) string{
	"sqlite": func(tb testing.TB) string {
		file := filepath.Join(tb.TempDir(), "test.db")
		if err := os.WriteFile(file, theFile(tb), 0o600); err != nil {
			tb.Fatal(err)
		}
		return "sqlite:" + file
	},
	"postgres": func(tb testing.TB) string { return pgtest.Copy(tb, theDatabase(tb)) },
}

// theFile is a filled SQLite database.
var theFile = madeOnce(func(tb testing.TB) []byte {
	dsn := fillNew(tb, "sqlite")
	file, _ := Embedded(dsn)
	whole, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return whole
})

// theDatabase is the address of a filled PostgreSQL database nobody is
// connected to.
var theDatabase = madeOnce(func(tb testing.TB) string { return fillNew(tb, "postgres") })

// fillNew fills a new store and closes it, which leaves all in one file.
func fillNew(tb testing.TB, engine string) (dsn string) {
	tb.Helper()
	o := options(engines[engine](tb))
	o.Random = drawing(8) // not what the tests draw
	s, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	fill(tb, s)
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return o.DSN
}

// madeOnce makes what whoever needs it first makes for all.
func madeOnce[T any](by func(testing.TB) T) func(testing.TB) T {
	var once sync.Once
	var made T
	return func(tb testing.TB) T {
		once.Do(func() { made = by(tb) })
		return made
	}
}

// onEach runs a test against a new, empty store on every engine.
func onEach(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) { test(t, dsn(t)) })
	}
}

// onEachFilled runs a test against a store with what fill makes, on every
// engine.
func onEachFilled(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	for name, dsn := range filled {
		t.Run(name, func(t *testing.T) { test(t, open(t, dsn(t))) })
	}
}

func options(dsn string) Options {
	return Options{DSN: dsn, driver: "sqlite-faulty", Random: drawing(7),
		Now: func() time.Time { return time.UnixMilli(testTime) }}
}

// drawing returns the same sequence for the same seed.
func drawing(seed byte) io.Reader { return &lockedRandom{r: rand.NewChaCha8([32]byte{seed})} }

type lockedRandom struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func open(tb testing.TB, dsn string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), options(dsn))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}
