package httpd

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

const (
	products = "/connect-service/v2.1/products"
	devices  = "/connect-service/v2.1/devices"
)

func TestProductCalls(t *testing.T) {
	f := newEnOSFixture(t, nil)
	ctx := t.Context()
	var key string
	f.must(f.api.Call(ctx, products, "create", nil, json.RawMessage(`{"modelId":"any/model","productName":{"defaultValue":"inverter","i18nValue":{"zh_CN":"逆变器"}},
		"productType":"gateway","biDirectionalAuth":true,"dataFormat":"Json","productDesc":"d","dynamicActivateEnabled":"false","productTags":{"a":"b"}}`), &key))
	if len(key) != 8 {
		t.Errorf("product key %q", key)
	}
	q := enos.Query{{Name: "productKey", Value: key}}
	var p enos.Product
	f.must(f.api.Call(ctx, products, "get", q, nil, &p))
	if p.OrgID != f.org.String() || p.ModelID != "any/model" || p.Name.Default != "inverter" || p.Name.Locales["zh_CN"] != "逆变器" || p.Type != "Gateway" ||
		p.DefaultValidDays != 730 || p.MaxValidDays != 1095 || !p.TwoWayAuth || p.Dynamic || string(p.Tags) != `{"a":"b"}` || len(p.Secret) != 32 {
		t.Errorf("%+v", p)
	}
	f.must(f.api.Call(ctx, products, "update", nil, map[string]any{"productKey": key, "maxValidDay": 100, "defaultValidDay": 50, "biDirectionalAuth": false}, &key))
	f.must(f.api.Call(ctx, products, "get", q, nil, &p))
	if p.MaxValidDays != 100 || p.DefaultValidDays != 50 || p.TwoWayAuth || p.Name.Default != "inverter" {
		t.Errorf("after the update: %+v", p)
	}
	var found []enos.Product
	f.must(f.api.Call(ctx, products, "search", nil, map[string]any{"expression": "productKey = '" + key + "'"}, &found))
	if len(found) != 1 || found[0].ProductKey != key {
		t.Errorf("found %+v", found)
	}
	f.must(f.api.Call(ctx, products, "delete", nil, map[string]any{"productKey": key}, nil))
	wantError(t, "get a deleted product", f.call("v2.1/products", "get", q, ""), enos.CodeNoProduct, "Product cannot be found")
}

func TestProductRefusals(t *testing.T) {
	f := newEnOSFixture(t, nil)
	whole := map[string]any{"modelId": "m", "productName": map[string]any{"defaultValue": "n"}, "productType": "Device", "biDirectionalAuth": true, "dataFormat": "Custom"}
	create := func(set map[string]any) reply {
		body := make(map[string]any)
		for _, m := range []map[string]any{whole, set} {
			for k, v := range m {
				body[k] = v
			}
		}
		text, err := json.Marshal(body)
		f.must(err)
		return f.call("v2.1/products", "create", nil, string(text))
	}
	if out := create(nil); out.Code != 0 {
		t.Fatalf("%+v", out)
	}
	for member := range whole {
		wantError(t, member, create(map[string]any{member: nil}), 99400, "Invalid Argument "+member+":"+member+" is missing")
	}
	for want, set := range map[string]map[string]any{
		"Invalid Argument productType:":     {"productType": "Chip"},
		"Invalid Argument dataFormat:":      {"dataFormat": "XML"},
		"Invalid Argument maxValidDay:":     {"maxValidDay": 3651},
		"Invalid Argument defaultValidDay:": {"defaultValidDay": 0},
		"Invalid Argument:the default":      {"defaultValidDay": 10, "maxValidDay": 5},
		"Invalid Argument:a name":           {"productName": map[string]any{"defaultValue": ""}},
		"Invalid Argument:names,":           {"productDesc": strings.Repeat("x", 33<<10)},
	} {
		wantError(t, want, create(set), 99400, want)
	}
	wantError(t, "delete with devices", f.call("v2.1/products", "delete", nil, `{"productKey":"`+f.product.Key+`"}`), 99400, "Invalid Argument:not allowed")
	own := f.fixture.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.TwoWayAuth = true })
	wantError(t, "delete an ID² product", f.call("v2.1/products", "delete", nil, `{"productKey":"`+own.Key+`"}`), 99400, "Invalid Argument:an ID² product")
	wantError(t, "turn an ID² product", f.call("v2.1/products", "update", nil, `{"productKey":"`+own.Key+`","biDirectionalAuth":false}`), 99400, "Invalid Argument:two-way")
	for _, action := range []string{"update", "delete", "get"} {
		wantError(t, action, f.call("v2.1/products", action, nil, "{}"), 99400, "Invalid Argument productKey:productKey is missing")
	}
	wantError(t, "update nobody's", f.call("v2.1/products", "update", nil, `{"productKey":"nobody00"}`), enos.CodeNoProduct, "Product")
}

func TestDeviceCalls(t *testing.T) {
	f := newEnOSFixture(t, nil)
	ctx := t.Context()
	var made enos.CreatedDevice
	f.must(f.api.Call(ctx, devices, "create", nil, json.RawMessage(`{"productKey":"`+f.product.Key+`","timezone":"+08:00",
		"deviceName":{"defaultValue":"w1","i18nValue":null},"deviceAttributes":{"serial":7},"deviceTags":{"t":"v"},"deviceDesc":"d"}`), &made))
	if made.DeviceKey == "" || len(made.Secret) != 20 || made.ProductKey != f.product.Key {
		t.Errorf("%+v", made)
	}
	id := enos.Query{{Name: "assetId", Value: made.AssetID}}
	var d enos.DeviceDetail
	f.must(f.api.Call(ctx, devices, "get", id, nil, &d))
	if d.Timezone != "+08:00" || d.Name.Default != "w1" || string(d.Attributes) != `{"serial":7}` || d.Secret != made.Secret || d.Status != "inactive" ||
		d.ProductName.Default != "gateway" || d.OrgID != f.org.String() || d.Description != "d" {
		t.Errorf("%+v", d)
	}
	f.must(f.api.Call(ctx, devices, "update", nil, map[string]any{"assetId": made.AssetID, "deviceName": enos.Text{Default: "w2"}}, nil))
	f.must(f.api.Call(ctx, devices, "disable", id, map[string]any{}, nil))
	f.must(f.api.Call(ctx, devices, "get", id, nil, &d))
	if d.Name.Default != "w2" || d.Status != "disabled" || d.Timezone != "+08:00" || d.Secret != made.Secret {
		t.Errorf("after update and disable: %+v", d)
	}
	f.must(f.api.Call(ctx, devices, "enable", id, map[string]any{}, nil))
	wantError(t, "enable twice", f.call("v2.1/devices", "enable", enos.Query{{Name: "assetId", Value: made.AssetID}, {Name: "x", Value: "2"}}, "{}"), 99400, "Invalid Argument:")
	f.must(f.api.Call(ctx, devices, "delete", id, map[string]any{}, nil))
	if err := f.api.Call(ctx, devices, "get", id, nil, nil); !errors.Is(err, enos.ErrDeviceNotFound) {
		t.Error(err)
	}
	// Operators see it too.
	all, err := f.reg.Devices(ctx, f.org, registry.DeviceFilter{})
	if err != nil || len(all) != 1 || all[0].DeviceKey != f.device.DeviceKey {
		t.Errorf("%+v %v", all, err)
	}
}

func TestDeviceRefusals(t *testing.T) {
	f := newEnOSFixture(t, nil)
	key := f.product.Key
	for body, want := range map[string]reply{
		`{}`:                           {Code: 99400, Msg: "Invalid Argument productKey:productKey is missing"},
		`{"productKey":"` + key + `"}`: {Code: 99400, Msg: "Invalid Argument timezone:"},
		`{"productKey":"` + key + `","timezone":"+08"}`:                                                                                      {Code: 99400, Msg: "Invalid Argument deviceName:"},
		`{"productKey":"nobody00","timezone":"+08","deviceName":{"defaultValue":"n"}}`:                                                       {Code: enos.CodeNoProduct, Msg: "Product"},
		`{"productKey":"` + key + `","timezone":"+08","deviceName":{"defaultValue":"n"},"deviceKey":"dev 1+2/ü&x"}`:                          {Code: enos.CodeDeviceExists, Msg: "deviceKey"},
		`{"productKey":"` + key + `","timezone":"+08","deviceName":{"defaultValue":"n"},"deviceKey":"a\u0000b"}`:                             {Code: 99400, Msg: "Invalid Argument:name"},
		`{"productKey":"` + key + `","timezone":"+08","deviceName":{"defaultValue":"n"},"deviceDesc":"` + strings.Repeat("x", 33<<10) + `"}`: {Code: 99400, Msg: "Invalid Argument:names"},
	} {
		wantError(t, body[:min(len(body), 100)], f.call("v2.1/devices", "create", nil, body), want.Code, want.Msg)
	}
}

func TestSearchPages(t *testing.T) {
	f := newEnOSFixture(t, nil)
	other := f.newProduct(f.org, true)
	for n := range 25 {
		f.newDevice(other, fmt.Sprint("d", n))
	}
	seen := make(map[string]bool)
	for page := 1; page <= 3; page++ {
		out := f.call("v2.1/devices", "search", nil, fmt.Sprintf(`{"expression":"productKey = \"%s\"","pagination":{"pageNo":%d,"pageSize":10}}`, other.Key, page))
		var list []enos.DeviceDetail
		f.must(json.Unmarshal(out.Data, &list))
		if out.Pagination == nil || out.Pagination.TotalSize != 25 || out.Pagination.PageNo != int64(page) || len(list) != []int{10, 10, 5}[page-1] {
			t.Errorf("page %d: %d devices, %+v", page, len(list), out.Pagination)
		}
		for _, d := range list {
			seen[d.DeviceKey] = true
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d devices on all pages", len(seen))
	}
	out := f.call("v2.1/devices", "search", nil, `{"expression":"productKey = '`+other.Key+`' and deviceKey='d7'"}`)
	var one []enos.DeviceDetail
	f.must(json.Unmarshal(out.Data, &one))
	if len(one) != 1 || one[0].DeviceKey != "d7" {
		t.Errorf("%+v", one)
	}
	for _, body := range []string{`{"expression":"deviceKey='d7'"}`, `{"expression":"productKey like 'x'"}`, `{"expression":"secret='x'"}`,
		`{"pagination":{"pageNo":1,"pageSize":201}}`, `{"pagination":{"pageNo":9999,"pageSize":100}}`, `{"pagination":{"pageNo":9223372036854775807,"pageSize":2}}`, `{"pagination":{"pageSize":-1}}`} {
		if out := f.call("v2.1/devices", "search", nil, body); out.Code != 99400 {
			t.Errorf("%s: %+v", body, out)
		}
	}
}

// A device of the ID² door with a device key is one of this door, too; what only
// this door keeps of it is empty.
func TestDevicesOfTheOtherDoor(t *testing.T) {
	f := newEnOSFixture(t, nil)
	p := f.fixture.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.TwoWayAuth = true })
	csv := "id2,key_hex,device_key\n" + strings.Repeat("A", 24) + "," + strings.Repeat("0f", 16) + ",pump-1\n"
	if res, err := f.reg.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(csv), operatorActor); err != nil || res.Imported != 1 {
		t.Fatal(res, err)
	}
	d := registry.ManagedDevice{Device: registry.Device{Product: p.Key, DeviceKey: "pump-1"}}
	var detail enos.DeviceDetail
	f.must(f.api.Call(t.Context(), devices, "get", deviceQuery(d), nil, &detail))
	if detail.Secret != "" || detail.AssetID == "" {
		t.Errorf("%+v", detail)
	}
	var product enos.Product
	f.must(f.api.Call(t.Context(), products, "get", enos.Query{{Name: "productKey", Value: p.Key}}, nil, &product))
	if product.Secret != "" || product.DefaultValidDays != 730 {
		t.Errorf("%+v", product)
	}
	f.must(f.api.Call(t.Context(), devices, "update", deviceQuery(d), map[string]any{"timezone": "+01:00"}, nil))
	f.apply(d, newECKey(t), "pump-1")
	if list, err := f.api.List(t.Context(), enos.Device{AssetID: detail.AssetID}); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
	// And a device of this door goes under such a product.
	f.must(f.api.Call(t.Context(), devices, "create", nil, map[string]any{"productKey": p.Key, "deviceKey": "pump-2", "timezone": "+08:00", "deviceName": enos.Text{Default: "p"}}, nil))
	all, err := f.reg.Devices(t.Context(), f.org, registry.DeviceFilter{Product: p.Key})
	if err != nil || !slices.ContainsFunc(all, func(d registry.Device) bool { return d.DeviceKey == "pump-2" && d.ID2 == "" }) {
		t.Errorf("%+v %v", all, err)
	}
}
