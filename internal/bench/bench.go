// Package bench measures what the server costs: the CPU time of the server's
// process for each request, next to that of a bare net/http hello in the same
// run, which is the steady figure on a machine whose speed is not.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
)

// Config says how much to measure.
type Config struct {
	// Requests is the number of requests of each measurement in each round.
	Requests int
	// Rounds is how often everything is measured in turn. What is reported is the
	// middle of the rounds, so that a neighbour's load in one of them does no harm.
	Rounds int
	// Connections is how many ask at once.
	Connections int
	// Devices is how many devices take turns.
	Devices int
	// Dir takes the servers' data; empty means a temporary directory.
	Dir string
	// Store is the address of an empty PostgreSQL database to measure as well.
	Store string
	// PprofListen is where the server on the embedded store shows its profile, "" for nowhere.
	PprofListen string
	// Only keeps the measurements whose name contains it; the yardstick stays.
	Only string
	// Progress gets a line for each step.
	Progress io.Writer
}

// Row is one measurement.
type Row struct {
	Name string `json:"name"`
	// CPU is the server's CPU time for each request, in microseconds, and
	// TimesHello that figure over the bare hello's.
	CPU        float64 `json:"cpu_us"`
	TimesHello float64 `json:"times_hello"`
	Rate       float64 `json:"requests_per_second"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	Max        float64 `json:"max_us"`
	// Goal and Limit are DESIGN §7's, in times hello; 0 where it has none.
	Goal  float64 `json:"goal,omitempty"`
	Limit float64 `json:"limit,omitempty"`
}

// Report is the outcome of a run.
type Report struct {
	Requests    int   `json:"requests"`
	Rounds      int   `json:"rounds"`
	Connections int   `json:"connections"`
	Devices     int   `json:"devices"`
	Rows        []Row `json:"rows"`
}

// Failed reports whether a figure is past its limit.
func (r *Report) Failed() bool {
	for _, row := range r.Rows {
		if row.Limit > 0 && row.TimesHello > row.Limit {
			return true
		}
	}
	return false
}

// measurement is what is asked of a server, ready before the clock runs.
type measurement struct {
	name        string
	goal, limit float64
	on          *process.Process
	prepare     func() ([]request, error)
}

// Run starts a bare hello and a server, each in a process of its own, and
// measures them one after the other.
func Run(ctx context.Context, c Config) (report Report, err error) {
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "hallmark-bench-"); err != nil {
			return report, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	self, err := os.Executable()
	if err != nil {
		return report, err
	}
	ready := filepath.Join(dir, "ready")
	hello, err := process.Start(ctx, self, ready, "bench", "hello-server")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, hello.Stop()) }()
	all := []measurement{{name: "net/http hello", on: hello, prepare: func() ([]request, error) { return helloRequests(c.Requests), nil }}}
	for i, store := range c.stores() {
		data := filepath.Join(dir, fmt.Sprint("data", i))
		if store.embedded { // whatever the environment says
			store.flags = append(store.flags, "--store", "sqlite:"+data+".db")
		}
		server, err := process.Start(ctx, self, ready, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "error"}, store.flags...)...)
		if err != nil {
			return report, err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		f, err := newFleet(ctx, server, data, c)
		if err != nil {
			return report, err
		}
		all = append(all, f.measurements(store)...)
	}
	report = Report{Requests: c.Requests, Rounds: c.Rounds, Connections: c.Connections, Devices: c.Devices}
	rounds := make([][]Row, c.Rounds)
	for i := range rounds {
		fmt.Fprintf(c.Progress, "round %d of %d …\n", i+1, c.Rounds)
		if rounds[i], err = measureAll(ctx, c, all); err != nil {
			return report, err
		}
	}
	report.Rows = middle(rounds)
	return report, nil
}

// measuredStore is a store that a server is measured on.
type measuredStore struct {
	suffix   string // of the names of its rows
	flags    []string
	embedded bool // has goals and limits
}

// stores are the embedded one, and the one of Config.Store.
func (c *Config) stores() []measuredStore {
	list := []measuredStore{{flags: []string{"--pprof-listen", c.PprofListen}, embedded: true}}
	if c.Store != "" {
		list = append(list, measuredStore{suffix: ", PostgreSQL", flags: []string{"--store", c.Store}})
	}
	return list
}

// measureAll measures one thing after the other; the first is the yardstick of
// the round.
func measureAll(ctx context.Context, c Config, all []measurement) ([]Row, error) {
	var rows []Row
	for i, m := range all {
		if i > 0 && !strings.Contains(m.name, c.Only) {
			continue
		}
		row, err := m.run(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, row)
		rows[len(rows)-1].TimesHello = row.CPU / rows[0].CPU
	}
	return rows, nil
}

// middle takes the median of each figure over the rounds.
func middle(rounds [][]Row) []Row {
	rows := slices.Clone(rounds[0])
	for i := range rows {
		median := func(figure func(*Row) float64) float64 {
			values := make([]float64, len(rounds))
			for r := range rounds {
				values[r] = figure(&rounds[r][i])
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		row := &rows[i]
		row.CPU = median(func(r *Row) float64 { return r.CPU })
		row.TimesHello = median(func(r *Row) float64 { return r.TimesHello })
		row.Rate = median(func(r *Row) float64 { return r.Rate })
		row.P50 = median(func(r *Row) float64 { return r.P50 })
		row.P99 = median(func(r *Row) float64 { return r.P99 })
		row.Max = median(func(r *Row) float64 { return r.Max })
	}
	return rows
}

// warmUp is the share of requests that are sent before the clock runs.
const warmUp = 10

func (m *measurement) run(ctx context.Context, c Config) (Row, error) {
	requests, err := m.prepare()
	if err != nil {
		return Row{}, err
	}
	warm := len(requests) / warmUp
	if _, err := drive(ctx, m.on.Address(), c.Connections, requests[:warm]); err != nil {
		return Row{}, err
	}
	before, err := m.on.CPU()
	if err != nil {
		return Row{}, err
	}
	load, err := drive(ctx, m.on.Address(), c.Connections, requests[warm:])
	if err != nil {
		return Row{}, err
	}
	after, err := m.on.CPU()
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return Row{Name: m.name, Goal: m.goal, Limit: m.limit, CPU: us(after-before) / float64(load.Requests),
		Rate: float64(load.Requests) / load.Wall.Seconds(), P50: us(load.P50), P99: us(load.P99), Max: us(load.Max)}, err
}

// Print writes the report as a table for people.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "what\tserver CPU/request\t× hello\tgoal\tlimit\trequests/s\tp50\tp99\t")
	bound := func(v float64) string {
		if v == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f", v)
	}
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%.1f µs\t%.2f\t%s\t%s\t%.0f\t%.0f µs\t%.0f µs\t\n", row.Name, row.CPU, row.TimesHello,
			bound(row.Goal), bound(row.Limit), row.Rate, row.P50, row.P99)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "The middle of %d rounds of %d requests each over %d connections, %d devices, closed loop; client and server share this machine.\n",
		r.Rounds, r.Requests, r.Connections, r.Devices)
}

// operatorClient talks to the operator API of a server started on data.
func operatorClient(server *process.Process, data string) (*operator.Client, error) {
	token, err := os.ReadFile(filepath.Join(data, "operator.token"))
	return operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token))}), err
}
