package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations returns the schema changes in order; the number of each is its
// place in the list, beginning with 1.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	texts := make([]string, len(names))
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

// migrate brings the schema up to date, each step in one transaction together
// with its number. Of several nodes that start at once one makes each step:
// the others fail on a name that is already there and look again.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.migrateOnce(ctx, steps)
		if err == nil || try == maxTries || !madeByAnother(err) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// madeByAnother knows the SQLSTATEs of a node that made the same thing first:
// unique violation (in the catalogue, too), table or object exists.
func madeByAnother(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == "23505" || server.Code == "42P07" || server.Code == "42710")
}

func (s *Store) migrateOnce(ctx context.Context, steps []string) error {
	err := s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	var have int
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&have); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if have > len(steps) {
		return fmt.Errorf("schema version %d, this program knows %d: %w", have, len(steps), ErrNewer)
	}
	for n := have + 1; n <= len(steps); n++ {
		if err := s.write(ctx, func(tx txn) error { return s.step(tx, n, steps[n-1]) }); err != nil {
			return fmt.Errorf("schema step %d: %w", n, err)
		}
	}
	return nil
}

// step makes one change. Its number comes first: a second node waits there, and
// fails before it has changed anything.
func (s *Store) step(tx txn, n int, text string) error {
	if _, err := tx.Exec(`INSERT INTO schema_version (version) VALUES (` + strconv.Itoa(n) + `)`); err != nil {
		return err
	}
	for _, stmt := range strings.Split(stripComments(s.engine.replace.Replace(text)), ";") {
		if strings.TrimSpace(stmt) == "" {
			continue
		}
		if _, err := tx.Exec(stmt); err != nil {
			return err
		}
	}
	return nil
}

// stripComments drops "-- …" to the end of each line, so that a semicolon in a
// comment ends no statement.
func stripComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "--")
		b.WriteString(strings.TrimRight(code, "\n") + "\n")
	}
	return b.String()
}
