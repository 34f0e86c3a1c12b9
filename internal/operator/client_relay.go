package operator

import (
	"context"
	"net/http"
)

// Relay returns what of an organisation is relayed and how that goes.
func (c *Client) Relay(ctx context.Context) (Relay, error) {
	return fetch[Relay](ctx, c, http.MethodGet, "/relay", nil, nil)
}

// SetRelay sets the upstream of an organisation.
func (c *Client) SetRelay(ctx context.Context, s RelaySpec) (Relay, error) {
	return fetch[Relay](ctx, c, http.MethodPost, "/relay", nil, s)
}

// RemoveRelay ends an organisation's relay.
func (c *Client) RemoveRelay(ctx context.Context) (RemovedRelay, error) {
	return fetch[RemovedRelay](ctx, c, http.MethodDelete, "/relay", nil, nil)
}

// RelayedQuery chooses relayed devices; zero fields choose those of all products
// whose key is not held here.
type RelayedQuery struct {
	Product string
	Held    bool // those whose key is held here by now, too
	After   string
	Limit   int
}

// RelayedDevices lists devices that the upstream has answered for.
func (c *Client) RelayedDevices(ctx context.Context, q RelayedQuery) (RelayedList, error) {
	held := ""
	if q.Held {
		held = "true"
	}
	v := compact(map[string]string{"product": q.Product, "held": held, "after": q.After, "limit": count(q.Limit)})
	return fetch[RelayedList](ctx, c, http.MethodGet, "/relay/devices", v, nil)
}
