// Package crash kills the real server while it works, again and again, and
// looks whether it kept its promises: no code accepted twice, no activation
// and no licence lost or doubled.
package crash

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

const (
	rounds      = 8
	workers     = 16
	deviceCount = 400
)

// attempt is a code that was sent and what became of it.
type attempt struct {
	device   int
	code     string
	accepted bool // else the answer never came
}

// record is what the back end knows across all crashes.
type record struct {
	mu       sync.Mutex
	attempts []attempt
	proven   map[int]bool // devices that were told they are genuine
}

func (r *record) add(a attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, a)
	if a.accepted {
		r.proven[a.device] = true
	}
}

func TestKillUnderLoad(t *testing.T) {
	w := newWorld(t)
	rec := &record{proven: make(map[int]bool)}
	for round := range rounds {
		// The kill comes after another number of answers in every round.
		w.loadUntilKilled(t, rec, int64(40+round*97))
		w.start(t)
		w.replayAll(t, rec)
		w.checkLicences(t, rec)
	}
	accepted := 0
	for _, a := range rec.attempts {
		if a.accepted {
			accepted++
		}
	}
	t.Logf("%d rounds: %d codes sent, %d accepted before a kill, %d devices proven", rounds, len(rec.attempts), accepted, len(rec.proven))
}

// loadUntilKilled verifies devices from many goroutines and kills the server
// after a number of accepted codes.
func (w *world) loadUntilKilled(t *testing.T, rec *record, after int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			for i := n; ctx.Err() == nil; i = (i + workers) % deviceCount {
				a, err := w.tryOnce(ctx, i, n%2 == 0)
				if err != nil {
					return // the server is gone
				}
				rec.add(a)
				if a.accepted && accepted.Add(1) == after {
					w.server.Kill()
					cancel()
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() < after {
		t.Fatalf("the server ended by itself after %d answers: %s", accepted.Load(), w.server.Output())
	}
}

// tryOnce verifies one device. Any answer but success fails the test; none is
// an open outcome.
func (w *world) tryOnce(ctx context.Context, device int, byTime bool) (attempt, error) {
	a := attempt{device: device}
	var err error
	if a.code, err = w.code(ctx, device, byTime); err != nil {
		return a, err
	}
	code, err := w.verify(ctx, a)
	if err == nil && code != int(id2.CodeOK) {
		return a, fmt.Errorf("a good code was refused with %d", code)
	}
	a.accepted = err == nil
	return a, nil
}

func (w *world) code(ctx context.Context, device int, byTime bool) (string, error) {
	kind, value := id2.Timestamp, strconv.FormatInt(time.Now().UnixMilli(), 10)
	if !byTime {
		kind = id2.Challenge
		res, err := w.client.Call(ctx, "GetServerRandom", []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}, {Name: "Id2", Value: deviceID(device)}})
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(res.Data, &value); err != nil {
			return "", err
		}
	}
	c := id2.AuthCode{Kind: kind, Hash: id2.SHA256, DeviceRandom: fmt.Sprintf("%016X", w.serial.Add(1)), Value: value}
	var err error
	c.Signature, err = w.keys[device].Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, deviceID(device), c.DeviceRandom, value, nil))
	return c.String(), err
}

func (w *world) verify(ctx context.Context, a attempt) (int, error) {
	res, err := w.client.Call(ctx, "Verify", []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}, {Name: "Id2", Value: deviceID(a.device)},
		{Name: "ProductKey", Value: w.product}, {Name: "AuthCode", Value: a.code}})
	if err != nil {
		return 0, err
	}
	return res.Code, nil
}

// replayAll sends every code again: an accepted one must be refused, and one
// whose answer never came may be accepted now, once.
func (w *world) replayAll(t *testing.T, rec *record) {
	t.Helper()
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			for i := n; i < len(rec.attempts); i += workers {
				if err := w.replay(t.Context(), rec, &rec.attempts[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func (w *world) replay(ctx context.Context, rec *record, a *attempt) error {
	for range 2 {
		code, err := w.verify(ctx, *a)
		switch {
		case err != nil:
			return err
		case code == int(id2.CodeOK) && a.accepted:
			return fmt.Errorf("accepted twice: %s", a.code)
		case code == int(id2.CodeOK):
			a.accepted = true
			rec.mu.Lock()
			rec.proven[a.device] = true
			rec.mu.Unlock()
		case code != int(id2.CodeChallenge) && code != int(id2.CodeTimestampRepeated) && code != int(id2.CodeTimestampExpired):
			return fmt.Errorf("replay answered %d: %s", code, a.code)
		}
	}
	return nil
}

// checkLicences compares what the server holds with what it promised.
func (w *world) checkLicences(t *testing.T, rec *record) {
	t.Helper()
	active := 0
	for i := range deviceCount {
		d, err := w.operator.Device(t.Context(), deviceID(i))
		if err != nil {
			t.Fatal(err)
		}
		if d.State == "active" {
			active++
		} else if rec.proven[i] {
			t.Errorf("device %s was told it is genuine, and is %s after the crash", d.ID2, d.State)
		}
	}
	p, err := w.operator.Product(t.Context(), w.product)
	if err != nil {
		t.Fatal(err)
	}
	licences, err := w.operator.Licences(t.Context(), operator.LicenceQuery{Product: w.product, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if int64(active) != p.Used || len(licences.Licences) != active {
		t.Errorf("%d devices are active, %d licences counted, %d in the ledger", active, p.Used, len(licences.Licences))
	}
}

func deviceID(i int) string { return fmt.Sprintf("%024X", i+1) }

func (w *world) makeDevices() (csv string, err error) {
	var b strings.Builder
	b.WriteString("id2,key_hex\n")
	for i := range deviceCount {
		key, keyErr := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
		err = errors.Join(err, keyErr)
		w.keys = append(w.keys, key)
		public := key.Public()
		fmt.Fprintf(&b, "%s,%x\n", deviceID(i), public.Bytes())
	}
	return b.String(), err
}
