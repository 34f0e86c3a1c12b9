package operator

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Orgs lists organisations.
func (c *Client) Orgs(ctx context.Context) (OrgList, error) {
	return fetch[OrgList](ctx, c.withoutOrg(), http.MethodGet, "/orgs", nil, nil)
}

// CreateOrg makes an organisation.
func (c *Client) CreateOrg(ctx context.Context, s OrgSpec) (Org, error) {
	return fetch[Org](ctx, c.withoutOrg(), http.MethodPost, "/orgs", nil, s)
}

// withoutOrg is for operations above any organisation.
func (c *Client) withoutOrg() *Client {
	whole := *c
	whole.org = ""
	return &whole
}

// Products lists products.
func (c *Client) Products(ctx context.Context) (ProductList, error) {
	return fetch[ProductList](ctx, c, http.MethodGet, "/products", nil, nil)
}

// CreateProduct makes a product; only this answer shows its secret.
func (c *Client) CreateProduct(ctx context.Context, s ProductSpec) (CreatedProduct, error) {
	return fetch[CreatedProduct](ctx, c, http.MethodPost, "/products", nil, s)
}

// Product returns a product.
func (c *Client) Product(ctx context.Context, key string) (Product, error) {
	return fetch[Product](ctx, c, http.MethodGet, "/products/"+url.PathEscape(key), nil, nil)
}

// UpdateProduct changes a product's settings.
func (c *Client) UpdateProduct(ctx context.Context, key string, change ProductChange) (Product, error) {
	return fetch[Product](ctx, c, http.MethodPatch, "/products/"+url.PathEscape(key), nil, change)
}

// ImportDevices streams CSV to the server and returns when all of it is in.
// When it returns early, a read of csv may still be under way.
func (c *Client) ImportDevices(ctx context.Context, product string, csv io.Reader) (ImportResult, error) {
	var out ImportResult
	body := interruptible(ctx, csv)
	defer body.Close()
	req, err := c.request(ctx, http.MethodPost, "/products/"+url.PathEscape(product)+"/devices:import", nil, body)
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "text/csv")
	// A refusal (wrong token, unknown product) comes before the file is sent,
	// which may be long, instead of breaking the connection in the middle of it.
	req.Header.Set("Expect", "100-continue")
	err = c.roundTrip(req, &out)
	return out, err
}

// interruptible returns a stream of r that ends with the context. net/http
// waits for the read under way when a request is cancelled, and a terminal or
// a pipe may keep it waiting for good.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

// DeviceQuery chooses devices; "" and 0 choose all.
type DeviceQuery struct {
	Product, State, Prefix string
	After                  string // Next of the page before
	Limit                  int    // of rows on a page
}

func (q DeviceQuery) values() url.Values {
	return compact(map[string]string{"product": q.Product, "state": q.State, "prefix": q.Prefix, "after": q.After, "limit": count(q.Limit)})
}

// compact leaves out what is not set.
func compact(fields map[string]string) url.Values {
	v := url.Values{}
	for name, value := range fields {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Devices returns one page of devices.
func (c *Client) Devices(ctx context.Context, q DeviceQuery) (DeviceList, error) {
	return fetch[DeviceList](ctx, c, http.MethodGet, "/devices", q.values(), nil)
}

// ExportDevices streams all devices that the query chooses, as "csv" or
// "ndjson". Reading ends in an error when the export broke off. The caller
// closes the stream.
func (c *Client) ExportDevices(ctx context.Context, q DeviceQuery, format string) (io.ReadCloser, error) {
	v := q.values()
	v.Set("format", format)
	req, err := c.request(ctx, http.MethodGet, "/devices:export", v, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// Device finds a device by its id2 or asset id.
func (c *Client) Device(ctx context.Context, name string) (Device, error) {
	return fetch[Device](ctx, c, http.MethodGet, devicePath(name), nil, nil)
}

// An id2 may hold any printable character, so it is escaped.
func devicePath(name string) string { return "/devices/" + url.PathEscape(name) }

// ChangeDevice does one of "suspend", "resume", "discard" and
// "allow-reprovision".
func (c *Client) ChangeDevice(ctx context.Context, name, action string) (Device, error) {
	return fetch[Device](ctx, c, http.MethodPost, devicePath(name)+"/"+action, nil, nil)
}

// RekeyDevice gives a device another key of its algorithm.
func (c *Client) RekeyDevice(ctx context.Context, name string, key KeySpec) (Device, error) {
	return fetch[Device](ctx, c, http.MethodPost, devicePath(name)+"/rekey", nil, key)
}

// DeleteDevice removes a device.
func (c *Client) DeleteDevice(ctx context.Context, name string) (DeletedDevice, error) {
	return fetch[DeletedDevice](ctx, c, http.MethodDelete, devicePath(name), nil, nil)
}

// APIClients lists API clients.
func (c *Client) APIClients(ctx context.Context) (ClientList, error) {
	return fetch[ClientList](ctx, c, http.MethodGet, "/clients", nil, nil)
}

// CreateAPIClient makes an API client; only this answer shows its secret.
func (c *Client) CreateAPIClient(ctx context.Context, s ClientSpec) (CreatedClient, error) {
	return fetch[CreatedClient](ctx, c, http.MethodPost, "/clients", nil, s)
}

// SetAPIClientDisabled switches an API client off or on.
func (c *Client) SetAPIClientDisabled(ctx context.Context, id string, disabled bool) (ClientStanding, error) {
	action := "/enable"
	if disabled {
		action = "/disable"
	}
	return fetch[ClientStanding](ctx, c, http.MethodPost, "/clients/"+url.PathEscape(id)+action, nil, nil)
}

// DeleteAPIClient removes an API client.
func (c *Client) DeleteAPIClient(ctx context.Context, id string) (DeletedClient, error) {
	return fetch[DeletedClient](ctx, c, http.MethodDelete, "/clients/"+url.PathEscape(id), nil, nil)
}

// LicenceQuery chooses licences; "" and 0 choose all.
type LicenceQuery struct {
	Product    string
	Device     string // id2 or asset id
	EndsBefore string // RFC 3339
	Limit      int
}

// Licences lists licences.
func (c *Client) Licences(ctx context.Context, q LicenceQuery) (LicenceList, error) {
	v := compact(map[string]string{"product": q.Product, "device": q.Device, "ends_before": q.EndsBefore, "limit": count(q.Limit)})
	return fetch[LicenceList](ctx, c, http.MethodGet, "/licences", v, nil)
}

// LicenceSummary tells per product how many licences are used and left.
func (c *Client) LicenceSummary(ctx context.Context) (LicenceSummary, error) {
	return fetch[LicenceSummary](ctx, c, http.MethodGet, "/licences/summary", nil, nil)
}

// AuditQuery chooses events; "" and 0 choose all.
type AuditQuery struct {
	Subject string
	Action  string // one action, or a prefix that ends in "."
	Before  string // RFC 3339
	Limit   int
}

// Audit lists the audit record, of every organisation unless the client has one.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (AuditList, error) {
	v := compact(map[string]string{"subject": q.Subject, "action": q.Action, "before": q.Before, "limit": count(q.Limit)})
	return fetch[AuditList](ctx, c, http.MethodGet, "/audit", v, nil)
}

// VerifyAudit walks the audit chain.
func (c *Client) VerifyAudit(ctx context.Context) (AuditCheck, error) {
	var out AuditCheck
	err := c.withoutOrg().callPatiently(ctx, http.MethodGet, "/audit/verify", nil, nil, &out)
	return out, err
}

// Nodes lists the servers on the store.
func (c *Client) Nodes(ctx context.Context) (NodeList, error) {
	return fetch[NodeList](ctx, c.withoutOrg(), http.MethodGet, "/nodes", nil, nil)
}

// SetNodeDraining lets a node say that it is not ready, or ready again.
func (c *Client) SetNodeDraining(ctx context.Context, id string, draining bool) (NodeStanding, error) {
	action := "/resume"
	if draining {
		action = "/drain"
	}
	return fetch[NodeStanding](ctx, c.withoutOrg(), http.MethodPost, "/nodes/"+url.PathEscape(id)+action, nil, nil)
}

// AppSettings returns the settings of an app of the ciss door.
func (c *Client) AppSettings(ctx context.Context, id string) (AppSettings, error) {
	return fetch[AppSettings](ctx, c, http.MethodGet, "/clients/"+url.PathEscape(id)+"/settings", nil, nil)
}

// SetAppSettings changes those settings of an app that the map names, and
// returns all of them.
func (c *Client) SetAppSettings(ctx context.Context, id string, change map[string]json.RawMessage) (AppSettings, error) {
	return fetch[AppSettings](ctx, c, http.MethodPatch, "/clients/"+url.PathEscape(id)+"/settings", nil, change)
}

// Roots lists the roots and intermediates of the ciss door.
func (c *Client) Roots(ctx context.Context) (RootList, error) {
	return fetch[RootList](ctx, c, http.MethodGet, "/ciss/roots", nil, nil)
}

// AddRoot trusts a certificate.
func (c *Client) AddRoot(ctx context.Context, s RootSpec) (Root, error) {
	return fetch[Root](ctx, c, http.MethodPost, "/ciss/roots", nil, s)
}

// RemoveRoot ends the trust in a certificate.
func (c *Client) RemoveRoot(ctx context.Context, fingerprint string) (RemovedRoot, error) {
	return fetch[RemovedRoot](ctx, c, http.MethodDelete, "/ciss/roots/"+url.PathEscape(fingerprint), nil, nil)
}

// SetRootCRL gives the revocation list, in DER or PEM, of an authority, and returns
// whose it is.
func (c *Client) SetRootCRL(ctx context.Context, list io.Reader) (Root, error) {
	var out Root
	req, err := c.request(ctx, http.MethodPost, "/ciss/crls", nil, list)
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", crlType)
	return out, c.roundTrip(req, &out)
}
