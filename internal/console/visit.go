package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
)

// visit is one request and who makes it.
type visit struct {
	*console
	w      http.ResponseWriter
	r      *http.Request
	caller Caller

	Lang    lang
	Theme   string // "light", "dark" or "auto"
	Login   account.Login
	Account account.Account // no name while nobody is signed in
	token   string          // of the login, "" for none
	visitor string          // a random value of this browser, kept before anybody signs in
}

// Names of the cookies. All are the browser's to keep and no script's to read.
const (
	cookieLogin   = "hallmark-login"
	cookieVisitor = "hallmark-visitor"
	cookieScan    = "hallmark-scan"
	cookieKnown   = "hallmark-known"
	cookieLang    = "hallmark-lang"
	cookieTheme   = "hallmark-theme"
)

// longLived are the cookies that outlive the browser's session.
const longLived = 90 * 24 * time.Hour

// visit finds out who makes a request. The visit it returns can answer with an
// error in any case.
func (c *console) visit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v := &visit{console: c, w: w, r: r, caller: c.Caller(r), Theme: "auto"}
	v.Lang = chooseLang(v.cookie(cookieLang), r.Header.Get("Accept-Language"))
	if theme := v.cookie(cookieTheme); slices.Contains(themes, theme) {
		v.Theme = theme
	}
	v.visitor = v.cookie(cookieVisitor)
	v.token = v.cookie(cookieLogin)
	if v.token == "" {
		return v, nil
	}
	l, a, err := c.Accounts.Login(r.Context(), v.token)
	if errors.Is(err, account.ErrNoLogin) {
		v.token = ""
		return v, nil
	}
	v.Login, v.Account = l, a
	return v, err
}

var themes = []string{"auto", "light", "dark"}

// cookieName binds a cookie to this host and to TLS where there is TLS.
func (v *visit) cookieName(name string) string {
	if v.caller.Secure {
		return "__Host-" + name
	}
	return name
}

func (v *visit) cookie(name string) string {
	c, err := v.r.Cookie(v.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a value in the browser for as long as it runs, or for a time;
// "" removes it.
func (v *visit) setCookie(name, value string, keep time.Duration) {
	age := int(keep / time.Second)
	if value == "" {
		age = -1
	}
	http.SetCookie(v.w, &http.Cookie{Name: v.cookieName(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: v.caller.Secure, SameSite: http.SameSiteStrictMode})
}

// CSRF is what a form of this browser carries: it is made from the login's
// token, or from the browser's random value before there is one.
func (v *visit) CSRF() string {
	secret := v.token
	if secret == "" {
		secret = v.visitor
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("hallmark console form"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// greet gives the browser its random value, if it has none.
func (v *visit) greet() {
	if len(v.visitor) == base64.RawURLEncoding.EncodedLen(32) {
		return
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // it never fails
	v.visitor = base64.RawURLEncoding.EncodeToString(raw[:])
	v.setCookie(cookieVisitor, v.visitor, 0)
}

// sameOrigin refuses what the browser itself says comes from elsewhere.
var sameOrigin = http.NewCrossOriginProtection()

// checkForm refuses a form that was not made for this browser, or that another
// site sends.
func (v *visit) checkForm() error {
	if err := sameOrigin.Check(v.r); err != nil {
		return errForged
	}
	if err := v.r.ParseForm(); err != nil {
		return errForm
	}
	if v.token == "" && v.visitor == "" ||
		subtle.ConstantTimeCompare([]byte(v.r.PostForm.Get("csrf")), []byte(v.CSRF())) != 1 {
		return errForged
	}
	return nil
}

// field returns a field of the form.
func (v *visit) field(name string) string { return v.r.PostForm.Get(name) }

// redirect sends the browser to a page of the console.
func (v *visit) redirect(path string) error {
	http.Redirect(v.w, v.r, Prefix+path, http.StatusSeeOther)
	return nil
}

// from tells the accounts where an attempt to sign in comes from.
func (v *visit) from() account.From {
	return account.From{Address: v.address(), Agent: v.r.UserAgent(), Known: v.cookie(cookieKnown), Replaces: v.token, Request: v.RequestID(v.r)}
}

func (v *visit) address() string {
	if !v.caller.Address.IsValid() {
		return ""
	}
	return v.caller.Address.Unmap().String()
}

// signIn gives the browser its new login. What it held before is void: its
// login, its random value, and the code that it showed.
func (v *visit) signIn(o account.Opened) error {
	v.setCookie(cookieLogin, o.Token, 0)
	v.setCookie(cookieKnown, o.Known, longLived)
	v.setCookie(cookieVisitor, "", 0)
	v.setCookie(cookieScan, "", 0)
	return v.redirect("")
}
