package httpd

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// A fault in the server is an answer of the gateway, with the story in the log
// and nowhere else; the next request is served.
func TestPanicIsAnInternalError(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	service := f.handler.id2.authn
	f.handler.id2.authn = nil
	a := f.do(call{action: "GetServerRandom", params: []openapi.Param{{Name: "ApiVersion", Value: apiVersion}, {Name: "Id2", Value: d.id}}})
	if a.status != http.StatusInternalServerError || a.text["Code"] != "InternalError" || strings.Contains(string(a.body), "goroutine") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if log := f.log.String(); !strings.Contains(log, a.text["RequestId"]) || !strings.Contains(log, "panic") {
		t.Errorf("the log says %q", log)
	}
	f.handler.id2.authn = service
	if a := f.do(call{action: "GetServerRandom", params: []openapi.Param{{Name: "ApiVersion", Value: apiVersion}, {Name: "Id2", Value: d.id}}}); a.text["Code"] != "200" {
		t.Errorf("after the fault: %s", a.body)
	}
}
