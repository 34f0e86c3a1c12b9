package httpd

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// unknownDevice is a good request that ends at "no such device": it reached
// the operation, and left nothing behind.
func unknownDevice() call {
	return call{action: "GetServerRandom", params: params("ApiVersion", apiVersion, "Id2", strings.Repeat("0", 24))}
}

// changed sends a good V1 GET request with its encoded query changed.
func (f *fixture) changed(change func(url.Values)) *answer {
	f.t.Helper()
	r := f.request(unknownDevice())
	q := r.URL.Query()
	change(q)
	r.URL.RawQuery = q.Encode()
	return f.send(r)
}

func TestSystemParametersV1(t *testing.T) {
	f := newFixture(t, nil)
	for _, name := range []string{"Version", "Action", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp", "Signature"} {
		want := openapi.MissingParameter(name)
		f.changed(func(q url.Values) { q.Del(name) }).wantGateway(t, "without "+name, want)
		f.changed(func(q url.Values) { q.Set(name, "") }).wantGateway(t, "with an empty "+name, want)
	}
	for _, c := range []struct {
		name, value string
		want        *openapi.Error
	}{
		{"Version", "2018-08-07", openapi.ErrVersion},
		{"Action", "Nothing", openapi.ErrActionNotFound},
		{"Action", "verify", openapi.ErrActionNotFound},
		{"AccessKeyId", "LTAIunknown", openapi.ErrAccessKeyNotFound},
		{"SignatureMethod", "HMAC-MD5", openapi.ErrSignatureMethod},
		{"SignatureMethod", "BEARERTOKEN", openapi.ErrBearerToken},
		{"SignatureVersion", "2.0", openapi.InvalidParameter("SignatureVersion")},
		{"SignatureType", "BEARERTOKEN", openapi.ErrBearerToken},
		{"SignatureType", "PRIVATEKEY", openapi.ErrSignatureMethod},
		{"BearerToken", "eyJ", openapi.ErrBearerToken},
		{"SecurityToken", "CAIS", openapi.ErrSecurityToken},
		{"Timestamp", "yesterday", openapi.ErrTimestampFormat},
		{"Timestamp", "2023-11-14 22:13:20", openapi.ErrTimestampFormat},
		{"Timestamp", "2023-11-14T22:13:20+08:00", openapi.ErrTimestampFormat},
		{"Format", "YAML", openapi.ErrFormat},
	} {
		f.changed(func(q url.Values) { q.Set(c.name, c.value) }).wantGateway(t, c.name+"="+c.value, c.want)
	}
}

func TestSystemHeadersV3(t *testing.T) {
	f := newFixture(t, nil)
	good := unknownDevice()
	good.method = openapi.ACS3HMACSHA256
	f.do(good).wantCode(t, "as it is", 18)
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   *openapi.Error
	}{
		{"no action", func(r *http.Request) { r.Header.Del("X-Acs-Action") }, openapi.MissingHeader("x-acs-action")},
		{"no version", func(r *http.Request) { r.Header.Del("X-Acs-Version") }, openapi.MissingHeader("x-acs-version")},
		{"no date", func(r *http.Request) { r.Header.Del("X-Acs-Date") }, openapi.MissingHeader("x-acs-date")},
		{"no hash", func(r *http.Request) { r.Header.Del("X-Acs-Content-Sha256") }, openapi.MissingHeader("x-acs-content-sha256")},
		{"unknown version", func(r *http.Request) { r.Header.Set("X-Acs-Version", "2017-05-03") }, openapi.ErrVersion},
		{"unknown action", func(r *http.Request) { r.Header.Set("X-Acs-Action", "Verify2") }, openapi.ErrActionNotFound},
		{"an unsigned header", func(r *http.Request) { r.Header.Set("X-Acs-Extra", "1") }, openapi.ErrUnsignedHeader},
		{"two actions", func(r *http.Request) { r.Header.Add("X-Acs-Action", "Verify") }, openapi.DuplicateParameter("x-acs-action")},
		{"action in the query too", func(r *http.Request) { r.URL.RawQuery += "&Action=Verify" }, openapi.ConflictingParameter("Action")},
		{"security token", func(r *http.Request) { r.Header.Set("X-Acs-Security-Token", "CAIS") }, openapi.ErrSecurityToken},
		{"bearer token", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-Acs-Bearer-Token", "eyJ")
		}, openapi.ErrBearerToken},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "ACS4-HMAC-SHA256 Credential=x") }, openapi.ErrSignatureMethod},
		{"half an authorization", func(r *http.Request) { r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential=x") }, openapi.ErrIncompleteSignature},
		{"another body", func(r *http.Request) {
			r.Header.Set("X-Acs-Content-Sha256", strings.Repeat("0", 64))
		}, openapi.ErrContentHash},
	} {
		r := f.request(good)
		c.change(r)
		f.send(r).wantGateway(t, c.name, c.want)
	}
	r := f.request(good)
	r.Header.Set("X-Acs-Signature-Nonce", "another")
	f.send(r).wantError(t, "another nonce", http.StatusBadRequest, "SignatureDoesNotMatch")
}

// escape is RFC 3986 percent-encoding made from the standard library's.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// A wrong signature is answered with the very string that clients compare with
// their own, computed here in another way.
func TestStringToSignIsShown(t *testing.T) {
	f := newFixture(t, nil)
	for _, placement := range []openapi.Placement{openapi.InQueryGET, openapi.InQueryPOST, openapi.InForm} {
		c := unknownDevice()
		c.params = append(c.params, params("Extra", "a b+c*d~e'(f)=&%\u00e9", "Empty", "")...)
		c.placement = placement
		r := f.request(c)
		values := r.URL.Query()
		if placement == openapi.InForm {
			body, _ := io.ReadAll(r.Body)
			values, _ = url.ParseQuery(string(body))
		}
		values.Set("Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		names := make([]string, 0, len(values))
		for name := range values {
			if name != "Signature" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for i, name := range names {
			names[i] = escape(name) + "=" + escape(values.Get(name))
		}
		want := r.Method + "&%2F&" + escape(strings.Join(names, "&"))
		var bad *http.Request
		if placement == openapi.InForm {
			bad = f.http(r.Method, "", values.Encode(), r.Header)
		} else {
			bad = f.http(r.Method, values.Encode(), "", r.Header)
		}
		a := f.send(bad)
		a.wantError(t, "wrong signature", http.StatusBadRequest, "SignatureDoesNotMatch")
		if got := a.text["Message"]; got != "Specified signature is not matched with our calculation. server string to sign is:"+want {
			t.Errorf("message %q\nwant    …%q", got, want)
		}
	}
}

func TestWrongSecret(t *testing.T) {
	f := newFixture(t, nil)
	for _, l := range layouts {
		c := unknownDevice()
		c.method, c.placement = l.method, l.placement
		c.credential = openapi.NewCredential(f.client.ID, f.secret+"x")
		f.do(c).wantError(t, l.name, http.StatusBadRequest, "SignatureDoesNotMatch")
	}
}

func TestTimeWindow(t *testing.T) {
	f := newFixture(t, nil)
	for _, l := range []openapi.SignatureMethod{openapi.HMACSHA1, openapi.ACS3HMACSHA256} {
		for off, good := range map[time.Duration]bool{
			0: true, -15 * time.Minute: true, 15 * time.Minute: true,
			-15*time.Minute - time.Second: false, 15*time.Minute + time.Second: false,
			-24 * time.Hour: false, 365 * 24 * time.Hour: false,
		} {
			c := unknownDevice()
			c.method, c.at = l, f.clock.Now().Add(off)
			a := f.do(c)
			if good {
				a.wantCode(t, off.String(), 18)
			} else {
				a.wantGateway(t, off.String(), openapi.ErrTimestampExpired)
			}
		}
	}
}

func TestNonces(t *testing.T) {
	f := newFixture(t, nil)
	other := f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2})
	for _, l := range layouts {
		c := unknownDevice()
		c.method, c.placement, c.nonce = l.method, l.placement, "nonce of "+l.name
		forged := c
		forged.credential = openapi.NewCredential(f.client.ID, "guess")
		f.do(forged).wantError(t, l.name+": a stranger", http.StatusBadRequest, "SignatureDoesNotMatch")
		f.do(c).wantCode(t, l.name+": the stranger burnt nothing", 18)
		f.do(c).wantGateway(t, l.name+": again", openapi.ErrNonceUsed)
		f.do(forged).wantError(t, l.name+": the stranger learns nothing", http.StatusBadRequest, "SignatureDoesNotMatch")
		c.credential = other
		f.do(c).wantCode(t, l.name+": of another client", 18)
	}
}

// A request that was seen is refused for as long as its timestamp is good.
func TestNonceOutlivesItsTimestamp(t *testing.T) {
	for _, skew := range []time.Duration{time.Minute, 15 * time.Minute, 2 * time.Hour} {
		f := newFixture(t, func(s *settings) { s.id2.Skew = skew })
		c := unknownDevice()
		c.at, c.nonce = f.clock.Now().Add(skew), "captured"
		f.do(c).wantCode(t, "captured", 18)
		for step := range 9 {
			f.do(c).wantGateway(t, fmt.Sprintf("skew %v, step %d", skew, step), openapi.ErrNonceUsed)
			f.do(unknownDevice()).wantCode(t, "traffic between", 18)
			f.clock.Advance(skew / 4)
		}
		f.do(c).wantGateway(t, "at last", openapi.ErrTimestampExpired)
	}
}

func TestDuplicateParameters(t *testing.T) {
	f := newFixture(t, nil)
	r := f.request(unknownDevice())
	r.URL.RawQuery += "&Id2=111111111111111111111111"
	f.send(r).wantGateway(t, "twice in the query", openapi.DuplicateParameter("Id2"))
	c := unknownDevice()
	c.placement = openapi.InForm
	r = f.request(c)
	r.URL.RawQuery = "Id2=1"
	f.send(r).wantGateway(t, "in query and body", openapi.DuplicateParameter("Id2"))
	r = f.request(unknownDevice())
	r.URL.RawQuery += "&Signature=x"
	f.send(r).wantGateway(t, "two signatures", openapi.DuplicateParameter("Signature"))
	r = f.http(http.MethodPost, "", `{"Id2":"1","Id2":"2"}`, f.jsonHeader(`{"Id2":"1","Id2":"2"}`))
	f.send(r).wantGateway(t, "twice in JSON", openapi.DuplicateParameter("Id2"))
}

func TestMethods(t *testing.T) {
	f := newFixture(t, nil)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "BREW"} {
		r := f.request(unknownDevice())
		r.Method = method
		f.send(r).wantGateway(t, method, openapi.ErrUnsupportedMethod)
	}
}
