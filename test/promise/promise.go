// Package promise plays a back end with a fleet of devices that remembers
// everything a server promised it, and later looks whether the server kept it:
// no code is accepted twice, and no activation or licence is lost or doubled.
package promise

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// Fleet is a product's devices and the back end that asks about them.
type Fleet struct {
	Product string

	credential *openapi.Credential
	keys       []id2.PrivateKey
	client     *openapi.Client
	serial     atomic.Uint64

	mu       sync.Mutex
	attempts []*attempt
	proven   map[int]bool // devices that were told they are genuine
}

// attempt is a code that was sent and what became of it.
type attempt struct {
	device   int
	code     string
	accepted bool // else no answer came
}

// New makes a product of n devices and an API client.
func New(ctx context.Context, op *operator.Client, n int) (*Fleet, error) {
	f := &Fleet{proven: make(map[int]bool)}
	p, err := op.CreateProduct(ctx, operator.ProductSpec{Name: "pumps", Algorithm: "aes128"})
	if err != nil {
		return nil, err
	}
	f.Product = p.ProductKey
	access, err := op.CreateAPIClient(ctx, operator.ClientSpec{Door: "id2"})
	if err != nil {
		return nil, err
	}
	f.credential = openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)
	var csv strings.Builder
	csv.WriteString("id2,key_hex\n")
	for i := range n {
		key, err := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
		if err != nil {
			return nil, err
		}
		f.keys = append(f.keys, key)
		public := key.Public()
		fmt.Fprintf(&csv, "%s,%x\n", deviceID(i), public.Bytes())
	}
	res, err := op.ImportDevices(ctx, f.Product, strings.NewReader(csv.String()))
	if err == nil && res.Imported != int64(n) {
		err = fmt.Errorf("%d of %d devices were imported", res.Imported, n)
	}
	return f, err
}

func deviceID(i int) string { return fmt.Sprintf("%024X", i+1) }

// Connect points the back end at a server. No request may be under way.
func (f *Fleet) Connect(url string, transport *http.Transport) (err error) {
	f.client, err = openapi.NewClient(openapi.ClientOptions{Endpoint: url, Credential: f.credential,
		HTTP: &http.Client{Transport: transport, Timeout: time.Minute}})
	return err
}

// ErrRefused says that the server refused a good code.
var ErrRefused = errors.New("a good code was refused")

// TryOnce verifies one device with a new code and reports whether it was
// accepted. ErrRefused is a broken promise; any other error an open outcome.
func (f *Fleet) TryOnce(ctx context.Context, device int, byTime bool) error {
	device %= len(f.keys)
	code, err := f.code(ctx, device, byTime)
	if err != nil {
		return err
	}
	a := &attempt{device: device, code: code}
	result, err := f.verify(ctx, a)
	a.accepted = err == nil && result == int(id2.CodeOK)
	f.note(a)
	if err == nil && !a.accepted && result != int(id2.CodeBusy) {
		return fmt.Errorf("%w with %d: %s", ErrRefused, result, code)
	}
	return err
}

func (f *Fleet) note(a *attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, a)
	if a.accepted {
		f.proven[a.device] = true
	}
}

func (f *Fleet) code(ctx context.Context, device int, byTime bool) (string, error) {
	kind, value := id2.Timestamp, strconv.FormatInt(time.Now().UnixMilli(), 10)
	if !byTime {
		kind = id2.Challenge
		res, err := f.client.Call(ctx, "GetServerRandom", params("Id2", deviceID(device)))
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(res.Data, &value); err != nil {
			return "", fmt.Errorf("%w: GetServerRandom answered %d", ErrRefused, res.Code)
		}
	}
	c := id2.AuthCode{Kind: kind, Hash: id2.SHA256, DeviceRandom: fmt.Sprintf("%016X", f.serial.Add(1)), Value: value}
	var err error
	c.Signature, err = f.keys[device].Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, deviceID(device), c.DeviceRandom, value, nil))
	return c.String(), err
}

func (f *Fleet) verify(ctx context.Context, a *attempt) (int, error) {
	res, err := f.client.Call(ctx, "Verify", params("Id2", deviceID(a.device), "ProductKey", f.Product, "AuthCode", a.code))
	if err != nil {
		return 0, err
	}
	return res.Code, nil
}

func params(pairs ...string) []openapi.Param {
	list := []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, openapi.Param{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// Load verifies devices from several goroutines until ctx ends or each has met
// an error that next does not forgive. It calls accepted with the number of
// codes accepted so far, and returns the errors.
func (f *Fleet) Load(ctx context.Context, workers int, accepted func(n int64), forgive func(error) bool) error {
	var count atomic.Int64
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i += workers {
				err := f.TryOnce(ctx, i, i/workers%2 == 0)
				if err == nil {
					accepted(count.Add(1))
					continue
				}
				if !forgive(err) {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Replay sends every code again, twice: an accepted one must be refused, and
// one whose answer never came may be accepted now, once.
func (f *Fleet) Replay(ctx context.Context, workers int) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(f.attempts) && errs[w] == nil; i += workers {
				errs[w] = f.replay(ctx, f.attempts[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (f *Fleet) replay(ctx context.Context, a *attempt) error {
	for range 2 {
		result, err := f.verify(ctx, a)
		switch {
		case err != nil:
			return err
		case result == int(id2.CodeOK) && a.accepted:
			return fmt.Errorf("accepted twice: %s", a.code)
		case result == int(id2.CodeOK):
			a.accepted = true
			f.mu.Lock()
			f.proven[a.device] = true
			f.mu.Unlock()
		case result != int(id2.CodeChallenge) && result != int(id2.CodeTimestampRepeated) && result != int(id2.CodeTimestampExpired):
			return fmt.Errorf("replay answered %d: %s", result, a.code)
		}
	}
	return nil
}

// CheckLicences compares what the server holds with what it promised.
func (f *Fleet) CheckLicences(ctx context.Context, op *operator.Client) error {
	active := 0
	for i := range f.keys {
		d, err := op.Device(ctx, deviceID(i))
		if err != nil {
			return err
		}
		if d.State == "active" {
			active++
		} else if f.proven[i] {
			return fmt.Errorf("device %s was told it is genuine, and is %s", d.ID2, d.State)
		}
	}
	p, err := op.Product(ctx, f.Product)
	if err != nil {
		return err
	}
	licences, err := op.Licences(ctx, operator.LicenceQuery{Product: f.Product, Limit: 1000})
	if err == nil && (int64(active) != p.Used || len(licences.Licences) != active) {
		err = fmt.Errorf("%d devices are active, %d licences counted, %d in the ledger", active, p.Used, len(licences.Licences))
	}
	return err
}

// CheckCounters compares the devices' counters with what was accepted. It is
// for servers that have ended in order, since a crash may lose the counts of
// its last seconds. What nobody got an answer about may be counted or not.
func (f *Fleet) CheckCounters(ctx context.Context, op *operator.Client) error {
	var counted int64
	for i := range f.keys {
		d, err := op.Device(ctx, deviceID(i))
		if err != nil {
			return err
		}
		counted += d.AuthCount
	}
	if accepted, sent := f.Accepted(), int64(len(f.attempts)); counted < accepted || counted > sent {
		return fmt.Errorf("%d authentications counted, %d accepted of %d sent", counted, accepted, sent)
	}
	return nil
}

// Summary tells how much was tried.
func (f *Fleet) Summary() string {
	return fmt.Sprintf("%d codes sent, %d accepted, %d devices proven", len(f.attempts), f.Accepted(), len(f.proven))
}

// Accepted returns how many successes the server has promised.
func (f *Fleet) Accepted() (n int64) {
	for _, a := range f.attempts {
		if a.accepted {
			n++
		}
	}
	return n
}
