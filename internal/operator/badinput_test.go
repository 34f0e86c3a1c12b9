package operator_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// operation is a request that the API takes, with %s for what it is about.
type operation struct {
	method, path, contentType, body string
}

const secretPassword = "correct horse battery"

// operations are one good request for every route.
func operations(product, client string) []operation {
	const json = "application/json"
	return []operation{
		{"GET", "/orgs", "", ""},
		{"POST", "/orgs", json, `{"name":"new"}`},
		{"GET", "/products", "", ""},
		{"POST", "/products", json, `{"name":"x","algorithm":"sm4"}`},
		{"GET", "/products/" + product, "", ""},
		{"PATCH", "/products/" + product, json, `{"quota":5}`},
		{"POST", "/products/" + product + "/devices:import", "text/csv", rows(1, 3)},
		{"GET", "/devices", "", ""},
		{"GET", "/devices:export", "", ""},
		{"GET", "/devices/" + id(1), "", ""},
		{"POST", "/devices/" + id(1) + "/suspend", "", ""},
		{"POST", "/devices/" + id(1) + "/resume", "", ""},
		{"POST", "/devices/" + id(1) + "/rekey", json, `{"key_hex":"` + key(7) + `"}`},
		{"POST", "/devices/" + id(1) + "/discard", "", ""},
		{"DELETE", "/devices/" + id(1), "", ""},
		{"GET", "/clients", "", ""},
		{"POST", "/clients", json, `{"door":"enos"}`},
		{"POST", "/clients/" + client + "/disable", "", ""},
		{"POST", "/clients/" + client + "/enable", "", ""},
		{"DELETE", "/clients/" + client, "", ""},
		{"GET", "/licences", "", ""},
		{"GET", "/licences/summary", "", ""},
		{"GET", "/accounts", "", ""},
		{"POST", "/accounts", json, `{"name":"li","role":"viewer"}`},
		{"GET", "/accounts/admin", "", ""},
		{"POST", "/accounts/admin/password", json, `{"password":"` + secretPassword + `"}`},
		{"POST", "/accounts/admin/role", json, `{"role":"operator"}`},
		{"POST", "/accounts/admin/disable", "", ""},
		{"POST", "/accounts/admin/enable", "", ""},
		{"POST", "/accounts/admin/bindings", json, `{"fingerprint":"` + strings.Repeat("ab", 32) + `","label":"card"}`},
		{"DELETE", "/accounts/li", "", ""},
		{"GET", "/nodes", "", ""},
		{"POST", "/nodes/" + registry.ID(77).String() + "/drain", "", ""},
		{"POST", "/nodes/" + registry.ID(77).String() + "/resume", "", ""},
		{"GET", "/audit", "", ""},
		{"GET", "/audit/verify", "", ""},
	}
}

// withThings returns a server with a product and a client, and all operations.
func withThings(t *testing.T) (*server, []operation) {
	s := newServer(t)
	if _, err := s.store.Beat(t.Context(), registry.Node{ID: 77, URL: "http://node"}); err != nil {
		t.Fatal(err)
	}
	s.into(s.post("/api/v1/accounts", `{"name":"admin","role":"admin"}`), http.StatusCreated, &operator.Account{})
	var c operator.CreatedClient
	s.into(s.post("/api/v1/clients", `{"door":"id2"}`), http.StatusCreated, &c)
	product := s.product("lamp", "aes128")
	return s, append(operations(product, c.ClientID), s.pkiOperations(product)...)
}

func TestEveryOperationWorks(t *testing.T) {
	s, ops := withThings(t)
	for _, op := range ops {
		if a := s.send(op.method, operator.Prefix+op.path, op.contentType, op.body); a.status > 299 {
			t.Errorf("%s %s: %d %s", op.method, op.path, a.status, a.body)
		}
	}
}

func TestEveryOperationWantsTheToken(t *testing.T) {
	s, ops := withThings(t)
	ops = append(ops, operation{"GET", "/nothing/here", "", ""})
	for _, op := range ops {
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + token, token, "Bearer " + token + "x", "Bearer " + token[1:]} {
			req, err := http.NewRequest(op.method, s.url+operator.Prefix+op.path, strings.NewReader(op.body))
			if err != nil {
				t.Fatal(err)
			}
			if auth != "" {
				req.Header.Set("Authorization", auth)
			}
			a := s.do(req, op.body)
			s.refused(a, http.StatusUnauthorized, "unauthorized", "token")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
		}
	}
	var list operator.OrgList
	if s.into(s.get("/api/v1/orgs"), http.StatusOK, &list); len(list.Orgs) != 1 {
		t.Errorf("something was done without a token: %+v", list)
	}
}

func TestEveryOperationRefusesBadQueries(t *testing.T) {
	s, ops := withThings(t)
	for _, op := range ops {
		path := operator.Prefix + op.path
		s.refused(s.send(op.method, path+"?nonsense=1", op.contentType, op.body), http.StatusBadRequest, "invalid_input", `"nonsense"`)
		s.refused(s.send(op.method, path+"?org=%zz", op.contentType, op.body), http.StatusBadRequest, "invalid_input", "query")
		if strings.HasPrefix(op.path, "/orgs") || strings.HasPrefix(op.path, "/nodes") || strings.HasPrefix(op.path, "/authorities") || strings.HasPrefix(op.path, "/accounts") || op.path == "/audit/verify" {
			continue // above organisations
		}
		s.refused(s.send(op.method, path+"?org=a&org=b", op.contentType, op.body), http.StatusBadRequest, "invalid_input", "more than once")
		s.refused(s.send(op.method, path+"?org=nowhere", op.contentType, op.body), http.StatusNotFound, "not_found", "nowhere")
	}
}

// Another organisation's things are as if they were not there.
func TestEveryOperationKeepsOrganisationsApart(t *testing.T) {
	s, ops := withThings(t)
	s.into(s.post("/api/v1/orgs", `{"name":"other"}`), http.StatusCreated, &operator.Org{})
	s.send("POST", operator.Prefix+ops[6].path, "text/csv", rows(1, 3))
	for _, op := range ops {
		if strings.Count(op.path, "/") < 2 || strings.HasPrefix(op.path, "/nodes") || strings.HasPrefix(op.path, "/authorities") || strings.HasPrefix(op.path, "/accounts") || strings.HasPrefix(op.path, "/licences") || strings.HasPrefix(op.path, "/audit") {
			continue // names no product, device or client
		}
		s.refused(s.send(op.method, operator.Prefix+op.path+"?org=other", op.contentType, op.body), http.StatusNotFound, "not_found", "not found")
	}
	for _, path := range []string{"/devices", "/clients", "/products", "/licences", "/certificates"} {
		a := s.get(operator.Prefix + path + "?org=other")
		if !strings.Contains(string(a.body), "[]") {
			t.Errorf("%s shows another organisation's: %s", path, a.body)
		}
	}
	var d operator.Device
	if s.into(s.get("/api/v1/devices/"+id(1)), http.StatusOK, &d); d.State != "unactivated" {
		t.Errorf("another organisation changed the device: %+v", d)
	}
}

func TestEveryBodyIsCheckedAlike(t *testing.T) {
	s, ops := withThings(t)
	for _, op := range ops {
		if op.contentType != "application/json" {
			continue
		}
		path := operator.Prefix + op.path
		for _, c := range []struct {
			contentType, body string
			status            int
			code, part        string
		}{
			{"", op.body, http.StatusUnsupportedMediaType, "unsupported_media_type", "content type"},
			{"text/plain", op.body, http.StatusUnsupportedMediaType, "unsupported_media_type", "content type"},
			{"application/json;;", op.body, http.StatusUnsupportedMediaType, "unsupported_media_type", "content type"},
			{"application/json", "", http.StatusBadRequest, "invalid_input", "JSON object is needed"},
			{"application/json", `{"name":`, http.StatusBadRequest, "invalid_input", "not well-formed"},
			{"application/json", `{name:1}`, http.StatusBadRequest, "invalid_input", "not well-formed"},
			{"application/json", `[]`, http.StatusBadRequest, "invalid_input", "JSON object is needed"},
			{"application/json", `"text"`, http.StatusBadRequest, "invalid_input", "JSON object is needed"},
			{"application/json", `{"nonsense":1}`, http.StatusBadRequest, "invalid_input", `"nonsense"`},
			{"application/json", op.body + op.body, http.StatusBadRequest, "invalid_input", "more than one"},
			{"application/json", op.body + "]", http.StatusBadRequest, "invalid_input", "not well-formed"},
			{"application/json", strings.Repeat(" ", 64<<10) + op.body, http.StatusRequestEntityTooLarge, "body_too_large", "65536"},
			{"application/json", op.body + strings.Repeat(" ", 64<<10), http.StatusRequestEntityTooLarge, "body_too_large", "65536"},
		} {
			t.Run(fmt.Sprintf("%s %s %s %.20s", op.method, op.path, c.contentType, c.body), func(t *testing.T) {
				s.t = t
				s.refused(s.send(op.method, path, c.contentType, c.body), c.status, c.code, c.part)
			})
		}
	}
}

func TestBadBodies(t *testing.T) {
	s, _ := withThings(t)
	pk, sm2 := s.product("p1", "aes128"), s.product("p2", "sm2")
	s.into(s.importCSV(pk, rows(1, 2)), http.StatusOK, &operator.ImportResult{})
	long := strings.Repeat("x", 200)
	for _, c := range []struct{ method, path, body, part string }{
		{"POST", "/orgs", `{}`, "name"},
		{"POST", "/orgs", `null`, "name"},
		{"POST", "/orgs", `{"name":"  "}`, "name"},
		{"POST", "/orgs", `{"name":"` + long + `"}`, "name"},
		{"POST", "/orgs", `{"name":5}`, `"name"`},
		{"POST", "/products", `{"name":"","algorithm":"aes128"}`, "name"},
		{"POST", "/products", `{"name":"x"}`, "algorithm"},
		{"POST", "/products", `{"name":"x","algorithm":"AES128"}`, "aes128 aes192"},
		{"POST", "/products", `{"name":"x","algorithm":"` + long + `"}`, "unknown"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","quota":-2}`, "quota"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","quota":1e30}`, `"quota"`},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","quota":"many"}`, `"quota"`},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","term_days":-1}`, "term"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","term_days":99999}`, "term"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","daily_limit":-1}`, "daily limit"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","hashes":["md4"]}`, "md5, sha1"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","hashes":["md5"]}`, "never use md5"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","hashes":"sha1"}`, `"hashes"`},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","data_encoding":"base64"}`, "text nor hex"},
		{"POST", "/products", `{"name":"x","algorithm":"rsa2048","otp":true}`, "one-time"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","product_key":"a/b"}`, "letters and digits"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","product_secret":"i11ABCDEFGHabcdefgh0123456789ABC"}`, "otp"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","otp":true,"product_secret":"` + long + `"}`, "32 characters"},
		{"POST", "/products", `{"name":"x","algorithm":"aes128","otp":true,"product_secret":7}`, `"product_secret"`},
		{"PATCH", "/products/" + pk, `{"product_key":"a1other"}`, `"product_key"`},
		{"PATCH", "/products/" + pk, `{}`, "no setting"},
		{"PATCH", "/products/" + pk, `{"name":""}`, "name"},
		{"PATCH", "/products/" + pk, `{"quota":-5}`, "quota"},
		{"PATCH", "/products/" + pk, `{"hashes":["sm3"]}`, "never use sm3"},
		{"PATCH", "/products/" + pk, `{"hashes":["nope"]}`, "unknown"},
		{"PATCH", "/products/" + pk, `{"data_encoding":""}`, "text nor hex"},
		{"PATCH", "/products/" + pk, `{"algorithm":"sm4"}`, `"algorithm"`},
		{"POST", "/devices/" + id(1) + "/rekey", `{}`, "one of"},
		{"POST", "/devices/" + id(1) + "/rekey", `{"key_hex":"00","public_key_pem":"x"}`, "one of"},
		{"POST", "/devices/" + id(1) + "/rekey", `{"key_hex":"00"}`, "32 hexadecimal digits"},
		{"POST", "/devices/" + id(1) + "/rekey", `{"key_hex":"` + strings.Repeat("g", 32) + `"}`, "not hexadecimal"},
		{"POST", "/devices/" + id(1) + "/rekey", `{"public_key_pem":"x"}`, "need key_hex"},
		{"POST", "/clients", `{}`, "door"},
		{"POST", "/clients", `{"door":"front"}`, "door"},
		{"POST", "/clients", `{"door":"id2","name":"` + long + `"}`, "name"},
		{"POST", "/clients", `{"door":"id2","scopes":["Read"]}`, "GetServerRandom"},
		{"POST", "/clients", `{"door":"id2","networks":["10.0.0.1"]}`, "10.0.0.0/8"},
		{"GET", "/devices?state=asleep", "", "unactivated"},
		{"GET", "/devices?limit=0", "", "limit"},
		{"GET", "/devices?limit=1001", "", "limit"},
		{"GET", "/devices?limit=ten", "", "limit"},
		{"GET", "/devices?after=x", "", "after"},
		{"GET", "/devices:export?format=xml", "", "csv or ndjson"},
		{"GET", "/devices:export?state=x", "", "state"},
		{"GET", "/licences?limit=-1", "", "limit"},
		{"GET", "/licences?ends_before=tomorrow", "", "ends_before"},
		{"GET", "/audit?before=1969-01-01T00:00:00Z", "", "before"},
		{"GET", "/audit?limit=", "", "limit"},
	} {
		t.Run(c.method+c.path+c.body, func(t *testing.T) {
			s.t = t
			contentType := "application/json"
			if c.body == "" {
				contentType = ""
			}
			s.refused(s.send(c.method, operator.Prefix+c.path, contentType, c.body), http.StatusBadRequest, "invalid_input", c.part)
		})
	}
	s.t = t
	s.into(s.importCSV(sm2, "id2,public_key_pem\n"+id(9)+",nonsense\n"), http.StatusOK, &operator.ImportResult{})
}

func TestUnknownThings(t *testing.T) {
	s, _ := withThings(t)
	for _, op := range append(operations("a1nowhere00", "LTAInobody"), operation{"GET", "/devices?product=a1nowhere00", "", ""},
		operation{"GET", "/devices:export?product=a1nowhere00", "", ""}, operation{"GET", "/licences?product=a1nowhere00", "", ""},
		operation{"GET", "/licences?device=nobody", "", ""}) {
		if strings.Contains(op.path, "nowhere") || strings.Contains(op.path, "nobody") || strings.Contains(op.path, id(1)) {
			s.refused(s.send(op.method, operator.Prefix+op.path, op.contentType, op.body), http.StatusNotFound, "not_found", "not found")
		}
	}
	for _, path := range []string{"/api/v1", "/api/v1/", "/api/v2/orgs", "/api/v1/nothing", "/api/v1/orgs/x", "/api/v1/devices/a/b/c"} {
		s.refused(s.get(path), http.StatusNotFound, "not_found", "nothing at this path")
	}
	a := s.send("PUT", "/api/v1/products", "application/json", "{}")
	s.refused(a, http.StatusMethodNotAllowed, "method_not_allowed", "method")
	if a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
	s.refused(s.get("/api/v1/devices/x/suspend"), http.StatusMethodNotAllowed, "method_not_allowed", "method")
}

// A failing store is the server's fault: the caller learns no detail, the log all.
func TestInternalErrorsStayInTheLog(t *testing.T) {
	s := newServer(t)
	s.store.Close()
	s.refused(s.get("/api/v1/orgs"), http.StatusInternalServerError, "internal", "could not")
	if log := s.log.String(); !strings.Contains(log, "database is closed") || !strings.Contains(log, "request-1") {
		t.Errorf("log: %s", log)
	}
	_, err := s.client().Orgs(context.Background())
	if err == nil || strings.Contains(err.Error(), "database") {
		t.Errorf("client: %v", err)
	}
}
