package demo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// gateway is a device that proves itself by a certificate.
type gateway struct {
	enos.Device
	key  crypto.Signer
	cert enos.Certificate
}

// certificates gets a device certified through the EnOS door, lets it prove itself
// by mutual TLS, and takes its certificate away again.
func (d *Demo) certificates() error {
	d.subject = "certificate"
	client, err := d.enosClient()
	if err != nil {
		return err
	}
	gw, err := d.newGateway(client, "gw-1")
	if err != nil {
		return err
	}
	d.say("\nA gateway gets certificates through the EnOS door: product %s, device %s", gw.ProductKey, gw.DeviceKey)
	v, err := d.newVerifier(client)
	if err != nil {
		return err
	}
	defer v.Close()
	for _, scene := range []func(*enos.Client, *verifier, *gateway) error{d.certified, d.renewed, d.revoked, d.certificateThieves} {
		if err := scene(client, v, gw); err != nil {
			return err
		}
	}
	return nil
}

// enosClient makes a credential of the door and a client with it.
func (d *Demo) enosClient() (*enos.Client, error) {
	c, err := d.op.CreateAPIClient(d.ctx, operator.ClientSpec{Door: "enos", Name: "demo gateway back end"})
	if err != nil {
		return nil, err
	}
	return enos.NewClient(enos.ClientOptions{BaseURL: d.url, Credential: enos.NewCredential(c.AppKey, c.AppSecret), OrgID: c.OrgID})
}

// newGateway makes a product, a device of it, and the device's key.
func (d *Demo) newGateway(client *enos.Client, name string) (*gateway, error) {
	model, kind, format, twoWay, zone := "demo", "Gateway", "Json", enos.Bool(true), "+00:00"
	var product string
	err := client.Call(d.ctx, "/connect-service/v2.1/products", "create", nil, enos.ProductSpec{ModelID: &model, Name: &enos.Text{Default: "demo gateway"},
		Type: &kind, TwoWayAuth: &twoWay, DataFormat: &format}, &product)
	if err != nil {
		return nil, err
	}
	gw := &gateway{Device: enos.Device{ProductKey: product, DeviceKey: name}}
	if err := client.Call(d.ctx, "/connect-service/v2.1/devices", "create", nil, enos.DeviceSpec{ProductKey: product, DeviceKey: name,
		Timezone: &zone, Name: &enos.Text{Default: name}}, nil); err != nil {
		return nil, err
	}
	gw.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return gw, err
}

// request is a device's certificate request. Its C, ST and O are those of the
// authority.
func request(key crypto.Signer, name string) (enos.ApplyRequest, error) {
	subject := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Shanghai"},
		Organization: []string{"Hallmark"}, OrganizationalUnit: []string{"Gateways"}, CommonName: name}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	return enos.ApplyRequest{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), Authority: enos.ECC}, err
}

func (d *Demo) certified(client *enos.Client, v *verifier, gw *gateway) error {
	r, err := request(gw.key, gw.DeviceKey)
	if err != nil {
		return err
	}
	if gw.cert, err = client.Apply(d.ctx, gw.Device, r); err != nil {
		return err
	}
	d.say("  certified: serial %s", gw.cert.SN)
	return d.shows(v, "the gateway's certificate in mutual TLS", ok, gw.cert.PEM, gw.key)
}

func (d *Demo) renewed(client *enos.Client, v *verifier, gw *gateway) error {
	number, err := strconv.ParseInt(gw.cert.SN, 10, 64)
	if err != nil {
		return err
	}
	old := gw.cert
	if gw.cert, err = client.Renew(d.ctx, gw.Device, enos.RenewRequest{SN: enos.NewInt(number)}); err != nil {
		return err
	}
	d.say("  renewed: serial %s", gw.cert.SN)
	if err := d.shows(v, "the renewed certificate", ok, gw.cert.PEM, gw.key); err != nil {
		return err
	}
	if err := d.listed(client, v, old.SN); err != nil {
		return err
	}
	return d.shows(v, "the one before it", certRevoked, old.PEM, gw.key)
}

func (d *Demo) revoked(client *enos.Client, v *verifier, gw *gateway) error {
	number, err := strconv.ParseInt(gw.cert.SN, 10, 64)
	if err != nil {
		return err
	}
	if err := client.Revoke(d.ctx, gw.Device, number, enos.KeyCompromise); err != nil {
		return err
	}
	list, err := client.List(d.ctx, gw.Device)
	if err != nil {
		return err
	}
	last := list[len(list)-1]
	d.check("the list after a revocation", "revoked: KEY COMPROMISE", last.Status.String()+": "+last.Reason)
	if err := d.listed(client, v, gw.cert.SN); err != nil {
		return err
	}
	return d.shows(v, "a revoked certificate in mutual TLS", certRevoked, gw.cert.PEM, gw.key)
}

// listPatience is how long a revocation may take to be in the list; it should be
// a second.
const listPatience = 10 * time.Second

// listed fetches the revocation list until a certificate is in it.
func (d *Demo) listed(client *enos.Client, v *verifier, serial string) error {
	began := time.Now()
	for time.Since(began) < listPatience {
		if err := v.fetchList(d.ctx, client); err != nil {
			return err
		}
		if v.lists(serial) {
			d.say("  serial %s is in the revocation list after %v", serial, time.Since(began).Round(time.Millisecond))
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("certificate %s is not in the revocation list after %v", serial, listPatience)
}

// certificateThieves tries what must not work: the same key for another device,
// the revoked key again, another authority's certificate.
func (d *Demo) certificateThieves(client *enos.Client, v *verifier, gw *gateway) error {
	other, err := d.newGateway(client, "gw-2")
	if err != nil {
		return err
	}
	apply := func(what, expected string, key crypto.Signer) error {
		r, err := request(key, other.DeviceKey)
		if err != nil {
			return err
		}
		got, err := client.Apply(d.ctx, other.Device, r)
		other.cert = got
		d.check(what, expected, refusalCode(err))
		return nil
	}
	if err := apply("a compromised key for another device", "99400", gw.key); err != nil {
		return err
	}
	if err := apply("another device with its own key", ok, other.key); err != nil {
		return err
	}
	forged, err := selfSigned(other.key, other.DeviceKey)
	if err != nil {
		return err
	}
	return d.shows(v, "a certificate that the device signed itself", certUnknown, forged, other.key)
}

// refusalCode is what the door said, "ok" when it did as it was told.
func refusalCode(err error) string {
	var refusal *enos.Error
	switch {
	case err == nil:
		return ok
	case errors.As(err, &refusal):
		return strconv.Itoa(refusal.Code)
	}
	return err.Error()
}
