package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/internal/durable"
)

// DeviceSimCmd plays a device on the command line.
type DeviceSimCmd struct {
	New          SimNewCmd          `cmd:"" help:"Make a key file and print the line that imports its device."`
	AuthCode     SimAuthCodeCmd     `cmd:"" help:"Make a device auth code (设备认证码) for a challenge or a time."`
	Decrypt      SimDecryptCmd      `cmd:"" help:"Open what the server encrypted for the device."`
	Challenge    SimChallengeCmd    `cmd:"" help:"Make a device challenge (设备挑战字) for the server."`
	OTPCode      SimOTPCodeCmd      `cmd:"" name:"otp-code" help:"Ask for an identity: make an OTP auth code from a product's token."`
	LoadOTP      SimLoadOTPCmd      `cmd:"" name:"load-otp" help:"Take the identity out of the answer of OtpGetId2."`
	VerifyServer SimVerifyServerCmd `cmd:"" help:"Check a server auth code (服务端认证码) as the device would."`
}

// Help is shown by hallmark device sim --help.
func (*DeviceSimCmd) Help() string {
	return `The device's key is in a file: hexadecimal digits of a symmetric key, or a private key in PEM.

  hallmark device sim new --algorithm aes128 --key-file pump.key > pump.csv
  hallmark device import --data DIR --product a1… pump.csv
  hallmark device sim auth-code --algorithm aes128 --key-file pump.key --id2 … --challenge …`
}

// simDevice are the flags that say who the device is.
type simDevice struct {
	Algorithm string `required:"" enum:"${algorithms}" help:"Algorithm of the device's key: ${enum}."`
	KeyFile   string `required:"" placeholder:"FILE" help:"File with the device's key."`
	ID2       string `name:"id2" required:"" placeholder:"ID" help:"The device's ID²."`
	Hash      string `enum:"${hashes},native" default:"native" help:"Digest the device is built with."`
	ServerKey string `placeholder:"FILE" help:"Public key that checks server codes, PEM; for asymmetric devices (hallmark product server-key)."`
}

// client returns the device's software.
func (s *simDevice) client() (*device.Client, error) {
	algorithm, err := id2.ParseAlgorithm(s.Algorithm)
	if err != nil {
		return nil, err
	}
	identity := device.Identity{ID: s.ID2, Hash: algorithm.NativeHash()}
	if s.Hash != "native" {
		if identity.Hash, err = id2.ParseHash(s.Hash); err != nil {
			return nil, err
		}
	}
	if identity.Key, err = readKeyFile(algorithm, s.KeyFile); err != nil {
		return nil, err
	}
	if s.ServerKey != "" {
		text, err := os.ReadFile(s.ServerKey)
		if err != nil {
			return nil, err
		}
		if identity.ServerKey, err = id2.ParsePublicKeyPEM(algorithm, text); err != nil {
			return nil, fmt.Errorf("%s: %w", s.ServerKey, err)
		}
	}
	carrier := device.NewMemory(rand.Reader)
	if err := carrier.Set(identity); err != nil {
		return nil, err
	}
	return device.NewClient(carrier, rand.Reader), nil
}

func readKeyFile(a id2.Algorithm, path string) (id2.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return id2.PrivateKey{}, err
	}
	if !a.Symmetric() {
		key, err := id2.ParsePrivateKeyPEM(a, text)
		return key, errorAt(path, err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return id2.PrivateKey{}, fmt.Errorf("%s: a key of %s is %d hexadecimal digits", path, a, 2*a.KeySize())
	}
	key, err := id2.NewPrivateKey(a, raw)
	return key, errorAt(path, err)
}

func errorAt(path string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// SimNewCmd makes a device.
type SimNewCmd struct {
	Algorithm string `required:"" enum:"${algorithms}" help:"Algorithm of the key: ${enum}."`
	KeyFile   string `required:"" placeholder:"FILE" help:"Where to write the key; the file must not exist."`
	ID2       string `name:"id2" placeholder:"ID" help:"The device's ID²; a random one if not given."`
}

// simNew is what SimNewCmd prints as JSON.
type simNew struct {
	ID2          string `json:"id2"`
	KeyHex       string `json:"key_hex,omitempty"`
	PublicKeyPEM string `json:"public_key_pem,omitempty"`
}

// Run writes the key file and prints CSV with its header.
func (c *SimNewCmd) Run(env *Env) error {
	algorithm, err := id2.ParseAlgorithm(c.Algorithm)
	if err != nil {
		return err
	}
	if c.ID2 == "" {
		var b [12]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		c.ID2 = fmt.Sprintf("%X", b)
	}
	if _, err := os.Stat(c.KeyFile); err == nil {
		return withHint(fmt.Errorf("%s is already there", c.KeyFile), "a key is never overwritten; choose another name")
	}
	out, text, err := newSimKey(algorithm)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(c.KeyFile, text, 0o600); err != nil {
		return err
	}
	out.ID2 = c.ID2
	if env.Output == "json" {
		return env.printJSON(out)
	}
	return out.printCSV(env.Stdout)
}

func newSimKey(a id2.Algorithm) (out simNew, file []byte, err error) {
	key, err := id2.GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		return out, nil, err
	}
	public := key.Public()
	if a.Symmetric() {
		out.KeyHex = hex.EncodeToString(public.Bytes())
		return out, []byte(out.KeyHex + "\n"), nil
	}
	out.PublicKeyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public.Bytes()}))
	file, err = key.MarshalPEM()
	return out, file, err
}

func (s *simNew) printCSV(w io.Writer) error {
	var err error
	if s.KeyHex != "" {
		_, err = fmt.Fprintf(w, "id2,key_hex\n%s,%s\n", s.ID2, s.KeyHex)
	} else {
		_, err = fmt.Fprintf(w, "id2,public_key_pem\n%s,\"%s\"\n", s.ID2, s.PublicKeyPEM)
	}
	return err
}

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
	dev, err := c.client()
	if err != nil {
		return err
	}
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
	return env.text(simAuthCode{c.ID2, code}, code)
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
	dev, err := c.client()
	if err != nil {
		return err
	}
	sealed, err := base64.StdEncoding.DecodeString(c.Data)
	if err != nil {
		return usage("the data is not base64")
	}
	plain, err := dev.Decrypt(sealed)
	if err != nil {
		return err
	}
	return env.text(simPlain{string(plain), hex.EncodeToString(plain)}, string(plain))
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
	dev, err := c.client()
	if err != nil {
		return err
	}
	challenge, err := dev.DeviceChallenge(c.Length)
	if err != nil {
		return err
	}
	return env.text(simChallenge{challenge}, challenge)
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
	dev, err := c.client()
	if err != nil {
		return err
	}
	if err := dev.VerifyServerCode(c.ServerCode, c.Challenge, orNil(c.Extra)); err != nil {
		return withHint(err, "the answer did not come from a server that holds this device's key, or is not the answer to this challenge")
	}
	return env.text(simVerdict{true}, "genuine")
}
