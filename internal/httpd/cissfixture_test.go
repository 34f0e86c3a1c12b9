package httpd

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// phone is an app with a card, and a server that knows both: the card's root is
// trusted and its certificate bound to the account "wang".
type phone struct {
	*fixture
	app  registry.Client
	key  ciss.Key
	root *smx509.Certificate
	ca   *sm2.PrivateKey
	card *sm2.PrivateKey
	cert *smx509.Certificate
	// channel is how the app itself seals and opens.
	channel *ciss.Channel
}

func newPhone(t testing.TB, change func(*settings)) *phone {
	t.Helper()
	f := newFixture(t, change)
	p := &phone{fixture: f, ca: newCard(t), card: newCard(t)}
	p.root = p.certificate(1, nil, p.ca, func(c *smx509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, smx509.KeyUsageCertSign|smx509.KeyUsageCRLSign
	})
	p.cert = p.certificate(2, p.root, p.card, nil)
	_, err := f.reg.AddRoot(t.Context(), f.org, p.root.Raw, false, operatorActor)
	f.must(err)
	_, err = f.accounts.Create(t.Context(), account.Spec{Name: "wang", Role: account.Admin}, operatorActor)
	f.must(err)
	p.bind(p.cert)
	p.app, p.key = p.newApp(f.org, registry.ClientSpec{Door: registry.DoorCISS, Name: "app"})
	p.open(ciss.DefaultSettings())
	return p
}

func newCard(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certificate makes a certificate for a card, issued by the root or, when parent
// is nil, by itself.
func (p *phone) certificate(serial int64, parent *smx509.Certificate, card *sm2.PrivateKey, change func(*smx509.Certificate)) *smx509.Certificate {
	p.t.Helper()
	now := p.clock.Now()
	template := &smx509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Number " + big.NewInt(serial).String()},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: smx509.KeyUsageDigitalSignature}
	if change != nil {
		change(template)
	}
	if parent == nil {
		parent = template
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, parent, &card.PublicKey, p.ca)
	p.must(err)
	cert, err := smx509.ParseCertificate(der)
	p.must(err)
	return cert
}

func (p *phone) bind(cert *smx509.Certificate) {
	p.t.Helper()
	_, err := p.accounts.Bind(p.t.Context(), "wang", account.BindingSpec{Fingerprint: account.Fingerprint(cert)}, operatorActor)
	p.must(err)
}

func (f *fixture) newApp(org registry.ID, spec registry.ClientSpec) (registry.Client, ciss.Key) {
	f.t.Helper()
	app, secret := f.newClient(org, spec)
	key, err := ciss.ParseKey(secret)
	f.must(err)
	return app, key
}

// open makes the app seal under settings.
func (p *phone) open(s ciss.Settings) {
	p.t.Helper()
	channel, err := ciss.NewChannel(p.app.ID, p.key, s, rand.Reader)
	p.must(err)
	p.channel = channel
}

// as is another app on the same phone.
func (p *phone) as(app registry.Client, key ciss.Key) *phone {
	other := *p
	other.app, other.key = app, key
	other.open(ciss.DefaultSettings())
	return &other
}

// session makes a session whose code a browser shows.
func (p *phone) session() (authID, secret string) {
	p.t.Helper()
	s, secret, err := p.scans.Create(p.t.Context(), p.org, scanlogin.Requester{Address: "203.0.113.7", Agent: "Firefox"})
	p.must(err)
	return s.AuthID, secret
}

// scanned makes a session that the app has scanned.
func (p *phone) scanned() (authID, secret string) {
	p.t.Helper()
	authID, secret = p.session()
	p.answers(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned)), ciss.StatusOK, textOK)
	return authID, secret
}

func (p *phone) state(authID, secret string) scanlogin.State {
	p.t.Helper()
	s, err := p.scans.Session(p.t.Context(), authID, secret)
	p.must(err)
	return s.State
}

func (p *phone) scanParam(authID string, status ciss.ScanStatus) string {
	p.t.Helper()
	param, err := p.channel.SealScan(ciss.Scan{AuthID: authID, Status: status, Time: p.clock.Now()})
	p.must(err)
	return param
}

// loginParam seals a login with what the card signs.
func (p *phone) loginParam(authID string) string {
	p.t.Helper()
	s := p.channel.Settings()
	message, err := s.SignedMessage(authID)
	p.must(err)
	signature, err := s.Sign(rand.Reader, p.card, message)
	p.must(err)
	return p.sealLogin(ciss.LoginVerify{AuthID: authID, SignCert: hex.EncodeToString(p.cert.Raw), SignData: hex.EncodeToString(signature)})
}

func (p *phone) sealLogin(m ciss.LoginVerify) string {
	p.t.Helper()
	m.Time = p.clock.Now()
	param, err := p.channel.SealLoginVerify(m)
	p.must(err)
	return param
}

// cissReply is an answer of the door.
type cissReply struct {
	status int // of HTTP
	body   string
}

func (p *phone) send(path, param string) cissReply {
	p.t.Helper()
	return p.post(path, "application/json", ciss.Request{AppID: p.app.ID, Param: param}.Append(nil))
}

func (f *fixture) post(path, contentType string, body []byte) cissReply {
	f.t.Helper()
	req, err := http.NewRequest(http.MethodPost, f.server.URL+path, bytes.NewReader(body))
	f.must(err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	f.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	f.must(err)
	cissStatuses.Add(strconv.Itoa(resp.StatusCode))
	if answer, err := ciss.ParseAnswer(text); err == nil {
		cissCodes.Add(strconv.Itoa(answer.StatusCode))
	}
	return cissReply{resp.StatusCode, string(text)}
}

// answers checks the status code of an answer, and that its words begin so.
func (p *phone) answers(r cissReply, code int, words string) {
	p.t.Helper()
	if got, desc := p.read(r); got != code || !strings.HasPrefix(desc, words) {
		p.t.Errorf("answer %d %q, want %d %q", got, desc, code, words)
	}
}

// read opens an answer.
func (p *phone) read(r cissReply) (code int, desc string) {
	p.t.Helper()
	if r.status != http.StatusOK {
		p.t.Errorf("HTTP %d: %s", r.status, r.body)
		return 0, ""
	}
	answer, err := ciss.ParseAnswer([]byte(r.body))
	p.must(err)
	response, err := p.channel.OpenResponse(answer.ReturnObj, p.clock.Now())
	p.must(err)
	cissTexts.Add(response.Desc)
	return answer.StatusCode, response.Desc
}
