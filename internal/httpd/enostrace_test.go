package httpd

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Neither the log nor the audit record nor the database shows a secret, a token
// or a signature of the EnOS door.
func TestEnOSSecretsStayHidden(t *testing.T) {
	f := newEnOSFixture(t, func(s *settings) { s.access = true })
	client, secret := f.newClient(f.org, registry.ClientSpec{Door: registry.DoorEnOS})
	f.app, f.cred = client, enos.NewCredential(client.ID, secret)
	token := f.token(f.cred)
	good := f.signed(f.cred, f.listRaw())
	f.wantCode("good", good, 0)
	bad := good
	bad.query = bad.query.With("more", "QUERY-0DDBA11")
	f.wantCode("bad", bad, enos.CodeSignature)
	out := f.call("v2.1/devices", "create", nil, `{"productKey":"`+f.product.Key+`","timezone":"+08:00","deviceName":{"defaultValue":"x"},"deviceDesc":"BODY-C0FFEE"}`)
	var made enos.CreatedDevice
	f.must(json.Unmarshal(out.Data, &made))
	product, err := f.reg.ManagedProduct(t.Context(), f.org, f.product.Key)
	f.must(err)
	secrets := []string{secret, token, good.header.Get(enos.HeaderSignature), made.Secret, f.device.Secret, product.Secret}
	events, err := f.reg.AuditEvents(t.Context(), registry.AuditFilter{})
	f.must(err)
	record, err := json.Marshal(events)
	f.must(err)
	if !strings.Contains(string(record), "device.create") {
		t.Error("making a device is not in the record")
	}
	f.must(f.store.Close())
	f.signed(f.cred, raw{method: http.MethodGet}) // the client is remembered, its token needs no store
	f.wantCode("a closed store", f.signed(f.cred, f.listRaw()), enos.CodeInternal)
	if older, _ := f.older("GET", "connectService/devices/"+f.device.Asset.String()+"/certificates/list", f.orgQuery(), ""); older.Status != enos.LegacyInternal {
		t.Errorf("a closed store, by an older call: %+v", older)
	}
	f.server.Close()
	log := f.log.String()
	for _, line := range []string{"call=certificates.list", "code=40102", "call=token.get", "level=ERROR", "client=" + client.ID} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %s:\n%s", line, log)
		}
	}
	for _, mark := range []string{"QUERY-0DDBA11", "BODY-C0FFEE"} {
		if strings.Contains(log, mark) {
			t.Errorf("the log shows %s", mark)
		}
	}
	database, err := os.ReadFile(f.database())
	f.must(err)
	for what, text := range map[string]string{"log": log, "record": string(record), "database": string(database)} {
		for i, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("the %s shows secret %d", what, i)
			}
		}
	}
}

// The Go SDK sends whole seconds, a content type also on GET, and what url.Values
// encodes; it asks for a token before every call (enos §0.9, §3.2).
func TestGoSDK(t *testing.T) {
	f := newEnOSFixture(t, nil)
	for range 2 {
		token := f.token(f.cred)
		at := enos.FormatTimestamp(f.clock.Now()) // a whole second
		if !strings.HasSuffix(at, "000") {
			t.Fatal(at)
		}
		q, err := enos.ParseQuery("action=list&deviceKey=dev+1%2B2%2F%C3%BC%26x&orgId=" + f.org.String() + "&productKey=" + f.product.Key)
		f.must(err)
		f.wantCode("list", raw{method: http.MethodGet, path: "/connect-service/v2.0/certificates",
			asSent: "action=list&deviceKey=dev+1%2B2%2F%C3%BC%26x&orgId=" + f.org.String() + "&productKey=" + f.product.Key,
			header: http.Header{"User-Agent": {"Go-http-client/1.1"}, "Content-Type": {"application/json;charset=UTF-8"}, "Accept-Encoding": {"gzip"},
				enos.HeaderToken: {token}, enos.HeaderTimestamp: {at}, enos.HeaderSignature: {f.cred.Sign(token, q, nil, at)}}}, 0)
	}
}

// Clients put a path before the services, and one slash too many.
func TestBasePaths(t *testing.T) {
	f := newEnOSFixture(t, nil)
	for _, prefix := range []string{"", "/enosapi", "/gw/a/b", "//"} {
		r := f.signed(f.cred, f.listRaw())
		r.path = prefix + r.path
		f.wantCode(prefix, r, 0)
	}
}
