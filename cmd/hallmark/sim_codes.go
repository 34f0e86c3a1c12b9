package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/hallmark-id/hallmark/id2/device"
)

// SimAuthCodeCmd makes an auth code.
type SimAuthCodeCmd struct {
	simDevice
	Challenge string `placeholder:"TEXT" xor:"value" required:"" help:"Challenge of GetServerRandom."`
	Timestamp string `placeholder:"MS|now" xor:"value" required:"" help:"Milliseconds since 1970, or now."`
	Extra     string `placeholder:"TEXT" help:"Extra data that the code vouches for."`
}

// simAuthCode is what SimAuthCodeCmd prints as JSON.
type simAuthCode struct {
	ID2      string `json:"id2"`
	AuthCode string `json:"auth_code"`
}

// Run prints the code.
func (c *SimAuthCodeCmd) Run(env *Env) error {
	return c.use(func(dev *device.Client) error {
		sign, value := dev.ChallengeAuthCode, c.Challenge
		if c.Timestamp != "" {
			sign, value = dev.TimestampAuthCode, c.Timestamp
		}
		if c.Timestamp == "now" {
			value = strconv.FormatInt(time.Now().UnixMilli(), 10)
		}
		code, err := sign(value, orNil(c.Extra))
		if err != nil {
			return err
		}
		id, err := dev.ID()
		if err != nil {
			return err
		}
		return env.text(simAuthCode{id, code}, code)
	})
}

// orNil is the extra of the device library, where nil is none.
func orNil(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// text prints a value as JSON, or its one text alone for use in scripts.
func (e *Env) text(value any, text string) error {
	if e.Output == "json" {
		return e.printJSON(value)
	}
	_, err := fmt.Fprintln(e.Stdout, text)
	return err
}

// SimDecryptCmd opens encrypted data.
type SimDecryptCmd struct {
	simDevice
	Data string `arg:"" help:"Base64 of the answer's Data or EncryptData."`
}

// simPlain is what SimDecryptCmd prints as JSON.
type simPlain struct {
	Data string `json:"data"`
	Hex  string `json:"data_hex"`
}

// Run prints the plaintext.
func (c *SimDecryptCmd) Run(env *Env) error {
	sealed, err := base64.StdEncoding.DecodeString(c.Data)
	if err != nil {
		return usage("the data is not base64")
	}
	return c.use(func(dev *device.Client) error {
		plain, err := dev.Decrypt(sealed)
		if err != nil {
			return err
		}
		return env.text(simPlain{string(plain), hex.EncodeToString(plain)}, string(plain))
	})
}

// SimChallengeCmd makes a device challenge.
type SimChallengeCmd struct {
	simDevice
	Length int `default:"32" help:"Characters, at most 128."`
}

// simChallenge is what SimChallengeCmd prints as JSON.
type simChallenge struct {
	DeviceChallenge string `json:"device_challenge"`
}

// Run prints the challenge.
func (c *SimChallengeCmd) Run(env *Env) error {
	return c.use(func(dev *device.Client) error {
		challenge, err := dev.DeviceChallenge(c.Length)
		if err != nil {
			return err
		}
		return env.text(simChallenge{challenge}, challenge)
	})
}

// SimVerifyServerCmd checks a server code.
type SimVerifyServerCmd struct {
	simDevice
	ServerCode string `arg:"" help:"The answer's ServerAuthCode."`
	Challenge  string `required:"" placeholder:"TEXT" help:"The device challenge it answers."`
	Extra      string `placeholder:"TEXT" help:"The ServerExtra that was asked for."`
}

// simVerdict is what SimVerifyServerCmd prints as JSON.
type simVerdict struct {
	Genuine bool `json:"genuine"`
}

// Run prints the verdict; a refused code is an error.
func (c *SimVerifyServerCmd) Run(env *Env) error {
	return c.use(func(dev *device.Client) error {
		if err := dev.VerifyServerCode(c.ServerCode, c.Challenge, orNil(c.Extra)); err != nil {
			return withHint(err, "the answer did not come from a server that holds this device's key, or is not the answer to this challenge")
		}
		return env.text(simVerdict{true}, "genuine")
	})
}
