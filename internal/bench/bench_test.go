package bench

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/load"
)

// What is reported is the middle of each figure, by itself.
func TestMiddle(t *testing.T) {
	round := func(v float64) []Row {
		return []Row{{Name: "a", Goal: 1, CPU: v, TimesHello: 10 - v, Rate: v, P50: v, P99: v, P999: v, Max: v}}
	}
	want := []Row{{Name: "a", Goal: 1, CPU: 3, TimesHello: 7, Rate: 3, P50: 3, P99: 3, P999: 3, Max: 3}}
	if diff := cmp.Diff(want, middle([][]Row{round(9), round(3), round(1)})); diff != "" {
		t.Error(diff)
	}
}

func TestFailed(t *testing.T) {
	r := Report{Rows: []Row{{TimesHello: 9}, {TimesHello: 2, Limit: 2}}}
	if r.Failed() {
		t.Error("at its limit")
	}
	r.Rows[1].TimesHello = 2.01
	if !r.Failed() {
		t.Error("past its limit")
	}
}

var sample = Report{Requests: 20_000, Rounds: 7, Connections: 64, Devices: 1000, Rows: []Row{
	{Section: "Beside a bare hello", Name: helloName, CPU: 20, TimesHello: 1, Rate: 44_908, P50: 1200, P99: 6800, P999: 9100},
	{Section: "Beside a bare hello", Name: "GetServerRandom", CPU: 31.66, TimesHello: 1.543, Goal: 1.4, Limit: 1.8, Rate: 33_975, P50: 950, P99: 10_000, P999: 20_400},
	{Section: "Over TLS", Name: helloName, CPU: 22, TimesHello: 1, Rate: 900, P50: 1200, P99: 6800, P999: 1_500_000},
}}

func TestMarkdown(t *testing.T) {
	var out bytes.Buffer
	sample.PrintMarkdown(&out)
	const want = `**Beside a bare hello**

| what | server CPU per request | × hello | goal | limit | requests/s | p50 | p99 | p99.9 |
|---|---|---|---|---|---|---|---|---|
| net/http hello | 20.0 µs | 1.00 | – | – | 44 908 | 1.2 ms | 6.8 ms | 9.1 ms |
| GetServerRandom | 31.7 µs | 1.54 | 1.4 | 1.8 | 33 975 | 950 µs | 10 ms | 20 ms |

**Over TLS**

| what | server CPU per request | × hello | requests/s | p50 | p99 | p99.9 |
|---|---|---|---|---|---|---|
| net/http hello | 22.0 µs | 1.00 | 900 | 1.2 ms | 6.8 ms | 1.5 s |

The first table: the middle of 7 rounds of 20000 requests each over 64 connections, 1000 devices, closed loop. Client and server share this machine.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	sample.Print(&out)
	for _, want := range []string{"Beside a bare hello:\n", "\nOver TLS:\n", "  GetServerRandom                 31.7 µs     1.54   1.4    1.8      33 975  950 µs   10 ms   20 ms\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

var result = Result{Figures: load.Figures{Succeeded: 1_234_567, Refused: []load.Refusal{{Code: "35", Message: "challenge\n\x1binvalid", Count: 12}}, Failed: 3,
	LastFailure: "EOF", Seconds: 2.5, Rate: 4000, P50: 950, P99: 4100, P999: 31_000, Max: 40_000}, Offered: 5000, CPU: 50.25, Cores: 0.2, Phase: "measuring"}

func TestView(t *testing.T) {
	want := []string{
		"verify, 5000/s due, 2.5 of 10s, measuring",
		"answered     1 234 567      4000/s",
		"latency    p50 950 µs  p99 4.1 ms  p99.9 31 ms  longest 40 ms",
		"server CPU 50.2 µs a request, 0.20 processors busy",
		"refused             12  35 challenge  invalid",
		"no answer            3  EOF",
	}
	if diff := cmp.Diff(want, View("verify", result, 10*time.Second, 100)); diff != "" {
		t.Error(diff)
	}
	for _, line := range View("verify", result, 10*time.Second, 17) {
		if utf8.RuneCountInString(line) > 17 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
}

func TestLine(t *testing.T) {
	const want = "2.5s, measuring: 1234567 answered at 4000/s, p50 950 µs, p99 4.1 ms, p99.9 31 ms, server CPU 50.2 µs; refused 12 with 35; 3 without an answer"
	if got := Line(result); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPrintResult(t *testing.T) {
	var out bytes.Buffer
	PrintResult(&out, "verify", result, true)
	for _, want := range []string{"verify\nanswered ", "5000 a second were due: the server, or this machine, did not keep up", "Interrupted after 2.5 s.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// subject is a real server that answers hello, and how often requests were made.
func subject(t *testing.T, answer http.HandlerFunc) (Subject, *[]int) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	var asked []int
	return Subject{Judge: judgeHello, CPU: func() (time.Duration, error) { return 0, nil },
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
		Prepare: func(ctx context.Context, n int) ([]load.Request, error) {
			asked = append(asked, n)
			return helloRequests(ctx, n)
		}}, &asked
}

func sayHello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(hello)) }

// So many requests as were asked for, a tenth of them to warm up.
func TestMeasurementCounted(t *testing.T) {
	s, asked := subject(t, sayHello)
	m := NewMeasurement(s, Plan{Connections: 3, Requests: 500})
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.Result(); r.Succeeded != 450 || !cmp.Equal(*asked, []int{500}) {
		t.Errorf("%+v after %v", r, *asked)
	}
}

// In the open loop all that is due in the time is sent, in stretches.
func TestMeasurementOpenLoop(t *testing.T) {
	s, asked := subject(t, sayHello)
	m := NewMeasurement(s, Plan{Connections: 3, Rate: 10_000, Duration: 1300 * time.Millisecond})
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.Result(); r.Succeeded != 13_000 || r.Offered != 10_000 || !cmp.Equal(*asked, []int{200, 10_000, 3000}) {
		t.Errorf("%+v after %v", r, *asked)
	}
}

func TestMeasurementOfASilentServer(t *testing.T) {
	s, _ := subject(t, sayHello)
	s.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("connection refused") }
	err := NewMeasurement(s, Plan{Connections: 200, Duration: time.Second}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "does not answer: connection refused") {
		t.Error(err)
	}
}

// A table holds successes only.
func TestRefusalsEndTheTable(t *testing.T) {
	s, _ := subject(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	r := &runner{ctx: t.Context()}
	_, err := r.one(section{plan: Plan{Connections: 1, Requests: 20}}, measurement{}, s)
	if !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), "refused 18 no hello") {
		t.Error(err)
	}
}

// Another server is asked what its description says, byte for byte.
func TestOther(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		seen = append(seen, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-Vault-Token")+" "+body.String())
		_, _ = w.Write([]byte(`{"valid":true}`))
	}))
	defer server.Close()
	list, err := ParseOthers([]byte(`[{"name": "bao", "url": "` + server.URL + `", "pid": ` + strconv.Itoa(os.Getpid()) + `, "success": "\"valid\":true", "requests": [
		{"method": "POST", "path": "/v1/x?y=1", "header": {"X-Vault-Token": "t"}, "body": "{\"a\":1}"}, {"method": "GET", "path": "/b"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := list[0].measurement().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeasurement(s, Plan{Connections: 1, Requests: 30})
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.Result(); r.Succeeded != 27 || len(seen) != 30 || seen[0] != `POST /v1/x?y=1 t {"a":1}` || seen[1] != "GET /b  " {
		t.Errorf("%+v\n%q", r, seen[:2])
	}
	if code, _ := list[0].judge(200, []byte(`{"valid":false}`)); code == "" {
		t.Error("a wrong answer is a success")
	}
}

func TestParseOthersRefuses(t *testing.T) {
	for _, text := range []string{`{}`, `[{"name":"x"}]`, `[{"nme":"x"}]`, `[{"name":"x","url":"ftp://h","pid":1,"requests":[{}]}]`,
		`[{"name":"x","url":"http://h","pid":0,"requests":[{}]}]`, `[{"name":"x","url":"http://h","pid":1,"requests":[]}]`} {
		if _, err := ParseOthers([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
