// Package hostile attacks a server through real sockets and sees that it goes on
// answering meanwhile, and that nothing of the attack is left: no goroutine, no
// connection, no memory.
package hostile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/server"
)

// target is a server in this process, which runs nothing else.
type target struct {
	t       *testing.T
	address string
	admin   string // base URL of the operator API
	token   string
	client  *http.Client

	goroutines int
	heap       uint64
}

// patience bounds every wait; what is waited for is a condition, not this.
const patience = 2 * time.Minute

// newTarget starts a server and notes how much it holds at rest.
func newTarget(t *testing.T, change func(*server.Config)) *target {
	t.Helper()
	dir := t.TempDir()
	config := server.Config{DataDir: dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0"}
	if change != nil {
		change(&config)
	}
	s, err := server.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	token, err := os.ReadFile(filepath.Join(dir, server.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(s.URL(), "://")
	tg := &target{t: t, address: address, admin: s.AdminURL(), token: strings.TrimSpace(string(token)),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}}
	for range 3 { // what is made at first use is no leak
		tg.answers()
		tg.metric("hallmark_connections")
		tg.converse(tg.dial(""), request("GET", "/?Action=Verify", ""))
	}
	tg.await("the server comes to rest", func() bool { return tg.metric("hallmark_connections") == 0 })
	tg.goroutines, tg.heap = runtime.NumGoroutine(), heap()
	return tg
}

// heap is the memory in use once what nobody refers to is gone.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // for what finalizers and pools held on to
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// await polls a condition until it holds.
func (tg *target) await(what string, holds func() bool) {
	tg.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tg.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// answers checks that the server answers a stranger's request.
func (tg *target) answers() {
	tg.t.Helper()
	resp, err := tg.client.Get("http://" + tg.address + "/healthz")
	if err != nil {
		tg.t.Fatalf("the server does not answer: %v", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		tg.t.Fatalf("the server does not answer: %s %v", resp.Status, err)
	}
}

// metric reads a metric of the public listener, by way of the admin one.
func (tg *target) metric(name string) int {
	tg.t.Helper()
	r, err := http.NewRequest("GET", tg.admin+"/metrics", nil)
	if err != nil {
		tg.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tg.token)
	resp, err := tg.client.Do(r)
	if err != nil {
		tg.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	m := regexp.MustCompile(`(?m)^` + name + `\{listener="public"\} (\d+)`).FindSubmatch(text)
	if err != nil || m == nil {
		tg.t.Fatalf("%s is not among the metrics: %s %v", name, resp.Status, err)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		tg.t.Fatal(err)
	}
	return n
}

// heapSlack is what caches and pools may have grown by.
const heapSlack = 8 << 20

// calm checks that nothing of an attack is left.
func (tg *target) calm() {
	tg.t.Helper()
	tg.answers()
	tg.await("connections are given back", func() bool { return tg.metric("hallmark_connections") == 0 })
	tg.client.CloseIdleConnections()
	tg.await("goroutines end", func() bool { return runtime.NumGoroutine() <= tg.goroutines })
	if now := heap(); now > tg.heap+heapSlack {
		tg.t.Errorf("the heap grew from %d to %d bytes", tg.heap, now)
	}
}

// dial opens a connection, from an address if one is given.
func (tg *target) dial(from string) net.Conn {
	tg.t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", tg.address)
	if err != nil {
		tg.t.Fatal(err)
	}
	tg.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		tg.t.Fatal(err)
	}
	return c
}

// request is the text of one.
func request(method, path, body string, headers ...string) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n", method, path)
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body))
	}
	if len(headers) > 0 {
		head += strings.Join(headers, "\r\n") + "\r\n"
	}
	return head + "\r\n" + body
}

// converse sends text on a connection, and closes it after the first answer,
// whose status it returns; 0 is none. A server may refuse before it has read all.
func (tg *target) converse(c net.Conn, text string) int {
	tg.t.Helper()
	defer c.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, text) // the server may have heard enough
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		_ = c.Close()
		<-sent
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = c.Close()
	<-sent
	return resp.StatusCode
}

// ended waits until the server has closed a connection, and returns what it sent.
func ended(t *testing.T, c net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("the server did not close the connection")
	}
	return string(text)
}
