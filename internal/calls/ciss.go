package calls

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// phones are an app, and the SIM of its users, who are all one.
type phones struct {
	site     *site
	client   *ciss.Client
	http     *http.Client
	settings ciss.Settings
	key      *sm2.PrivateKey
	cert     *smx509.Certificate
	serial   atomic.Uint32
}

// openCISS readies a call of scan login.
func openCISS(s *site, k Kind, c *Call) error {
	p := &phones{site: s, settings: ciss.DefaultSettings(), http: s.httpClient(c)}
	if err := p.newSIM("bench " + s.mark); err != nil {
		return err
	}
	if err := p.trust(c); err != nil {
		return err
	}
	access, err := s.newClient(c, "ciss")
	if err != nil {
		return err
	}
	key, err := ciss.ParseKey(access.AppSM4Key)
	if err != nil {
		return err
	}
	channel, err := ciss.NewChannel(access.AppID, key, p.settings, rand.Reader)
	if err != nil {
		return err
	}
	p.client, err = ciss.NewClient(ciss.ClientOptions{BaseURL: s.Door, AppID: access.AppID, Key: key,
		HTTP: &http.Client{Transport: recorder{p.http.Transport}, Timeout: prepareTimeout}})
	c.Judge = judgeCISS(channel)
	c.Prepare = map[string]func(context.Context, int) ([]load.Request, error){
		"scan": p.scans, "login-verify": p.logins, "verify-signature": p.signatures}[k.Name]
	return err
}

// judgeCISS reads answers, whose words are sealed.
func judgeCISS(channel *ciss.Channel) load.Judge {
	plain := judge("statusCode", "200", "returnObj")
	return func(status int, body []byte) (code, message string) {
		code, message = plain(status, body)
		if code == "" {
			return "", ""
		}
		if answer, err := ciss.ParseAnswer(body); err == nil {
			if opened, err := channel.OpenResponse(answer.ReturnObj, time.Now()); err == nil {
				message = clip(opened.Desc)
			}
		}
		return code, message
	}
}

// newSIM makes a key and a certificate that it signs itself.
func (p *phones) newSIM(name string) (err error) {
	if p.key, err = sm2.GenerateKey(rand.Reader); err != nil {
		return err
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7), KeyUsage: smx509.KeyUsageDigitalSignature}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &p.key.PublicKey, p.key)
	if err != nil {
		return err
	}
	p.cert, err = smx509.ParseCertificate(der)
	return err
}

// trust makes the user's account and has the server trust his certificate, for
// as long as the call is open.
func (p *phones) trust(c *Call) error {
	op, name := p.site.Operator, "bench-"+strings.ToLower(p.site.mark)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
	if _, err := op.CreateAccount(p.site.ctx, operator.AccountSpec{Name: name, Role: "viewer"}); err != nil {
		return err
	}
	c.undo = append(c.undo, func(ctx context.Context) error { _, err := op.DeleteAccount(ctx, name); return err })
	if _, err := op.BindAccount(p.site.ctx, name, operator.BindingSpec{Certificate: text}); err != nil {
		return err
	}
	root, err := op.AddRoot(p.site.ctx, operator.RootSpec{Certificate: text})
	if err == nil {
		c.undo = append(c.undo, func(ctx context.Context) error { _, err := op.RemoveRoot(ctx, root.Fingerprint); return err })
	}
	return err
}

var shownCode = regexp.MustCompile(`data-authid="([^"]+)"`)

// errNoCode says that a page came without a code to scan.
var errNoCode = errors.New("the console shows no code; it gives one address two a second, unless the server trusts this machine as a proxy (serve --trusted-proxy) and is told of others")

// pagesAtOnce is how many pages one address opens, which is fewer than it may.
const pagesAtOnce = 10

// page opens the console's first page and returns the code on it.
func (p *phones) page(ctx context.Context) (authID string, err error) {
	n := p.serial.Add(1) / pagesAtOnce
	from := fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
	text, err := get(ctx, p.http, p.site.Console+"/console/login", http.Header{"X-Forwarded-For": {from}})
	if err != nil {
		return "", err
	}
	code := shownCode.FindStringSubmatch(text)
	if code == nil {
		return "", errNoCode
	}
	return code[1], nil
}

func (p *phones) scans(ctx context.Context, n int) ([]load.Request, error) {
	return recorded(ctx, n, func(ctx context.Context, _ int) error {
		code, err := p.page(ctx)
		if err == nil {
			_, err = p.client.Scan(ctx, code)
		}
		return err
	})
}

// logins has every code scanned first.
func (p *phones) logins(ctx context.Context, n int) ([]load.Request, error) {
	return many(ctx, n, func(ctx context.Context, _ int) (load.Request, error) {
		code, err := p.page(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := p.client.Scan(ctx, code); err != nil {
			return nil, err
		}
		message, err := p.settings.SignedMessage(code)
		if err != nil {
			return nil, err
		}
		signature, err := p.settings.Sign(rand.Reader, p.key, message)
		if err != nil {
			return nil, err
		}
		return record(ctx, func(ctx context.Context) error {
			_, err := p.client.Login(ctx, code, p.cert.Raw, signature)
			return err
		})
	})
}

func (p *phones) signatures(ctx context.Context, n int) ([]load.Request, error) {
	return recorded(ctx, n, func(ctx context.Context, _ int) error {
		data := []byte("contract " + strconv.Itoa(int(p.serial.Add(1))))
		signature, err := p.settings.Sign(rand.Reader, p.key, data)
		if err == nil {
			_, err = p.client.Verify(ctx, ciss.Signed{PhoneNumber: "13800000000", Data: data, Cert: p.cert.Raw, Signature: signature})
		}
		return err
	})
}
