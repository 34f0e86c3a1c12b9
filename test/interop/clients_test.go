package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapimodels "github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// request is what a client is told to do.
type request struct {
	credential
	layout
	action, version string
	params          params
	headers         map[string]string
	format          string // JSON if empty; XML returns the text as it came
}

// layout is a method and where the action's parameters go.
type layout struct{ method, place string }

// The layouts that a client may be able to send.
var (
	getQuery  = layout{"GET", "query"}
	postQuery = layout{"POST", "query"}
	postForm  = layout{"POST", "form"}
	postJSON  = layout{"POST", "json"}
)

// client is one of the vendor's clients in one of its modes.
type client struct {
	module, signature string
	layouts           []layout
	// send performs a request and returns the answer's text, or as an error what
	// the client reports.
	send func(*world, request) ([]byte, error)
	// refused reads the client's own kind of error.
	refused func(error) (refusal, bool)
}

// clients are all modes of the Go clients.
var clients = []client{
	{"github.com/aliyun/alibaba-cloud-sdk-go", "V1", []layout{getQuery, postQuery, postForm}, sendCommon, refusedCommon},
	{"github.com/alibabacloud-go/darabonba-openapi/v2", "V3", []layout{getQuery, postQuery, postForm, postJSON}, darabonba(""), refusedDarabonba},
	{"github.com/alibabacloud-go/darabonba-openapi/v2", "V3 SM3", []layout{getQuery, postQuery, postForm, postJSON}, darabonba("ACS3-HMAC-SM3"), refusedDarabonba},
	{"github.com/alibabacloud-go/darabonba-openapi/v2", "V1", []layout{getQuery, postQuery, postForm}, darabonba("v2"), refusedDarabonba},
}

// patience is how long a client waits on a busy machine.
const patience = 30 * time.Second

// newCommon makes a client of alibaba-cloud-sdk-go.
func newCommon(c credential) (*sdk.Client, error) {
	return sdk.NewClientWithOptions("cn-shanghai", sdk.NewConfig().WithTimeout(patience), credentials.NewAccessKeyCredential(c.id, c.secret))
}

// sendCommon sends a request with alibaba-cloud-sdk-go.
func sendCommon(w *world, q request) ([]byte, error) {
	c, err := newCommon(q.credential)
	if err != nil {
		return nil, err
	}
	r := requests.NewCommonRequest()
	r.Method, r.Scheme, r.Domain = q.method, w.url.Scheme, w.url.Host
	r.Version, r.ApiName = q.version, q.action
	if q.format != "" {
		r.AcceptFormat = q.format
	}
	place := r.QueryParams
	if q.place == "form" {
		place = r.FormParams
	}
	for k, v := range q.params {
		place[k] = v
	}
	for k, v := range q.headers {
		r.Headers[k] = v
	}
	resp, err := c.ProcessCommonRequest(r)
	if err != nil {
		return nil, err
	}
	return resp.GetHttpContentBytes(), nil
}

func refusedCommon(err error) (refusal, bool) {
	var e sdkerrors.Error
	if !errors.As(err, &e) {
		return refusal{}, false
	}
	return refusal{e.HttpStatus(), e.ErrorCode(), err.Error()}, true
}

// darabonba sends requests with darabonba-openapi and a signature algorithm, its
// own if empty.
func darabonba(algorithm string) func(*world, request) ([]byte, error) {
	return func(w *world, q request) ([]byte, error) {
		config := &openapimodels.Config{AccessKeyId: &q.id, AccessKeySecret: &q.secret, Endpoint: &w.url.Host, Protocol: &w.url.Scheme}
		config.SetReadTimeout(int(patience.Milliseconds())).SetConnectTimeout(int(patience.Milliseconds()))
		if algorithm != "" {
			config.SignatureAlgorithm = &algorithm
		}
		c, err := openapi.NewClient(config)
		if err != nil {
			return nil, err
		}
		p := &openapimodels.Params{Action: &q.action, Version: &q.version, Protocol: &w.url.Scheme, Pathname: dara.String("/"),
			Method: &q.method, AuthType: dara.String("AK"), Style: dara.String("RPC"), BodyType: dara.String("string"), ReqBodyType: dara.String("formData")}
		if q.place == "json" {
			p.ReqBodyType = dara.String("json")
		}
		result, err := c.CallApi(p, darabonbaRequest(q), &dara.RuntimeOptions{})
		if err != nil {
			return nil, err
		}
		return []byte(fmt.Sprint(result["body"])), nil
	}
}

func darabonbaRequest(q request) *openapimodels.OpenApiRequest {
	r := &openapimodels.OpenApiRequest{Headers: map[string]*string{}, Query: map[string]*string{}}
	for k, v := range q.headers {
		r.Headers[k] = &v
	}
	if q.format != "" {
		r.Query["Format"] = &q.format
	}
	if q.place == "query" {
		for k, v := range q.params {
			r.Query[k] = &v
		}
		return r
	}
	body := make(map[string]any)
	for k, v := range q.params {
		body[k] = v
	}
	r.Body = body
	return r
}

func refusedDarabonba(err error) (refusal, bool) {
	var e *tea.SDKError
	if !errors.As(err, &e) || e.StatusCode == nil || e.Code == nil {
		return refusal{}, false
	}
	return refusal{*e.StatusCode, *e.Code, err.Error()}, true
}

// bench is a client in one layout against the world: what the tests run on.
type bench struct {
	*world
	client
	layout
}

// request returns one that is right but for the action and its parameters.
func (b *bench) request(action string, p params) request {
	return request{credential: b.good, layout: b.layout, action: action, version: "2017-07-07", params: p}
}

// do performs an action and returns its answer.
func (b *bench) do(t *testing.T, action string, p params) answer {
	t.Helper()
	text, err := b.send(b.world, b.request(action, p))
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %s: %v", action, text, err)
	}
	if a.RequestID == "" || a.Success != (a.Code == 200) || (a.Message == "") != a.Success || (len(a.Data) == 0) == a.Success {
		t.Errorf("%s: %s", action, text)
	}
	return a
}

// must performs an action that has to succeed and decodes its data.
func (b *bench) must(t *testing.T, action string, p params, data any) {
	t.Helper()
	a := b.do(t, action, p)
	if a.Code != 200 {
		t.Fatalf("%s: %d: %s", action, a.Code, a.Message)
	}
	if err := json.Unmarshal(a.Data, data); err != nil {
		t.Fatalf("%s: data %s: %v", action, a.Data, err)
	}
}

// challenge asks the server for one.
func (b *bench) challenge(t *testing.T) string {
	t.Helper()
	var random string
	b.must(t, "GetServerRandom", b.random(), &random)
	return random
}

// everyClient runs a test with every client in every layout.
func everyClient(t *testing.T, test func(*testing.T, *bench)) {
	w := newWorld(t)
	for _, c := range clients {
		for _, l := range c.layouts {
			t.Run(fmt.Sprintf("%s %s/%s %s", c.module, c.signature, l.method, l.place), func(t *testing.T) { test(t, &bench{w, c, l}) })
		}
	}
}
