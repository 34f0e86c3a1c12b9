package interop

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tjfoc/gmsm/sm3"
)

// What cannot be installed from a registry, the Java core and the vendor's
// command line, is stood in for by requests of the shape that captures of them
// have (openapi-rpc §6), signed here by the note alone.

// sendRaw sends a request and returns the status and the body.
func sendRaw(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func newNonce(t *testing.T) string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b[:])
}

// rawV1 is a V1 request before it is signed.
type rawV1 struct {
	method       string
	system, form params // system parameters and those of the query; those of the body
	contentType  string
	body         string // instead of form
	query        string // appended as it is
}

// java is a request of the Java core: system parameters in the query, the
// action's in the body (openapi-rpc §1.3).
func (w *world) java(action string, p params) *rawV1 {
	return &rawV1{method: "POST", form: p, contentType: "application/x-www-form-urlencoded;charset=UTF-8", system: w.system(action)}
}

// commandLine is a request of the vendor's command line: everything in the query,
// an empty body, an empty SignatureType.
func (w *world) commandLine(method, action string, p params) *rawV1 {
	q := &rawV1{method: method, system: w.system(action).with("SignatureType", ""), contentType: "application/x-www-form-urlencoded"}
	maps.Copy(q.system, p)
	return q
}

// system are a V1 request's system parameters, without its signature.
func (w *world) system(action string) params {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return params{"Action": action, "Version": "2017-07-07", "Format": "JSON", "RegionId": "cn-shanghai", "AccessKeyId": w.good.id,
		"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": hex.EncodeToString(nonce[:]),
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05Z")}
}

// escape is the percent-encoding that is signed (openapi-rpc §1.2).
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}

func canonical(p params) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		pairs = append(pairs, escape(k)+"="+escape(p[k]))
	}
	return strings.Join(pairs, "&")
}

// wire encodes parameters as Java does: "~" escaped, "+" for a space, no order.
func wire(p params) string {
	var pairs []string
	for k, v := range p {
		pairs = append(pairs, url.QueryEscape(k)+"="+strings.ReplaceAll(url.QueryEscape(v), "~", "%7E"))
	}
	return strings.Join(pairs, "&")
}

// http signs the request, unless it has a signature, and makes it.
func (q *rawV1) http(t *testing.T, w *world) *http.Request {
	t.Helper()
	if _, ok := q.system["Signature"]; !ok {
		all := q.system.with()
		maps.Copy(all, q.form)
		mac := hmac.New(sha1.New, []byte(w.good.secret+"&"))
		mac.Write([]byte(q.method + "&%2F&" + escape(canonical(all))))
		q.system = q.system.with("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	body := q.body
	if q.form != nil {
		body = wire(q.form)
	}
	r, err := http.NewRequest(q.method, w.url.String()+"/?"+wire(q.system)+q.query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", q.contentType)
	r.Header.Set("x-acs-action", q.system["Action"])
	r.Header.Set("x-acs-version", q.system["Version"])
	return r
}

// rawV3 is a V3 request of the Java core before it is signed: action, version and
// format in the query too, host not signed, its own order of Authorization's
// fields, and its own name of the header with an SM3 hash (openapi-rpc §2).
type rawV3 struct {
	algorithm, hashHeader string
	newHash               func() hash.Hash
	query, form, headers  params
	contentType           string
	body                  string // instead of form
	signed                []string
	authorization         string // instead of the right one
}

func (w *world) javaV3(t *testing.T, sm bool, action string, p params) *rawV3 {
	q := &rawV3{algorithm: "ACS3-HMAC-SHA256", hashHeader: "x-acs-content-sha256", newHash: sha256.New, contentType: "application/x-www-form-urlencoded",
		query: params{"Action": action, "Version": "2017-07-07", "Format": "JSON"}, form: p}
	if sm {
		q.algorithm, q.hashHeader, q.newHash = "ACS3-HMAC-SM3", "x-acs-content-sm3", sm3.New
	}
	q.headers = params{"x-acs-action": action, "x-acs-version": "2017-07-07", "x-acs-date": time.Now().UTC().Format("2006-01-02T15:04:05Z"),
		"x-acs-signature-nonce": newNonce(t)}
	return q
}

// http signs the request and makes it.
func (q *rawV3) http(t *testing.T, w *world) *http.Request {
	t.Helper()
	body := q.body
	if q.form != nil {
		body = wire(q.form)
	}
	if _, given := q.headers[q.hashHeader]; !given {
		q.headers = q.headers.with(q.hashHeader, q.digest(body))
	}
	headers := q.headers.with("content-type", q.contentType)
	if q.signed == nil {
		q.signed = slices.Sorted(maps.Keys(headers))
	}
	text := "POST\n/\n" + canonical(q.query) + "\n"
	for _, name := range q.signed {
		text += name + ":" + headers[name] + "\n"
	}
	text += "\n" + strings.Join(q.signed, ";") + "\n" + headers[q.hashHeader]
	mac := hmac.New(q.newHash, []byte(w.good.secret))
	mac.Write([]byte(q.algorithm + "\n" + q.digest(text)))
	r, err := http.NewRequest("POST", w.url.String()+"/?"+wire(q.query), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	if q.authorization == "" {
		q.authorization = q.algorithm + " Credential=" + w.good.id + ",Signature=" + hex.EncodeToString(mac.Sum(nil)) + ",SignedHeaders=" + strings.Join(q.signed, ";")
	}
	r.Header.Set("Authorization", q.authorization)
	return r
}

func (q *rawV3) digest(text string) string {
	h := q.newHash()
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// rawShape is a mode of a client that is stood in for.
type rawShape struct {
	client, version, signature, layout string
	make                               func(*testing.T, *world, string, params) *http.Request
}

// rawShapes are those modes; the versions are the commits they were captured of.
var rawShapes = []rawShape{
	{"com.aliyuncs:aliyun-java-sdk-core", "92d7381", "V1", "POST form",
		func(t *testing.T, w *world, action string, p params) *http.Request {
			return w.java(action, p).http(t, w)
		}},
	{"com.aliyuncs:aliyun-java-sdk-core", "92d7381", "V3", "POST form",
		func(t *testing.T, w *world, action string, p params) *http.Request {
			return w.javaV3(t, false, action, p).http(t, w)
		}},
	{"com.aliyuncs:aliyun-java-sdk-core", "92d7381", "V3 SM3", "POST form",
		func(t *testing.T, w *world, action string, p params) *http.Request {
			return w.javaV3(t, true, action, p).http(t, w)
		}},
	{"aliyun-cli", "eadd68d", "V1", "GET query",
		func(t *testing.T, w *world, action string, p params) *http.Request {
			return w.commandLine("GET", action, p).http(t, w)
		}},
	{"aliyun-cli", "eadd68d", "V1", "POST query",
		func(t *testing.T, w *world, action string, p params) *http.Request {
			return w.commandLine("POST", action, p).http(t, w)
		}},
}

func TestRawShapes(t *testing.T) {
	w := newWorld(t)
	for _, shape := range rawShapes {
		t.Run(shape.client+" "+shape.signature+" "+shape.layout, func(t *testing.T) {
			b := &bench{world: w, client: client{send: func(w *world, q request) ([]byte, error) {
				status, text := sendRaw(t, shape.make(t, w, q.action, q.params))
				if status != http.StatusOK {
					t.Errorf("%d: %s", status, text)
				}
				return []byte(text), nil
			}}}
			b.challenge(t)
			for _, v := range nasty {
				b.mutually(t, strings.ReplaceAll(v, "~", "."), v, v)
			}
			for _, c := range b.serviceCases(t) {
				if a := b.do(t, c.action, c.params); a.Code != c.code {
					t.Errorf("%s, %s: %d, want %d", c.action, c.name, a.Code, c.code)
				}
			}
		})
	}
}

// rawRefusals are what no client of the vendor's can be made to send.
func rawRefusals(t *testing.T, w *world) map[string][]*http.Request {
	v1 := func(change func(*rawV1)) *http.Request {
		q := w.java("GetServerRandom", w.random())
		change(q)
		return q.http(t, w)
	}
	v3 := func(change func(*rawV3)) *http.Request {
		q := w.javaV3(t, false, "GetServerRandom", w.random())
		change(q)
		return q.http(t, w)
	}
	system := func(name, value string) *http.Request {
		return v1(func(q *rawV1) { q.system = q.system.with(name, value) })
	}
	header := func(name, value string) *http.Request {
		return v3(func(q *rawV3) { q.headers = q.headers.with(name, value) })
	}
	at := func(off time.Duration) string { return time.Now().Add(off).UTC().Format("2006-01-02T15:04:05Z") }
	nonce := newNonce(t)
	return map[string][]*http.Request{
		"400 UnsupportedHTTPMethod":          {v1(func(q *rawV1) { q.method = "PUT" }), v1(func(q *rawV1) { q.method = "DELETE" })},
		"400 UnsupportedContentType":         {v1(func(q *rawV1) { q.contentType = "text/plain" }), v1(func(q *rawV1) { q.form, q.contentType, q.body = nil, "application/json", "{}" })},
		"400 InvalidParameter.Encoding":      {v1(func(q *rawV1) { q.query = "&a=%zz" }), v1(func(q *rawV1) { q.query = "&a=%ff" })},
		"400 InvalidParameter.Name":          {v1(func(q *rawV1) { q.query = "&=x" })},
		"400 InvalidParameter.Body":          {v3(func(q *rawV3) { q.form, q.contentType, q.body = nil, "application/json", `{"a":{"b":1}}` })},
		"400 InvalidParameter.Duplicate":     {v1(func(q *rawV1) { q.query = "&Version=2017-07-07" }), v1(func(q *rawV1) { q.form = q.form.with("Version", "2017-07-07") })},
		"400 InvalidParameter.Conflict":      {v3(func(q *rawV3) { q.query = q.query.with("Action", "Verify") })},
		"400 InvalidParameter.Format":        {system("Format", "PDF")},
		"400 MissingTimestamp":               {system("Timestamp", "-")},
		"400 MissingSignatureNonce":          {system("SignatureNonce", "-")},
		"400 MissingHeader":                  {header("x-acs-date", "-"), header("x-acs-version", "-")},
		"400 InvalidSignatureVersion":        {system("SignatureVersion", "2.0")},
		"400 InvalidSecurityToken.Malformed": {system("SecurityToken", "CAIS"), header("x-acs-security-token", "CAIS")},
		"400 InvalidBearerToken":             {system("BearerToken", "eyJ")},
		"400 InvalidSignatureMethod":         {system("SignatureMethod", "HMAC-MD5"), v3(func(q *rawV3) { q.algorithm = "ACS3-HMAC-SHA1" })},
		"400 IncompleteSignature":            {v3(func(q *rawV3) { q.authorization = "ACS3-HMAC-SHA256 what" }), v3(func(q *rawV3) { q.authorization = "ACS3-HMAC-SHA256" })},
		"400 IncompleteSignature.UnsignedHeader": {v3(func(q *rawV3) {
			q.signed = []string{"x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-version"}
		})},
		"400 InvalidTimeStamp.Format":  {system("Timestamp", "yesterday"), header("x-acs-date", "yesterday")},
		"400 InvalidTimeStamp.Expired": {system("Timestamp", at(-16*time.Minute)), header("x-acs-date", at(16*time.Minute))},
		"400 InvalidContentHash":       {header("x-acs-content-sha256", strings.Repeat("0", 64))},
		"400 SignatureNonceUsed":       {system("SignatureNonce", nonce), system("SignatureNonce", nonce), header("x-acs-signature-nonce", nonce)},
		"413 RequestTooLarge":          {v1(func(q *rawV1) { q.form = q.form.with("Extra", strings.Repeat("x", 70_000)) })},
	}
}

func TestRawRefusals(t *testing.T) {
	w := newWorld(t)
	for want, all := range rawRefusals(t, w) {
		if strings.HasSuffix(want, "NonceUsed") { // the first is good
			if status, text := sendRaw(t, all[0]); status != http.StatusOK {
				t.Errorf("%s: first %d %s", want, status, text)
			}
			all = all[1:]
		}
		for i, r := range all {
			status, text := sendRaw(t, r)
			var e struct {
				Code, Message string
				RequestID     string `json:"RequestId" xml:"RequestId"`
			}
			decode := json.Unmarshal
			if strings.HasPrefix(text, "<") { // a V1 request whose format cannot be told
				decode = xml.Unmarshal
			}
			if err := decode([]byte(text), &e); err != nil || want != fmt.Sprint(status, " ", e.Code) || e.RequestID == "" || e.Message == "" {
				t.Errorf("%s %d: %d %s", want, i, status, text)
			}
		}
	}
}
