package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
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
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return err
	}
	token, err := id2.ParseToken(strings.TrimSpace(string(text)))
	if err != nil {
		return withHint(fmt.Errorf("%s: %w", c.TokenFile, err), "a token is the product_secret that product create printed, 32 characters")
	}
	request := id2.OTPRequest{KeyType: token.KeyType, Fingerprint: []byte(c.Fingerprint)}
	if _, err := rand.Read(request.SessionKey[:]); err != nil {
		return err
	}
	code, err := request.AuthCode(token)
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
	if _, err := os.Stat(c.KeyFile); err == nil {
		return withHint(fmt.Errorf("%s: %w", c.KeyFile, fs.ErrExist), "a key is never overwritten; choose another name")
	}
	request, err := readSession(c.SessionFile)
	if err != nil {
		return err
	}
	data, ok := id2.DecodeOTP(c.Data)
	if !ok {
		return usage("the data is not base64")
	}
	id, key, err := request.OpenProvisionData(data)
	if err != nil {
		return withHint(err, "the answer must be the one to the last otp-code with this session file")
	}
	public := key.Public()
	raw := public.Bytes()
	defer clear(raw)
	if err := durable.WriteFile(c.KeyFile, []byte(hex.EncodeToString(raw)+"\n"), 0o600); err != nil {
		return err
	}
	return env.text(simLoaded{id, public.Algorithm().String()}, id)
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
