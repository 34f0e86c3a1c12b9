package operator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
)

func TestAccountLife(t *testing.T) {
	s := newServer(t)
	var a operator.Account
	s.into(s.post("/api/v1/accounts", `{"name":"Wang.Li","role":"admin","password":"`+secretPassword+`"}`), http.StatusCreated, &a)
	if a.Name != "wang.li" || a.Role != "admin" || !a.HasPassword || len(a.Bindings) != 0 {
		t.Errorf("%+v", a)
	}
	s.refused(s.post("/api/v1/accounts", `{"name":"WANG.LI","role":"admin"}`), http.StatusConflict, "already_exists", "wang.li")
	s.into(s.post("/api/v1/accounts/wang.li/role", `{"role":"viewer"}`), http.StatusOK, &a)
	s.into(s.post("/api/v1/accounts/wang.li/disable", ""), http.StatusOK, &a)
	if a.Role != "viewer" || !a.Disabled {
		t.Errorf("%+v", a)
	}
	s.into(s.post("/api/v1/accounts/wang.li/enable", ""), http.StatusOK, &a)
	s.into(s.post("/api/v1/accounts/wang.li/password", `{"password":"another long one"}`), http.StatusOK, &a)

	fingerprint := strings.Repeat("AB:", 31) + "ab"
	var b operator.AccountBinding
	s.into(s.post("/api/v1/accounts/wang.li/bindings", `{"fingerprint":"`+fingerprint+`","label":"SIM"}`), http.StatusCreated, &b)
	if b.Fingerprint != strings.Repeat("ab", 32) || b.Label != "SIM" {
		t.Errorf("%+v", b)
	}
	s.into(s.post("/api/v1/accounts/wang.li/bindings", `{"authority":"`+fingerprint+`","subject":"CN=Wang Li"}`), http.StatusCreated, &operator.AccountBinding{})
	s.refused(s.post("/api/v1/accounts/wang.li/bindings", `{"fingerprint":"`+fingerprint+`"}`), http.StatusConflict, "already_exists", "wang.li")
	s.into(s.get("/api/v1/accounts/wang.li"), http.StatusOK, &a)
	if len(a.Bindings) != 2 || a.Bindings[1].Subject != "CN=Wang Li" {
		t.Errorf("%+v", a.Bindings)
	}
	var unbound operator.DeletedBinding
	s.into(s.send("DELETE", "/api/v1/accounts/wang.li/bindings/"+b.BindingID, "", ""), http.StatusOK, &unbound)
	s.refused(s.send("DELETE", "/api/v1/accounts/wang.li/bindings/"+b.BindingID, "", ""), http.StatusNotFound, "not_found", "wang.li")
	s.refused(s.send("DELETE", "/api/v1/accounts/wang.li/bindings/none", "", ""), http.StatusNotFound, "not_found", "")
	var gone operator.DeletedAccount
	s.into(s.send("DELETE", "/api/v1/accounts/wang.li", "", ""), http.StatusOK, &gone)
	s.refused(s.get("/api/v1/accounts/wang.li"), http.StatusNotFound, "not_found", "wang.li")
	var list operator.AccountList
	s.into(s.get("/api/v1/accounts"), http.StatusOK, &list)
	if len(list.Accounts) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAccountRefusals(t *testing.T) {
	s := newServer(t)
	s.into(s.post("/api/v1/accounts", `{"name":"li","role":"viewer"}`), http.StatusCreated, &operator.Account{})
	for _, c := range []struct{ path, body, part string }{
		{"/accounts", `{"name":"a b","role":"viewer"}`, "name"},
		{"/accounts", `{"name":"a","role":"root"}`, "role"},
		{"/accounts", `{"name":"a","role":"viewer","password":"short"}`, "12 to 512"},
		{"/accounts/li/password", `{"password":""}`, "12 to 512"},
		{"/accounts/li/role", `{"role":""}`, "role"},
		{"/accounts/li/bindings", `{}`, "binding names"},
		{"/accounts/li/bindings", `{"certificate":"nonsense"}`, "PEM"},
		{"/accounts/li/bindings", `{"fingerprint":"00"}`, "SHA-256"},
		{"/accounts/li/bindings", `{"authority":"` + strings.Repeat("00", 32) + `","subject":"O=Example"}`, "person"},
	} {
		s.refused(s.post("/api/v1"+c.path, c.body), http.StatusBadRequest, "invalid_input", c.part)
	}
}
