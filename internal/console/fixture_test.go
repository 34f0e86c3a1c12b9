package console_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/console"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/internal/testlog"
)

var by = audit.Actor{Name: "operator"}

const password = "correct horse battery"

// site is a console on a real store, with a clock that stands.
type site struct {
	*testing.T
	url      string
	clock    *testclock.Clock
	store    *store.Store
	registry *registry.Registry
	accounts *account.Service
	scans    *scanlogin.Service
	org      registry.ID
	metrics  *prometheus.Registry
	log      *testlog.Buffer
	secure   bool // as if behind a proxy that speaks TLS
}

func newSite(t *testing.T, change func(*console.Options)) *site {
	t.Helper()
	s := &site{T: t, clock: testclock.New(time.UnixMilli(1_700_000_000_000)), metrics: prometheus.NewRegistry(), log: &testlog.Buffer{}}
	var err error
	s.store, err = store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "c.db"), Now: s.clock.Now, Random: rand.Reader})
	s.must(err)
	t.Cleanup(func() { _ = s.store.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	s.must(err)
	s.registry = registry.New(registry.Options{Store: s.store, Ring: ring, Now: s.clock.Now, Random: rand.Reader})
	s.must(s.registry.EnsureOrg(t.Context()))
	org, err := s.registry.Org(t.Context(), "")
	s.must(err)
	s.org = org.ID
	s.accounts = account.New(account.Options{Store: s.store, Ring: ring, Now: s.clock.Now, Random: rand.Reader})
	s.scans = scanlogin.New(scanlogin.Options{Store: s.store, Accounts: s.accounts, Now: s.clock.Now, Random: rand.Reader})
	o := console.Options{Registry: s.registry, Accounts: s.accounts, Scans: s.scans, Metrics: s.metrics, Now: s.clock.Now,
		RequestID: func(*http.Request) string { return "request-1" },
		Log:       slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Caller: func(r *http.Request) console.Caller {
			return console.Caller{Address: netip.MustParseAddrPort(r.RemoteAddr).Addr(), Secure: s.secure}
		}}
	if change != nil {
		change(&o)
	}
	h, err := console.New(o)
	s.must(err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(s.scans.Close)
	s.url = server.URL
	return s
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// account makes an account with the password of these tests.
func (s *site) account(name string, role account.Role) {
	s.Helper()
	_, err := s.accounts.Create(s.Context(), account.Spec{Name: name, Role: role, Password: password}, by)
	s.must(err)
}

// browser keeps cookies and follows no redirects.
type browser struct {
	*site
	client *http.Client
	lang   string
}

func (s *site) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{site: s, lang: "en", client: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, change func(*http.Request)) answer {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	b.must(err)
	req.Header.Set("Accept-Language", b.lang)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(req)
	}
	res, err := b.client.Do(req)
	b.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.must(err)
	return answer{res, string(text)}
}

func (b *browser) get(path string) answer { b.Helper(); return b.do("GET", path, nil, nil) }

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf is the token in a page's forms.
func (b *browser) csrf(page string) string {
	b.Helper()
	m := csrfField.FindStringSubmatch(b.get(page).body)
	if m == nil {
		b.Fatalf("%s has no form", page)
	}
	return m[1]
}

// post sends a form of a page, with the token of that page.
func (b *browser) post(page, path string, fields ...string) answer {
	b.Helper()
	form := url.Values{"csrf": {b.csrf(page)}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do("POST", path, form, nil)
}

// signIn signs in by password, which must work.
func (b *browser) signIn(name string) *browser {
	b.Helper()
	b.to(b.post("/console/login", "/console/login", "name", name, "password", password), "/console/")
	return b
}

// to checks that an answer leads to a page.
func (b *browser) to(a answer, path string) {
	b.Helper()
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != path {
		b.Errorf("status %d to %q, want 303 to %q: %s", a.StatusCode, got, path, problemOf(a))
	}
}

// says checks an answer's status and that it holds a text.
func (b *browser) says(a answer, status int, part string) {
	b.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, part) {
		b.Errorf("status %d, want %d with %q: %s", a.StatusCode, status, part, problemOf(a))
	}
}

var problemText = regexp.MustCompile(`(?s)<p class="problem"[^>]*>(.*?)</p>`)

func problemOf(a answer) string {
	if m := problemText.FindStringSubmatch(a.body); m != nil {
		return m[1]
	}
	return fmt.Sprintf("%.200s", a.body)
}

func (b *browser) cookieNamed(name string) *http.Cookie {
	u, _ := url.Parse(b.url)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// metric is the value of a counter with these labels, in the order of their names.
func (s *site) metric(name string, labels ...string) float64 {
	s.Helper()
	families, err := s.metrics.Gather()
	s.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	s.Fatalf("no metric %s %v", name, labels)
	return 0
}
