// Package pages opens as many first pages of the console as a large office has
// people, and looks what that costs the server.
package pages

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
)

const (
	openPages = 10_000
	tabs      = 4 // of each browser
	openers   = 64
	// target is what the server may take with all of them open.
	target = 500 << 20
)

// start runs the real binary, which takes this machine for a proxy: each browser
// comes from an address of its own.
func start(t *testing.T) (p *process.Process, token string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "hallmark")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/hallmark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p, err := process.Start(t.Context(), binary, filepath.Join(dir, "ready"), "serve", "--data", filepath.Join(dir, "data"),
		"--listen", "127.0.0.1:0", "--log-level", "warn", "--trusted-proxy", "127.0.0.0/8",
		"--max-connections", strconv.Itoa(openPages+1000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	text, err := os.ReadFile(filepath.Join(dir, "data", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	token = strings.TrimSpace(string(text))
	op := operator.NewClient(operator.ClientOptions{URL: p.URL, Token: token})
	if _, err := op.CreateAccount(t.Context(), operator.AccountSpec{Name: "li", Role: "viewer"}); err != nil {
		t.Fatal(err)
	}
	return p, token
}

var openLine = regexp.MustCompile(`(?m)^hallmark_scan_open_pages (\d+)$`)

// watching is how many pages the server says are open.
func watching(t *testing.T, p *process.Process, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := openLine.FindSubmatch(text)
	if m == nil {
		t.Fatal("there is no metric hallmark_scan_open_pages")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// firstPage loads the first page and returns its cookie.
func firstPage(ctx context.Context, client *http.Client, url string, n int) (*http.Cookie, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/console/login", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	for _, c := range res.Cookies() {
		if c.Name == "hallmark-scan" {
			return c, nil
		}
	}
	return nil, fmt.Errorf("page %d has no code: %s", n, res.Status)
}

// listen opens the stream of a page and returns once it has told the state. It
// holds the bare connection: the test must not be what takes the memory.
func listen(address string, c *http.Cookie) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET /console/login/events HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nAccept: text/event-stream\r\n\r\n", address, c.Name, c.Value); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), `data: {"state":"created"`) {
			return conn, nil
		}
	}
	return nil, errors.Join(errors.New("the stream ended"), conn.Close())
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)

// resident is how much memory a process has.
func resident(t *testing.T, p *process.Process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal("the memory of a process can be read on Linux only: ", err)
	}
	m := residentLine.FindSubmatch(text)
	if m == nil {
		t.Fatal("no VmRSS in /proc/PID/status")
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// moreFiles lets this process, and those it starts, have a file for each page.
func moreFiles(t *testing.T) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if limit.Max < openPages+1000 {
		t.Fatalf("this test needs %d open files, %d are allowed: raise the limit (ulimit -Hn)", openPages+1000, limit.Max)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

func TestOpenPages(t *testing.T) {
	moreFiles(t)
	p, token := start(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: openers}}
	defer client.CloseIdleConnections()
	before, began := resident(t, p), time.Now()
	conns := make([]net.Conn, openPages)
	var next atomic.Int64
	var all sync.WaitGroup
	for range openers {
		all.Go(func() {
			for n := next.Add(tabs) - tabs; n < openPages && !t.Failed(); n = next.Add(tabs) - tabs {
				c, err := firstPage(t.Context(), client, p.URL, int(n))
				for i := 0; i < tabs && err == nil; i++ {
					conns[int(n)+i], err = listen(p.Address(), c)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	with := resident(t, p)
	if got := watching(t, p, token); got != openPages {
		t.Errorf("the server says that %d pages are open", got)
	}
	t.Logf("%d pages in %v: %d MiB, %d before; %d bytes a page", openPages, time.Since(began).Round(time.Second), with>>20, before>>20, (with-before)/openPages)
	if with > target {
		t.Errorf("the server takes %d MiB, more than %d", with>>20, int64(target)>>20)
	}
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
	began = time.Now()
	if err := p.Stop(); err != nil {
		t.Errorf("the server did not stop in order: %v", err)
	}
	t.Logf("it stopped in %v", time.Since(began).Round(time.Second))
}
