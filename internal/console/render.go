package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// pages are the templates by name, each with the layout around it.
type pages map[string]*template.Template

// page is what a template gets.
type page struct {
	*visit
	Name  string // of the template, for the navigation
	Title string // a key of texts
	Data  any
	Said  string // what was just done, a key of texts
}

// parsePages reads the templates. Names of static files in them are followed by
// a part of their hash, so that browsers may keep them for good.
func parsePages() (pages, error) {
	funcs := template.FuncMap{"static": staticAddress, "time": showTime, "link": newLink, "orgs": newOrgChoice,
		"roles": func() []account.Role { return account.Roles }}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := make(pages)
	for _, name := range names {
		base := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if base == "layout" {
			continue
		}
		t, err := template.New("layout.html").Funcs(funcs).ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, err
		}
		all[base] = t
	}
	return all, nil
}

// staticAddress is where a static file is.
func staticAddress(name string) (string, error) {
	text, err := files.ReadFile("static/" + name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return Prefix + "static/" + name + "?v=" + hex.EncodeToString(sum[:6]), nil
}

// showTime is a moment as people read it.
func showTime(i registry.Instant) string {
	switch i {
	case 0:
		return "–"
	case registry.Forever:
		return "∞"
	}
	return i.Time().Format("2006-01-02 15:04:05")
}

// link is an entry of the navigation.
type link struct {
	Path, Text string
	Current    bool
}

func newLink(p page, path, name string) link {
	return link{path, p.T("nav." + name), p.Name == name}
}

// orgChoice lets a visitor choose an organisation.
type orgChoice struct {
	Org  registry.Org
	Orgs []registry.Org
	Path string
}

func newOrgChoice(org registry.Org, orgs []registry.Org, path string) orgChoice {
	return orgChoice{org, orgs, path}
}

// show answers with a page, once it is made as a whole.
func (v *visit) show(status int, name, title string, data any) error {
	var b bytes.Buffer
	p := page{visit: v, Name: name, Title: title, Data: data}
	if said := v.r.URL.Query().Get("said"); texts["said."+said] != (text{}) {
		p.Said = "said." + said
	}
	if err := v.pages[name].Execute(&b, p); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", string(v.Lang))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // the browser may be gone
	return nil
}

// May tells templates what the visitor's role allows.
func (v *visit) May(role account.Role) bool { return v.Account.Role.Allows(role) }

// Here is the path of the page, to come back to.
func (v *visit) Here() string {
	if v.r.Method != http.MethodGet {
		return ""
	}
	return strings.TrimPrefix(v.r.URL.Path, Prefix)
}

// failures are the answers to what goes wrong, by its cause.
var failures = []struct {
	cause  error
	status int
	text   string // a key of texts
}{
	{errForbidden, http.StatusForbidden, "error.forbidden"},
	{errForged, http.StatusForbidden, "error.forged"},
	{errForm, http.StatusBadRequest, "error.form"},
	{errSelf, http.StatusConflict, "error.self"},
	{errMismatch, http.StatusBadRequest, "error.mismatch"},
	{account.ErrNotCertificate, http.StatusBadRequest, "error.certificate"},
	{account.ErrRefused, http.StatusForbidden, "error.password"},
	{account.ErrLocked, http.StatusTooManyRequests, "login.locked"},
	{account.ErrBusy, http.StatusServiceUnavailable, "login.busy"},
	{errThrottled, http.StatusTooManyRequests, "login.throttled"},
	{registry.ErrNotFound, http.StatusNotFound, "error.notfound"},
	{registry.ErrExists, http.StatusConflict, "error.exists"},
	{registry.ErrConflict, http.StatusConflict, "error.conflict"},
	{registry.ErrForbidden, http.StatusConflict, "error.state"},
}
