package calls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// gateways are the devices that certificates are for, and the back end that asks.
type gateways struct {
	site      *site
	options   enos.ClientOptions
	client    *enos.Client
	product   string
	authority enos.Authority
	subject   pkix.Name // of requests, but for the CN
	moment    atomic.Int64

	mu   sync.Mutex // guards what follows
	all  []*gateway
	made int
}

// gateway is a device with a key that is certified.
type gateway struct {
	enos.Device
	csr string
}

// openEnOS readies a call of the EnOS door.
func openEnOS(s *site, k Kind, c *Call) error {
	c.Judge = judge("code", "0", "msg")
	g := &gateways{site: s, authority: enos.ECC}
	if s.Algorithm == "rsa2048" {
		g.authority = enos.RSA
	}
	access, err := s.newClient(c, "enos")
	if err != nil {
		return err
	}
	client := s.httpClient(c)
	client.Transport = recorder{client.Transport}
	g.options = enos.ClientOptions{BaseURL: s.Door, Credential: enos.NewCredential(access.AppKey, access.AppSecret), OrgID: access.OrgID, HTTP: client, Now: g.now}
	if g.client, err = enos.NewClient(g.options); err != nil {
		return err
	}
	if k.Name == "token" {
		c.Judge, c.Prepare = judge("status", "0", "msg"), g.tokens
		return nil
	}
	if _, err := g.client.Token(s.ctx); err != nil { // kept for all that follows
		return err
	}
	if err := g.setUp(c); err != nil {
		return err
	}
	c.Prepare = map[string]func(context.Context, int) ([]load.Request, error){
		"cert-apply": g.applies, "cert-renew": g.renewals, "cert-revoke": g.revocations, "cert-list": g.lists,
	}[k.Name]
	return nil
}

// now is a time that no other request has: of two with the same signature the
// server would take the second for the first one's echo.
func (g *gateways) now() time.Time {
	for {
		last := g.moment.Load()
		next := max(time.Now().UnixMilli(), last+1)
		if g.moment.CompareAndSwap(last, next) {
			return time.UnixMilli(next)
		}
	}
}

// setUp makes a product, and learns what requests must say of their subject.
func (g *gateways) setUp(c *Call) error {
	product, err := g.site.Operator.CreateProduct(g.site.ctx, operator.ProductSpec{Name: "bench " + g.site.mark, Algorithm: "aes128", TwoWayAuth: true})
	if err != nil {
		return err
	}
	g.product, c.Left = product.ProductKey, "product "+product.ProductKey+", its devices and their certificates"
	ca, err := g.client.CACertificate(g.site.ctx, g.authority)
	if err != nil {
		return err
	}
	g.subject = ca.Subject
	g.subject.Names, g.subject.ExtraNames, g.subject.CommonName, g.subject.SerialNumber = nil, nil, "", ""
	return nil
}

// take returns n devices with keys, those that are there already and new ones.
func (g *gateways) take(ctx context.Context, n int) ([]*gateway, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	missing := n - len(g.all)
	if missing <= 0 {
		return g.all[:n], nil
	}
	made, err := many(ctx, missing, func(_ context.Context, i int) (*gateway, error) { return g.newGateway(g.made + i) })
	if err != nil {
		return nil, err
	}
	var csv strings.Builder
	csv.WriteString("id2,key_hex,device_key\n")
	for i, d := range made {
		fmt.Fprintf(&csv, "%s,%032x,%s\n", deviceID(g.site.mark, g.made+i), g.made+i+1, d.DeviceKey)
	}
	g.made += missing
	if err := g.site.importDevices(g.product, csv.String(), missing); err != nil {
		return nil, err
	}
	g.all = append(g.all, made...)
	return g.all, nil
}

// newGateway makes a key and a request to certify it.
func (g *gateways) newGateway(i int) (*gateway, error) {
	d := &gateway{Device: enos.Device{ProductKey: g.product, DeviceKey: fmt.Sprintf("bench-%s-%d", strings.ToLower(g.site.mark), i+1)}}
	var key crypto.Signer
	var err error
	if g.authority == enos.RSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	subject := g.subject
	subject.CommonName = d.DeviceKey
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	d.csr = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return d, err
}

func (g *gateways) request(d *gateway) enos.ApplyRequest {
	return enos.ApplyRequest{CSR: d.csr, Authority: g.authority}
}

// turns is how many devices take turns: RSA keys take too long to make.
func (g *gateways) turns() int {
	if g.authority == enos.RSA {
		return min(g.site.Devices, 2*rsaKeys)
	}
	return g.site.Devices
}

// recorded makes the requests that a client sends in n calls.
func recorded(ctx context.Context, n int, call func(ctx context.Context, i int) error) ([]load.Request, error) {
	return many(ctx, n, func(ctx context.Context, i int) (load.Request, error) {
		return record(ctx, func(ctx context.Context) error { return call(ctx, i) })
	})
}

func (g *gateways) tokens(ctx context.Context, n int) ([]load.Request, error) {
	return recorded(ctx, n, func(ctx context.Context, _ int) error {
		newcomer, err := enos.NewClient(g.options) // one that has no token yet
		if err == nil {
			_, err = newcomer.Token(ctx)
		}
		return err
	})
}

func (g *gateways) applies(ctx context.Context, n int) ([]load.Request, error) {
	devices, err := g.take(ctx, g.turns())
	if err != nil {
		return nil, err
	}
	return recorded(ctx, n, func(ctx context.Context, i int) error {
		d := devices[i%len(devices)]
		_, err := g.client.Apply(ctx, d.Device, g.request(d))
		return err
	})
}

// lists has every device certified first, if it is not.
func (g *gateways) lists(ctx context.Context, n int) ([]load.Request, error) {
	fresh := len(g.all) == 0
	devices, err := g.take(ctx, g.turns())
	if err == nil && fresh {
		_, err = g.certify(ctx, devices)
	}
	if err != nil {
		return nil, err
	}
	return recorded(ctx, n, func(ctx context.Context, i int) error {
		_, err := g.client.List(ctx, devices[i%len(devices)].Device)
		return err
	})
}

// certify has devices certified, and returns the serial numbers.
func (g *gateways) certify(ctx context.Context, devices []*gateway) ([]int64, error) {
	return many(ctx, len(devices), func(ctx context.Context, i int) (int64, error) {
		cert, err := g.client.Apply(ctx, devices[i].Device, g.request(devices[i]))
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(cert.SN, 10, 64)
	})
}

// certified returns n devices with a valid certificate each, which the load will
// use up.
func (g *gateways) certified(ctx context.Context, n int) ([]*gateway, []int64, error) {
	devices, err := g.take(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	serials, err := g.certify(ctx, devices)
	return devices, serials, err
}

func (g *gateways) renewals(ctx context.Context, n int) ([]load.Request, error) {
	devices, serials, err := g.certified(ctx, n)
	if err != nil {
		return nil, err
	}
	return recorded(ctx, n, func(ctx context.Context, i int) error {
		_, err := g.client.Renew(ctx, devices[i].Device, enos.RenewRequest{SN: enos.NewInt(serials[i])})
		return err
	})
}

func (g *gateways) revocations(ctx context.Context, n int) ([]load.Request, error) {
	devices, serials, err := g.certified(ctx, n)
	if err != nil {
		return nil, err
	}
	return recorded(ctx, n, func(ctx context.Context, i int) error {
		return g.client.Revoke(ctx, devices[i].Device, serials[i], enos.Superseded)
	})
}
