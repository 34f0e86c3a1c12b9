package httpd

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// createProduct makes a product without an ID² algorithm (enos §2). Any modelId
// will do: there are no models here.
func (d *enosDoor) createProduct(ctx context.Context, c *enosCall) (any, error) {
	var spec enos.ProductSpec
	if err := enos.Decode(c.body, &spec); err != nil {
		return nil, err
	}
	for name, missing := range map[string]bool{"modelId": spec.ModelID == nil, "productName": spec.Name == nil, "productType": spec.Type == nil,
		"biDirectionalAuth": spec.TwoWayAuth == nil, "dataFormat": spec.DataFormat == nil} {
		if missing {
			return nil, enos.Missing(name)
		}
	}
	var p registry.ManagedProduct
	if err := changeProduct(&p, &spec); err != nil {
		return nil, err
	}
	made, err := d.registry.CreateManagedProduct(ctx, c.client.Org, p, c.actor())
	if err != nil {
		return nil, productError(err)
	}
	return made.Key, nil
}

// changeProduct writes the members of a specification that are there.
func changeProduct(p *registry.ManagedProduct, s *enos.ProductSpec) error {
	for _, member := range []struct {
		name    string
		value   *string
		allowed []string
		into    *string
	}{
		{"modelId", s.ModelID, nil, &p.Info.ModelID},
		{"productType", s.Type, []string{"Device", "Gateway"}, &p.Info.Type},
		{"dataFormat", s.DataFormat, []string{"Json", "Custom"}, &p.Info.DataFormat},
		{"productDesc", s.Description, nil, &p.Info.Description},
	} {
		if err := setText(member.into, member.value, member.name, member.allowed); err != nil {
			return err
		}
	}
	if s.Name != nil {
		p.Name, p.Info.Names = s.Name.Default, s.Name.Locales
	}
	if s.TwoWayAuth != nil {
		p.TwoWayAuth = bool(*s.TwoWayAuth)
	}
	if s.Dynamic != nil {
		p.Info.Dynamic = bool(*s.Dynamic)
	}
	if s.Tags != nil {
		p.Info.Tags = s.Tags
	}
	return setDays(p, s)
}

// setText sets a member to one of the allowed values, in any case of letters.
func setText(into, value *string, name string, allowed []string) error {
	if value == nil {
		return nil
	}
	*into = *value
	if allowed == nil {
		return nil
	}
	for _, a := range allowed {
		if strings.EqualFold(a, *value) {
			*into = a
			return nil
		}
	}
	return enos.InvalidArgument(name, "one of "+strings.Join(allowed, ", ")+" is needed")
}

func setDays(p *registry.ManagedProduct, s *enos.ProductSpec) error {
	for _, member := range []struct {
		name  string
		value *enos.Int
		into  *int
	}{{"defaultValidDay", s.DefaultValidDays, &p.DefaultValidDays}, {"maxValidDay", s.MaxValidDays, &p.MaxValidDays}} {
		if member.value == nil {
			continue
		}
		if *member.value < 1 || *member.value > 3650 {
			return enos.InvalidArgument(member.name, "1 to 3650 days are needed")
		}
		*member.into = int(*member.value)
	}
	return nil
}

func (d *enosDoor) getProduct(ctx context.Context, c *enosCall) (any, error) {
	key := c.get("productKey")
	if key == "" {
		return nil, enos.Missing("productKey")
	}
	p, err := d.registry.ManagedProduct(ctx, c.client.Org, key)
	if err != nil {
		return nil, productError(err)
	}
	return viewEnOSProduct(c, &p), nil
}

func viewEnOSProduct(c *enosCall, p *registry.ManagedProduct) enos.Product {
	org := p.Org.String()
	v := enos.Product{OrgID: org, ProductKey: p.Key, Name: enos.Text{Default: p.Name, Locales: p.Info.Names}, Description: p.Info.Description,
		Type: orElse(p.Info.Type, "Device"), DataFormat: orElse(p.Info.DataFormat, "Json"), Tags: object(p.Info.Tags), ModelID: p.Info.ModelID,
		Dynamic: p.Info.Dynamic, TwoWayAuth: p.TwoWayAuth, CreateBy: org, CreateTime: int64(p.Created), UpdateBy: org,
		UpdateTime: max(p.Info.Updated, int64(p.Created)), DefaultValidDays: p.DefaultValidDays, MaxValidDays: p.MaxValidDays}
	if c.client.Allows("Manage") {
		v.Secret = p.Secret
	}
	return v
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// object is what a client stored, or an empty object.
func object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

func (d *enosDoor) updateProduct(ctx context.Context, c *enosCall) (any, error) {
	var spec enos.ProductSpec
	if err := enos.Decode(c.body, &spec); err != nil {
		return nil, err
	}
	key := orElse(c.get("productKey"), spec.ProductKey)
	if key == "" {
		return nil, enos.Missing("productKey")
	}
	err := d.registry.UpdateManagedProduct(ctx, c.client.Org, key, func(p *registry.ManagedProduct) error { return changeProduct(p, &spec) }, c.actor())
	if err != nil {
		return nil, productError(err)
	}
	return key, nil
}

func (d *enosDoor) deleteProduct(ctx context.Context, c *enosCall) (any, error) {
	var spec enos.ProductSpec
	if len(c.body) > 0 {
		if err := enos.Decode(c.body, &spec); err != nil {
			return nil, err
		}
	}
	key := orElse(c.get("productKey"), spec.ProductKey)
	if key == "" {
		return nil, enos.Missing("productKey")
	}
	if err := d.registry.DeleteProduct(ctx, c.client.Org, key, c.actor()); err != nil {
		return nil, productError(err)
	}
	return key, nil
}

// searchProducts answers a page of the products in the order of their names.
func (d *enosDoor) searchProducts(ctx context.Context, c *enosCall) (any, error) {
	search, err := readSearch(c, "productKey", "productName")
	if err != nil {
		return nil, err
	}
	all, err := d.registry.Products(ctx, c.client.Org)
	if err != nil {
		return nil, productError(err)
	}
	found := all[:0]
	for _, p := range all {
		if search.wants("productKey", p.Key) && search.wants("productName", p.Name) {
			found = append(found, p)
		}
	}
	from := min(search.offset(), len(found))
	page := found[from:min(from+int(search.page.PageSize), len(found))]
	views := make([]enos.Product, len(page))
	for i := range page {
		p, err := d.registry.ManagedProduct(ctx, c.client.Org, page[i].Key)
		if err != nil {
			return nil, productError(err)
		}
		views[i] = viewEnOSProduct(c, &p)
	}
	search.page.TotalSize = int64(len(found))
	return enosPage{views, search.page}, nil
}
