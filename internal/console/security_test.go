package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
)

// Every answer, whatever it is, carries the headers that keep a browser in.
func TestHeaders(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	stranger, admin := s.browser(), s.browser().signIn("li")
	answers := map[string]answer{"login": stranger.get("/console/login"), "overview": admin.get("/console/"), "not signed in": stranger.get("/console/"),
		"nowhere": admin.get("/console/none"), "forged": admin.do("POST", "/console/logout", nil, nil), "picture": stranger.get("/console/login/qr.png")}
	for name, a := range answers {
		for header, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "data:") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", name, csp)
		}
	}
	// The policy would break a page that had anything inline.
	inline := regexp.MustCompile(`(?i)<style|<script(?: [^>]*)?>[^<]|\sstyle=|\son[a-z]+=|javascript:`)
	for _, path := range []string{"/console/", "/console/products", "/console/devices", "/console/sessions", "/console/me", "/console/audit", "/console/accounts", "/console/accounts/li"} {
		if a := admin.get(path); a.StatusCode != 200 || inline.MatchString(a.body) {
			t.Errorf("%s: status %d, inline %q", path, a.StatusCode, inline.FindString(a.body))
		}
	}
	if found := inline.FindString(answers["login"].body); found != "" {
		t.Errorf("the first page has inline %q", found)
	}
	static := regexp.MustCompile(`/console/static/console\.(?:css|js)\?v=\w+`).FindAllString(answers["login"].body, -1)
	if len(static) != 2 {
		t.Fatalf("static files %v", static)
	}
	for _, path := range static {
		if a := stranger.get(path); a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
	}
}

func TestCookies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newSite(t, nil)
		s.secure = secure
		s.account("li", account.Admin)
		prefix := map[bool]string{true: "__Host-"}[secure]
		jar := make(map[string]string) // Go's own jar keeps no secure cookies of a plain address
		send := func(method, path string, form url.Values) answer {
			b := s.browser()
			a := b.do(method, path, form, func(r *http.Request) {
				for name, value := range jar {
					r.AddCookie(&http.Cookie{Name: name, Value: value})
				}
			})
			for _, c := range a.Cookies() {
				if jar[c.Name] = c.Value; c.MaxAge < 0 {
					delete(jar, c.Name)
				}
				if !strings.HasPrefix(c.Name, prefix+"hallmark-") || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
					t.Errorf("secure %v: cookie %+v", secure, c)
				}
			}
			return a
		}
		page := send("GET", "/console/login", nil)
		csrf := csrfField.FindStringSubmatch(page.body)[1]
		if a := send("POST", "/console/login", url.Values{"csrf": {csrf}, "name": {"li"}, "password": {password}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("secure %v: signing in: %d", secure, a.StatusCode)
		}
		if jar[prefix+"hallmark-login"] == "" || jar[prefix+"hallmark-known"] == "" || jar[prefix+"hallmark-scan"] != "" || jar[prefix+"hallmark-visitor"] != "" {
			t.Errorf("secure %v: cookies after signing in: %v", secure, jar)
		}
		if a := send("GET", "/console/", nil); a.StatusCode != http.StatusOK {
			t.Errorf("secure %v: the console: %d", secure, a.StatusCode)
		}
	}
}

// No form is taken that was not made for the browser that sends it, or that
// another site sends: the login form neither.
func TestForgedForms(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	s.account("wu", account.Viewer)
	li, wu, stranger := s.browser().signIn("li"), s.browser().signIn("wu"), s.browser()
	own, others, strangers := li.csrf("/console/"), wu.csrf("/console/"), stranger.csrf("/console/login")
	for name, c := range map[string]struct {
		b      *browser
		path   string
		token  string
		change func(*http.Request)
	}{
		"no token":            {li, "/console/accounts/wu/delete", "", nil},
		"another's token":     {li, "/console/accounts/wu/delete", others, nil},
		"a stranger's token":  {li, "/console/accounts/wu/delete", strangers, nil},
		"another site":        {li, "/console/accounts/wu/delete", own, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"a sister site":       {li, "/console/accounts/wu/delete", own, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }},
		"an old browser":      {li, "/console/accounts/wu/delete", own, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }},
		"token in the query":  {li, "/console/accounts/wu/delete?csrf=" + own, "", nil},
		"login, no token":     {stranger, "/console/login", "", nil},
		"login, other's":      {stranger, "/console/login", others, nil},
		"login, no cookie":    {s.browser(), "/console/login", strangers, nil},
		"login, another site": {stranger, "/console/login", strangers, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"preferences":         {stranger, "/console/preferences", "", nil},
		"collecting":          {stranger, "/console/login/scan", "", nil},
	} {
		form := url.Values{"name": {"li"}, "password": {password}}
		if c.token != "" {
			form.Set("csrf", c.token)
		}
		c.b.says(c.b.do("POST", c.path, form, c.change), http.StatusForbidden, "This form is too old")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	if all, err := s.accounts.Accounts(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("something was done: %d accounts, %v", len(all), err)
	}
	if stranger.cookieNamed("hallmark-login") != nil {
		t.Error("somebody was signed in")
	}
}

// What a browser held before it signed in is worth nothing afterwards.
func TestSessionFixation(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Viewer)
	b := s.browser()
	u, _ := url.Parse(s.url)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "hallmark-login", Value: strings.Repeat("A", 43), Path: "/"}})
	b.signIn("li")
	first := b.cookieNamed("hallmark-login").Value
	if first == strings.Repeat("A", 43) {
		t.Error("the browser chose its own token")
	}
	visitor := s.browser()
	before := visitor.csrf("/console/login")
	visitor.signIn("li")
	visitor.says(visitor.do("POST", "/console/logout", url.Values{"csrf": {before}}, nil), http.StatusForbidden, "too old")
	// Signing in again (with the cookie of the first login) makes that one void.
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "hallmark-visitor", Value: strings.Repeat("B", 43), Path: "/"}})
	opened, err := s.accounts.SignIn(t.Context(), "li", password, account.From{Replaces: first})
	s.must(err)
	if _, _, err := s.accounts.Login(t.Context(), first); err == nil || opened.Token == first {
		t.Error("the login before lives on")
	}
}

func TestNobodySignedIn(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b := s.browser()
	for _, path := range []string{"/console/", "/console/accounts", "/console/accounts/li", "/console/audit", "/console/me"} {
		b.to(b.get(path), "/console/login")
	}
	b.to(b.do("POST", "/console/accounts/li/delete", nil, nil), "/console/login")
	gone := s.browser().signIn("li")
	s.clock.Advance(account.IdleLifetime)
	gone.to(gone.get("/console/"), "/console/login")
}

// Nothing in an address or a form leads away from the console.
func TestNoOpenRedirect(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Viewer)
	b := s.browser()
	for _, q := range []string{"?next=https://evil.example", "?back=//evil.example", "?next=/%5cevil.example"} {
		b.get("/console/login" + q)
		a := b.post("/console/login"+q, "/console/login"+q, "name", "nobody", "password", "x", "next", "https://evil.example")
		if a.Header.Get("Location") != "" {
			t.Errorf("%s: leads to %s", q, a.Header.Get("Location"))
		}
	}
	b.signIn("li")
	for back, want := range map[string]string{"https://evil.example": "", "//evil.example": "", "/\\evil.example": "", "../..//evil.example": "", "devices": "devices",
		"login/events": "login/events", "accounts/x": "", "{$}": "", "": ""} {
		if back == "login/events" {
			continue
		}
		b.to(b.post("/console/", "/console/preferences", "back", back, "theme", "dark"), "/console/"+want)
	}
	b.to(b.get("/console/login?next=https://evil.example"), "/console/")
}

// A role does what it may, and nothing more; the pages show no more either.
func TestRoles(t *testing.T) {
	s := newSite(t, nil)
	for _, role := range account.Roles {
		s.account(string(role), role)
	}
	s.account("victim", account.Viewer)
	for _, c := range []struct {
		method, path string
		needs        account.Role
		form         []string
	}{
		{"GET", "/console/", account.Viewer, nil}, {"GET", "/console/products", account.Viewer, nil}, {"GET", "/console/devices", account.Viewer, nil},
		{"GET", "/console/sessions", account.Viewer, nil}, {"GET", "/console/me", account.Viewer, nil},
		{"GET", "/console/audit", account.Operator, nil}, {"GET", "/console/accounts", account.Admin, nil}, {"GET", "/console/accounts/victim", account.Admin, nil},
		{"POST", "/console/devices/suspend", account.Operator, []string{"device", "none"}}, {"POST", "/console/devices/resume", account.Operator, []string{"device", "none"}},
		{"POST", "/console/accounts", account.Admin, []string{"name", "x", "role", "none"}},
		{"POST", "/console/accounts/victim/role", account.Admin, []string{"role", "none"}}, {"POST", "/console/accounts/victim/password", account.Admin, []string{"password", "short", "again", "short"}},
		{"POST", "/console/accounts/none/disable", account.Admin, nil}, {"POST", "/console/accounts/none/enable", account.Admin, nil},
		{"POST", "/console/accounts/victim/bind", account.Admin, nil}, {"POST", "/console/accounts/victim/unbind", account.Admin, nil},
		{"POST", "/console/accounts/none/delete", account.Admin, nil},
	} {
		for _, role := range account.Roles {
			b := s.browser().signIn(string(role))
			var a answer
			if c.method == "GET" {
				a = b.get(c.path)
			} else {
				a = b.post("/console/", c.path, c.form...)
			}
			refused := strings.Contains(a.body, "Your role does not allow this")
			if refused == role.Allows(c.needs) || refused != (a.StatusCode == http.StatusForbidden) {
				t.Errorf("%s %s as %s: status %d, %s", c.method, c.path, role, a.StatusCode, problemOf(a))
			}
		}
	}
	for role, hidden := range map[account.Role][]string{account.Viewer: {"/console/accounts", "/console/audit"}, account.Operator: {"/console/accounts"}} {
		page := s.browser().signIn(string(role)).get("/console/").body
		for _, path := range hidden {
			if strings.Contains(page, `href="`+path+`"`) {
				t.Errorf("%s is shown %s", role, path)
			}
		}
	}
}

func TestPasswordsAreGuessedSlowly(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b, last := s.browser(), answer{}
	for range 6 {
		last = b.post("/console/login", "/console/login", "name", "li", "password", "not the password")
	}
	b.says(last, http.StatusTooManyRequests, "Too many attempts to sign in to this account failed")
	for range 5 {
		last = b.post("/console/login", "/console/login", "name", "nobody", "password", "x")
	}
	b.says(last, http.StatusTooManyRequests, "Too many attempts from your address failed")
	// An unknown name and a wrong password are answered alike.
	s.clock.Advance(time.Hour)
	one := b.post("/console/login", "/console/login", "name", "li", "password", "not the password")
	two := b.post("/console/login", "/console/login", "name", "nobody", "password", "not the password")
	if problemOf(one) != problemOf(two) || one.StatusCode != two.StatusCode {
		t.Errorf("%q and %q", problemOf(one), problemOf(two))
	}
	s.clock.Advance(time.Hour)
	b.signIn("li")
	if log := s.log.String(); strings.Contains(log, password) || strings.Contains(log, "not the password") {
		t.Error("the log holds a password")
	}
}

func TestLongAndBrokenForms(t *testing.T) {
	s := newSite(t, nil)
	s.account("li", account.Admin)
	b := s.browser().signIn("li")
	token := b.csrf("/console/")
	b.says(b.do("POST", "/console/accounts", url.Values{"csrf": {token}, "name": {strings.Repeat("a", 40_000)}}, nil), http.StatusBadRequest, "could not be read")
	b.says(b.do("POST", "/console/accounts?%zz", url.Values{"csrf": {token}}, nil), http.StatusBadRequest, "could not be read")
	b.says(b.post("/console/", "/console/accounts", "name", "<script>alert(1)</script>", "role", "admin"), http.StatusBadRequest, "Something in the form does not fit")
	b.says(b.get("/console/devices?prefix=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"), http.StatusOK, "&#34;&gt;&lt;script&gt;")
	b.says(b.get("/console/?said=%3Cscript%3E"), http.StatusOK, "Overview")
}
