package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/openapi"
)

// SimProvisionCmd gets an identity from a server, by itself over iTLS or with a
// back end's credential over RPC.
type SimProvisionCmd struct {
	ITLS        string `name:"itls" placeholder:"HOST:PORT" xor:"door" required:"" help:"Ask over iTLS, as a device of SDK 3.1 does; goes with --product."`
	RPC         string `name:"rpc" placeholder:"URL" xor:"door" required:"" help:"Ask over OtpGetId2, as a back end does; goes with --access-key-file."`
	Product     string `placeholder:"PK" help:"ProductKey (产品标识) that the device names."`
	AccessFile  string `name:"access-key-file" placeholder:"FILE" help:"What client create -o json printed."`
	TokenFile   string `name:"secret-file" required:"" placeholder:"FILE" help:"File with the product's ProductSecret (产品密钥)."`
	Fingerprint string `required:"" placeholder:"TEXT" help:"What the device tells itself apart by, 1 to 128 bytes."`
	KeyFile     string `required:"" placeholder:"FILE" help:"Where to write the key; the file must not exist."`
}

// Help is shown by hallmark device sim provision --help.
func (*SimProvisionCmd) Help() string {
	return `The server gives the device an ID² and a key (动态下发). The id is printed, the key written to a file.

  hallmark device sim provision --itls 127.0.0.1:1883 --product a1… --secret-file lamp.secret --fingerprint 00:16:3e:00:00:01 --key-file lamp.key
  hallmark device sim provision --rpc http://127.0.0.1:8080 --access-key-file client.json --secret-file lamp.secret --fingerprint 00:16:3e:00:00:01 --key-file lamp.key`
}

// itlsTimeout is how long the simulated device waits for a server.
const itlsTimeout = 30 * time.Second

// Run provisions the device.
func (c *SimProvisionCmd) Run(ctx context.Context, env *Env) error {
	switch {
	case c.ITLS != "" && c.Product == "":
		return usage("--itls needs --product PK, by which the server finds the token")
	case c.RPC != "" && c.AccessFile == "":
		return usage("--rpc needs --access-key-file FILE: it is a back end that asks")
	}
	if _, err := os.Stat(c.KeyFile); err == nil { // before a code and perhaps a licence are spent
		return withHint(fmt.Errorf("%s: %w", c.KeyFile, fs.ErrExist), "a key is never overwritten; choose another name")
	}
	request, code, err := newOTPRequest(c.TokenFile, c.Fingerprint)
	if err != nil {
		return err
	}
	ask := c.askITLS
	if c.RPC != "" {
		ask = c.askRPC
	}
	data, err := ask(ctx, env, code)
	if err != nil {
		return err
	}
	return env.load(request, data, c.KeyFile)
}

func (c *SimProvisionCmd) askITLS(ctx context.Context, _ *Env, code []byte) ([]byte, error) {
	hello := itls.Hello{ProductKey: c.Product, AuthCode: code}
	if _, err := rand.Read(hello.Random[:]); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, itlsTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.ITLS)
	if err != nil {
		return nil, withHint(err, "hallmark serve listens there with --itls-listen")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	data, err := itls.Exchange(conn, hello)
	var alert itls.Alert
	switch {
	case errors.As(err, &alert):
		return nil, withHint(err, "docs/id2.md says when each alert is given")
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", c.ITLS, ctx.Err())
	}
	return data, err
}

func (c *SimProvisionCmd) askRPC(ctx context.Context, env *Env, code []byte) ([]byte, error) {
	client, err := c.backEnd(env)
	if err != nil {
		return nil, err
	}
	answer, err := client.Call(ctx, "OtpGetId2", []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"},
		{Name: "DeviceAuthCode", Value: base64.StdEncoding.EncodeToString(code)}})
	if err != nil {
		return nil, err
	}
	if answer.Code != int(id2.CodeOK) {
		return nil, fmt.Errorf("the server refuses: %s (code %d)", answer.Message, answer.Code)
	}
	var data struct{ ProvisionData []byte } // in base64, as JSON has bytes
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		return nil, fmt.Errorf("OtpGetId2: unreadable answer: %w", err)
	}
	return data.ProvisionData, nil
}

// backEnd is a client with the credential of a file.
func (c *SimProvisionCmd) backEnd(env *Env) (*openapi.Client, error) {
	text, err := os.ReadFile(c.AccessFile)
	if err != nil {
		return nil, err
	}
	var key struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"access_key_secret"`
	}
	if err := json.Unmarshal(text, &key); err != nil || key.ID == "" || key.Secret == "" {
		return nil, withHint(fmt.Errorf("%s holds no access key", c.AccessFile), "hallmark client create --door id2 -o json prints one")
	}
	transport, err := env.transport()
	if err != nil {
		return nil, err
	}
	return openapi.NewClient(openapi.ClientOptions{Endpoint: c.RPC, Placement: openapi.InForm, HTTP: &http.Client{Transport: transport},
		Credential: openapi.NewCredential(key.ID, key.Secret)})
}
