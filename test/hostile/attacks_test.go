package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/server"
)

// drip keeps connections alive a byte at a time until the server ends them.
func (tg *target) drip(conns []net.Conn, start, drop string) {
	tg.t.Helper()
	var group sync.WaitGroup
	for _, c := range conns {
		if _, err := io.WriteString(c, start); err != nil {
			tg.t.Fatal(err)
		}
		group.Go(func() {
			for {
				if _, err := io.WriteString(c, drop); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond) // the rate of the attack
			}
		})
	}
	tg.answers()
	for _, c := range conns {
		ended(tg.t, c)
		_ = c.Close()
	}
	group.Wait()
}

func (tg *target) dialMany(n int) []net.Conn {
	tg.t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = tg.dial("")
	}
	return conns
}

// TestSlowHeaders: whoever sends a header a line at a time is cut off.
func TestSlowHeaders(t *testing.T) {
	tg := newTarget(t, nil)
	tg.drip(tg.dialMany(200), "GET /?Action=Verify HTTP/1.1\r\nHost: x\r\n", "X-A: b\r\n")
	tg.calm()
}

// TestSlowBody: and so is who sends a body a byte at a time.
func TestSlowBody(t *testing.T) {
	tg := newTarget(t, nil)
	tg.drip(tg.dialMany(200), "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n", "a")
	tg.calm()
}

// TestHugeHeaders: a header over the bound is refused without reading it all.
func TestHugeHeaders(t *testing.T) {
	tg := newTarget(t, nil)
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: y", i)
	}
	var group sync.WaitGroup
	for range 20 {
		for name, text := range map[string]string{
			"a long line":     request("GET", "/", "", "X-A: "+strings.Repeat("x", 1<<20)),
			"many lines":      request("GET", "/", "", many...),
			"a long path":     request("GET", "/"+strings.Repeat("x", 1<<20), ""),
			"a long query":    request("GET", "/?Id2="+strings.Repeat("x", 1<<20), ""),
			"a long name":     request("GET", "/", "", strings.Repeat("x", 1<<20)+": y"),
			"a line unending": "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("x", 4<<20),
		} {
			c := tg.dial("")
			group.Go(func() { // at once: the server waits a moment before it closes on who still sends
				if status := tg.converse(c, text); status != http.StatusRequestHeaderFieldsTooLarge && status != 0 {
					t.Errorf("%s: %d", name, status)
				}
			})
		}
	}
	group.Wait()
	tg.calm()
}

// TestParameterFlood: as many parameters as fit are refused, wherever they are.
func TestParameterFlood(t *testing.T) {
	tg := newTarget(t, nil)
	pairs := strings.Repeat("a=&", 20_000)
	for range 50 {
		for name, text := range map[string]string{
			"query":         request("GET", "/?"+pairs, ""),
			"body":          request("POST", "/", pairs),
			"bare":          request("POST", "/", strings.Repeat("&", 60_000)),
			"encoded":       request("POST", "/", strings.Repeat("%61=%62&", 8000)),
			"of headers":    request("GET", "/?Action=Verify", "", strings.Split(strings.Repeat("x-acs-a: b,", 4000)+"x: y", ",")...),
			"signed names":  request("GET", "/", "", "Authorization: ACS3-HMAC-SHA256 Credential=x,Signature=00,SignedHeaders="+strings.Repeat("a;", 30_000)),
			"of large body": request("POST", "/", strings.Repeat("a=b&", 1<<18)),
		} {
			if status := tg.converse(tg.dial(""), text); status < 400 || status > 499 {
				t.Errorf("%s: %d", name, status)
			}
		}
	}
	tg.calm()
}

// TestPipelining: requests that are sent before the answers come are answered in
// order, and who does not take the answers is no burden.
func TestPipelining(t *testing.T) {
	tg := newTarget(t, nil)
	const n = 500
	c := tg.dial("")
	go func() {
		for i := range n {
			if _, err := io.WriteString(c, request("GET", fmt.Sprintf("/?Action=%d&Format=JSON&Version=%d", i, i), "")); err != nil {
				return
			}
		}
	}()
	answers := bufio.NewReader(c)
	for i := range n {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(text), "Code") {
			t.Fatalf("answer %d: %s %v", i, text, err)
		}
	}
	_ = c.Close()
	for range 20 {
		deaf := tg.dial("")
		_ = deaf.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // until both sides' buffers are full, or as far as it gets
		_, _ = io.WriteString(deaf, strings.Repeat(request("GET", "/?Action=Verify", ""), 100_000))
		_ = deaf.Close()
	}
	tg.calm()
}

// TestHalfClosed: who has sent all and closed its side gets an answer; who has
// closed it within a request gets an end.
func TestHalfClosed(t *testing.T) {
	tg := newTarget(t, nil)
	for text, answered := range map[string]bool{
		request("GET", "/?Action=Verify", ""): true,
		request("POST", "/", "Action=Verify"): true,
		"":                                    false,
		"GET / HT":                            false,
		"GET / HTTP/1.1\r\nHost: x\r\n":       false,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nabc": true, // by a refusal
	} {
		for range 50 {
			c := tg.dial("")
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got := ended(t, c)
			if strings.Contains(got, "<Code>") != answered {
				t.Errorf("%q: %q", text, got)
			}
			_ = c.Close()
		}
	}
	tg.calm()
}

// TestConnectionsAreBounded: past the bounds, in all and per address, new
// connections are closed; a place that comes free is given anew.
func TestConnectionsAreBounded(t *testing.T) {
	tg := newTarget(t, func(c *server.Config) { c.Connections, c.AddressConnections = 20, 8 })
	refused := tg.metric("hallmark_connections_refused_total")
	fill := func(from string, want int) (held []net.Conn) {
		t.Helper()
		for range 30 {
			c := tg.dial(from)
			_, _ = io.WriteString(c, request("GET", "/healthz", ""))
			if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode == http.StatusOK {
				held = append(held, c)
				continue
			}
			refused++
			_ = c.Close()
		}
		if len(held) != want {
			t.Errorf("%s has %d connections, want %d", from, len(held), want)
		}
		return held
	}
	first := fill("127.0.0.2", 8)
	fill("127.0.0.3", 8)
	fill("127.0.0.4", 4)
	if got := tg.metric("hallmark_connections_refused_total"); got != refused {
		t.Errorf("%d were refused, %d counted", refused, got)
	}
	_ = first[0].Close()
	tg.await("a place comes free", func() bool { return tg.metric("hallmark_connections") == 19 })
	fill("127.0.0.5", 1)
}
