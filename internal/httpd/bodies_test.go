package httpd

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/openapi"
)

// jsonHeader signs any body as JSON.
func (f *fixture) jsonHeader(body string) http.Header {
	f.t.Helper()
	c := f.defaults(call{action: "GetServerRandom"})
	m := openapi.Message{Method: http.MethodPost, Action: c.action, Version: c.version, Nonce: c.nonce, Time: c.at}
	h, err := m.SignV3(f.credential, openapi.ACS3HMACSHA256, f.server.Listener.Addr().String(), "application/json", []byte(body))
	f.must(err)
	return h
}

func TestBodies(t *testing.T) {
	f := newFixture(t, nil)
	for name, c := range map[string]struct {
		query, body, contentType string
		want                     *openapi.Error
	}{
		"no content type":         {"", "Action=Verify", "", openapi.ErrUnsupportedContentType},
		"text":                    {"", "Action=Verify", "text/plain", openapi.ErrUnsupportedContentType},
		"multipart":               {"", "--x--", "multipart/form-data; boundary=x", openapi.ErrUnsupportedContentType},
		"JSON with V1":            {"", "{}", "application/json", openapi.ErrUnsupportedContentType},
		"half an escape":          {"", "Action=%4", "application/x-www-form-urlencoded", openapi.ErrEncoding},
		"not UTF-8":               {"", "Action=%ff", "application/x-www-form-urlencoded", openapi.ErrEncoding},
		"a parameter without one": {"=x", "", "", openapi.ErrParameterName},
		"too many parameters":     {strings.Repeat("a=b&", 65), "", "", openapi.ErrTooManyParams},
		"a long query":            {"a=" + long(openapi.MaxQuery), "", "", openapi.ErrTooLarge},
	} {
		for _, format := range []string{"", "&Format=JSON", "&Format=XML"} {
			h := http.Header{}
			if c.contentType != "" {
				h.Set("Content-Type", c.contentType)
			}
			a := f.send(f.http(http.MethodPost, c.query+format, c.body, h))
			a.wantGateway(t, name+format, c.want)
			if a.xml != (format != "&Format=JSON") {
				t.Errorf("%s%s: answered in the other format", name, format)
			}
		}
	}
	for _, body := range []string{"[]", "{", `{"a":{}}`, `{"a":[]}`, `{} {}`, `"x"`, "nul", `{"a":1}x`} {
		f.send(f.http(http.MethodPost, "", body, f.jsonHeader(body))).wantGateway(t, body, openapi.ErrJSONBody)
	}
}

// onlyReader hides the length of a body, so that it is sent in chunks.
type onlyReader struct{ io.Reader }

func TestOversizedBodies(t *testing.T) {
	f := newFixture(t, nil)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, size := range []int{openapi.MaxBody + 1, 200_000} {
		for _, chunked := range []bool{false, true} {
			name := fmt.Sprintf("%d bytes, chunked %v", size, chunked)
			r := f.http(http.MethodPost, "Format=JSON", "a="+long(size-2), form)
			if chunked {
				r.Body, r.ContentLength = io.NopCloser(onlyReader{r.Body}), -1
			}
			f.send(r).wantGateway(t, name, openapi.ErrTooLarge)
		}
	}
	// At the limit a body is read, and its format found in it.
	exact := "Format=XML&a=" + long(openapi.MaxBody-len("Format=XML&a="))
	for _, chunked := range []bool{false, true} {
		r := f.http(http.MethodPost, "", exact, form)
		if chunked {
			r.Body, r.ContentLength = io.NopCloser(onlyReader{r.Body}), -1
		}
		a := f.send(r)
		a.wantGateway(t, "at the limit", openapi.MissingParameter("Version"))
		if !a.xml {
			t.Errorf("answered in the other format")
		}
	}
	f.do(unknownDevice()).wantCode(t, "afterwards", 18)
}
