package operator

import (
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// Relay tells what of an organisation is relayed, where to, and how that goes.
type Relay struct {
	OrgID          string `json:"org_id"`
	Endpoint       string `json:"endpoint"`
	AccessKeyID    string `json:"access_key_id"`
	TimeoutMillis  int64  `json:"timeout_ms"`
	InsecureHTTP   bool   `json:"insecure_http"`
	CACertificates string `json:"ca_certificates_pem,omitempty"`
	Changed        string `json:"changed"`
	// Products are the product keys whose switch is on.
	Products []string      `json:"products"`
	Devices  RelayedCounts `json:"devices"`
	// Breaker is closed, open or half-open on the node that answers, and
	// LastFailure why the upstream last gave it no answer.
	Breaker     string        `json:"breaker"`
	LastFailure *RelayFailure `json:"last_failure"`
}

// RelayedCounts tells how many devices still depend on the upstream, by when
// they were last seen, and of how many the key is held here by now.
type RelayedCounts struct {
	Day   int64 `json:"day"`
	Week  int64 `json:"week"`
	Month int64 `json:"month"`
	All   int64 `json:"all"`
	Held  int64 `json:"held"`
}

// RelayFailure is why an upstream gave no answer.
type RelayFailure struct {
	Result string `json:"result"`
	Detail string `json:"detail"`
	At     string `json:"at"`
}

// RelaySpec is the body that sets an upstream. TimeoutMillis 0 is the default.
type RelaySpec struct {
	Endpoint        string `json:"endpoint"`
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	CACertificates  string `json:"ca_certificates_pem,omitempty"`
	TimeoutMillis   int64  `json:"timeout_ms,omitempty"`
	InsecureHTTP    bool   `json:"insecure_http,omitempty"`
}

// RemovedRelay confirms that nothing is relayed any more.
type RemovedRelay struct {
	OrgID   string `json:"org_id"`
	Removed bool   `json:"removed"`
}

// RelayedDevice is a device that the upstream has answered for.
type RelayedDevice struct {
	ID2        string `json:"id2"`
	ProductKey string `json:"product_key"` // "" until it has authenticated
	FirstSeen  string `json:"first_seen"`
	LastSeen   string `json:"last_seen"`
	AuthCount  int64  `json:"auth_count"`
	Held       bool   `json:"held"` // its key is held here by now
}

// RelayedList is one page of relayed devices. Next, when it is not "", is the
// after parameter of the page that follows.
type RelayedList struct {
	Devices []RelayedDevice `json:"devices"`
	Next    string          `json:"next"`
}

func getRelay(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	row, err := c.Registry.Upstream(c.r.Context(), org)
	if err != nil {
		return nil, err
	}
	return c.viewRelay(row)
}

func (c *call) viewRelay(row registry.UpstreamRow) (any, error) {
	v := Relay{OrgID: row.Org.String(), Endpoint: row.Endpoint, AccessKeyID: row.AccessKeyID, TimeoutMillis: row.Timeout.Milliseconds(),
		InsecureHTTP: row.InsecureHTTP, CACertificates: row.CA, Changed: row.Changed.String(), Products: []string{}}
	products, err := c.Registry.Products(c.r.Context(), row.Org)
	if err != nil {
		return nil, err
	}
	for _, p := range products {
		if p.Relay {
			v.Products = append(v.Products, p.Key)
		}
	}
	n, err := c.Registry.CountRelayed(c.r.Context(), row.Org)
	if err != nil {
		return nil, err
	}
	v.Devices = RelayedCounts(n)
	health := c.Relay.Health(row.Org)
	v.Breaker = health.Breaker
	if f := health.Last; f.At != 0 {
		v.LastFailure = &RelayFailure{Result: f.Result, Detail: f.Detail, At: f.At.String()}
	}
	return v, nil
}

func setRelay(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body RelaySpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	row, err := c.Registry.SetUpstream(c.r.Context(), org, registry.Upstream{Endpoint: body.Endpoint, AccessKeyID: body.AccessKeyID,
		Secret: body.AccessKeySecret, CA: body.CACertificates, Timeout: time.Duration(body.TimeoutMillis) * time.Millisecond,
		InsecureHTTP: body.InsecureHTTP}, c.by)
	if err != nil {
		return nil, err
	}
	return c.viewRelay(row)
}

func removeRelay(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	err = c.Registry.RemoveUpstream(c.r.Context(), org, c.by)
	return RemovedRelay{OrgID: org.String(), Removed: true}, err
}

func listRelayed(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	f := registry.RelayedFilter{Product: c.query.get("product"), After: c.query.get("after")}
	switch held := c.query.get("held"); held {
	case "", "false":
	case "true":
		f.Held = true
	default:
		return nil, invalid("query: held must be true or false")
	}
	if f.Limit, err = c.query.limit(); err != nil {
		return nil, err
	}
	if f.Product != "" { // a misspelt product is not a product without devices
		if _, err := c.Registry.Product(c.r.Context(), org, f.Product); err != nil {
			return nil, err
		}
	}
	devices, err := c.Registry.RelayedDevices(c.r.Context(), org, f)
	list := RelayedList{Devices: views(devices, viewRelayed)}
	if len(devices) == f.Limit {
		list.Next = devices[len(devices)-1].ID2
	}
	return list, err
}

func viewRelayed(r registry.Relayed) RelayedDevice {
	return RelayedDevice{ID2: r.ID2, ProductKey: r.Product, FirstSeen: r.First.String(), LastSeen: r.Last.String(), AuthCount: r.Count, Held: r.Held}
}
