package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// ok is the service code of success.
const ok = "200"

// genuine lets a device prove itself in every way.
func (d *Demo) genuine(dev *fieldDevice) error {
	for _, scene := range []func(*fieldDevice) error{d.byChallenge, d.byTimestamp, d.withExtra, d.encrypted, d.mutual} {
		if err := scene(dev); err != nil {
			return err
		}
	}
	return nil
}

func (d *Demo) byChallenge(dev *fieldDevice) error {
	challenge, err := d.challenge(dev)
	if err != nil {
		return err
	}
	d.say("  the server's challenge (服务端随机数) %s", challenge)
	code, err := dev.ChallengeAuthCode(challenge, nil)
	if err != nil {
		return err
	}
	d.say("  the device's auth code (设备认证码)  %s", code)
	return d.verify("challenge", ok, dev, code)
}

func (d *Demo) byTimestamp(dev *fieldDevice) error {
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	return d.verify("timestamp", ok, dev, code)
}

func (d *Demo) withExtra(dev *fieldDevice) error {
	challenge, err := d.challenge(dev)
	if err != nil {
		return err
	}
	code, err := dev.ChallengeAuthCode(challenge, []byte("firmware 1.4.2"))
	if err != nil {
		return err
	}
	return d.verify("challenge with extra", ok, dev, code, "Extra", "firmware 1.4.2")
}

func (d *Demo) encrypted(dev *fieldDevice) error {
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	_, data, err := d.call("VerifyAndEncrypt", "Id2", dev.id, "ProductKey", dev.product, "AuthCode", code, "Data", "open valve 7")
	if err != nil {
		return err
	}
	var text string
	_ = json.Unmarshal(data, &text) // nothing to read is a wrong outcome, not an error
	d.check("encrypt, and decrypt on the device", "open valve 7", dev.decrypt(text))
	return nil
}

// mutual lets the server prove itself as well; with a shared key it needs
// nothing more.
func (d *Demo) mutual(dev *fieldDevice) error {
	if !dev.symmetric {
		return nil
	}
	challenge, err := dev.DeviceChallenge(16)
	if err != nil {
		return err
	}
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	_, data, err := d.call("GetServerAuthCodeAndEncryptData", "Id2", dev.id, "ProductKey", dev.product, "DeviceAuthCode", code,
		"DeviceChallenge", challenge, "ServerExtra", "hello device", "Data", "session key")
	if err != nil {
		return err
	}
	var answer struct{ EncryptData, ServerAuthCode string }
	_ = json.Unmarshal(data, &answer) // nothing to read is a wrong outcome, not an error
	verdict := "genuine server"
	if err := dev.VerifyServerCode(answer.ServerAuthCode, challenge, []byte("hello device")); err != nil {
		verdict = err.Error()
	}
	d.check("the server proves itself to the device", "genuine server", verdict)
	d.check("data of the mutual authentication", "session key", dev.decrypt(answer.EncryptData))
	return nil
}

// attacks tries what a thief would.
func (d *Demo) attacks(dev *fieldDevice) error {
	for _, attack := range []func(*fieldDevice) error{d.replayChallenge, d.replayTimestamp, d.staleTimestamp, d.tamper, d.impersonate,
		d.badSignature, d.reuseNonce, d.suspended} {
		if err := attack(dev); err != nil {
			return err
		}
	}
	return nil
}

func (d *Demo) replayChallenge(dev *fieldDevice) error {
	challenge, err := d.challenge(dev)
	if err != nil {
		return err
	}
	code, err := dev.ChallengeAuthCode(challenge, nil)
	if err != nil {
		return err
	}
	if err := d.verify("a challenge's code, first", ok, dev, code); err != nil {
		return err
	}
	return d.verify("the same code again (35: challenge used)", "35", dev, code)
}

func (d *Demo) replayTimestamp(dev *fieldDevice) error {
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	if err := d.verify("a timestamp's code, first", ok, dev, code); err != nil {
		return err
	}
	return d.verify("the same code again (34: repeated)", "34", dev, code)
}

func (d *Demo) staleTimestamp(dev *fieldDevice) error {
	old := fmt.Sprint(time.Now().Add(-11 * time.Minute).UnixMilli())
	code, err := dev.TimestampAuthCode(old, nil)
	if err != nil {
		return err
	}
	return d.verify("a timestamp 11 minutes old (33: expired)", "33", dev, code)
}

func (d *Demo) tamper(dev *fieldDevice) error {
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	i := strings.LastIndexByte(code, '~') + 1
	other := byte('A')
	if code[i] == other {
		other = 'B'
	}
	return d.verify("one character of the signature changed (21: invalid)", "21", dev, code[:i]+string(other)+code[i+1:])
}

func (d *Demo) impersonate(dev *fieldDevice) error {
	impostor, err := d.addDevice(id2.AES128, dev.product, inMemory)
	if err != nil {
		return err
	}
	code, err := impostor.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	return d.verify("another device's code (21: invalid)", "21", dev, code)
}

func (d *Demo) badSignature(dev *fieldDevice) error {
	c, err := d.backEnd("not the secret", openapi.HMACSHA1, openapi.InForm)
	if err != nil {
		return err
	}
	outcome, _, err := d.callWith(c, "GetServerRandom", "Id2", dev.id)
	d.check("a back end with a wrong secret", "SignatureDoesNotMatch", outcome)
	return err
}

// reuseNonce sends one signed request twice, as somebody who listened would.
func (d *Demo) reuseNonce(dev *fieldDevice) error {
	m := openapi.Message{Method: http.MethodGet, Action: "GetServerRandom", Version: "2017-07-07", Nonce: "listened-to", Time: time.Now(),
		Params: []openapi.Param{{Name: "ApiVersion", Value: apiVersion}, {Name: "Id2", Value: dev.id}}}
	system, api, err := m.SignV1(openapi.NewCredential(d.access.AccessKeyID, d.access.AccessKeySecret), openapi.HMACSHA1)
	if err != nil {
		return err
	}
	for _, expected := range []string{ok, "SignatureNonceUsed"} {
		code, err := d.raw("/?" + system + "&" + api)
		if err != nil {
			return err
		}
		d.check("a request of the back end, sent twice", expected, code)
	}
	return nil
}

// raw sends a request as it stands and returns the Code of the answer.
func (d *Demo) raw(path string) (string, error) {
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var answer struct{ Code any }
	err = json.Unmarshal(text, &answer)
	return fmt.Sprint(answer.Code), err
}

func (d *Demo) suspended(dev *fieldDevice) error {
	if _, err := d.op.ChangeDevice(d.ctx, dev.id, "suspend"); err != nil {
		return err
	}
	code, err := dev.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	return d.verify("a suspended device with a good code (45: suspended)", "45", dev, code)
}
