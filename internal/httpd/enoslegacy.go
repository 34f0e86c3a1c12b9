package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// legacyCall is one of the older calls (enos §3.3). Its pattern's groups are
// named after what they hold.
type legacyCall struct {
	name    string
	method  string
	pattern *regexp.Regexp
	scope   string
	do      func(*enosDoor, context.Context, *enosCall) (any, error)
}

// byAsset and byKeys are the two ways to name a device in a path.
const (
	byAsset = `connectService/devices/(?P<assetId>[^/]+)`
	byKeys  = `connectService/products/(?P<productKey>[^/]+)/devices/(?P<deviceKey>[^/]+)`
)

var legacyCalls = []legacyCall{
	{"legacy.apply", http.MethodPost, pathPattern(byAsset, "/certificates/apply"), "Apply", (*enosDoor).legacyApply},
	{"legacy.apply", http.MethodPost, pathPattern(byKeys, "/certificates/apply"), "Apply", (*enosDoor).legacyApply},
	{"legacy.list", http.MethodGet, pathPattern(byAsset, "/certificates/list"), "Read", (*enosDoor).legacyList},
	{"legacy.list", http.MethodGet, pathPattern(byKeys, "/certificates/list"), "Read", (*enosDoor).legacyList},
	{"legacy.revoke", http.MethodDelete, pathPattern(byAsset, "/certificates/revoke"), "Revoke", (*enosDoor).legacyRevoke},
	{"legacy.revoke", http.MethodDelete, pathPattern(byKeys, "/certificates/revoke"), "Revoke", (*enosDoor).legacyRevoke},
	{"legacy.device", http.MethodGet, pathPattern(byAsset, ""), "Read", (*enosDoor).legacyDevice},
	{"legacy.device", http.MethodGet, pathPattern(byKeys, ""), "Read", (*enosDoor).legacyDevice},
	{"legacy.product", http.MethodGet, pathPattern(`connectService/products/(?P<productKey>[^/]+)`, ""), "Read", (*enosDoor).legacyProduct},
	{"legacy.request", http.MethodPost, pathPattern("certificateService/reqCertificate", ""), "Apply", (*enosDoor).legacyRequest},
	{"legacy.renew", http.MethodPost, pathPattern("certificateService/renewCertificate", ""), "Renew", (*enosDoor).legacyRenew},
	{"legacy.revokeIssued", http.MethodPost, pathPattern("certificateService/revokeCertificate", ""), "Revoke", (*enosDoor).legacyRevokeIssued},
}

func pathPattern(begin, end string) *regexp.Regexp {
	return regexp.MustCompile(`^` + begin + end + `$`)
}

// serveLegacy answers an older call.
func (d *enosDoor) serveLegacy(w http.ResponseWriter, c *enosCall) {
	began := time.Now()
	c.name, c.older = "legacy.unknown", true
	c.id = strings.ReplaceAll(c.id, "-", "")
	refusal := c.read()
	call, found := c.findLegacy()
	if refusal == nil {
		refusal = d.admitLegacy(c)
	}
	switch {
	case refusal != nil:
	case !found:
		refusal = &enos.Error{Code: enos.CodeNotFound, Msg: "there is no such call"}
	default:
		c.name = call.name
		refusal = d.allowLegacy(c, call.scope)
	}
	if refusal != nil {
		code, body := d.answer(c, nil, refusal)
		d.reply(w, c, began, code, body)
		return
	}
	code, body := d.once(c, func() (int, []byte) {
		data, err := call.do(d, c.r.Context(), c)
		return d.answer(c, data, err)
	})
	d.reply(w, c, began, code, body)
}

// findLegacy finds the call of a path, and reads what the path names. A name may
// hold a slash, which is then escaped.
func (c *enosCall) findLegacy() (*legacyCall, bool) {
	_, path, _ := strings.Cut(c.r.URL.EscapedPath(), "/enosapi/")
	for i := range legacyCalls {
		call := &legacyCalls[i]
		m := call.pattern.FindStringSubmatch(path)
		if m == nil || c.r.Method != call.method {
			continue
		}
		for g, group := range call.pattern.SubexpNames() {
			if text, err := url.PathUnescape(m[g]); group != "" && err == nil {
				c.named.set(group, text)
			}
		}
		return call, true
	}
	return nil, false
}

// pathNames is what the path of an older call names.
type pathNames enos.Device

func (n *pathNames) set(group, text string) {
	switch group {
	case "assetId":
		n.AssetID = text
	case "productKey":
		n.ProductKey = text
	case "deviceKey":
		n.DeviceKey = text
	}
}

// admitLegacy authenticates an older call: by its own scheme, or any other.
func (d *enosDoor) admitLegacy(c *enosCall) *enos.Error {
	if enos.Detect(c.r.Header, c.query) != enos.SchemeLegacy {
		return d.admit(c)
	}
	addr := Remote(c.r, d.options.TrustedProxies)
	if d.limiter.Blocked(addr) {
		return errEnOSThrottled
	}
	if refusal := d.checkLegacy(c, true); refusal != nil {
		if refusal != errEnOSBusy {
			d.limiter.Failed(addr)
		}
		c.client = nil
		return refusal
	}
	return d.admitClient(c, addr)
}

// allowLegacy holds scope and organisation against the client; the calls of
// certificateService name none.
func (d *enosDoor) allowLegacy(c *enosCall, scope string) *enos.Error {
	if _, present := c.query.Get("orgId"); present || strings.Contains(c.path, "connectService/") {
		return d.allowScope(c, scope)
	}
	if !c.client.Allows(scope) {
		return enos.Denied("action " + scope)
	}
	return nil
}

// legacyAnswer writes the reply of an older call.
func (d *enosDoor) legacyAnswer(c *enosCall, data any, err error) (int, []byte) {
	reply := enos.LegacyReply{RequestID: c.id, Msg: "Success", Data: data}
	if err != nil {
		reply = legacyRefusal(c, d.refusal(c, err))
	}
	return reply.Status, d.encode(c, reply)
}

// legacyStates are the older states of refusals, with their fixed texts
// (enos §3.3).
var legacyStates = map[int]struct {
	status int
	msg    string
}{
	enos.CodeInvalidArgument: {enos.LegacyInvalid, "Invalid Argument"},
	enos.CodeDenied:          {enos.LegacyPermission, "App Api Permission Denied"},
	enos.CodeNotFound:        {enos.LegacyNotFound, "Not Found"},
	enos.CodeNoDevice:        {enos.LegacyNotFound, "Not Found"},
	enos.CodeNoProduct:       {enos.LegacyNotFound, "Not Found"},
	enos.CodeDeviceExists:    {enos.LegacyExists, "Already Exists"},
	enos.CodeBoundToAnother:  {enos.LegacyExists, "Already Exists"},
	enos.CodeUnauthenticated: {enos.LegacyUnauthenticated, "Unauthenticated"},
	enos.CodeToken:           {enos.LegacyUnauthenticated, "Unauthenticated"},
	enos.CodeUnsigned:        {enos.LegacyUnauthenticated, "Unauthenticated"},
	enos.CodeSignature:       {enos.LegacySignature, "App Signature Checked Fail"},
	enos.CodeTimestamp:       {enos.LegacySignature, "App Timestamp Checked Fail"},
	enos.CodeThrottled:       {enos.LegacyThrottled, "Too Many Requests"},
	enos.CodeInternal:        {enos.LegacyInternal, "Internal Server Error"},
}

func legacyRefusal(c *enosCall, e *enos.Error) enos.LegacyReply {
	state, ok := legacyStates[e.Code]
	if !ok {
		state = legacyStates[enos.CodeInternal]
	}
	return enos.LegacyReply{Status: state.status, RequestID: c.id, Msg: state.msg, SubMsg: e.Msg}
}

// pathDevice finds the device that the path names.
func (d *enosDoor) pathDevice(ctx context.Context, c *enosCall) (registry.Device, error) {
	if c.named.AssetID == "" {
		device, err := d.registry.DeviceByKey(ctx, c.client.Org, c.named.ProductKey, c.named.DeviceKey)
		return device, deviceError(err)
	}
	asset, ok := registry.ParseID(c.named.AssetID)
	if !ok {
		return registry.Device{}, enos.ErrDeviceNotFound
	}
	device, err := d.registry.DeviceByAsset(ctx, c.client.Org, asset)
	return device, deviceError(err)
}

func (d *enosDoor) legacyApply(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	var csr string
	if json.Unmarshal(c.body, &csr) != nil || csr == "" {
		return nil, enos.InvalidArgument("csr", "the body must be the certificate request as a JSON string")
	}
	cert, err := d.apply(ctx, c, &device, pki.Request{CSR: []byte(csr)})
	if err != nil {
		return nil, err
	}
	return enos.LegacyCertificate{ChainURL: d.chainURL(cert.Kind), PEM: string(cert.PEM()), SN: string(cert.Serial)}, nil
}

// legacyList tells valid certificates from those that are not: the older calls
// know no word for expired.
func (d *enosDoor) legacyList(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	certs, err := d.pki.ListByDevice(ctx, device.Org, device.Asset)
	if err != nil {
		return nil, pkiError(err, enos.QueryFailed)
	}
	list := make([]enos.LegacyStatus, len(certs))
	for i := range certs {
		list[i] = enos.LegacyStatus{SN: string(certs[i].Serial)}
		if certs[i].StatusAt(registry.At(d.now())) != pki.Valid {
			list[i].Status = enos.Revoked
		}
	}
	return list, nil
}

func (d *enosDoor) legacyRevoke(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	cert, err := d.legacySerial(ctx, c, "certSN")
	if err != nil {
		return nil, err
	}
	_, err = d.pki.Revoke(ctx, pki.Revocation{Org: device.Org, Device: device.Asset, Serial: cert.Serial, By: c.actor()})
	return "OK", pkiError(err, enos.RevokeFailed)
}

// legacySerial finds the certificate that a parameter names.
func (d *enosDoor) legacySerial(ctx context.Context, c *enosCall, name string) (pki.Certificate, error) {
	n, err := queryInt(c, name)
	if err != nil {
		return pki.Certificate{}, err
	}
	if n == nil {
		return pki.Certificate{}, enos.Missing(name)
	}
	number, err := serial(n)
	if err != nil {
		return pki.Certificate{}, err
	}
	cert, err := d.pki.Get(ctx, c.client.Org, number)
	return cert, pkiError(err, enos.QueryFailed)
}

func (d *enosDoor) legacyDevice(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	m, err := d.registry.ManagedDevice(ctx, device)
	if err != nil {
		return nil, deviceError(err)
	}
	v := enos.LegacyDevice{ProductKey: m.Product, DeviceKey: m.DeviceKey, Name: m.Name, Description: m.Info.Description,
		Timezone: m.Info.Timezone, AssetID: m.Asset.String(), OrgID: m.Org.String(), CreateBy: m.Org.String(), Created: int64(m.Created),
		Modified: moment(m.Info.Updated), Active: moment(int64(m.Activated)), Online: moment(int64(m.LastSeen)),
		Status: deviceStatus(&m.Device, registry.At(d.now())), Attributes: attributes(m.Info.Attributes)}
	if c.client.Allows("Manage") {
		v.Secret = m.Secret
	}
	if p, err := d.registry.LiveProduct(ctx, c.client.Org, m.Product); err == nil {
		v.ProductName = p.Name
	}
	return v, nil
}

// moment is a time that may not have come.
func moment(ms int64) *int64 {
	if ms == 0 {
		return nil
	}
	return &ms
}

func (d *enosDoor) legacyProduct(ctx context.Context, c *enosCall) (any, error) {
	p, err := d.registry.ManagedProduct(ctx, c.client.Org, c.named.ProductKey)
	if err != nil {
		return nil, productError(err)
	}
	v := viewEnOSProduct(c, &p)
	return enos.LegacyProduct{ProductKey: p.Key, Name: p.Name, Secret: v.Secret, Description: v.Description, ModelID: v.ModelID}, nil
}

// approved is the approveStatus of what was done; the vendor's numbers are not
// documented.
const approved = 1

func legacyIssued(cert pki.Certificate, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return enos.LegacyIssued{ApproveStatus: approved, PEM: string(cert.PEM()), SN: cert.Serial.Int().Int64()}, nil
}

// legacyRequest certifies the device that the request's common name names: by
// its asset id, or by a device key that only one product of the organisation has.
func (d *enosDoor) legacyRequest(ctx context.Context, c *enosCall) (any, error) {
	csr := c.get("reqData")
	if csr == "" {
		return nil, enos.Missing("reqData")
	}
	name, err := pki.CommonName([]byte(csr))
	if err != nil {
		return nil, pkiError(err, enos.InvalidRequest)
	}
	device, err := d.deviceNamed(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return legacyIssued(d.apply(ctx, c, &device, pki.Request{CSR: []byte(csr)}))
}

func (d *enosDoor) deviceNamed(ctx context.Context, c *enosCall, name string) (found registry.Device, err error) {
	if asset, ok := registry.ParseID(name); ok {
		device, err := d.registry.DeviceByAsset(ctx, c.client.Org, asset)
		if !errors.Is(err, registry.ErrNotFound) {
			return device, deviceError(err)
		}
	}
	products, err := d.registry.Products(ctx, c.client.Org)
	if err != nil {
		return found, productError(err)
	}
	for _, p := range products {
		device, err := d.registry.DeviceByKey(ctx, c.client.Org, p.Key, name)
		switch {
		case errors.Is(err, registry.ErrNotFound):
		case err != nil:
			return found, deviceError(err)
		case found.Asset != 0:
			return found, enos.InvalidArgument("reqData", "several devices have the common name as their device key: use the asset id")
		default:
			found = device
		}
	}
	if found.Asset == 0 {
		return found, enos.ErrDeviceNotFound
	}
	return found, nil
}

func (d *enosDoor) legacyRenew(ctx context.Context, c *enosCall) (any, error) {
	cert, err := d.legacySerial(ctx, c, "oldCertSn")
	if err != nil {
		return nil, err
	}
	device, err := d.registry.DeviceByAsset(ctx, c.client.Org, cert.Device)
	if err != nil {
		return nil, deviceError(err)
	}
	r := pki.Renewal{Serial: cert.Serial}
	if csr := c.get("reqData"); csr != "" {
		r.CSR = []byte(csr)
	}
	return legacyIssued(d.renew(ctx, c, &device, r))
}

func (d *enosDoor) legacyRevokeIssued(ctx context.Context, c *enosCall) (any, error) {
	cert, err := d.legacySerial(ctx, c, "issuedCertSN")
	if err != nil {
		return nil, err
	}
	cert, err = d.pki.Revoke(ctx, pki.Revocation{Org: c.client.Org, Serial: cert.Serial, By: c.actor()})
	return legacyIssued(cert, pkiError(err, enos.RevokeFailed))
}
