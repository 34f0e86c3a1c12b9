package openapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Placement says where a client puts its parameters.
type Placement uint8

// The placements. They decide the HTTP method too: InQueryGET sends GET, the
// others POST.
const (
	InQueryGET  Placement = iota // everything in the query
	InQueryPOST                  // everything in the query, empty body
	InForm                       // everything in a form body; V3 keeps system values in headers
	InJSON                       // API parameters in a JSON body; V3 only
)

// ClientOptions are the settings of a Client. Endpoint and Credential are
// mandatory; the zero value of every other field has a default.
type ClientOptions struct {
	Endpoint   string           // base URL, such as "http://127.0.0.1:8080"
	Credential *Credential      // must have a secret
	Version    string           // API date; default "2017-07-07", that of ID²
	Method     SignatureMethod  // decides the style too; default HMACSHA1
	Placement  Placement        // default InQueryGET
	HTTP       *http.Client     // default http.DefaultClient
	Now        func() time.Time // default time.Now
	Random     io.Reader        // source of nonces; default crypto/rand
	// NoncePrefix is put before the nonces, so that a server can tell whose they are.
	NoncePrefix string
}

// ErrAnswer is wrapped by errors of an answer that is not one of a gateway.
var ErrAnswer = errors.New("unreadable answer")

// Client calls an RPC gateway and reads JSON answers. It is safe for use by
// several goroutines if Random is.
type Client struct {
	o    ClientOptions
	base *url.URL
}

// maxAnswer bounds the answer a client reads, in bytes.
const maxAnswer = 1 << 20

// NewClient returns a client; it refuses options that cannot work together.
func NewClient(o ClientOptions) (*Client, error) {
	if o.Version == "" {
		o.Version = "2017-07-07"
	}
	if o.Method == 0 {
		o.Method = HMACSHA1
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	base, err := url.Parse(o.Endpoint)
	switch {
	case err != nil:
		return nil, fmt.Errorf("openapi: endpoint: %w", err)
	case base.Host == "" || (base.Scheme != "http" && base.Scheme != "https"):
		return nil, errors.New("openapi: the endpoint must be an http or https URL")
	case base.Path != "" && base.Path != "/":
		return nil, errors.New("openapi: the endpoint must have no path")
	case o.Credential == nil || !o.Credential.canMAC(o.Method):
		return nil, ErrCannotSign
	case o.Placement > InJSON:
		return nil, errors.New("openapi: unknown placement")
	case o.Placement == InJSON && o.Method < ACS3HMACSHA256:
		return nil, errors.New("openapi: a V1 signature does not cover a JSON body")
	}
	return &Client{o, &url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/"}}, nil
}

// Result is an answer of an operation. Business failures are results too: look
// at Success or Code before Data.
type Result struct {
	RequestID string
	Code      int
	Success   bool
	Message   string
	Data      json.RawMessage // as received; nil when absent
}

// Call performs an operation. It returns an *Error for a refusal by the
// gateway, and another error when there was no answer or an unreadable one.
func (c *Client) Call(ctx context.Context, action string, params []Param) (*Result, error) {
	r, err := c.newRequest(ctx, action, params)
	if err != nil {
		return nil, err
	}
	resp, err := c.o.HTTP.Do(r)
	if err != nil {
		return nil, fmt.Errorf("openapi: %s: %w", action, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("openapi: %s: read the answer: %w", action, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, readError(resp.StatusCode, body)
	}
	result, err := readResult(body)
	if err != nil {
		return nil, fmt.Errorf("openapi: %s: %w: %w", action, ErrAnswer, err)
	}
	return result, nil
}

// newRequest signs a call and lays it out as the placement says.
func (c *Client) newRequest(ctx context.Context, action string, params []Param) (*http.Request, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(c.o.Random, nonce[:]); err != nil {
		return nil, fmt.Errorf("openapi: nonce: %w", err)
	}
	m := &Message{Method: http.MethodPost, Action: action, Version: c.o.Version, Params: params,
		Nonce: c.o.NoncePrefix + hex.EncodeToString(nonce[:]), Time: c.o.Now()}
	if c.o.Placement == InQueryGET {
		m.Method = http.MethodGet
	}
	if c.o.Method < ACS3HMACSHA256 {
		return c.newV1(ctx, m)
	}
	return c.newV3(ctx, m)
}

// newV1 lays out a call with a V1 signature.
func (c *Client) newV1(ctx context.Context, m *Message) (*http.Request, error) {
	system, api, err := m.SignV1(c.o.Credential, c.o.Method)
	if err != nil {
		return nil, err
	}
	all := strings.TrimSuffix(system+"&"+api, "&")
	if c.o.Placement == InForm {
		return c.build(ctx, m.Method, "", []byte(all), http.Header{"Content-Type": {typeForm}})
	}
	return c.build(ctx, m.Method, all, nil, http.Header{})
}

// newV3 lays out a call with a V3 signature.
func (c *Client) newV3(ctx context.Context, m *Message) (*http.Request, error) {
	var body []byte
	var contentType string
	switch c.o.Placement {
	case InForm:
		body, contentType, m.Params = []byte(EncodeForm(m.Params)), typeForm, nil
	case InJSON:
		object := make(map[string]string, len(m.Params))
		for _, p := range m.Params {
			if _, twice := object[p.Name]; twice {
				return nil, ErrDuplicate
			}
			object[p.Name] = p.Value
		}
		var err error
		if body, err = json.Marshal(object); err != nil {
			return nil, fmt.Errorf("openapi: %w", err)
		}
		contentType, m.Params = typeJSON+"; charset=utf-8", nil
	}
	h, err := m.SignV3(c.o.Credential, c.o.Method, c.base.Host, contentType, body)
	if err != nil {
		return nil, err
	}
	return c.build(ctx, m.Method, EncodeForm(m.Params), body, h)
}

// build makes the HTTP request.
func (c *Client) build(ctx context.Context, method, query string, body []byte, h http.Header) (*http.Request, error) {
	u := *c.base
	u.RawQuery = query
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	r.Header = h
	return r, nil
}

// readError reads a gateway error; a body that is not one is quoted, cut short.
func readError(status int, body []byte) *Error {
	e := &Error{Status: status}
	if json.Unmarshal(body, e) != nil || e.Code == "" {
		e.Code = "HTTP" + strconv.Itoa(status)
		e.Message = fmt.Sprintf("not a gateway error: %.200q", body)
	}
	e.Status = status // not the body's to set
	return e
}

// readResult reads the envelope of an operation, with members of their own
// types or, from servers that follow the vendor's samples, all text.
func readResult(body []byte) (*Result, error) {
	var e struct {
		RequestID     string `json:"RequestId"`
		Code, Success json.RawMessage
		Message       string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	code, err := strconv.Atoi(unquote(e.Code))
	if err != nil {
		return nil, fmt.Errorf("code: %w", err)
	}
	success, err := strconv.ParseBool(unquote(e.Success))
	if err != nil {
		return nil, fmt.Errorf("success: %w", err)
	}
	return &Result{RequestID: e.RequestID, Code: code, Success: success, Message: e.Message, Data: e.Data}, nil
}

// unquote returns a JSON scalar without quotes.
func unquote(raw json.RawMessage) string {
	return strings.Trim(string(raw), `"`)
}
