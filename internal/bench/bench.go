// Package bench measures what a server costs: the CPU time of its process for each
// request, next to that of a bare net/http hello in the same run, which is the
// steady figure on a machine whose speed is not.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
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
	// Store is the address of an empty PostgreSQL database to measure as well.
	Store string
	// Beside are other servers to measure in the same rounds.
	Beside []Other
	// All measures more than the hot calls beside hello: see sections.
	All bool
	// PprofListen is where the server on the embedded store shows its profile, "" for nowhere.
	PprofListen string
	// Only keeps the measurements whose name contains it; the yardstick stays.
	Only string
	// Progress gets a line for each step.
	Progress io.Writer
}

// Row is one measurement.
type Row struct {
	// Section says what was measured under the same conditions.
	Section string `json:"section"`
	Name    string `json:"name"`
	// CPU is the server's CPU time for each request, in microseconds, and
	// TimesHello that figure over the bare hello's of the same section.
	CPU        float64 `json:"cpu_us"`
	TimesHello float64 `json:"times_hello"`
	Rate       float64 `json:"requests_per_second"`
	// Offered is the rate that was due, 0 in the closed loop.
	Offered float64 `json:"offered_per_second,omitempty"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Max     float64 `json:"max_us"`
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
	return slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Limit > 0 && row.TimesHello > row.Limit })
}

// measurement is something to measure.
type measurement struct {
	name        string
	goal, limit float64
	rate        float64 // that is due, 0 for the closed loop
	// open makes what it needs, and release takes that back.
	open    func(context.Context) (Subject, error)
	release func(context.Context) error
}

// section is measured under the same conditions; its first measurement is the
// yardstick.
type section struct {
	title  string
	rounds int
	plan   Plan
	list   []measurement
}

// Run starts a bare hello and servers, each in a process of its own, and measures
// them one after the other.
func Run(ctx context.Context, c Config) (report Report, err error) {
	r := &runner{Config: c, ctx: ctx}
	defer func() { err = errors.Join(err, r.stop()) }()
	report = Report{Requests: c.Requests, Rounds: c.Rounds, Connections: c.Connections, Devices: c.Devices}
	sections := []func([]Row) (section, error){r.beside}
	if c.All {
		sections = append(sections, r.openLoop, r.overTLS, r.manyConnections, r.algorithms, r.everyCall)
	}
	for i, make1 := range sections {
		s, err := make1(report.Rows)
		if err != nil {
			return report, err
		}
		fmt.Fprintf(c.Progress, "%d of %d: %s\n", i+1, len(sections), s.title)
		rows, err := r.measure(s)
		if err != nil {
			return report, err
		}
		report.Rows = append(report.Rows, rows...)
	}
	return report, nil
}

// measure measures a section.
func (r *runner) measure(s section) (rows []Row, err error) {
	s.list = slices.DeleteFunc(s.list, func(m measurement) bool { return m.name != helloName && !strings.Contains(m.name, r.Only) })
	subjects := make([]Subject, len(s.list))
	for i, m := range s.list {
		if subjects[i], err = m.open(r.ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if m.release != nil {
			defer func() { err = errors.Join(err, m.release(r.ctx)) }()
		}
	}
	rounds := make([][]Row, s.rounds)
	for round := range rounds {
		for i, m := range s.list {
			fmt.Fprintf(r.Progress, "  round %d of %d: %s\n", round+1, s.rounds, m.name)
			row, err := r.one(s, m, subjects[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			rounds[round] = append(rounds[round], row)
			rounds[round][i].TimesHello = row.CPU / rounds[round][0].CPU
		}
	}
	return middle(rounds), nil
}

// errTrouble says that not every request was a success, so that the figures mean
// nothing.
var errTrouble = errors.New("not every request succeeded")

// one measures one thing once.
func (r *runner) one(s section, m measurement, subject Subject) (Row, error) {
	plan := s.plan
	plan.Rate = m.rate
	measured := NewMeasurement(subject, plan)
	if err := measured.Run(r.ctx); err != nil {
		return Row{}, err
	}
	res := measured.Result()
	if t := troubles(res); len(t) > 0 {
		return Row{}, fmt.Errorf("%w: %s", errTrouble, strings.Join(strings.Fields(t[0]), " "))
	}
	return Row{Section: s.title, Name: m.name, Goal: m.goal, Limit: m.limit, Offered: m.rate, CPU: res.CPU, Rate: res.Rate,
		P50: res.P50, P99: res.P99, P999: res.P999, Max: res.Max}, nil
}

// middle takes the median of each figure over the rounds.
func middle(rounds [][]Row) []Row {
	rows := slices.Clone(rounds[0])
	for i := range rows {
		for _, figure := range []func(*Row) *float64{
			func(r *Row) *float64 { return &r.CPU }, func(r *Row) *float64 { return &r.TimesHello }, func(r *Row) *float64 { return &r.Rate },
			func(r *Row) *float64 { return &r.P50 }, func(r *Row) *float64 { return &r.P99 }, func(r *Row) *float64 { return &r.P999 },
			func(r *Row) *float64 { return &r.Max },
		} {
			var values []float64
			for r := range rounds {
				values = append(values, *figure(&rounds[r][i]))
			}
			slices.Sort(values)
			*figure(&rows[i]) = values[len(values)/2]
		}
	}
	return rows
}

// timed is the plan of measurements that are too many to count requests.
func (c *Config) timed(d time.Duration) Plan { return Plan{Connections: c.Connections, Duration: d} }
