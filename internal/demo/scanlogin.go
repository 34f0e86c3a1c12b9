package demo

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// sim is what a phone's SIM holds.
type sim struct {
	key  *sm2.PrivateKey
	cert *smx509.Certificate
}

// newSIM makes a key and a certificate that it signs itself.
func newSIM(name string) (*sim, error) {
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: smx509.KeyUsageDigitalSignature}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := smx509.ParseCertificate(der)
	return &sim{key, cert}, err
}

func (s *sim) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
}

// scanLogin signs in to the console by a phone, and refuses others.
func (d *Demo) scanLogin() error {
	d.subject = "scan login"
	d.say("\nscan login (扫码登录): a browser shows a QR code, a phone with an SM2 key confirms it")
	owner, err := newSIM("Wang Wei")
	if err != nil {
		return err
	}
	app, err := d.newApp(owner)
	if err != nil {
		return err
	}
	page, err := d.openPage()
	if err != nil {
		return err
	}
	asks, err := app.Scan(d.ctx, page.authID)
	if err != nil {
		return err
	}
	d.say("  the phone is told who asks: %s", asks.Desc)
	thief, err := newSIM("Wang Wei")
	if err != nil {
		return err
	}
	d.check("a thief's phone with a certificate of the same name", "921 证书不受信任", d.confirm(app, page, thief.cert, thief))
	d.check("the owner's certificate without the key", "921 签名验证失败", d.confirm(app, page, owner.cert, thief))
	d.check("the owner's phone", ok, d.confirm(app, page, owner.cert, owner))
	d.check("the page hears of it", "authenticated", page.state())
	d.check("the same code again", "921 二维码已使用或已取消", d.confirm(app, page, owner.cert, owner))
	return nil
}

// newApp makes an account that the SIM's certificate is bound to, and an app.
func (d *Demo) newApp(owner *sim) (*ciss.Client, error) {
	_, err1 := d.op.CreateAccount(d.ctx, operator.AccountSpec{Name: "wang", Role: "admin"})
	_, err2 := d.op.BindAccount(d.ctx, "wang", operator.BindingSpec{Certificate: owner.pem()})
	_, err3 := d.op.AddRoot(d.ctx, operator.RootSpec{Certificate: owner.pem()})
	client, err4 := d.op.CreateAPIClient(d.ctx, operator.ClientSpec{Door: "ciss", Name: "demo app"})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	d.say("  the app has its id and key: %s", client.AppID)
	key, err := ciss.ParseKey(client.AppSM4Key)
	if err != nil {
		return nil, err
	}
	return ciss.NewClient(ciss.ClientOptions{BaseURL: d.url, AppID: client.AppID, Key: key})
}

// confirm signs a page's code with one SIM, in the name of a certificate.
func (d *Demo) confirm(app *ciss.Client, p *page, cert *smx509.Certificate, with *sim) string {
	settings := ciss.DefaultSettings()
	signature, err := settings.Sign(rand.Reader, with.key, []byte(p.authID))
	if err != nil {
		return err.Error()
	}
	_, err = app.Login(d.ctx, p.authID, cert.Raw, signature)
	var refusal *ciss.StatusError
	switch {
	case err == nil:
		return ok
	case errors.As(err, &refusal):
		return strconv.Itoa(refusal.Code) + " " + refusal.Desc
	}
	return err.Error()
}

// page is a browser on the first page of the console.
type page struct {
	client *http.Client
	url    string
	authID string
}

var shownCode = regexp.MustCompile(`data-authid="([^"]+)"`)

func (d *Demo) openPage() (*page, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	p := &page{client: &http.Client{Jar: jar}, url: d.url + "/console/login"}
	text, err := p.get("")
	if err != nil {
		return nil, err
	}
	code := shownCode.FindSubmatch(text)
	if code == nil {
		return nil, errors.New("the console's first page shows no code")
	}
	p.authID = string(code[1])
	d.say("  the page shows a code for the authId %s", p.authID)
	return p, nil
}

func (p *page) get(path string) ([]byte, error) {
	resp, err := p.client.Get(p.url + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// state is what the page is told of its code.
func (p *page) state() string {
	text, err := p.get("/status")
	if err != nil {
		return err.Error()
	}
	var word struct{ State string }
	_ = json.Unmarshal(text, &word) // nothing to read is a wrong outcome, not an error
	return word.State
}
