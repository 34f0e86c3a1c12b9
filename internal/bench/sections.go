package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/hallmark-id/hallmark/internal/calls"
	"github.com/hallmark-id/hallmark/internal/target"
)

// hot are the calls of the hot path, with the goals and limits of DESIGN §7.
var hot = []struct {
	title, call string
	goal, limit float64
}{
	{"GetServerRandom", "get-server-random", 1.4, 1.8},
	{"Verify by challenge", "verify-challenge", 1.5, 2},
	{"Verify by timestamp", "verify-timestamp", 2.2, 3},
}

// How much is measured besides the first section: the whole is to be over in some
// minutes.
const (
	furtherRounds  = 3
	openLoopShare  = 0.7 // of the rate in the closed loop
	openLoopTime   = 5 * time.Second
	closedLoopTime = 1500 * time.Millisecond
	connectionsOf  = 256
	fewDevices     = 200 // for each algorithm
)

// hotCalls are the hot calls of a server.
func (r *runner) hotCalls(on *target.Target, suffix string, bounds bool) []measurement {
	var list []measurement
	for _, h := range hot {
		m := r.call(on, h.title+suffix, h.call, "", r.Devices)
		if bounds {
			m.goal, m.limit = h.goal, h.limit
		}
		list = append(list, m)
	}
	return list
}

// call is a measurement of a call; its default algorithm is "".
func (r *runner) call(on *target.Target, title, name, algorithm string, devices int) measurement {
	var opened *calls.Call
	return measurement{name: title,
		open: func(ctx context.Context) (Subject, error) {
			kind, err := calls.Find(name)
			if err != nil {
				return Subject{}, err
			}
			if algorithm, err = kind.Choose(algorithm); err != nil {
				return Subject{}, err
			}
			dial, err := on.Dialer()
			if err != nil {
				return Subject{}, err
			}
			fmt.Fprintf(r.Progress, "  preparing %s\n", title)
			opened, err = kind.Open(ctx, *on, calls.Spec{Algorithm: algorithm, Devices: devices})
			if err != nil {
				return Subject{}, err
			}
			return Subject{Dial: dial, CPU: on.CPU, Prepare: opened.Prepare, Judge: opened.Judge}, nil
		},
		release: func(ctx context.Context) error { return opened.Close(ctx) },
	}
}

// beside are the hot calls beside hello, on each store, and other servers.
func (r *runner) beside([]Row) (section, error) {
	hello, err := r.hello(false)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{PprofListen: r.PprofListen})
	if err != nil {
		return section{}, err
	}
	s := section{title: "Beside a bare hello", rounds: r.Rounds, plan: Plan{Connections: r.Connections, Requests: r.Requests},
		list: append([]measurement{hello}, r.hotCalls(own, "", true)...)}
	if r.Store != "" {
		postgres, err := r.own(target.Options{Store: r.Store})
		if err != nil {
			return s, err
		}
		s.list = append(s.list, r.hotCalls(postgres, ", PostgreSQL", false)...)
	}
	for _, o := range r.Beside {
		s.list = append(s.list, o.measurement())
	}
	return s, nil
}

// openLoop offers what the first section took in the embedded store, less some.
func (r *runner) openLoop(before []Row) (section, error) {
	hello, err := r.hello(false)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{PprofListen: r.PprofListen})
	if err != nil {
		return section{}, err
	}
	list := append([]measurement{hello}, r.hotCalls(own, "", false)...)
	var due []measurement
	for _, m := range list {
		for _, row := range before {
			if row.Name == m.name {
				m.rate = openLoopShare * row.Rate
				due = append(due, m)
			}
		}
	}
	return section{title: fmt.Sprintf("At %.0f %% of that rate, open loop", openLoopShare*100), rounds: 1, plan: r.timed(openLoopTime), list: due}, nil
}

// overTLS repeats the first section over TLS.
func (r *runner) overTLS([]Row) (section, error) {
	hello, err := r.hello(true)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{TLS: true})
	return section{title: "Over TLS, beside a hello over TLS", rounds: furtherRounds, plan: r.timed(closedLoopTime),
		list: append([]measurement{hello}, r.hotCalls(own, "", false)...)}, err
}

// manyConnections repeats it over more connections.
func (r *runner) manyConnections([]Row) (section, error) {
	hello, err := r.hello(false)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{PprofListen: r.PprofListen})
	return section{title: fmt.Sprint("Over ", connectionsOf, " connections"), rounds: furtherRounds,
		plan: Plan{Connections: connectionsOf, Duration: closedLoopTime}, list: append([]measurement{hello}, r.hotCalls(own, "", false)...)}, err
}

// algorithms verifies codes of every algorithm.
func (r *runner) algorithms([]Row) (section, error) {
	hello, err := r.hello(false)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{PprofListen: r.PprofListen})
	if err != nil {
		return section{}, err
	}
	kind, err := calls.Find("verify-challenge")
	s := section{title: "Verify by challenge, each algorithm", rounds: 1, plan: r.timed(closedLoopTime), list: []measurement{hello}}
	for _, a := range kind.Algorithms {
		s.list = append(s.list, r.call(own, a, kind.Name, a, min(r.Devices, fewDevices)))
	}
	return s, err
}

// everyCall makes those calls that are in no other section.
func (r *runner) everyCall([]Row) (section, error) {
	hello, err := r.hello(false)
	if err != nil {
		return section{}, err
	}
	own, err := r.own(target.Options{Behind: true})
	s := section{title: "The other calls", rounds: 1, plan: r.timed(closedLoopTime), list: []measurement{hello}}
	for _, k := range calls.Kinds() {
		switch {
		case k.Name == "cert-apply":
			for _, a := range k.Algorithms {
				s.list = append(s.list, r.call(own, k.Name+" "+a, k.Name, a, r.Devices))
			}
		case !isHot(k.Name):
			s.list = append(s.list, r.call(own, k.Name, k.Name, "", r.Devices))
		}
	}
	return s, err
}

func isHot(call string) bool {
	for _, h := range hot {
		if h.call == call {
			return true
		}
	}
	return false
}
