package httpd

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// nowhere is a ResponseWriter that costs next to nothing.
type nowhere struct {
	header http.Header
	status int
	body   []byte
}

func (w *nowhere) Header() http.Header { return w.header }

func (w *nowhere) WriteHeader(status int) { w.status = status }

func (w *nowhere) Write(p []byte) (int, error) {
	w.body = append(w.body[:0], p...)
	return len(p), nil
}

// BenchmarkDoor measures the door without the network and net/http around it.
func BenchmarkDoor(b *testing.B) {
	f := newFixture(b, nil)
	p, _, err := f.reg.CreateProduct(b.Context(), f.org, registry.ProductSpec{Name: "pump", Algorithm: id2.AES128, Quota: registry.Unlimited}, operatorActor)
	f.must(err)
	key, err := id2.NewPrivateKey(id2.AES128, make([]byte, 16))
	f.must(err)
	id := strings.Repeat("A", 24)
	_, err = f.reg.ImportDevices(b.Context(), f.org, p.Key, strings.NewReader("id2,key_hex\n"+id+","+strings.Repeat("00", 16)+"\n"), operatorActor)
	f.must(err)
	var nonce int
	sign := func(action string, params ...openapi.Param) *http.Request {
		nonce++
		m := openapi.Message{Method: "GET", Action: action, Version: "2017-07-07", Nonce: fmt.Sprint(nonce), Time: f.clock.Now(),
			Params: append(params, openapi.Param{Name: "ApiVersion", Value: "1.1.2"}, openapi.Param{Name: "Id2", Value: id})}
		system, api, err := m.SignV1(f.credential, openapi.HMACSHA1)
		f.must(err)
		return &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: system + "&" + api}, Header: http.Header{}, Host: "localhost",
			Body: http.NoBody, RemoteAddr: "127.0.0.1:1"}
	}
	run := func(b *testing.B, make1 func() *http.Request) {
		requests := make([]*http.Request, b.N)
		for i := range requests {
			requests[i] = make1()
		}
		w := &nowhere{header: http.Header{}}
		b.ReportAllocs()
		b.ResetTimer()
		for _, r := range requests {
			f.handler.ServeHTTP(w, r)
		}
		b.StopTimer()
		if !strings.Contains(string(w.body), `"Code":200`) {
			b.Fatalf("answer %s", w.body)
		}
	}
	b.Run("GetServerRandom", func(b *testing.B) {
		run(b, func() *http.Request { return sign("GetServerRandom") })
	})
	b.Run("Verify by challenge", func(b *testing.B) {
		run(b, func() *http.Request {
			challenge, err := f.authn.Challenge(b.Context(), f.org, id)
			f.must(err)
			c := id2.AuthCode{Kind: id2.Challenge, Hash: id2.SHA256, DeviceRandom: "0123456789ABCDEF", Value: challenge}
			c.Signature, err = key.Sign(nil, c.Hash, id2.AppendMessage(nil, id, c.DeviceRandom, challenge, nil))
			f.must(err)
			return sign("Verify", openapi.Param{Name: "ProductKey", Value: p.Key}, openapi.Param{Name: "AuthCode", Value: c.String()})
		})
	})
}
