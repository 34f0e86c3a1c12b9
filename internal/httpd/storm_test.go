package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// storm sends requests at once and counts the successes of each.
func (f *fixture) storm(requests []*http.Request) (successes []bool) {
	f.t.Helper()
	successes = make([]bool, len(requests))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				resp, err := f.server.Client().Do(requests[i])
				if err != nil {
					f.t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(body), `"Code":700`) {
					f.t.Errorf("HTTP %d %s, %v", resp.StatusCode, body, err)
				}
				successes[i] = strings.Contains(string(body), `"Success":true`)
			}
		})
	}
	wg.Wait()
	return successes
}

// Many devices of a product with too few licences authenticate at once, each
// code in every layout, while an operator suspends and resumes some and changes
// the product. In the end every code counted at most once, no licence was taken
// twice or lost, and what is active holds one.
func TestStorm(t *testing.T) {
	const devices, quota, codes = 12, 7, 4
	f := newFixture(t, nil)
	p := f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.Quota = quota })
	var all []*testDevice
	var requests []*http.Request
	var of []string // the code of each request
	for range devices {
		all = append(all, f.device(p))
	}
	for n := range codes {
		for _, d := range all {
			code := d.timeCode()
			if n%2 == 0 {
				code = d.challengeCode()
			}
			for _, l := range layouts {
				requests = append(requests, f.request(call{action: "Verify", params: d.verifyParams(code), method: l.method, placement: l.placement}))
				of = append(of, code)
			}
		}
	}
	stop := make(chan struct{})
	var operator sync.WaitGroup
	operator.Go(func() { f.meddle(p, all[:3], stop) })
	successes := f.storm(requests)
	close(stop)
	operator.Wait()

	counted := make(map[string]int)
	for i, ok := range successes {
		if ok {
			counted[of[i]]++
		}
	}
	for code, n := range counted {
		if n != 1 {
			t.Errorf("%s counted %d times", code, n)
		}
	}
	f.checkLedger(p, all, quota)
}

// meddle changes the product and some devices until stop, and leaves them as
// they would be without it.
func (f *fixture) meddle(p registry.Product, devices []*testDevice, stop <-chan struct{}) {
	ctx := context.Background()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		name := fmt.Sprint("name ", n)
		if _, err := f.reg.UpdateProduct(ctx, f.org, p.Key, registry.ProductChange{Name: &name}, operatorActor); err != nil {
			f.t.Error(err)
		}
		for _, d := range devices {
			// A device that is activated at this moment is a conflict: not an error of ours.
			if _, err := f.reg.Suspend(ctx, f.org, d.id, operatorActor); err == nil {
				if _, err := f.reg.Resume(ctx, f.org, d.id, operatorActor); err != nil {
					f.t.Error(err)
				}
			}
		}
	}
}

// checkLedger compares devices, licences and the product's count.
func (f *fixture) checkLedger(p registry.Product, devices []*testDevice, quota int64) {
	f.t.Helper()
	ctx := context.Background()
	licences, err := f.reg.Licences(ctx, f.org, registry.LicenceFilter{Product: p.Key})
	f.must(err)
	held := make(map[string]int)
	for _, l := range licences {
		held[l.ID2]++
	}
	active := 0
	for _, d := range devices {
		got, err := f.reg.Device(ctx, f.org, d.id)
		f.must(err)
		if got.State == registry.Active {
			active++
		}
		if want := map[bool]int{true: 1}[got.State == registry.Active]; held[d.id] != want {
			f.t.Errorf("device %s is %v and holds %d licences", d.id, got.State, held[d.id])
		}
	}
	stored, err := f.reg.Product(ctx, f.org, p.Key)
	f.must(err)
	if stored.Used != quota || int64(len(licences)) != quota || int64(active) != quota {
		f.t.Errorf("%d licences counted, %d in the ledger, %d devices active; want %d", stored.Used, len(licences), active, quota)
	}
}
