package operator

import (
	"errors"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// Licence is one licence (授权) taken from a product's quota.
type Licence struct {
	ProductKey string `json:"product_key"`
	AssetID    string `json:"asset_id"`
	ID2        string `json:"id2"`
	Reason     string `json:"reason"`
	Taken      string `json:"taken"`
	Until      string `json:"until"`
}

// LicenceList holds licences, the newest first.
type LicenceList struct {
	Licences []Licence `json:"licences"`
}

// LicenceSummary tells per product how many licences are used and left.
type LicenceSummary struct {
	Products []LicenceUse `json:"products"`
}

// LicenceUse is one line of a LicenceSummary.
type LicenceUse struct {
	ProductKey string `json:"product_key"`
	Name       string `json:"name"`
	Quota      int64  `json:"quota"`
	Used       int64  `json:"used"`
	Remaining  int64  `json:"remaining"`
	TermDays   int    `json:"term_days"`
	AutoRenew  bool   `json:"auto_renew"`
}

func viewLicence(l registry.Licence) Licence {
	return Licence{ProductKey: l.Product, AssetID: l.Asset.String(), ID2: l.ID2, Reason: string(l.Reason),
		Taken: l.Taken.String(), Until: l.Until.String()}
}

func listLicences(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	f := registry.LicenceFilter{Product: c.query.get("product")}
	if f.Limit, err = c.query.limit(); err != nil {
		return nil, err
	}
	if f.EndsBefore, err = c.query.instant("ends_before"); err != nil {
		return nil, err
	}
	if f.Product != "" {
		if _, err := c.Registry.Product(c.r.Context(), org, f.Product); err != nil {
			return nil, err
		}
	}
	if device, ok := c.query["device"]; ok {
		if f.Asset, err = c.assetOf(org, device); err != nil {
			return nil, err
		}
	}
	licences, err := c.Registry.Licences(c.r.Context(), org, f)
	return LicenceList{Licences: views(licences, viewLicence)}, err
}

// assetOf finds a device by either name. The licences of a deleted device are
// kept and can still be found by its asset id.
func (c *call) assetOf(org registry.ID, device string) (registry.ID, error) {
	d, err := c.Registry.Device(c.r.Context(), org, device)
	if errors.Is(err, registry.ErrNotFound) {
		if asset, ok := registry.ParseID(device); ok {
			return asset, nil
		}
	}
	return d.Asset, err
}

func summariseLicences(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	products, err := c.Registry.Products(c.r.Context(), org)
	return LicenceSummary{Products: views(products, func(p registry.Product) LicenceUse {
		return LicenceUse{ProductKey: p.Key, Name: p.Name, Quota: p.Quota, Used: p.Used, Remaining: p.Remaining(),
			TermDays: p.TermDays, AutoRenew: p.AutoRenew}
	})}, err
}
