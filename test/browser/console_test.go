package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/server"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

var chromium string

func TestMain(m *testing.M) {
	var err error
	if chromium, err = exec.LookPath("chromium"); err != nil {
		fmt.Fprintln(os.Stderr, "chromium is needed: make test-browser installs it where that is possible (Debian: apt-get install chromium fonts-noto-cjk)")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const password = "correct horse battery"

var by = audit.Actor{Name: "operator"}

// site is a server with a console, and a phone that speaks to its ciss door.
type site struct {
	*testing.T
	*server.Server
	clock     *testclock.Clock
	phone     *ciss.Client
	authority *authority
	card      *card
	revoked   *card
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, clock: testclock.New(time.Now())}
	dir := t.TempDir()
	var err error
	s.Server, err = server.Start(t.Context(), server.Config{DataDir: dir, Listen: "127.0.0.1:0", Now: s.clock.Now, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	s.equip(dir)
	return s
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// account makes an account, with the phone's card bound to it if asked for.
func (s *site) account(name string, role account.Role, bound bool) {
	s.Helper()
	_, err := s.Accounts().Create(s.Context(), account.Spec{Name: name, Role: role, Password: password}, by)
	if err == nil && bound {
		_, err = s.Accounts().Bind(s.Context(), name, account.BindingSpec{Fingerprint: account.Fingerprint(s.card.certificate), Label: "SIM card"}, by)
	}
	s.must(err)
}

func (s *site) path(path string) string { return s.URL() + "/console/" + path }

// shown is the authId of the code that a page shows.
func shown(p *tab) string {
	p.Helper()
	return p.evaluate(`document.querySelector(".qr").dataset.authid`)
}

// The phone scans and confirms, and the page becomes the console by itself.
func TestScanLogin(t *testing.T) {
	s := newSite(t)
	s.account("wang.li", account.Admin, true)
	for language, words := range map[string]struct{ waiting, scanned, inside string }{
		"en":    {"Waiting for your phone", "Now confirm on your phone", "Overview"},
		"zh-CN": {"等待手机扫描", "请在手机上确认", "概览"},
	} {
		p := newTab(t, language)
		p.open(s.URL() + "/console/")
		p.shows("#scan-state", words.waiting)
		p.fits("the first page")
		p.picture("login-" + language)
		s.scan(p)
		p.shows("#scan-state", words.scanned)
		p.picture("scanned-" + language)
		s.must(s.confirm(p, s.card))
		p.shows("h1", words.inside)
		p.shows(".who", "wang.li")
		p.picture("overview-" + language)
		if got := p.evaluate(`location.pathname`); got != "/console/" {
			t.Errorf("the page is at %s", got)
		}
	}
}

// refusals are confirmations that are refused, and what a page says of each.
var refusals = map[string]struct {
	confirm func(*site, *tab) error
	en, zh  string
}{
	"unbound": {func(s *site, p *tab) error { return s.confirm(p, s.authority.issue(s.T, 10, nil)) }, "bound to no account", "未绑定账号"},
	"revoked": {func(s *site, p *tab) error { return s.confirm(p, s.revoked) }, "has been revoked", "已被 CA 吊销"},
	"expired": {func(s *site, p *tab) error {
		return s.confirm(p, s.authority.issue(s.T, 11, func(c *smx509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
	}, "is not valid today", "不在有效期内"},
	"wrong use": {func(s *site, p *tab) error {
		return s.confirm(p, s.authority.issue(s.T, 12, func(c *smx509.Certificate) { c.KeyUsage = smx509.KeyUsageKeyEncipherment }))
	}, "not an SM2 certificate for signatures", "不是 SM2 签名证书"},
	"forged": {func(s *site, p *tab) error { return s.confirm(p, newAuthority(s.T, "Carrier CA").issue(s.T, 2, nil)) }, "not issued by an authority", "不是由本服务器信任的 CA 签发"},
	"signature": {func(s *site, p *tab) error {
		return s.confirm(p, &card{s.card.certificate, s.revoked.key})
	}, "signature does not verify", "签名验证失败"},
	"disabled": {func(s *site, p *tab) error {
		_, err := s.Accounts().SetDisabled(s.Context(), "wang.li", true, by)
		s.must(err)
		return s.confirm(p, s.card)
	}, "account of this certificate is disabled", "绑定的账号已停用"},
}

// What the door refuses is said on the page in words.
func TestRefusalsInWords(t *testing.T) {
	for _, language := range []string{"en", "zh"} {
		t.Run(language, func(t *testing.T) {
			s := newSite(t)
			s.account("wang.li", account.Admin, true)
			p := newTab(t, language)
			p.open(s.path("login"))
			s.scan(p)
			for name, r := range refusals {
				s.clock.Advance(time.Second) // another message
				var status *ciss.StatusError
				if err := r.confirm(s, p); !errors.As(err, &status) || status.Code != 921 {
					t.Errorf("%s: the door answers %v", name, err)
				}
				p.shows("#scan-refused", map[string]string{"en": r.en, "zh": r.zh}[language])
			}
			p.picture("refused-" + language)
		})
	}
}

// A code that was cancelled or has expired says so, and gives way to a new one.
func TestCodesThatEnd(t *testing.T) {
	for language, words := range map[string]map[string]string{
		"en": {"cancelled": "Cancelled on the phone", "expired": "has expired", "again": "Waiting for your phone", "password": "The name or the password is wrong"},
		"zh": {"cancelled": "已在手机上取消", "expired": "二维码已过期", "again": "等待手机扫描", "password": "账号或密码错误"},
	} {
		t.Run(language, func(t *testing.T) {
			s := newSite(t)
			s.account("wang.li", account.Admin, false)
			p := newTab(t, language)
			p.open(s.path("login"))
			first := shown(p)
			s.scan(p)
			_, err := s.phone.Cancel(t.Context(), first)
			s.must(err)
			p.shows("#scan-state", words["cancelled"])
			p.picture("cancelled-" + language)
			p.click("#scan-new")
			p.shows("#scan-state", words["again"])
			if shown(p) == first {
				t.Error("the new code is the old one")
			}
			s.clock.Advance(scanlogin.Lifetime)
			s.Scans().ChangedAll() // the page's own timer goes by the real clock
			p.shows("#scan-state", words["expired"])
			p.fill(`[name="name"]`, "wang.li")
			p.fill(`[name="password"]`, "not the password")
			p.click("button.primary")
			p.shows(".problem", words["password"])
			p.forgive("403")
		})
	}
}

// By password to the accounts, and what can be done there; a second browser is
// signed out.
func TestAccountsByHand(t *testing.T) {
	s := newSite(t)
	s.account("wang.li", account.Admin, true)
	s.account("zhao", account.Viewer, false)
	other := newTab(t, "en")
	other.open(s.path("login"))
	other.fill(`[name="name"]`, "zhao")
	other.fill(`[name="password"]`, password)
	other.click("button.primary")
	other.shows("h1", "Overview")

	p := newTab(t, "en")
	p.open(s.path("login"))
	p.fill(`[name="name"]`, "Wang.Li")
	p.fill(`[name="password"]`, password)
	p.click("button.primary")
	p.shows("h1", "Overview")
	p.click(`a[href="/console/accounts"]`)
	p.shows("h1", "Accounts")
	p.picture("accounts")
	p.fill(`[name="name"]`, "chen")
	p.run(chromedp.SetValue(`[name="role"]`, "operator", chromedp.ByQuery))
	p.fill(`[name="password"]`, password)
	p.fill(`[name="again"]`, password)
	p.click("section button.primary")
	p.shows(".said", "The account was made")
	p.shows("h1", "operator")
	p.open(s.path("accounts/wang.li"))
	p.shows(".bindings", account.Fingerprint(s.card.certificate))
	p.picture("account")
	p.open(s.path("accounts/zhao"))
	p.click(`form[action$="/disable"] button`)
	p.shows(".said", "disabled")
	other.open(s.path("devices"))
	other.shows("h1", "Scan with your phone")
	p.click(`a[href="/console/sessions"]`)
	p.shows("table", "this browser")
	p.picture("sessions")
	p.click(`a[href="/console/audit"]`)
	p.shows("table", "account.disable")
	p.picture("audit")
	for _, path := range []string{"", "accounts", "accounts/wang.li", "sessions", "audit", "me", "products", "devices"} {
		p.phone()
		p.open(s.path(path))
		p.fits("/console/" + path)
	}
	p.picture("phone-devices")
	p.click(`form[action="/console/logout"] button`)
	p.shows("h1", "Scan with your phone")
	p.fits("the first page")
	p.picture("phone-login")
}

// The page follows the browser's colours, and the switch goes before them.
func TestColoursAndLanguage(t *testing.T) {
	s := newSite(t)
	s.account("wang.li", account.Admin, false)
	p := newTab(t, "en")
	ground := func() string { return p.evaluate(`getComputedStyle(document.body).backgroundColor`) }
	p.dark(false)
	p.open(s.path("login"))
	light := ground()
	p.dark(true)
	dark := ground()
	if light == dark {
		t.Errorf("dark and light are both %s", light)
	}
	p.picture("login-dark")
	p.click(`button[name="theme"]`) // automatic → light
	p.shows(`button[name="theme"]`, "light")
	if got := ground(); got != light {
		t.Errorf("light was chosen, the ground is %s", got)
	}
	p.click(`button[name="theme"]`)
	p.shows(`button[name="theme"]`, "dark")
	p.dark(false)
	if got := ground(); got != dark {
		t.Errorf("dark was chosen, the ground is %s", got)
	}
	p.click(`button[name="lang"]`)
	p.shows("h1", "扫码登录")
	if got := p.evaluate(`document.documentElement.lang`); got != "zh-CN" {
		t.Errorf("the page says it is %s", got)
	}
}

func TestFirstStart(t *testing.T) {
	s := newSite(t)
	p := newTab(t, "en")
	p.open(s.URL() + "/console/")
	p.shows("main", "hallmark account create --data DIR --role admin NAME")
	p.picture("first-start")
}
