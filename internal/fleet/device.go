package fleet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/target"
	"github.com/hallmark-id/hallmark/openapi"
)

// backEnd is the owner's back end: it passes on what devices say.
type backEnd struct {
	client  *openapi.Client
	product operator.CreatedProduct
}

// newBackEnd makes a product and a credential on a server.
func newBackEnd(ctx context.Context, t *target.Target, c *Config) (b *backEnd, accessKey string, err error) {
	b = &backEnd{}
	spec := operator.ProductSpec{Name: "bench fleet", Algorithm: c.Algorithm, OTP: true}
	if c.Quota >= 0 {
		spec.Quota = &c.Quota
	}
	if b.product, err = t.Operator.CreateProduct(ctx, spec); err != nil {
		return nil, "", err
	}
	access, err := t.Operator.CreateAPIClient(ctx, operator.ClientSpec{Door: "id2", Name: "bench fleet"})
	if err != nil {
		return nil, "", err
	}
	b.client, err = openapi.NewClient(openapi.ClientOptions{Endpoint: t.Door, HTTP: t.HTTPClient(c.Connections, requestTimeout),
		Credential: openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)})
	return b, access.ClientID, err
}

// requestTimeout is when a device gives up waiting.
const requestTimeout = 30 * time.Second

// call sends one request. The code is an answer of the door; an error means that
// there was none.
func (b *backEnd) call(ctx context.Context, action string, params ...openapi.Param) (json.RawMessage, id2.Code, error) {
	res, err := b.client.Call(ctx, action, append(params, openapi.Param{Name: "ApiVersion", Value: "1.1.2"}))
	if err != nil {
		return nil, 0, err
	}
	return res.Data, id2.Code(res.Code), nil
}

// simulated is one device: the software that a real one runs, over a key store in
// memory.
type simulated struct {
	software    *device.Client
	fingerprint []byte
	// state is read by the schedule while others play.
	state atomic.Int32
}

// The states of a device.
const (
	newborn int32 = iota // has no identity yet
	denied               // was refused one
	named                // has one
)

func newSimulated(fingerprint string) *simulated {
	return &simulated{software: device.NewClient(device.NewMemory(rand.Reader), rand.Reader), fingerprint: []byte(fingerprint)}
}

// errNotOurs says that the door's answer does not serve the device that asked.
var errNotOurs = errors.New("the device refused the answer")

// provision asks for an identity and loads it (id2 §4).
func (d *simulated) provision(ctx context.Context, b *backEnd) (id2.Code, error) {
	code, err := d.software.OTPAuthCode(b.product.ProductSecret, d.fingerprint)
	if err != nil {
		return 0, err
	}
	answer, result, err := b.call(ctx, "OtpGetId2", openapi.Param{Name: "DeviceAuthCode", Value: base64.StdEncoding.EncodeToString(code)})
	if err != nil || result != id2.CodeOK {
		if err == nil {
			d.state.Store(denied)
		}
		return result, err
	}
	var data struct{ ProvisionData []byte }
	if err := json.Unmarshal(answer, &data); err != nil {
		return 0, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if err := d.software.LoadOTPData(data.ProvisionData); err != nil {
		return 0, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	d.state.Store(named)
	return result, nil
}

// authenticate proves the device, by the time or by a challenge.
func (d *simulated) authenticate(ctx context.Context, b *backEnd, byChallenge bool) (id2.Code, error) {
	id, err := d.software.ID()
	if err != nil {
		return 0, err
	}
	sign, value := d.software.TimestampAuthCode, strconv.FormatInt(time.Now().UnixMilli(), 10)
	if byChallenge {
		answer, result, err := b.call(ctx, "GetServerRandom", openapi.Param{Name: "Id2", Value: id})
		if err != nil || result != id2.CodeOK {
			return result, err
		}
		if err := json.Unmarshal(answer, &value); err != nil {
			return 0, fmt.Errorf("%w: %w", errNotOurs, err)
		}
		sign = d.software.ChallengeAuthCode
	}
	code, err := sign(value, nil)
	if err != nil {
		return 0, err
	}
	_, result, err := b.call(ctx, "Verify", openapi.Param{Name: "Id2", Value: id},
		openapi.Param{Name: "ProductKey", Value: b.product.ProductKey}, openapi.Param{Name: "AuthCode", Value: code})
	return result, err
}
