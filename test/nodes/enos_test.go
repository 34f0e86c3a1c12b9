package nodes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// gateways is how many devices get certificates, each through whichever nodes
// the balancer chooses.
const gateways = 24

// An access token of one node is good on all, and what one certifies or revokes
// all others list, at once, and have in their revocation lists soon.
func TestCertificatesAcrossNodes(t *testing.T) {
	c := newCluster(t)
	ctx := t.Context()
	app, err := c.operator(t).CreateAPIClient(ctx, operator.ClientSpec{Door: "enos"})
	if err != nil {
		t.Fatal(err)
	}
	client := func(url string) *enos.Client {
		api, err := enos.NewClient(enos.ClientOptions{BaseURL: url, Credential: enos.NewCredential(app.AppKey, app.AppSecret), OrgID: app.OrgID,
			HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
		if err != nil {
			t.Fatal(err)
		}
		return api
	}
	api := client(c.balancer.url())
	model, kind, format, twoWay := "m", "Gateway", "Json", enos.Bool(true)
	var product string
	if err := api.Call(ctx, "/connect-service/v2.1/products", "create", nil, enos.ProductSpec{ModelID: &model, Name: &enos.Text{Default: "gw"},
		Type: &kind, TwoWayAuth: &twoWay, DataFormat: &format}, &product); err != nil {
		t.Fatal(err)
	}
	serials := make([]int64, gateways)
	errs := make([]error, gateways)
	var wg sync.WaitGroup
	for i := range gateways {
		wg.Go(func() { serials[i], errs[i] = lifeOfCertificate(ctx, api, product, fmt.Sprint("gw-", i)) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("gateway %d: %v\n%s", i, err, c.output())
		}
	}
	for _, address := range c.addresses {
		awaitRevoked(t, client("http://"+address), serials)
	}
}

// lifeOfCertificate makes a device and has it certified, renewed and revoked; it
// returns the serial number of the renewed certificate.
func lifeOfCertificate(ctx context.Context, api *enos.Client, product, name string) (int64, error) {
	zone := "+00:00"
	device := enos.Device{ProductKey: product, DeviceKey: name}
	if err := api.Call(ctx, "/connect-service/v2.1/devices", "create", nil, enos.DeviceSpec{ProductKey: product, DeviceKey: name, Timezone: &zone,
		Name: &enos.Text{Default: name}}, nil); err != nil {
		return 0, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	subject := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Shanghai"}, Organization: []string{"Hallmark"},
		OrganizationalUnit: []string{"Gateways"}, CommonName: name}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		return 0, err
	}
	first, err := api.Apply(ctx, device, enos.ApplyRequest{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), Authority: enos.ECC})
	if err != nil {
		return 0, fmt.Errorf("apply: %w", err)
	}
	number, err := strconv.ParseInt(first.SN, 10, 64)
	if err != nil {
		return 0, err
	}
	second, err := api.Renew(ctx, device, enos.RenewRequest{SN: enos.NewInt(number)})
	if err != nil {
		return 0, fmt.Errorf("renew: %w", err)
	}
	if number, err = strconv.ParseInt(second.SN, 10, 64); err != nil {
		return 0, err
	}
	if err := api.Revoke(ctx, device, number, enos.CessationOfOperation); err != nil {
		return 0, fmt.Errorf("revoke: %w", err)
	}
	list, err := api.List(ctx, device)
	if err != nil {
		return 0, fmt.Errorf("list: %w", err)
	}
	if len(list) != 2 || list[0].Reason != "SUPERSEDED" || list[1].Reason != "CESSATION OF OPERATION" {
		return 0, fmt.Errorf("listed %+v", list)
	}
	return number, nil
}

// awaitRevoked waits until a node's revocation list has all the serial numbers.
func awaitRevoked(t *testing.T, api *enos.Client, serials []int64) {
	t.Helper()
	for {
		list, err := api.CRL(t.Context(), enos.ECC)
		if err != nil {
			t.Fatal(err)
		}
		listed := make(map[int64]bool)
		for _, e := range list.RevokedCertificateEntries {
			listed[e.SerialNumber.Int64()] = true
		}
		missing := 0
		for _, s := range serials {
			if !listed[s] {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%d certificates are missing in the revocation list", missing)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
