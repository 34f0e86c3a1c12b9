package enos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ClientOptions are the settings of a Client. BaseURL, Credential and OrgID are
// mandatory; the zero value of every other field has a default.
type ClientOptions struct {
	BaseURL    string // such as "https://id.example.com", with or without a path
	Credential *Credential
	OrgID      string
	// Scheme is SchemeSigned, the default, or SchemeLegacy for a gateway that
	// knows no tokens.
	Scheme Scheme
	HTTP   *http.Client     // default http.DefaultClient
	Now    func() time.Time // default time.Now
}

// Client calls the certificate service. It gets an access token when it needs
// one and keeps it until shortly before its end. It is safe for concurrent use.
type Client struct {
	o    ClientOptions
	base string

	mu    sync.Mutex // guards token and until
	token string
	until time.Time
}

// maxAnswer bounds the answer a client reads, in bytes.
const maxAnswer = 16 << 20

// tokenMargin is how long before its end a token is replaced.
const tokenMargin = 5 * time.Minute

// NewClient returns a client; it refuses options that cannot work.
func NewClient(o ClientOptions) (*Client, error) {
	if o.Scheme == SchemeNone {
		o.Scheme = SchemeSigned
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	base, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("enos: base URL: %w", err)
	case base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "":
		return nil, errors.New("enos: the base URL must be an http or https URL without a query")
	case o.Credential == nil || o.Credential.appKey == "" || o.Credential.secret == "":
		return nil, errors.New("enos: a credential with key and secret is needed")
	case o.OrgID == "":
		return nil, errors.New("enos: an organisation (orgId) is needed")
	case o.Scheme != SchemeSigned && o.Scheme != SchemeLegacy:
		return nil, errors.New("enos: a client signs by SchemeSigned or SchemeLegacy")
	}
	return &Client{o: o, base: strings.TrimRight(base.String(), "/")}, nil
}

// Call performs an action on a resource such as "/connect-service/v2.0/certificates".
// A nil body makes it a GET; into receives the data of the answer and may be nil.
// A refusal by the service is an *Error.
func (c *Client) Call(ctx context.Context, resource, action string, q Query, body, into any) error {
	q = append(Query{{Name: "action", Value: action}, {Name: "orgId", Value: c.o.OrgID}}, q...)
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return fmt.Errorf("enos: %w", err)
		}
	}
	data, err := c.call(ctx, resource, q, raw)
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Code == CodeToken { // revoked early, or by another key
		c.forget()
		data, err = c.call(ctx, resource, q, raw)
	}
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("enos: %s %s: unreadable answer: %w", resource, action, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, resource string, q Query, body []byte) (json.RawMessage, error) {
	h := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
	timestamp := FormatTimestamp(c.o.Now())
	if c.o.Scheme == SchemeLegacy {
		q = c.o.Credential.legacyQuery(q, timestamp, body)
	} else {
		token, err := c.Token(ctx)
		if err != nil {
			return nil, err
		}
		h[HeaderToken], h[HeaderTimestamp] = []string{token}, []string{timestamp}
		h[HeaderSignature] = []string{c.o.Credential.Sign(token, q, body, timestamp)}
	}
	raw, err := send(ctx, c.o.HTTP, c.base+resource+"?"+q.Encode(), h, body)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Code *int            `json:"code"`
		Msg  string          `json:"msg"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &reply); err != nil || reply.Code == nil {
		return nil, fmt.Errorf("enos: %s: the answer is not one of this service: %.200q", resource, raw)
	}
	if *reply.Code != CodeOK {
		return nil, &Error{Code: *reply.Code, Msg: reply.Msg}
	}
	return reply.Data, nil
}

// legacyQuery returns a query with what SchemeLegacy adds, signed with SHA-256.
func (c *Credential) legacyQuery(q Query, timestamp string, body []byte) Query {
	q = q.With(ParamAccessKey, c.appKey).With(ParamTimestamp, timestamp)
	return q.With(ParamSign, c.SignLegacy(SHA256, q, body))
}

// send sends a request, a GET if it has no body, and returns the body of a 200.
func send(ctx context.Context, client *http.Client, address string, h http.Header, body []byte) ([]byte, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	return sendAs(ctx, client, method, address, h, body)
}

func sendAs(ctx context.Context, client *http.Client, method, address string, h http.Header, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("enos: %w", err)
	}
	r.Header = h
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("enos: %w", withoutQuery(err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("enos: read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("enos: HTTP status %s: %.200q", resp.Status, raw)
	}
	return raw, nil
}

// withoutQuery cuts the query, with the signature in it, from an error's address.
func withoutQuery(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		e.URL, _, _ = strings.Cut(e.URL, "?")
	}
	return err
}
