// Package pgtest gives tests a real PostgreSQL: a server of its own in a
// temporary directory, run by an ordinary user, and a new database for each
// test.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// server is the one server of a test process.
type server struct {
	dir    string
	port   int
	cmd    *exec.Cmd
	output bytes.Buffer
	err    error
}

var (
	once sync.Once
	the  server
	made atomic.Int64
)

// Main runs a package's tests and stops the server afterwards, if any of them
// used it. It returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	the.stop()
	return code
}

// Database returns the address of a new, empty database.
func Database(tb testing.TB) string {
	tb.Helper()
	once.Do(func() { the.err = the.start() })
	if the.err != nil {
		tb.Fatalf("PostgreSQL for the tests: %v\n%s", the.err, the.output.String())
	}
	return the.create(tb, "template0")
}

// Copy returns the address of a new database that is a copy of another that
// Database returned, to which nobody may be connected.
func Copy(tb testing.TB, dsn string) string {
	tb.Helper()
	address, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	return the.create(tb, path.Base(address.Path))
}

// create makes a database from a template.
func (s *server) create(tb testing.TB, template string) (dsn string) {
	tb.Helper()
	name := fmt.Sprintf("test_%d", made.Add(1))
	if err := s.exec(tb.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		tb.Fatal(err)
	}
	return s.dsn(name)
}

// Exec runs a statement as the server's owner, outside any test database.
func Exec(tb testing.TB, statement string) {
	tb.Helper()
	if err := the.exec(tb.Context(), statement); err != nil {
		tb.Fatal(err)
	}
}

func (s *server) dsn(database string) string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

func (s *server) exec(ctx context.Context, statement string) error {
	db, err := sql.Open("pgx", s.dsn("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

func (s *server) start() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "hallmark-pg-"); err != nil {
		return err
	}
	owner, err := ordinaryUser(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if err := s.run(initdb, owner); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	// fsync is off because no test cuts the power of this server; what a commit
	// means to the client is the same.
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200")
	s.prepare(s.cmd, owner)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.await()
}

// prepare sets who a command runs as and where its output goes.
func (s *server) prepare(cmd *exec.Cmd, owner *syscall.Credential) {
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
}

func (s *server) run(cmd *exec.Cmd, owner *syscall.Credential) error {
	s.prepare(cmd, owner)
	return cmd.Run()
}

// startTimeout is how long the server may take until it answers.
const startTimeout = time.Minute

func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // at once: nothing in it is kept
		_ = s.cmd.Wait()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// install asks Debian for the server, one process of several tests at a time.
const install = `flock /tmp/hallmark-install.lock sh -c '
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql'`

// binaries finds the server's programs, which Debian keeps out of the PATH,
// and installs its package where that is possible.
func binaries() (string, error) {
	if dir, ok := findBinaries(); ok {
		return dir, nil
	}
	if _, err := exec.LookPath("apt-get"); err == nil && os.Getuid() == 0 {
		if out, err := exec.Command("sh", "-c", install).CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get install postgresql: %w\n%s", err, out)
		}
	}
	if dir, ok := findBinaries(); ok {
		return dir, nil
	}
	return "", errors.New("the programs initdb and postgres (15 or newer) are needed: install PostgreSQL (Debian: apt-get install postgresql)")
}

func findBinaries() (string, bool) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for i := len(dirs) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dirs[i], "initdb")); err == nil {
			return dirs[i], true
		}
	}
	path, err := exec.LookPath("initdb")
	return filepath.Dir(path), err == nil
}

// ordinaryUser gives the directory to a user who may run the server, which
// refuses root; nil is the user of this process.
func ordinaryUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	var u *user.User
	var err error
	for _, name := range []string{"postgres", "nobody"} {
		if u, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	err = errors.Join(err1, err2, os.Chown(dir, uid, gid), os.Chmod(dir, fs.FileMode(0o700)))
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
