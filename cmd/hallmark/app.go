package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
)

// AppCmd groups the commands that stand in for a phone app.
type AppCmd struct {
	Sim AppSimCmd `cmd:"" help:"Play a phone with an SM2 key in its SIM."`
}

// AppSimCmd plays a phone on the command line.
type AppSimCmd struct {
	Login   AppLoginCmd   `cmd:"" help:"Scan a code, show who asks, and confirm."`
	Scan    AppScanCmd    `cmd:"" help:"Tell the server that a code was scanned, and show who asks."`
	Confirm AppConfirmCmd `cmd:"" help:"Confirm a code that was scanned, with the SM2 key."`
	Cancel  AppCancelCmd  `cmd:"" help:"Tell the server that the user declines."`
	NewKey  AppNewKeyCmd  `cmd:"" help:"Make an SM2 key and a certificate or a request for one."`
}

// Help is shown by hallmark app sim --help.
func (*AppSimCmd) Help() string {
	return `CODE is the QR code: a picture (PNG, JPEG or GIF), - for one on standard input, or its text.

  hallmark app sim new-key --key phone.key --cert phone.pem --name "Wang Wei"
  hallmark ciss root add --data DIR phone.pem
  hallmark client create --data DIR --door ciss -o json

  hallmark app sim login --server URL --app-id ID --app-key-file app.key --key phone.key --cert phone.pem code.png`
}

// appFlags say which app on which server, and how it seals.
type appFlags struct {
	Code    string   `arg:"" help:"The code: a picture, - for one on standard input, or its text."`
	AppID   string   `required:"" name:"app-id" placeholder:"ID" help:"The app's id."`
	AppKey  string   `required:"" name:"app-key-file" placeholder:"FILE" help:"File with the app's SM4 key."`
	Setting []string `placeholder:"NAME=VALUE" sep:"none" help:"How the app reads the vendor's document, where the server has it otherwise than by default; see hallmark ciss settings."`
}

// cardFlags name what the phone's card holds.
type cardFlags struct {
	Key  string `required:"" placeholder:"FILE" help:"The card's SM2 key, PKCS#8 in PEM."`
	Cert string `required:"" placeholder:"FILE" help:"Its certificate in PEM."`
}

// phone is the app, ready to call.
type phone struct {
	client   *ciss.Client
	settings ciss.Settings
	authID   string
}

// appResult is what the commands print.
type appResult struct {
	AuthID     string `json:"auth_id"`
	State      string `json:"state"`
	ResultDesc string `json:"result_desc"`
}

// open reads the code and the app's credential.
func (f *appFlags) open(e *Env) (*phone, error) {
	text, err := e.readCode(f.Code)
	if err != nil {
		return nil, err
	}
	p := &phone{}
	if p.authID, err = ciss.ParseCode(text); err != nil {
		return nil, withHint(err, "it says %.80q", text)
	}
	if p.settings, err = appSettings(f.Setting); err != nil {
		return nil, err
	}
	secret, err := e.readKey(f.AppKey)
	if err != nil {
		return nil, err
	}
	key, err := ciss.ParseKey(strings.TrimSpace(secret))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.AppKey, err)
	}
	address, err := e.publicAddress()
	if err != nil {
		return nil, err
	}
	transport, err := e.transport()
	if err != nil {
		return nil, err
	}
	p.client, err = ciss.NewClient(ciss.ClientOptions{BaseURL: address, AppID: f.AppID, Key: key, Settings: &p.settings, HTTP: &http.Client{Transport: transport}})
	return p, err
}

// appSettings reads pairs of NAME=VALUE over the defaults.
func appSettings(pairs []string) (ciss.Settings, error) {
	change, err := settingChange(pairs)
	if err != nil {
		return ciss.Settings{}, err
	}
	text, err := json.Marshal(change)
	if err != nil {
		return ciss.Settings{}, err
	}
	s, err := ciss.DefaultSettings().With(text)
	if err != nil {
		return s, usage("--setting: %v", err)
	}
	return s, nil
}

// publicAddress finds the server as an app does, which needs no token.
func (e *Env) publicAddress() (string, error) {
	if e.Server == "" && e.Data != "" {
		running, err := findRunning(e.Data)
		return running.URL, err
	}
	if address := cmp.Or(e.Server, os.Getenv("HALLMARK_SERVER")); address != "" {
		return address, nil
	}
	return "", usage("which server? give --server URL (or HALLMARK_SERVER), or --data DIR on its own machine")
}

// AppScanCmd scans a code.
type AppScanCmd struct{ appFlags }

// Run scans a code.
func (cmd *AppScanCmd) Run(ctx context.Context, e *Env) error {
	p, err := cmd.open(e)
	if err != nil {
		return err
	}
	return p.tell(ctx, e, "scanned", p.client.Scan)
}

// tell tells the server what became of the code, and prints its answer.
func (p *phone) tell(ctx context.Context, e *Env, state string, call func(context.Context, string) (ciss.Result, error)) error {
	result, err := call(ctx, p.authID)
	if err != nil {
		return err
	}
	return e.printFields(appResult{p.authID, state, result.Desc})
}

// AppCancelCmd declines a code.
type AppCancelCmd struct{ appFlags }

// Run declines a code.
func (cmd *AppCancelCmd) Run(ctx context.Context, e *Env) error {
	p, err := cmd.open(e)
	if err != nil {
		return err
	}
	return p.tell(ctx, e, "cancelled", p.client.Cancel)
}

// AppConfirmCmd confirms a code that was scanned.
type AppConfirmCmd struct {
	appFlags
	cardFlags
}

// Run confirms a code.
func (cmd *AppConfirmCmd) Run(ctx context.Context, e *Env) error {
	p, err := cmd.open(e)
	if err != nil {
		return err
	}
	card, err := cmd.read(e)
	if err != nil {
		return err
	}
	return p.confirm(ctx, e, card)
}

// confirm signs the authId and sends it.
func (p *phone) confirm(ctx context.Context, e *Env, c *card) error {
	message, err := p.settings.SignedMessage(p.authID)
	if err != nil {
		return err
	}
	signature, err := p.settings.Sign(rand.Reader, c.key, message)
	if err != nil {
		return err
	}
	result, err := p.client.Login(ctx, p.authID, c.cert.Raw, signature)
	if err != nil {
		return err
	}
	return e.printFields(appResult{p.authID, "confirmed", result.Desc})
}

// card is what the phone's card holds.
type card struct {
	key  *sm2.PrivateKey
	cert *smx509.Certificate
}

// read reads the card.
func (f *cardFlags) read(e *Env) (*card, error) {
	text, err := e.readKey(f.Key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, withHint(fmt.Errorf("%s holds no key in PEM", f.Key), "hallmark app sim new-key makes one")
	}
	parsed, err := smx509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*sm2.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no SM2 key in PKCS#8", f.Key)
	}
	if text, err = e.readKey(f.Cert); err != nil {
		return nil, err
	}
	cert, err := smx509.ParseCertificatePEM([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s holds no certificate in PEM", f.Cert)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s is not a certificate of the key in %s", f.Cert, f.Key)
	}
	return &card{key, cert}, nil
}

// AppLoginCmd does all that a phone does.
type AppLoginCmd struct {
	appFlags
	cardFlags
	Yes bool `help:"Confirm without asking."`
}

// Run scans, shows and confirms.
func (cmd *AppLoginCmd) Run(ctx context.Context, e *Env) error {
	p, err := cmd.open(e)
	if err != nil {
		return err
	}
	card, err := cmd.read(e)
	if err != nil {
		return err
	}
	scanned, err := p.client.Scan(ctx, p.authID)
	if err != nil {
		return err
	}
	e.note("%s", scanned.Desc)
	if !cmd.Yes && !e.agrees("sign in there? [y/N] ") {
		return p.tell(ctx, e, "cancelled", p.client.Cancel)
	}
	return p.confirm(ctx, e, card)
}

// agrees asks a question and reads a line.
func (e *Env) agrees(question string) bool {
	fmt.Fprint(e.Stderr, question)
	line, _ := bufio.NewReader(e.Stdin).ReadString('\n') // no answer is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
