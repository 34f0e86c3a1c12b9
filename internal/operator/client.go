package operator

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
	"time"
)

// Error is a refusal by the server, or the failure to reach it.
type Error struct {
	Status  int    // of HTTP, 0 when no answer came
	Code    string // as in ErrorView; "unreachable" when no answer came
	Message string
	Hint    string
	Cause   error // of an unreachable server
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// Client speaks the operator API. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	org   string
	http  *http.Client
}

// ClientOptions configures NewClient.
type ClientOptions struct {
	URL   string // of the server, without a path
	Token string
	Org   string // id or name, "" for the first organisation
	// Transport is nil for the default one.
	Transport http.RoundTripper
}

// NewClient returns a client of the server at o.URL.
func NewClient(o ClientOptions) *Client {
	return &Client{base: strings.TrimRight(o.URL, "/"), token: o.Token, org: o.Org, http: &http.Client{
		Transport: o.Transport,
		// The API never redirects: the token goes to the server that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answerTimeout bounds calls that neither stream nor walk through everything.
const answerTimeout = time.Minute

// maxAnswer bounds what a JSON answer may take in memory.
const maxAnswer = 64 << 20

// fetch sends one JSON request and returns its JSON answer.
func fetch[T any](ctx context.Context, c *Client, method, path string, q url.Values, body any) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var out T
	err := c.callPatiently(ctx, method, path, q, body, &out)
	return out, err
}

// callPatiently is fetch without a time limit.
func (c *Client) callPatiently(ctx context.Context, method, path string, q url.Values, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	req, err := c.request(ctx, method, path, q, content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.roundTrip(req, into)
}

func (c *Client) request(ctx context.Context, method, path string, q url.Values, body io.Reader) (*http.Request, error) {
	if q == nil {
		q = url.Values{}
	}
	if c.org != "" {
		q.Set("org", c.org)
	}
	target := c.base + Prefix + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, &Error{Code: "unreachable", Message: fmt.Sprintf("%q is not the address of a server", c.base),
			Hint: "it looks like http://127.0.0.1:8080", Cause: err}
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	return req, nil
}

func (c *Client) roundTrip(req *http.Request, into any) error {
	res, err := c.send(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return c.broken(req, fmt.Errorf("read the answer: %w", err))
	}
	return nil
}

// send returns a successful response, whose body the caller closes.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(req, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, refusal(res)
	}
	return res, nil
}

// broken describes a connection that failed; a caller who gave up is told so.
func (c *Client) broken(req *http.Request, err error) error {
	if errors.Is(req.Context().Err(), context.Canceled) {
		return context.Canceled
	}
	var target *url.Error
	if errors.As(err, &target) {
		err = target.Err // without the whole address again
	}
	return &Error{Code: "unreachable", Message: fmt.Sprintf("no answer from the server at %s: %v", c.base, err),
		Hint: "is hallmark serve running there?", Cause: err}
}

// refusal reads the server's error. What does not look like one came from
// something else, such as a proxy in between.
func refusal(res *http.Response) error {
	var body ErrorBody
	err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&body)
	if err != nil || body.Error.Message == "" {
		return &Error{Status: res.StatusCode, Code: "not_hallmark", Message: "the server answered " + res.Status,
			Hint: "does the address belong to a Hallmark server's operator API?"}
	}
	return &Error{Status: res.StatusCode, Code: body.Error.Code, Message: body.Error.Message, Hint: body.Error.Hint}
}
