package operator

import (
	"context"
	"net/http"

	"github.com/hallmark-id/hallmark/internal/authn"
)

// ExplainSpec is the body that asks why a code would be accepted or refused.
type ExplainSpec struct {
	ID2        string `json:"id2"`
	AuthCode   string `json:"auth_code"`
	Extra      string `json:"extra,omitempty"`
	ProductKey string `json:"product_key,omitempty"` // "" for the device's own
	Data       string `json:"data,omitempty"`        // to be encrypted
}

// Explanation says what Verify would answer, and why.
type Explanation struct {
	Accepted   bool            `json:"accepted"`
	Code       int             `json:"code"`
	Reason     string          `json:"reason"`
	MessageHex string          `json:"message_hex"`
	Steps      []ExplainedStep `json:"steps"`
	Hints      []string        `json:"hints"`
}

// ExplainedStep is one check and what it came to.
type ExplainedStep struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func explainCode(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body ExplainSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.ID2 == "" || body.AuthCode == "" {
		return nil, invalid("body: id2 and auth_code are needed")
	}
	x, err := c.Authn.Explain(c.r.Context(), &authn.Request{Org: org, ID2: body.ID2, AuthCode: body.AuthCode, Extra: body.Extra,
		ProductKey: body.ProductKey, Data: body.Data, Encrypt: body.Data != "", By: c.by})
	if err != nil {
		return nil, err
	}
	v := Explanation{Accepted: x.Reason == "", Code: int(x.Code), Reason: x.Reason, MessageHex: x.Message, Hints: append([]string{}, x.Hints...),
		Steps: views(x.Steps, func(s authn.ExplainedStep) ExplainedStep { return ExplainedStep{s.Name, s.OK, s.Detail} })}
	return v, nil
}

// Explain says why a code would be accepted or refused, and spends nothing.
func (c *Client) Explain(ctx context.Context, s ExplainSpec) (Explanation, error) {
	return fetch[Explanation](ctx, c, http.MethodPost, "/devices:explain", nil, s)
}
