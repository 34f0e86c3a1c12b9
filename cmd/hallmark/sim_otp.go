package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/durable"
)

// SimOTPCodeCmd asks for an identity.
type SimOTPCodeCmd struct {
	TokenFile   string `name:"secret-file" required:"" placeholder:"FILE" help:"File with the product's ProductSecret (产品密钥)."`
	Fingerprint string `required:"" placeholder:"TEXT" help:"What the device tells itself apart by, 1 to 128 bytes."`
	SessionFile string `required:"" placeholder:"FILE" help:"Where to keep the session key until load-otp."`
}

// simSession is what the device remembers until the answer is there.
type simSession struct {
	KeyType    id2.OTPKeyType `json:"key_type"`
	SessionKey string         `json:"session_key_hex"`
}

// simOTPCode is what SimOTPCodeCmd prints as JSON.
type simOTPCode struct {
	AuthCode string `json:"auth_code"`
}

// Run prints the code.
func (c *SimOTPCodeCmd) Run(env *Env) error {
	request, code, err := newOTPRequest(c.TokenFile, c.Fingerprint)
	if err != nil {
		return err
	}
	session, err := json.Marshal(simSession{request.KeyType, hex.EncodeToString(request.SessionKey[:])})
	if err != nil {
		return err
	}
	if err := durable.WriteFile(c.SessionFile, append(session, '\n'), 0o600); err != nil {
		return err
	}
	out := simOTPCode{base64.StdEncoding.EncodeToString(code)}
	return env.text(out, out.AuthCode)
}

// newOTPRequest makes a request under a token in a file, and its code.
func newOTPRequest(tokenFile, fingerprint string) (r id2.OTPRequest, code []byte, err error) {
	text, err := os.ReadFile(tokenFile)
	if err != nil {
		return r, nil, err
	}
	token, err := id2.ParseToken(strings.TrimSpace(string(text)))
	if err != nil {
		return r, nil, withHint(fmt.Errorf("%s: %w", tokenFile, err), "a token is the product_secret that product create printed, 32 characters")
	}
	r = id2.OTPRequest{KeyType: token.KeyType, Fingerprint: []byte(fingerprint)}
	if _, err := rand.Read(r.SessionKey[:]); err != nil {
		return r, nil, err
	}
	code, err = r.AuthCode(token)
	return r, code, err
}

// SimLoadOTPCmd loads an identity.
type SimLoadOTPCmd struct {
	Data        string `arg:"" help:"The answer's ProvisionData."`
	SessionFile string `required:"" placeholder:"FILE" help:"What otp-code kept."`
	KeyFile     string `required:"" placeholder:"FILE" help:"Where to write the key; the file must not exist."`
}

// simLoaded is what SimLoadOTPCmd prints as JSON.
type simLoaded struct {
	ID2       string `json:"id2"`
	Algorithm string `json:"algorithm"`
}

// Run writes the key and prints the id.
func (c *SimLoadOTPCmd) Run(env *Env) error {
	request, err := readSession(c.SessionFile)
	if err != nil {
		return err
	}
	data, ok := id2.DecodeOTP(c.Data)
	if !ok {
		return usage("the data is not base64")
	}
	return env.load(request, data, c.KeyFile)
}

// load writes the key of an answer to a file and prints the id.
func (e *Env) load(request id2.OTPRequest, data []byte, keyFile string) error {
	id, key, err := request.OpenProvisionData(data)
	if err != nil {
		return withHint(err, "the answer must be the one to the last OTP code of this device")
	}
	public := key.Public()
	raw := public.Bytes()
	defer clear(raw)
	if err := writeNew(keyFile, []byte(hex.EncodeToString(raw)+"\n")); err != nil {
		return err
	}
	return e.text(simLoaded{id, public.Algorithm().String()}, id)
}

func readSession(path string) (id2.OTPRequest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return id2.OTPRequest{}, err
	}
	var session simSession
	var request id2.OTPRequest
	err = json.Unmarshal(text, &session)
	key, hexErr := hex.DecodeString(session.SessionKey)
	if err != nil || hexErr != nil || len(key) != len(request.SessionKey) {
		return request, fmt.Errorf("%s does not hold what otp-code wrote", path)
	}
	request.KeyType = session.KeyType
	copy(request.SessionKey[:], key)
	return request, nil
}
