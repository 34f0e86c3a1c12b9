package scanlogin_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// model is what a session ought to do, told a second time.
type model struct {
	state   scanlogin.State
	app     string
	expires time.Time
}

func (m *model) at(now time.Time) scanlogin.State {
	open := m.state == scanlogin.Created || m.state == scanlogin.Scanned || m.state == scanlogin.Authenticated
	if open && !now.Before(m.expires) {
		return scanlogin.Expired
	}
	return m.state
}

func (m *model) scan(now time.Time, app scanlogin.App) error {
	switch state := m.at(now); {
	case app.Org != org:
		return scanlogin.ErrUnknown
	case state == scanlogin.Created:
		m.state, m.app, m.expires = scanlogin.Scanned, app.ID, m.expires.Add(time.Minute)
		return nil
	case state == scanlogin.Scanned && m.app == app.ID:
		return nil
	case state == scanlogin.Scanned:
		return scanlogin.ErrOtherApp
	case state == scanlogin.Expired:
		return scanlogin.ErrExpired
	}
	return scanlogin.ErrFinished
}

func (m *model) cancel(now time.Time, app scanlogin.App) error {
	switch state := m.at(now); {
	case app.Org != org:
		return scanlogin.ErrUnknown
	case state == scanlogin.Created, state == scanlogin.Scanned && m.app == app.ID:
		m.state = scanlogin.Cancelled
		return nil
	case state == scanlogin.Scanned:
		return scanlogin.ErrOtherApp
	case state == scanlogin.Expired:
		return scanlogin.ErrExpired
	}
	return scanlogin.ErrFinished
}

func (m *model) confirm(now time.Time, app scanlogin.App, bound bool) error {
	switch state := m.at(now); {
	case app.Org != org:
		return scanlogin.ErrUnknown
	case state == scanlogin.Created:
		return scanlogin.ErrNotScanned
	case state == scanlogin.Expired:
		return scanlogin.ErrExpired
	case state != scanlogin.Scanned:
		return scanlogin.ErrFinished
	case m.app != app.ID:
		return scanlogin.ErrOtherApp
	case !bound:
		return account.ErrUnbound
	}
	m.state, m.expires = scanlogin.Authenticated, now.Add(time.Minute)
	return nil
}

func (m *model) collect(now time.Time) error {
	switch m.at(now) {
	case scanlogin.Created, scanlogin.Scanned:
		return scanlogin.ErrNotYet
	case scanlogin.Expired:
		return scanlogin.ErrExpired
	case scanlogin.Authenticated:
		m.state = scanlogin.Consumed
		return nil
	}
	return scanlogin.ErrFinished
}

// Whatever is done in whatever order by whomever, a session does what the model
// does. Two nodes take turns.
func TestStateMachine(t *testing.T) {
	onEach(t, func(f *fixture) {
		nodes := []*scanlogin.Service{f.Service, f.node()}
		rapid.Check(f.T, func(rt *rapid.T) {
			ctx := f.Context()
			authID, secret := f.session()
			m := &model{state: scanlogin.Created, expires: f.clock.Now().Add(scanlogin.Lifetime)}
			agree := func(what string, got, want error) {
				if !errors.Is(got, want) || (got == nil) != (want == nil) {
					rt.Fatalf("%s: %v, want %v", what, got, want)
				}
			}
			node := func() *scanlogin.Service { return nodes[rapid.IntRange(0, 1).Draw(rt, "node")] }
			app := func() scanlogin.App {
				return rapid.SampledFrom([]scanlogin.App{phone, phone, phone, another, foreign}).Draw(rt, "app")
			}
			rt.Repeat(map[string]func(*rapid.T){
				"scan": func(*rapid.T) {
					a := app()
					_, err := node().Scan(ctx, a, authID, scanlogin.StatusScanned)
					agree("scan", err, m.scan(f.clock.Now(), a))
				},
				"cancel": func(rt *rapid.T) {
					if rapid.IntRange(0, 3).Draw(rt, "rarely") > 0 {
						rt.Skip()
					}
					a := app()
					_, err := node().Scan(ctx, a, authID, scanlogin.StatusCancelled)
					agree("cancel", err, m.cancel(f.clock.Now(), a))
				},
				"confirm": func(rt *rapid.T) {
					a, bound := app(), rapid.Bool().Draw(rt, "bound")
					proof := f.unbound
					if bound {
						proof = f.proof
					}
					agree("confirm", node().Confirm(ctx, a, authID, proof), m.confirm(f.clock.Now(), a, bound))
				},
				"collect": func(*rapid.T) {
					_, err := node().Collect(ctx, authID, secret)
					agree("collect", err, m.collect(f.clock.Now()))
				},
				"wait": func(rt *rapid.T) {
					f.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 30, 60, 120}).Draw(rt, "seconds")) * time.Second)
				},
				"": func(*rapid.T) {
					s, err := node().Session(ctx, authID, secret)
					if err != nil || s.State != m.at(f.clock.Now()) || m.app != "" && s.App == "" {
						rt.Fatalf("%+v, %v; want %+v", s, err, m)
					}
				},
			})
		})
	})
}
