package calls

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// backEnd is the owner's back end at the id2 door.
type backEnd struct {
	credential *openapi.Credential
	client     *openapi.Client // for what has to be asked before
	path, host string
	product    string
	mark       string
	devices    []simulated
	serial     atomic.Uint64
}

// newBackEnd makes a product and a credential.
func (s *site) newBackEnd(c *Call, spec operator.ProductSpec) (*backEnd, operator.CreatedProduct, error) {
	c.Judge = judge("Code", "200", "Message")
	spec.Name, spec.Algorithm = "bench "+s.mark, s.Algorithm
	product, err := s.Operator.CreateProduct(s.ctx, spec)
	if err != nil {
		return nil, product, err
	}
	c.Left = "product " + product.ProductKey + " and its devices"
	access, err := s.newClient(c, "id2")
	if err != nil {
		return nil, product, err
	}
	door, err := url.Parse(s.Door)
	if err != nil {
		return nil, product, err
	}
	b := &backEnd{product: product.ProductKey, mark: s.mark, path: door.JoinPath("/").EscapedPath(), host: door.Host, credential: openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)}
	b.client, err = openapi.NewClient(openapi.ClientOptions{Endpoint: s.Door, Credential: b.credential, HTTP: s.httpClient(c)})
	return b, product, err
}

// newClient makes a credential for a door, which goes with the call.
func (s *site) newClient(c *Call, door string) (operator.CreatedClient, error) {
	made, err := s.Operator.CreateAPIClient(s.ctx, operator.ClientSpec{Door: door, Name: "bench " + s.mark})
	if err == nil {
		c.undo = append(c.undo, func(ctx context.Context) error {
			_, err := s.Operator.DeleteAPIClient(ctx, made.ClientID)
			return err
		})
	}
	return made, err
}

// openID2 readies a call about devices, whose keys the server has.
func openID2(s *site, k Kind, c *Call) error {
	algorithm, err := id2.ParseAlgorithm(s.Algorithm)
	if err != nil {
		return err
	}
	b, _, err := s.newBackEnd(c, operator.ProductSpec{TwoWayAuth: k.Name == "mutual-auth" && !algorithm.Symmetric()})
	if err != nil {
		return err
	}
	if b.devices, err = newDevices(s.ctx, s.mark, algorithm, s.Devices); err != nil {
		return err
	}
	csv, err := importFile(b.devices)
	if err != nil {
		return err
	}
	if err := s.importDevices(b.product, csv, len(b.devices)); err != nil {
		return err
	}
	make1 := map[string]func(context.Context, int) (load.Request, error){
		"get-server-random": b.getServerRandom, "verify-challenge": b.verifyChallenge, "verify-timestamp": b.verifyTimestamp,
		"verify-and-encrypt": b.verifyAndEncrypt, "mutual-auth": b.mutualAuth,
	}[k.Name]
	c.Prepare = func(ctx context.Context, n int) ([]load.Request, error) { return many(ctx, n, make1) }
	return b.activate(s.ctx)
}

// importDevices brings devices in.
func (s *site) importDevices(product, csv string, n int) error {
	res, err := s.Operator.ImportDevices(s.ctx, product, strings.NewReader(csv))
	if err == nil && res.Imported != int64(n) {
		err = fmt.Errorf("%d of %d devices were imported", res.Imported, n)
	}
	return err
}

// activate verifies every device once, so that no load pays for it.
func (b *backEnd) activate(ctx context.Context) error {
	_, err := many(ctx, len(b.devices), func(ctx context.Context, i int) (struct{}, error) {
		params, err := b.codeParams(i, "AuthCode", id2.Timestamp, now())
		if err == nil {
			_, err = b.ask(ctx, "Verify", params...)
		}
		return struct{}{}, err
	})
	return err
}

// ask makes a call that has to succeed.
func (b *backEnd) ask(ctx context.Context, action string, params ...openapi.Param) (json.RawMessage, error) {
	res, err := b.client.Call(ctx, action, append(params, openapi.Param{Name: "ApiVersion", Value: apiVersion}))
	if err == nil && res.Code != openapi.CodeOK {
		err = fmt.Errorf("%s: code %d: %s", action, res.Code, res.Message)
	}
	if err != nil {
		return nil, err
	}
	return res.Data, nil
}

const apiVersion = "1.1.2"

func now() string { return fmt.Sprint(time.Now().UnixMilli()) }

// signed returns a ready request of an action in the form that most SDKs send it:
// V1, everything in the query.
func (b *backEnd) signed(action string, params ...openapi.Param) (load.Request, error) {
	m := openapi.Message{Method: "GET", Action: action, Version: "2017-07-07", Time: time.Now(),
		Params: append(params, openapi.Param{Name: "ApiVersion", Value: apiVersion}),
		Nonce:  fmt.Sprintf("bench-%s-%d", b.mark, b.serial.Add(1))}
	system, api, err := m.SignV1(b.credential, openapi.HMACSHA1)
	return load.Request("GET " + b.path + "?" + system + "&" + api + " HTTP/1.1\r\nHost: " + b.host + "\r\nUser-Agent: bench\r\n\r\n"), err
}

func (b *backEnd) device(i int) *simulated { return &b.devices[i%len(b.devices)] }

func (b *backEnd) getServerRandom(_ context.Context, i int) (load.Request, error) {
	return b.signed("GetServerRandom", openapi.Param{Name: "Id2", Value: b.device(i).id})
}

// codeParams are those of a device's auth code, under the name that an action
// has for it.
func (b *backEnd) codeParams(i int, name string, kind id2.Kind, value string) ([]openapi.Param, error) {
	d := b.device(i)
	code, err := d.authCode(kind, fmt.Sprintf("%016X", b.serial.Add(1)), value)
	return []openapi.Param{{Name: "Id2", Value: d.id}, {Name: "ProductKey", Value: b.product}, {Name: name, Value: code}}, err
}

func (b *backEnd) verifyTimestamp(_ context.Context, i int) (load.Request, error) {
	params, err := b.codeParams(i, "AuthCode", id2.Timestamp, now())
	if err != nil {
		return nil, err
	}
	return b.signed("Verify", params...)
}

// verifyChallenge asks for the challenge at once, so that the load is
// verifications alone.
func (b *backEnd) verifyChallenge(ctx context.Context, i int) (load.Request, error) {
	data, err := b.ask(ctx, "GetServerRandom", openapi.Param{Name: "Id2", Value: b.device(i).id})
	if err != nil {
		return nil, err
	}
	params, err := b.codeParams(i, "AuthCode", id2.Challenge, text(data))
	if err != nil {
		return nil, err
	}
	return b.signed("Verify", params...)
}

// plaintext is what is encrypted for a device: 64 bytes, as a session key and its
// frame.
var plaintext = strings.Repeat("0123456789abcdef", 4)

func (b *backEnd) verifyAndEncrypt(_ context.Context, i int) (load.Request, error) {
	params, err := b.codeParams(i, "AuthCode", id2.Timestamp, now())
	if err != nil {
		return nil, err
	}
	return b.signed("VerifyAndEncrypt", append(params, openapi.Param{Name: "Data", Value: plaintext})...)
}

func (b *backEnd) mutualAuth(_ context.Context, i int) (load.Request, error) {
	params, err := b.codeParams(i, "DeviceAuthCode", id2.Timestamp, now())
	if err != nil {
		return nil, err
	}
	challenge := fmt.Sprintf("%032X", math.MaxUint64-b.serial.Add(1))
	return b.signed("GetServerAuthCodeAndEncryptData", append(params, openapi.Param{Name: "DeviceChallenge", Value: challenge},
		openapi.Param{Name: "Data", Value: plaintext})...)
}
