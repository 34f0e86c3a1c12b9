// Package fleet plays a fleet of devices in front of a server: each gets its
// identity by one-time token and from then on authenticates again and again, on a
// schedule, as devices in the field do. It measures what the devices see.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	mathrand "math/rand/v2"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/target"
)

// Config says what the fleet does.
type Config struct {
	Devices     int
	Connections int    // how many devices talk at once
	Algorithm   string // of their keys, a symmetric one
	Quota       int64  // licences of the product, negative without limit
	// Interval is how often each device authenticates, Duration how long all do.
	Interval, Duration time.Duration
	// Challenge lets devices answer challenges instead of signing the time.
	Challenge bool
	// Every is how often Watch is told how things are.
	Every time.Duration
	Watch func(Snapshot)
}

// Snapshot is how things are.
type Snapshot struct {
	Devices     int           `json:"devices"`
	Connections int           `json:"connections"`
	Server      string        `json:"server"`
	ProductKey  string        `json:"product_key"`
	Elapsed     time.Duration `json:"-"`
	// Interrupted says that the run was ended before its time.
	Interrupted    bool    `json:"interrupted"`
	Provisioning   Figures `json:"provisioning"`
	Authentication Figures `json:"authentication"`
	// Late is how long after its time a device came to talk, at worst: the load
	// was more than the server, or this machine, could take.
	Late float64 `json:"late_max_ms"`
}

// Run plays the fleet until its time is over or ctx ends, and returns the last
// snapshot. What it made stays on the server, but for the credential.
func Run(ctx context.Context, t target.Target, c Config) (last Snapshot, err error) {
	b, accessKey, err := newBackEnd(ctx, &t, &c)
	if err != nil {
		return last, err
	}
	defer func() {
		_, gone := t.Operator.DeleteAPIClient(context.WithoutCancel(ctx), accessKey)
		if !t.Own || !last.Interrupted { // a server of our own may have been interrupted too
			err = errors.Join(err, gone)
		}
	}()
	f := &fleet{Config: c, target: &t, back: b, began: time.Now()}
	run, err := newRunMark()
	if err != nil {
		return last, err
	}
	for i := range c.Devices {
		f.devices = append(f.devices, newSimulated(fmt.Sprintf("bench fleet %s %d", run, i)))
	}
	stop := f.watch()
	f.play(ctx)
	stop()
	last = f.snapshot()
	last.Interrupted = ctx.Err() != nil
	return last, nil
}

// newRunMark tells the fingerprints of one run from those of others.
func newRunMark() (string, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return fmt.Sprintf("%x", b), err
}

// fleet is one run.
type fleet struct {
	Config
	target  *target.Target
	back    *backEnd
	devices []*simulated
	began   time.Time
	late    atomic.Int64 // nanoseconds, the worst so far

	provisioning, authentication phase
}

// play does one thing after the other.
func (f *fleet) play(ctx context.Context) {
	f.provisioning.begin(f.target)
	f.provisionAll(ctx)
	f.provisioning.end()
	if ctx.Err() != nil {
		return
	}
	f.authentication.begin(f.target)
	f.authenticateAll(ctx)
	f.authentication.end()
}

// provisionAll lets every device ask for an identity, as many at once as there
// are connections.
func (f *fleet) provisionAll(ctx context.Context) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range f.Connections {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(f.devices) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f.provision(ctx, f.devices[i])
			}
		})
	}
	wg.Wait()
}

// authenticateAll plays the schedule. A device whose request for an identity got
// no answer asks again at its turn; one that was refused has none.
func (f *fleet) authenticateAll(ctx context.Context) {
	var who []int
	for i, d := range f.devices {
		if d.state.Load() != denied {
			who = append(who, i)
		}
	}
	random := mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64()))
	timed, cancel := context.WithTimeout(ctx, f.Duration)
	defer cancel()
	pace(timed, newSchedule(who, time.Now(), f.Interval, random), f.Connections, func(i int, late time.Duration) {
		f.noteLate(late)
		d := f.devices[i]
		if d.state.Load() != named {
			f.provision(ctx, d)
			return
		}
		f.authentication.measure(ctx, func() (id2.Code, error) { return d.authenticate(ctx, f.back, f.Challenge) })
	})
}

func (f *fleet) provision(ctx context.Context, d *simulated) {
	f.provisioning.measure(ctx, func() (id2.Code, error) { return d.provision(ctx, f.back) })
}

func (f *fleet) noteLate(late time.Duration) {
	for {
		worst := f.late.Load()
		if int64(late) <= worst || f.late.CompareAndSwap(worst, int64(late)) {
			return
		}
	}
}

// watch tells Watch how things are, until the function it returns is called.
func (f *fleet) watch() (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(f.Every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f.Watch(f.snapshot())
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

func (f *fleet) snapshot() Snapshot {
	return Snapshot{Devices: f.Devices, Connections: f.Connections, Server: f.target.Door, ProductKey: f.back.product.ProductKey,
		Elapsed: time.Since(f.began), Provisioning: f.provisioning.figures(), Authentication: f.authentication.figures(),
		Late: float64(f.late.Load()) / float64(time.Millisecond)}
}
