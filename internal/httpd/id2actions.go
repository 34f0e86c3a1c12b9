package httpd

import (
	"context"
	"encoding/base64"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/openapi"
)

// id2Action performs one operation of the API document.
type id2Action func(*id2Door, context.Context, *id2Call) (openapi.Reply, error)

// id2Actions are the operations by name (API document §3).
var id2Actions = map[string]id2Action{
	"GetServerRandom":                 (*id2Door).getServerRandom,
	"Verify":                          (*id2Door).verify,
	"VerifyAndEncrypt":                (*id2Door).verifyAndEncrypt,
	"GetServerAuthCodeAndEncryptData": (*id2Door).getServerAuthCodeAndEncryptData,
	"OtpGetId2":                       (*id2Door).otpGetID2,
}

// apiVersion is the one value of the parameter ApiVersion.
const apiVersion = "1.1.2"

// checkCommon checks the parameters that every operation shares.
func (c *id2Call) checkCommon() error {
	if v, _ := c.Get("ApiVersion"); v != apiVersion {
		return &authn.Refusal{Code: id2.CodeAPIVersion, Reason: "ApiVersion must be " + apiVersion}
	}
	if v, present := c.Get("ProductSource"); present && v != "1" {
		return &authn.Refusal{Code: id2.CodeParameter, Reason: "ProductSource must be 1 or left out"}
	}
	return nil
}

// mandatory sets into to a parameter that must be present; whether its value
// will do is for others to say.
func (c *id2Call) mandatory(name string, into *string) error {
	v, present := c.Get(name)
	if !present {
		return &authn.Refusal{Code: id2.CodeParameter, Reason: "the parameter " + name + " is missing"}
	}
	*into = v
	return nil
}

// getServerRandom issues a challenge (获取服务端随机数).
func (d *id2Door) getServerRandom(ctx context.Context, c *id2Call) (openapi.Reply, error) {
	if err := c.checkCommon(); err != nil {
		return openapi.Reply{}, err
	}
	var id string
	if err := c.mandatory("Id2", &id); err != nil {
		return openapi.Reply{}, err
	}
	challenge, err := d.authn.Challenge(ctx, c.client.Org, id)
	if err != nil {
		return openapi.Reply{}, err
	}
	return openapi.Reply{Code: openapi.CodeOK, Data: openapi.TextData(challenge)}, nil
}

// verify checks an auth code (运行时认证).
func (d *id2Door) verify(ctx context.Context, c *id2Call) (openapi.Reply, error) {
	req, err := c.request("AuthCode", "Extra")
	if err != nil {
		return openapi.Reply{}, err
	}
	if _, err := d.authn.Verify(ctx, &req); err != nil {
		return openapi.Reply{}, err
	}
	return openapi.Reply{Code: openapi.CodeOK, Data: openapi.BoolData(true)}, nil
}

// verifyAndEncrypt checks an auth code and encrypts data (运行时认证并加密).
func (d *id2Door) verifyAndEncrypt(ctx context.Context, c *id2Call) (openapi.Reply, error) {
	req, err := c.request("AuthCode", "Extra")
	if err != nil {
		return openapi.Reply{}, err
	}
	req.Encrypt = true
	if err := c.mandatory("Data", &req.Data); err != nil {
		return openapi.Reply{}, err
	}
	res, err := d.authn.Verify(ctx, &req)
	if err != nil {
		return openapi.Reply{}, err
	}
	return openapi.Reply{Code: openapi.CodeOK, Data: openapi.TextData(res.EncryptData)}, nil
}

// getServerAuthCodeAndEncryptData checks a device, proves the server to it and
// encrypts data (获取服务端认证码).
func (d *id2Door) getServerAuthCodeAndEncryptData(ctx context.Context, c *id2Call) (openapi.Reply, error) {
	req, err := c.request("DeviceAuthCode", "DeviceExtra")
	if err != nil {
		return openapi.Reply{}, err
	}
	req.Encrypt, req.Mutual = true, true
	if err := c.mandatory("Data", &req.Data); err != nil {
		return openapi.Reply{}, err
	}
	if err := c.mandatory("DeviceChallenge", &req.DeviceChallenge); err != nil {
		return openapi.Reply{}, err
	}
	req.ServerExtra, _ = c.Get("ServerExtra")
	res, err := d.authn.Verify(ctx, &req)
	if err != nil {
		return openapi.Reply{}, err
	}
	return openapi.Reply{Code: openapi.CodeOK, Data: openapi.StructData(
		openapi.TextField("EncryptData", res.EncryptData), openapi.TextField("ServerAuthCode", res.ServerAuthCode))}, nil
}

// otpGetID2 provisions a device by one-time token (动态下发).
func (d *id2Door) otpGetID2(ctx context.Context, c *id2Call) (openapi.Reply, error) {
	if err := c.checkCommon(); err != nil {
		return openapi.Reply{}, err
	}
	var text string
	if err := c.mandatory("DeviceAuthCode", &text); err != nil {
		return openapi.Reply{}, err
	}
	code, ok := id2.DecodeOTP(text)
	if !ok {
		return openapi.Reply{}, &authn.Refusal{Code: id2.CodeAuthCode, Reason: "the auth code is not base64 of at most 256 bytes"}
	}
	res, err := d.otp.Provision(ctx, &provision.Request{Org: c.client.Org, Code: code, By: c.actor()})
	if err != nil {
		return openapi.Reply{}, err
	}
	return openapi.Reply{Code: openapi.CodeOK, Data: openapi.StructData(openapi.IntField("Remaining", res.Remaining),
		openapi.TextField("ProvisionData", base64.StdEncoding.EncodeToString(res.Data)))}, nil
}

// request gathers what the verifying operations share; two of them name the
// auth code and the extra differently.
func (c *id2Call) request(authCode, extra string) (authn.Request, error) {
	req := authn.Request{Org: c.client.Org, By: c.actor()}
	if err := c.checkCommon(); err != nil {
		return req, err
	}
	if err := c.mandatory("Id2", &req.ID2); err != nil {
		return req, err
	}
	if err := c.mandatory(authCode, &req.AuthCode); err != nil {
		return req, err
	}
	if err := c.mandatory("ProductKey", &req.ProductKey); err != nil {
		return req, err
	}
	req.Extra, _ = c.Get(extra)
	return req, nil
}
