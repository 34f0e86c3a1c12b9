package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// server answers over pipes, under the clock of a bubble. The path of a request
// is the time it takes, and its answer "ok"; or one of "refuse", "break", "last".
type server struct {
	wg      sync.WaitGroup
	mu      sync.Mutex
	dialled int
	arrived []time.Time
}

func (s *server) dial(context.Context) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialled++
	here, there := net.Pipe()
	s.wg.Go(func() { s.serve(there) })
	return here, nil
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.arrived = append(s.arrived, time.Now())
		s.mu.Unlock()
		what, status, body, header := strings.TrimPrefix(req.URL.Path, "/"), 200, "ok", ""
		switch what {
		case "refuse":
			status, body = 403, "no"
		case "break":
			return
		case "last":
			header = "Connection: close\r\n"
		default:
			d, err := time.ParseDuration(what)
			if err != nil {
				panic(err)
			}
			time.Sleep(d)
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body); err != nil || header != "" {
			return
		}
	}
}

func judge(status int, body []byte) (code, message string) {
	if status == http.StatusOK && string(body) == "ok" {
		return "", ""
	}
	return fmt.Sprint(status), string(body)
}

func of(paths ...string) []Request {
	var requests []Request
	for _, p := range paths {
		requests = append(requests, Request("GET /"+p+" HTTP/1.1\r\nHost: x\r\n\r\n"))
	}
	return requests
}

// newGenerator sends to s, and sleeps by the clock of the bubble.
func newGenerator(s *server, connections int) *Generator {
	g := New(Options{Dial: s.dial, Connections: connections, Judge: judge})
	g.sleep = time.Sleep
	return g
}

// In the open loop requests go out at their times, to the nanosecond.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		g := newGenerator(&s, 3)
		defer g.Close()
		var tally Tally
		began := time.Now()
		if err := g.Run(t.Context(), of(slices.Repeat([]string{"0s"}, 250)...), 1000, &tally); err != nil {
			t.Fatal(err)
		}
		for i, at := range s.arrived {
			if want := began.Add(time.Duration(i) * time.Millisecond); !at.Equal(want) {
				t.Fatalf("request %d at %v, want %v", i, at.Sub(began), want.Sub(began))
			}
		}
		f := tally.Figures()
		if f.Succeeded != 250 || f.Max != 0 || f.Seconds != 0.249 || g.behind != 0 {
			t.Errorf("%+v, %v behind", f, g.behind)
		}
	})
}

// A server that stalls once is not flattered: the requests that were due while it
// did are late, and that is their latency. The closed loop does not see it.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := of(append([]string{"1s"}, slices.Repeat([]string{"0s"}, 99)...)...)
		for rate, want := range map[float64]Figures{
			// Request i is due after 10·i ms; all are answered after a second.
			100: {Succeeded: 100, Seconds: 1, Rate: 100, P50: 500_000, P99: 990_000, P999: 1_000_000, Max: 1_000_000},
			0:   {Succeeded: 100, Seconds: 1, Rate: 100, P50: 0, P99: 0, P999: 1_000_000, Max: 1_000_000},
		} {
			var s server
			g := newGenerator(&s, 1)
			var tally Tally
			if err := g.Run(t.Context(), requests, rate, &tally); err != nil {
				t.Fatal(err)
			}
			g.Close()
			got := tally.Figures()
			for _, q := range [][2]float64{{got.P50, want.P50}, {got.P99, want.P99}, {got.P999, want.P999}, {got.Max, want.Max}} {
				if q[0] < q[1] || q[0] > q[1]*1.01 {
					t.Errorf("rate %v: %+v, want %+v", rate, got, want)
				}
			}
			if got.Succeeded != want.Succeeded || got.Seconds != want.Seconds || got.Rate != want.Rate {
				t.Errorf("rate %v: %+v, want %+v", rate, got, want)
			}
		}
	})
}

// The open loop is a queue: each request is served by the first connection that
// is free, from when it is due or from then.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		connections := rapid.IntRange(1, 5).Draw(rt, "connections")
		rate := rapid.Float64Range(1, 500).Draw(rt, "rate")
		services := rapid.SliceOfN(rapid.Int64Range(0, int64(100*time.Millisecond)), 1, 60).Draw(rt, "services")
		free := make([]time.Duration, connections)
		var want, longest time.Duration // of the slowest, and the end of the run
		var paths []string
		for i, service := range services {
			paths = append(paths, time.Duration(service).String())
			first := slices.Index(free, slices.Min(free))
			free[first] = max(free[first], span(i, rate)) + time.Duration(service)
			want, longest = max(want, free[first]-span(i, rate)), max(longest, free[first])
		}
		var f Figures
		var err error
		synctest.Test(t, func(t *testing.T) {
			var s server
			g := newGenerator(&s, connections)
			defer g.Close()
			var tally Tally
			err = g.Run(t.Context(), of(paths...), rate, &tally)
			f = tally.Figures()
		})
		slowest := float64(want.Nanoseconds()) / 1000
		if err != nil || f.Max > slowest || f.Max < slowest-1 || f.Seconds != longest.Seconds() || f.Succeeded != int64(len(paths)) {
			rt.Fatalf("slowest %v µs in %v s, %v; want %v in %v", f.Max, f.Seconds, err, want, longest)
		}
	})
}

// A run that ended late makes the next begin late: the pause between them does
// not help a server that cannot keep up.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		g := newGenerator(&s, 1)
		defer g.Close()
		var tally Tally
		for range 2 {
			if err := g.Run(t.Context(), of(slices.Repeat([]string{"20ms"}, 100)...), 100, &tally); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // as when requests are made
		}
		f := tally.Figures()
		if f.Max != 2_010_000 || f.Seconds != 4 || g.behind != 2*time.Second {
			t.Errorf("%+v, %v behind", f, g.behind)
		}
	})
}

// Refusals count by their code, what gets no answer counts as failed, and the
// connection is opened anew.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		g := newGenerator(&s, 1)
		defer g.Close()
		var tally Tally
		if err := g.Run(t.Context(), of("0s", "refuse", "break", "last", "refuse", "0s"), 0, &tally); err != nil {
			t.Fatal(err)
		}
		want := Figures{Succeeded: 3, Refused: []Refusal{{"403", "no", 2}}, Failed: 1, LastFailure: io.ErrUnexpectedEOF.Error(), Seconds: 0.1, Rate: 50}
		if diff := cmp.Diff(want, tally.Figures()); diff != "" {
			t.Error(diff)
		}
		if s.dialled != 3 {
			t.Errorf("%d connections were opened", s.dialled)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Connections: 2, Judge: judge, Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("refused") }})
		var tally Tally
		if err := g.Run(t.Context(), of("0s", "0s", "0s"), 0, &tally); err != nil {
			t.Fatal(err)
		}
		want := Figures{Refused: []Refusal{}, Failed: 3, LastFailure: "refused", Seconds: 0.2}
		if diff := cmp.Diff(want, tally.Figures()); diff != "" {
			t.Error(diff)
		}
	})
}

// The end of the context ends a run at once, in either loop, and what it cuts off
// is not counted.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, 5, 1e6} {
			var s server
			g := newGenerator(&s, 2)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			var tally Tally
			began := time.Now()
			err := g.Run(ctx, of(slices.Repeat([]string{"10s"}, 50)...), rate, &tally)
			if f := tally.Figures(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second+longestSleep || f.Failed+f.Answers() != 0 {
				t.Errorf("rate %v: %v after %v: %+v", rate, err, time.Since(began), f)
			}
			g.Close()
			s.wg.Wait()
			cancel()
		}
	})
}

// While a run is under way its figures can be seen.
func TestFiguresMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		g := newGenerator(&s, 1)
		defer g.Close()
		var tally Tally
		done := make(chan error, 1)
		go func() { done <- g.Run(t.Context(), of("1s", "1s"), 0, &tally) }()
		time.Sleep(1500 * time.Millisecond)
		if f := tally.Figures(); f.Succeeded != 1 || f.Seconds != 1.5 {
			t.Errorf("%+v", f)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}
