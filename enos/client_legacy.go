package enos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// LegacyPath is what comes before the path of the older calls (enos §3.3).
const LegacyPath = "/enosapi"

// LegacyClient makes the older certificate calls, as the vendor's SDKs of the 2.x
// line do, signed with SHA-256. It is safe for concurrent use.
type LegacyClient struct{ c *Client }

// NewLegacyClient returns a client for a base URL without the "/enosapi"; it
// refuses options that cannot work. Their Scheme does not matter.
func NewLegacyClient(o ClientOptions) (*LegacyClient, error) {
	o.Scheme = SchemeLegacy
	c, err := NewClient(o)
	if err != nil {
		return nil, err
	}
	return &LegacyClient{c}, nil
}

// Apply has a certificate issued for a request in PEM.
func (c *LegacyClient) Apply(ctx context.Context, d Device, csr string) (LegacyCertificate, error) {
	var cert LegacyCertificate
	return cert, c.call(ctx, http.MethodPost, d, "apply", nil, csr, &cert)
}

// List returns the certificates of a device.
func (c *LegacyClient) List(ctx context.Context, d Device) ([]LegacyStatus, error) {
	var list []LegacyStatus
	return list, c.call(ctx, http.MethodGet, d, "list", nil, nil, &list)
}

// Revoke revokes a certificate of a device.
func (c *LegacyClient) Revoke(ctx context.Context, d Device, serial int64) error {
	q := Query{{Name: "certSN", Value: strconv.FormatInt(serial, 10)}}
	return c.call(ctx, http.MethodDelete, d, "revoke", q, nil, nil)
}

func (d Device) legacyPath() string {
	if d.AssetID != "" {
		return "/connectService/devices/" + url.PathEscape(d.AssetID)
	}
	return "/connectService/products/" + url.PathEscape(d.ProductKey) + "/devices/" + url.PathEscape(d.DeviceKey)
}

func (c *LegacyClient) call(ctx context.Context, method string, d Device, action string, q Query, body, into any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return fmt.Errorf("enos: %w", err)
		}
	}
	q = append(Query{{Name: "orgId", Value: c.c.o.OrgID}}, q...)
	q = c.c.o.Credential.legacyQuery(q, FormatTimestamp(c.c.o.Now()), raw)
	address := c.c.base + LegacyPath + d.legacyPath() + "/certificates/" + action + "?" + q.Encode()
	answer, err := sendAs(ctx, c.c.o.HTTP, method, address, http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, raw)
	if err != nil {
		return err
	}
	var reply struct {
		Status      *int `json:"status"`
		Msg, SubMsg string
		Data        json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil || reply.Status == nil {
		return fmt.Errorf("enos: the answer is not one of this service: %.200q", answer)
	}
	if *reply.Status != LegacyOK {
		return &Error{Code: *reply.Status, Msg: reply.Msg + ": " + reply.SubMsg}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Data, into); err != nil {
		return fmt.Errorf("enos: %s: unreadable answer: %w", action, err)
	}
	return nil
}
