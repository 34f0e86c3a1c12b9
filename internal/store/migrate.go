package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one change of the schema.
type migration struct {
	number int // of its file: 0001_registry.sql is 1
	text   string
}

// migrations returns the schema changes in the order of their numbers.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	steps := make([]migration, len(names))
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(path.Base(name), "_")
		if steps[i].number, err = strconv.Atoi(number); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		steps[i].text = string(text)
	}
	return steps, nil
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
		// Whoever loses a step loses it to a node that made it, once for each step.
		if err == nil || try == maxTries+len(steps) || !madeByAnother(err) {
			return err
		}
		if err := pause(ctx, min(try, maxTries)); err != nil {
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

// migrateOnce makes the steps that are missing, also those that came into the
// program after later ones.
func (s *Store) migrateOnce(ctx context.Context, steps []migration) error {
	err := s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT version FROM schema_version ORDER BY version`)
	have, err := collect(rows, err, scanInt)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if last := steps[len(steps)-1].number; len(have) > 0 && int(have[len(have)-1]) > last {
		return fmt.Errorf("schema version %d, this program knows %d: %w", have[len(have)-1], last, ErrNewer)
	}
	for _, m := range steps {
		if slices.Contains(have, int64(m.number)) {
			continue
		}
		if err := s.write(ctx, func(tx txn) error { return s.step(tx, m) }); err != nil {
			return fmt.Errorf("schema step %d: %w", m.number, err)
		}
	}
	return nil
}

// step makes one change. Its number comes first: a second node waits there, and
// fails before it has changed anything.
func (s *Store) step(tx txn, m migration) error {
	if _, err := tx.Exec(`INSERT INTO schema_version (version) VALUES (` + strconv.Itoa(m.number) + `)`); err != nil {
		return err
	}
	for _, stmt := range strings.Split(stripComments(s.engine.replace.Replace(m.text)), ";") {
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
