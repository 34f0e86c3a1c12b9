package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/durable"
)

// DeviceSimCmd plays a device on the command line.
type DeviceSimCmd struct {
	New          SimNewCmd          `cmd:"" help:"Make a key file and print the line that imports its device."`
	AuthCode     SimAuthCodeCmd     `cmd:"" help:"Make a device auth code (设备认证码) for a challenge or a time."`
	Decrypt      SimDecryptCmd      `cmd:"" help:"Open what the server encrypted for the device."`
	Challenge    SimChallengeCmd    `cmd:"" help:"Make a device challenge (设备挑战字) for the server."`
	Provision    SimProvisionCmd    `cmd:"" help:"Get an identity from a server by one-time token."`
	OTPCode      SimOTPCodeCmd      `cmd:"" name:"otp-code" help:"Ask for an identity: make an OTP auth code from a product's token."`
	LoadOTP      SimLoadOTPCmd      `cmd:"" name:"load-otp" help:"Take the identity out of the answer of OtpGetId2."`
	VerifyServer SimVerifyServerCmd `cmd:"" help:"Check a server auth code (服务端认证码) as the device would."`
	Readers      SimReadersCmd      `cmd:"" help:"List the card readers of this machine (PC/SC)."`
}

// Help is shown by hallmark device sim --help.
func (*DeviceSimCmd) Help() string {
	return `The device's key is in one of three places: --key-file names a file with hexadecimal digits of a symmetric key,
or a private key in PEM; --card a virtual secure element in a file; --reader a real one in a card reader, over PC/SC.

  hallmark device sim new --algorithm aes128 --key-file pump.key > pump.csv
  hallmark device import --data DIR --product a1… pump.csv
  hallmark device sim auth-code --algorithm aes128 --key-file pump.key --id2 … --challenge …

  hallmark device sim new --algorithm sm4 --card valve.card > valve.csv
  hallmark device sim auth-code --card valve.card --challenge …

  hallmark device sim readers
  hallmark device sim auth-code --reader ACR38 --algorithm aes128 --challenge …`
}

// SimNewCmd makes a device.
type SimNewCmd struct {
	Algorithm string `required:"" enum:"${algorithms}" help:"Algorithm of the key: ${enum}."`
	KeyFile   string `placeholder:"FILE" xor:"where" required:"" help:"Where to write the key; the file must not exist."`
	Card      string `placeholder:"FILE" xor:"where" required:"" help:"Where to write a virtual secure element with the key in it; the file must not exist."`
	ID2       string `name:"id2" placeholder:"ID" help:"The device's ID²; a random one if not given."`
}

// simNew is what SimNewCmd prints as JSON.
type simNew struct {
	ID2          string `json:"id2"`
	KeyHex       string `json:"key_hex,omitempty"`
	PublicKeyPEM string `json:"public_key_pem,omitempty"`
}

// Run writes the key or the card and prints CSV with its header.
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
	out, text, err := newSimKey(algorithm)
	if err != nil {
		return err
	}
	if c.Card != "" {
		text, err = newCardFile(c.ID2, algorithm, text)
	}
	if err != nil {
		return err
	}
	if err := writeNew(cmp.Or(c.KeyFile, c.Card), text); err != nil {
		return err
	}
	out.ID2 = c.ID2
	if env.Output == "json" {
		return env.printJSON(out)
	}
	return out.printCSV(env.Stdout)
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte) error {
	if _, err := os.Stat(path); err == nil {
		return withHint(fmt.Errorf("%s is already there", path), "a key is never overwritten; choose another name")
	}
	return durable.WriteFile(path, text, 0o600)
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
