package enos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// TokenPath is where the token service lies below the base URL; "/get" and
// "/refresh" follow it.
const TokenPath = "/apim-token-service/v2.0/token"

// TokenError is a refusal by the token service; Status is one of the Token
// constants.
type TokenError struct {
	Status int
	Msg    string
}

// Error returns the state and the message.
func (e *TokenError) Error() string {
	return fmt.Sprintf("enos: token service: %d: %s", e.Status, e.Msg)
}

// Token returns an access token that has at least five minutes to live, or as
// long as the service gives it.
func (c *Client) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // others wait for the one that asks
	now := c.o.Now()
	if c.token != "" && now.Before(c.until) {
		return c.token, nil
	}
	t, err := c.askToken(ctx, "/get", "")
	if err != nil {
		return "", err
	}
	c.keep(t, now)
	return c.token, nil
}

// RefreshToken asks for a new lifetime of the access token, which need not stay
// the same text.
func (c *Client) RefreshToken(ctx context.Context) error {
	old, err := c.Token(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	t, err := c.askToken(ctx, "/refresh", old)
	if err == nil {
		c.keep(t, now)
	}
	return err
}

func (c *Client) keep(t Token, now time.Time) {
	life := time.Duration(t.Expire) * time.Second
	c.token, c.until = t.AccessToken, now.Add(max(life-tokenMargin, life/2))
}

func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

func (c *Client) askToken(ctx context.Context, call, old string) (Token, error) {
	timestamp := FormatTimestamp(c.o.Now())
	body, err := json.Marshal(TokenRequest{AppKey: c.o.Credential.appKey, Timestamp: Digits(timestamp),
		Encryption: c.o.Credential.Encryption(timestamp), AccessToken: old})
	if err != nil {
		return Token{}, fmt.Errorf("enos: %w", err)
	}
	raw, err := send(ctx, c.o.HTTP, c.base+TokenPath+call, http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, body)
	if err != nil {
		return Token{}, err
	}
	var reply TokenReply
	if err := json.Unmarshal(raw, &reply); err != nil {
		return Token{}, fmt.Errorf("enos: the token service's answer is unreadable: %.200q", raw)
	}
	if reply.Status != TokenOK {
		return Token{}, &TokenError{Status: reply.Status, Msg: reply.Msg}
	}
	if reply.Data == nil || reply.Data.AccessToken == "" {
		return Token{}, fmt.Errorf("enos: the token service answered no token: %.200q", raw)
	}
	return *reply.Data, nil
}
