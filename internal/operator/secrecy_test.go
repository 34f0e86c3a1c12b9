package operator_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// Nothing that the API answers or logs holds a device's key or a secret, but
// for the answers that make one.
func TestSecretsAreShownOnce(t *testing.T) {
	s, ops := withThings(t)
	var p operator.CreatedProduct
	var clients [3]operator.CreatedClient
	s.into(s.post("/api/v1/products", `{"name":"x","algorithm":"aes128"}`), http.StatusCreated, &p)
	for i, door := range []string{"id2", "enos", "ciss"} {
		s.into(s.post("/api/v1/clients", `{"door":"`+door+`"}`), http.StatusCreated, &clients[i])
	}
	bad := key(3)[:31] + "g" // a key that is refused is a key all the same
	s.into(s.importCSV(p.ProductKey, rows(100, 110)+id(3)+","+bad+",x\n"+id(4)+","+key(4)+key(4)+",x\n"+id(5)+",\""+key(5)+"\"x,y\n"),
		http.StatusOK, &operator.ImportResult{})
	s.importCSV(p.ProductKey, key(8)+","+id(8)+"\n") // a key where the header should be
	for _, body := range []string{`{"key_hex":"` + bad + `"}`, `{"key_hex":"` + key(6) + `"}`, `{"key_hex":` + key(7) + `}`,
		`{"key_hex":"` + key(7), `{"key":"` + key(7) + `"}`, `{"key_hex":["` + key(7) + `"]}`, `{"key_hex":"` + key(7) + `","public_key_pem":"x"}`} {
		s.post("/api/v1/devices/"+id(100)+"/rekey", body)
	}
	for _, op := range ops {
		s.send(op.method, operator.Prefix+op.path, op.contentType, op.body)
	}
	for _, path := range []string{"/products/" + p.ProductKey, "/products", "/clients", "/devices:export?format=ndjson", "/audit?limit=1000"} {
		s.get(operator.Prefix + path)
	}

	secrets := []string{token, secretPassword, p.ProductSecret, p.ProductSecret[3:19], clients[0].AccessKeySecret, clients[1].AppSecret, clients[2].AppSM4Key}
	for _, n := range []int{3, 4, 5, 6, 7, 8, 100, 101, 109} {
		raw, _ := hex.DecodeString(key(n))
		secrets = append(secrets, key(n)[:20], strings.ToUpper(key(n)[:20]), base64.StdEncoding.EncodeToString(raw)[:20], string(raw))
	}
	for where, text := range map[string]string{"an answer": s.answers.String(), "the log": s.log.String()} {
		if where == "an answer" && len(text) < 10_000 {
			t.Fatalf("only %d bytes of answers were searched", len(text))
		}
		for i, secret := range secrets {
			if at := strings.Index(strings.ToLower(text), strings.ToLower(secret)); at >= 0 {
				t.Errorf("%s holds secret %d: …%s…", where, i, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
}
