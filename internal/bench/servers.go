package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/internal/target"
)

// runner is a run and the servers that were started for it. Each is started when
// it is needed, once.
type runner struct {
	Config
	ctx    context.Context
	hellos [2]*target.Target // plain and over TLS
	owns   map[target.Options]*target.Target
	stops  []func() error
}

// stop ends the servers, the last one first.
func (r *runner) stop() error {
	var errs []error
	for _, stop := range slices.Backward(r.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// own returns a Hallmark server.
func (r *runner) own(o target.Options) (*target.Target, error) {
	if on := r.owns[o]; on != nil {
		return on, nil
	}
	on, stop, err := target.StartOwn(r.ctx, o)
	if err != nil {
		return nil, err
	}
	r.stops = append(r.stops, stop)
	if r.owns == nil {
		r.owns = make(map[target.Options]*target.Target)
	}
	r.owns[o] = &on
	return &on, nil
}

// helloName is the name of the yardstick's row.
const helloName = "net/http hello"

// hello returns the yardstick.
func (r *runner) hello(overTLS bool) (measurement, error) {
	on := &r.hellos[0]
	if overTLS {
		on = &r.hellos[1]
	}
	if *on == nil {
		t, err := r.startHello(overTLS)
		if err != nil {
			return measurement{}, err
		}
		*on = t
	}
	return measurement{name: helloName, open: func(context.Context) (Subject, error) {
		dial, err := (*on).Dialer()
		return Subject{Dial: dial, CPU: (*on).CPU, Prepare: helloRequests, Judge: judgeHello}, err
	}}, nil
}

func (r *runner) startHello(overTLS bool) (*target.Target, error) {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return nil, err
	}
	r.stops = append(r.stops, func() error { return os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	flags, transport, err := target.Listener(dir, overTLS)
	if err != nil {
		return nil, err
	}
	p, err := process.Start(r.ctx, self, filepath.Join(dir, "ready"), append([]string{"bench", "hello-server"}, flags...)...)
	if err != nil {
		return nil, err
	}
	r.stops = append(r.stops, p.Stop)
	return &target.Target{Door: p.URL, Transport: transport, CPU: p.CPU, Own: true}, nil
}

func helloRequests(_ context.Context, n int) ([]load.Request, error) {
	return slices.Repeat([]load.Request{load.Request("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n")}, n), nil
}

func judgeHello(status int, body []byte) (code, message string) {
	if status == 200 && string(body) == hello {
		return "", ""
	}
	return "no hello", string(body)
}
