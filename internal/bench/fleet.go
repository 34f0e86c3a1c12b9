package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/openapi"
)

// fleet is a product with devices and the back end that asks about them.
type fleet struct {
	config     Config
	ctx        context.Context
	server     *process.Process
	product    string
	credential *openapi.Credential
	client     *openapi.Client
	devices    []fleetDevice
	serial     atomic.Uint64
}

type fleetDevice struct {
	id  string
	key id2.PrivateKey
}

func newFleet(ctx context.Context, server *process.Process, data string, c Config) (*fleet, error) {
	f := &fleet{config: c, ctx: ctx, server: server}
	op, err := operatorClient(server, data)
	if err != nil {
		return nil, err
	}
	product, err := op.CreateProduct(ctx, operator.ProductSpec{Name: "bench", Algorithm: "aes128"})
	if err != nil {
		return nil, err
	}
	f.product = product.ProductKey
	access, err := op.CreateAPIClient(ctx, operator.ClientSpec{Door: "id2", Name: "bench"})
	if err != nil {
		return nil, err
	}
	f.credential = openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)
	f.client, err = openapi.NewClient(openapi.ClientOptions{Endpoint: server.URL, Credential: f.credential})
	if err != nil {
		return nil, err
	}
	return f, f.makeDevices(op)
}

func (f *fleet) makeDevices(op *operator.Client) error {
	var csv strings.Builder
	csv.WriteString("id2,key_hex\n")
	for i := range f.config.Devices {
		key, err := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
		if err != nil {
			return err
		}
		f.devices = append(f.devices, fleetDevice{id: fmt.Sprintf("%024X", i+1), key: key})
		public := key.Public()
		fmt.Fprintf(&csv, "%024X,%x\n", i+1, public.Bytes())
	}
	res, err := op.ImportDevices(f.ctx, f.product, strings.NewReader(csv.String()))
	if err == nil && res.Imported != int64(f.config.Devices) {
		err = fmt.Errorf("%d of %d devices were imported", res.Imported, f.config.Devices)
	}
	if err != nil {
		return err
	}
	return f.activate()
}

// activate verifies every device once, so that no measurement pays for it.
func (f *fleet) activate() error {
	requests, err := f.verifyByTimestamp(len(f.devices))
	if err != nil {
		return err
	}
	_, err = drive(f.ctx, f.server.Address(), f.config.Connections, requests)
	return err
}

// measurements are those of DESIGN §7, with its goals and limits.
func (f *fleet) measurements(store measuredStore) []measurement {
	n := f.config.Requests
	list := []measurement{
		{name: "GetServerRandom", goal: 1.4, limit: 1.8, prepare: func() ([]request, error) { return f.getServerRandom(n) }},
		{name: "Verify by challenge", goal: 1.5, limit: 2, prepare: func() ([]request, error) { return f.verifyByChallenge(n) }},
		{name: "Verify by timestamp", goal: 2.2, limit: 3, prepare: func() ([]request, error) { return f.verifyByTimestamp(n) }},
	}
	for i := range list {
		m := &list[i]
		m.on, m.name = f.server, m.name+store.suffix
		if !store.embedded {
			m.goal, m.limit = 0, 0
		}
	}
	return list
}

func helloRequests(n int) []request {
	one := request{raw: []byte("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"), want: []byte("hello")}
	requests := make([]request, n)
	for i := range requests {
		requests[i] = one
	}
	return requests
}

// signed returns a ready request of an action in the form most SDKs send it:
// V1, everything in the query.
func (f *fleet) signed(action string, want string, params ...openapi.Param) (request, error) {
	m := openapi.Message{Method: "GET", Action: action, Version: "2017-07-07", Params: params, Time: time.Now(),
		Nonce: fmt.Sprintf("bench-%d-%d", time.Now().UnixNano(), f.serial.Add(1))}
	system, api, err := m.SignV1(f.credential, openapi.HMACSHA1)
	raw := "GET /?" + system + "&" + api + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"
	return request{raw: []byte(raw), want: []byte(want)}, err
}

// each makes n requests on all cores.
func each(n int, make1 func(i int) (request, error)) ([]request, error) {
	requests := make([]request, n)
	errs := make([]error, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				requests[i], errs[w] = make1(i)
			}
		})
	}
	wg.Wait()
	return requests, errors.Join(errs...)
}

const apiVersion = "1.1.2"

func (f *fleet) getServerRandom(n int) ([]request, error) {
	return each(n, func(i int) (request, error) {
		return f.signed("GetServerRandom", `"Code":200`, openapi.Param{Name: "ApiVersion", Value: apiVersion},
			openapi.Param{Name: "Id2", Value: f.device(i).id})
	})
}

func (f *fleet) device(i int) *fleetDevice { return &f.devices[i%len(f.devices)] }

func (f *fleet) verify(i int, kind id2.Kind, value string) (request, error) {
	d := f.device(i)
	c := id2.AuthCode{Kind: kind, Hash: id2.SHA256, DeviceRandom: fmt.Sprintf("%016X", f.serial.Add(1)), Value: value}
	var err error
	c.Signature, err = d.key.Sign(nil, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, value, nil))
	if err != nil {
		return request{}, err
	}
	return f.signed("Verify", `"Code":200`, openapi.Param{Name: "ApiVersion", Value: apiVersion},
		openapi.Param{Name: "Id2", Value: d.id}, openapi.Param{Name: "ProductKey", Value: f.product},
		openapi.Param{Name: "AuthCode", Value: c.String()})
}

func (f *fleet) verifyByTimestamp(n int) ([]request, error) {
	return each(n, func(i int) (request, error) {
		return f.verify(i, id2.Timestamp, fmt.Sprint(time.Now().UnixMilli()))
	})
}

// verifyByChallenge asks for all challenges first, so that the measurement
// holds the verifications alone.
func (f *fleet) verifyByChallenge(n int) ([]request, error) {
	return each(n, func(i int) (request, error) {
		res, err := f.client.Call(f.ctx, "GetServerRandom", []openapi.Param{{Name: "ApiVersion", Value: apiVersion},
			{Name: "Id2", Value: f.device(i).id}})
		if err != nil {
			return request{}, err
		}
		return f.verify(i, id2.Challenge, strings.Trim(string(res.Data), `"`))
	})
}
