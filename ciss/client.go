package ciss

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ClientOptions are the settings of a Client. BaseURL, AppID and Key are
// mandatory; the zero value of every other field has a default.
type ClientOptions struct {
	BaseURL  string // such as "https://login.example.com"; a path is kept in front
	AppID    string
	Key      Key
	Settings *Settings        // default DefaultSettings
	HTTP     *http.Client     // default http.DefaultClient
	Now      func() time.Time // default time.Now
	Random   io.Reader        // source of IVs; default crypto/rand
}

// Client calls a platform, as an app or as an application's back end. It is safe
// for use by several goroutines if Random is.
type Client struct {
	channel *Channel
	base    string
	http    *http.Client
	now     func() time.Time
}

// ErrUnknownApp tells that the platform does not know the appId (status 212).
var ErrUnknownApp = errors.New("ciss: the platform does not know the appId: " + UnknownAppText)

// StatusError is an answer that is no success.
type StatusError struct {
	Code int
	Desc string // resultDesc, empty without one
}

// Error returns the code and the platform's words.
func (e *StatusError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("ciss: the platform answers %d: %s", e.Code, e.Desc), ": ")
}

// Result is a success.
type Result struct {
	Desc string // resultDesc, empty without one
	// Sealed reports whether the answer was sealed and signed with the app's key.
	// One with a null returnObj is not: then only TLS tells who answered.
	Sealed bool
}

// NewClient returns a client; it refuses options that cannot work.
func NewClient(o ClientOptions) (*Client, error) {
	settings := DefaultSettings()
	if o.Settings != nil {
		settings = *o.Settings
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
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("ciss: the base URL must be an http or https URL without a query")
	}
	channel, err := NewChannel(o.AppID, o.Key, settings, o.Random)
	if err != nil {
		return nil, err
	}
	return &Client{channel: channel, base: strings.TrimSuffix(base.String(), "/"), http: o.HTTP, now: o.Now}, nil
}

// Scan tells the platform that a code was scanned.
func (c *Client) Scan(ctx context.Context, authID string) (Result, error) {
	return c.scan(ctx, authID, StatusScanned)
}

// Cancel tells the platform that the user declined.
func (c *Client) Cancel(ctx context.Context, authID string) (Result, error) {
	return c.scan(ctx, authID, StatusCancelled)
}

func (c *Client) scan(ctx context.Context, authID string, status ScanStatus) (Result, error) {
	param, err := c.channel.SealScan(Scan{AuthID: authID, Status: status, Time: c.now()})
	if err != nil {
		return Result{}, err
	}
	return c.call(ctx, PathScan, param)
}

// Login sends the card's certificate, in DER, and its signature over the message
// of the authId (see [Settings.SignedMessage]) in any accepted form.
func (c *Client) Login(ctx context.Context, authID string, cert, signature []byte) (Result, error) {
	param, err := c.channel.SealLoginVerify(LoginVerify{AuthID: authID, SignCert: hex.EncodeToString(cert),
		SignData: hex.EncodeToString(signature), Time: c.now()})
	if err != nil {
		return Result{}, err
	}
	return c.call(ctx, PathLoginVerify, param)
}

// Signed is what a back end asks to have verified.
type Signed struct {
	PhoneNumber string // 11 digits
	UserName    string // may be empty
	Data        []byte // what was signed
	Cert        []byte // DER
	Signature   []byte // in any accepted form
}

// Verify asks the platform to verify a signature.
func (c *Client) Verify(ctx context.Context, s Signed) (Result, error) {
	param, err := c.channel.SealVerify(Verify{PhoneNumber: s.PhoneNumber, UserName: s.UserName, SignData: hex.EncodeToString(s.Signature),
		SrcData: base64.StdEncoding.EncodeToString(s.Data), SignCert: hex.EncodeToString(s.Cert), Time: c.now()})
	if err != nil {
		return Result{}, err
	}
	return c.call(ctx, PathVerify, param)
}

// call posts a sealed message. It returns ErrUnknownApp, a [*StatusError] for
// another failure that the platform answers, and another error when there was no
// answer or one that cannot be trusted.
func (c *Client) call(ctx context.Context, path, param string) (Result, error) {
	body := Request{AppID: c.channel.appID, Param: param}.Append(nil)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return Result{}, fmt.Errorf("ciss: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return Result{}, fmt.Errorf("ciss: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	if err != nil {
		return Result{}, fmt.Errorf("ciss: read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return Result{}, fmt.Errorf("ciss: the platform answers HTTP %d: %.200q", resp.StatusCode, answer)
	}
	return c.read(answer)
}

// read takes an answer apart. The status code is neither sealed nor signed
// (ciss §8); the words beside it are.
func (c *Client) read(body []byte) (Result, error) {
	answer, err := ParseAnswer(body)
	if err != nil {
		return Result{}, err
	}
	if answer.StatusCode == StatusUnknownApp {
		return Result{}, ErrUnknownApp
	}
	var result Result
	if answer.ReturnObj != "" {
		response, err := c.channel.OpenResponse(answer.ReturnObj, c.now())
		if err != nil {
			return Result{}, fmt.Errorf("ciss: the answer %d cannot be trusted: %w", answer.StatusCode, err)
		}
		result = Result{Desc: response.Desc, Sealed: true}
	}
	if answer.StatusCode != StatusOK {
		return Result{}, &StatusError{Code: answer.StatusCode, Desc: result.Desc}
	}
	return result, nil
}
