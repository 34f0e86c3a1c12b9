package console_test

import (
	"bufio"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/console"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

func newCard(t *testing.T) *smx509.Certificate {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Wang"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var shownID = regexp.MustCompile(`data-authid="([0-9a-f]{32})"`)

// shown is the authId on the first page.
func (b *browser) shown() string {
	b.Helper()
	m := shownID.FindStringSubmatch(b.get("/console/login").body)
	if m == nil {
		b.Fatal("the first page shows no code")
	}
	return m[1]
}

func (s *site) app() scanlogin.App { return scanlogin.App{ID: "app", Org: s.org} }

// withCard makes an account with a card.
func withCard(t *testing.T, s *site) *smx509.Certificate {
	t.Helper()
	card := newCard(t)
	s.account("wang", account.Admin)
	_, err := s.accounts.Bind(t.Context(), "wang", account.BindingSpec{Fingerprint: account.Fingerprint(card)}, by)
	s.must(err)
	return card
}

func TestFirstPage(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser()
	first := b.get("/console/login")
	b.says(first, http.StatusOK, "hallmark account create --data DIR --role admin NAME")
	if strings.Contains(first.body, "qr") {
		t.Error("a code without an account")
	}
	card := withCard(t, s)
	id := b.shown()
	if b.shown() != id {
		t.Error("another tab of the browser shows another code")
	}
	if s.browser().shown() == id {
		t.Error("another browser shows the same code")
	}
	b.lang = "zh-CN"
	b.says(b.get("/console/login"), http.StatusOK, "扫码登录")
	if _, err := s.scans.Scan(t.Context(), s.app(), id, "81"); err != nil {
		t.Fatal(err)
	}
	b.says(b.get("/console/login"), http.StatusOK, "已扫描")
	b.says(b.post("/console/login", "/console/login/scan"), http.StatusForbidden, "手机尚未确认")
	s.must(s.scans.Confirm(t.Context(), s.app(), id, scanlogin.Proof{Certificate: card}))
	thief := s.browser()
	thief.says(thief.post("/console/login", "/console/login/scan"), http.StatusForbidden, "has not confirmed yet")
	b.to(b.post("/console/login", "/console/login/scan"), "/console/")
	b.says(b.get("/console/"), http.StatusOK, "概览")
	if got := s.metric("hallmark_console_logins_total", "scan", "ok"); got != 1 {
		t.Errorf("counted %v logins", got)
	}
	b.says(b.get("/console/login/events"), http.StatusNotFound, "no such scan session")
}

// An old code is replaced, one that is being used is not.
func TestCodesAreRenewed(t *testing.T) {
	s := newSite(t, func(o *console.Options) { o.QRPrefix = "https://login.example/?authId=" })
	withCard(t, s)
	b := s.browser()
	id := b.shown()
	s.clock.Advance(99 * time.Second)
	if b.shown() != id {
		t.Error("a good code was replaced")
	}
	s.clock.Advance(time.Second)
	renewed := b.shown()
	if renewed == id {
		t.Error("a code is shown that is about to expire")
	}
	if a := b.get("/console/login/qr.png"); a.StatusCode != 200 || a.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(a.body, "\x89PNG") {
		t.Errorf("picture: %d %v", a.StatusCode, a.Header)
	}
	if _, err := s.scans.Scan(t.Context(), s.app(), renewed, "84"); err != nil {
		t.Fatal(err)
	}
	if b.shown() == renewed {
		t.Error("a cancelled code is shown")
	}
}

func TestCodesAreLimited(t *testing.T) {
	s := newSite(t, nil)
	withCard(t, s)
	for range 20 {
		s.browser().shown()
	}
	b := s.browser()
	b.says(b.get("/console/login"), http.StatusOK, "Too many codes were asked for")
	b.signIn("wang") // by password all the same
}

// events reads a stream of the page's session, a word at a time.
func (b *browser) events() func() map[string]string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), "GET", b.url+"/console/login/events", nil)
	b.must(err)
	req.Header.Set("Accept-Language", b.lang)
	res, err := b.client.Do(req)
	b.must(err)
	b.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		b.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	return func() map[string]string {
		b.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				word := make(map[string]string)
				b.must(json.Unmarshal([]byte(data), &word))
				return word
			}
		}
		return nil // the end
	}
}

func TestEvents(t *testing.T) {
	s := newSite(t, nil)
	card := withCard(t, s)
	b := s.browser()
	id := b.shown()
	next := b.events()
	expect := func(state, refused string) {
		t.Helper()
		if word := next(); word["state"] != state || !strings.Contains(word["refused"], refused) || word["message"] == "" {
			t.Fatalf("got %v, want %s, %q", word, state, refused)
		}
	}
	expect("created", "")
	if _, err := s.scans.Scan(t.Context(), s.app(), id, "81"); err != nil {
		t.Fatal(err)
	}
	expect("scanned", "")
	s.must(s.scans.Refuse(t.Context(), s.app(), id, scanlogin.RefusedRevoked))
	expect("scanned", "revoked")
	s.must(s.scans.Confirm(t.Context(), s.app(), id, scanlogin.Proof{Certificate: card}))
	expect("authenticated", "")
	if word := next(); word != nil || s.scans.Watching() != 0 {
		t.Errorf("after the end: %v, %d watch", word, s.scans.Watching())
	}
}

func TestLongPoll(t *testing.T) {
	s := newSite(t, nil)
	withCard(t, s)
	b := s.browser()
	id := b.shown()
	if a := b.get("/console/login/status"); !strings.Contains(a.body, `"state":"created"`) {
		t.Errorf("a page that knows nothing: %s", a.body)
	}
	answered := make(chan answer)
	go func() { answered <- b.get("/console/login/status?state=created") }()
	for s.scans.Watching() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.scans.Scan(t.Context(), s.app(), id, "81"); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.StatusCode != 200 || !strings.Contains(a.body, `"state":"scanned"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	b.says(s.browser().get("/console/login/status"), http.StatusNotFound, "no such scan session")
}

func TestAccountPages(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b := s.browser().signIn("li")
	b.says(b.post("/console/", "/console/accounts", "name", "Wu", "role", "operator", "password", password, "again", "x"), http.StatusBadRequest, "two new passwords differ")
	b.to(b.post("/console/", "/console/accounts", "name", "Wu", "role", "operator", "password", password, "again", password), "/console/accounts/wu?said=created")
	b.says(b.post("/console/", "/console/accounts", "name", "wu", "role", "viewer"), http.StatusConflict, "one like it already")
	b.says(b.get("/console/accounts/wu?said=created"), http.StatusOK, "The account was made")
	wu := s.browser().signIn("wu")
	post := func(action string, fields ...string) answer {
		return b.post("/console/", "/console/accounts/wu/"+action, fields...)
	}
	b.to(post("role", "role", "viewer"), "/console/accounts/wu?said=role")
	wu.says(wu.get("/console/audit"), http.StatusForbidden, "Your role does not allow this")
	b.to(post("password", "password", "another long one", "again", "another long one"), "/console/accounts/wu?said=password")
	wu.to(wu.get("/console/"), "/console/login")
	b.to(post("disable"), "/console/accounts/wu?said=disabled")
	wu.says(wu.post("/console/login", "/console/login", "name", "wu", "password", "another long one"), http.StatusForbidden, "The name or the password is wrong")
	b.to(post("enable"), "/console/accounts/wu?said=enabled")

	card := newCard(t)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: card.Raw}))
	b.to(post("bind", "certificate", text, "label", "SIM"), "/console/accounts/wu?said=bound")
	b.says(post("bind", "certificate", hex.EncodeToString(card.Raw)), http.StatusConflict, "bound once")
	b.to(post("bind", "authority", text, "subject", "CN=Wu"), "/console/accounts/wu?said=bound")
	b.says(post("bind", "certificate", "nonsense"), http.StatusBadRequest, "no certificate")
	b.says(post("bind", "certificate", "30820000"), http.StatusBadRequest, "no certificate")
	b.says(post("bind", "authority", "nonsense", "subject", "CN=Wu"), http.StatusBadRequest, "fingerprint is the SHA-256")
	b.says(b.get("/console/accounts/wu"), http.StatusOK, account.Fingerprint(card))
	a, err := s.accounts.Account(t.Context(), "wu")
	s.must(err)
	sim := slices.IndexFunc(a.Bindings, func(b account.Binding) bool { return b.Label == "SIM" })
	if len(a.Bindings) != 2 || sim < 0 {
		t.Fatalf("%+v", a.Bindings)
	}
	b.to(post("unbind", "binding", a.Bindings[sim].ID.String()), "/console/accounts/wu?said=unbound")
	b.says(post("unbind", "binding", "x"), http.StatusNotFound, "not there")
	b.to(post("delete"), "/console/accounts?said=deleted")
	b.says(b.get("/console/accounts/wu"), http.StatusNotFound, "not there")
	events, err := s.registry.AuditEvents(t.Context(), registry.AuditFilter{Action: "account."})
	s.must(err)
	for _, e := range events {
		if e.Subject == "wu" && (e.Actor != "account:li" || e.Request != "request-1") {
			t.Errorf("actor of %s: %+v", e.Action, e)
		}
	}
}

// Nobody changes his own standing; his password needs the old one.
func TestOwnAccount(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b, other := s.browser().signIn("li"), s.browser().signIn("li")
	for _, action := range []string{"role", "password", "disable", "enable", "delete"} {
		b.says(b.post("/console/", "/console/accounts/LI/"+action, "role", "viewer", "password", password, "again", password), http.StatusConflict, "your own account")
	}
	change := func(old, password, again string) answer {
		return b.post("/console/me", "/console/me/password", "old", old, "password", password, "again", again)
	}
	b.says(change("wrong", "another long one", "another long one"), http.StatusForbidden, "present password is wrong")
	b.says(change(password, "another long one", "another"), http.StatusBadRequest, "differ")
	b.says(change(password, "short", "short"), http.StatusBadRequest, "12 to 512 bytes")
	b.to(change(password, "another long one", "another long one"), "/console/me?said=password")
	b.says(b.get("/console/me"), http.StatusOK, "li")
	other.to(other.get("/console/"), "/console/login")
}

func TestSessionPages(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	s.account("wu", account.Viewer)
	li, wu, wu2 := s.browser().signIn("li"), s.browser().signIn("wu"), s.browser().signIn("wu")
	if page := wu.get("/console/sessions").body; strings.Count(page, "<tr>") != 3 || strings.Contains(page, ">li<") {
		t.Errorf("one's own sessions: %s", page)
	}
	if page := li.get("/console/sessions").body; strings.Count(page, "<tr>") != 4 {
		t.Errorf("all sessions: %s", page)
	}
	logins, err := s.accounts.Logins(t.Context(), 0)
	s.must(err)
	for _, l := range logins {
		if l.Name == "li" {
			wu.says(wu.post("/console/", "/console/sessions/end", "session", l.ID.String()), http.StatusNotFound, "not there")
		}
	}
	for _, l := range logins {
		if l.Name == "wu" {
			li.to(li.post("/console/", "/console/sessions/end", "session", l.ID.String()), "/console/sessions?said=ended")
		}
	}
	for _, b := range []*browser{wu, wu2} {
		b.to(b.get("/console/"), "/console/login")
	}
	li.to(li.post("/console/", "/console/logout"), "/console/login")
	li.to(li.get("/console/"), "/console/login")
}

func TestDevicePages(t *testing.T) {
	s := newSite(t, nil)
	s.account("chen", account.Operator)
	p, _, err := s.registry.CreateProduct(t.Context(), s.org, registry.ProductSpec{Name: "pump", Algorithm: id2.AES128, Quota: registry.Unlimited}, by)
	s.must(err)
	var csv strings.Builder
	csv.WriteString("id2,key_hex\n")
	for n := range 60 {
		fmt.Fprintf(&csv, "%024X,%032x\n", n, n)
	}
	_, err = s.registry.ImportDevices(t.Context(), s.org, p.Key, strings.NewReader(csv.String()), by)
	s.must(err)
	b := s.browser().signIn("chen")
	b.says(b.get("/console/products"), http.StatusOK, p.Key)
	b.says(b.get("/console/"), http.StatusOK, "default")
	page := b.get("/console/devices").body
	more := regexp.MustCompile(`href="(/console/devices\?[^"]*after=[^"]+)"`).FindStringSubmatch(page)
	if strings.Count(page, "<tr>") != 51 || more == nil {
		t.Fatalf("%d rows", strings.Count(page, "<tr>"))
	}
	if rest := b.get(strings.ReplaceAll(more[1], "&amp;", "&")).body; strings.Count(rest, "<tr>") != 11 {
		t.Errorf("the rest has %d rows", strings.Count(rest, "<tr>"))
	}
	id := fmt.Sprintf("%024X", 7)
	b.says(b.get("/console/devices?prefix="+id), http.StatusOK, id)
	b.to(b.post("/console/", "/console/devices/suspend", "device", id), "/console/devices?org="+s.org.String()+"&said=suspended")
	b.says(b.get("/console/devices?prefix="+id+"&said=suspended"), http.StatusOK, "The device is suspended")
	b.to(b.post("/console/", "/console/devices/resume", "device", id), "/console/devices?org="+s.org.String()+"&said=resumed")
	b.says(b.post("/console/", "/console/devices/resume", "device", id), http.StatusConflict, "state does not allow")
	b.says(b.post("/console/", "/console/devices/resume", "device", "none"), http.StatusNotFound, "not there")
	b.says(b.get("/console/devices?org=none"), http.StatusNotFound, "not there")
	b.says(b.get("/console/audit?action=device."), http.StatusOK, "device.suspend")
}

func TestInternalErrorsTellNothing(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b := s.browser().signIn("li")
	s.must(s.store.Close())
	a := b.get("/console/accounts")
	b.says(a, http.StatusInternalServerError, "under request request-1")
	if strings.Contains(a.body, "sql") || !strings.Contains(s.log.String(), "console request failed") {
		t.Errorf("shown: %s; logged: %s", a.body, s.log.String())
	}
}
