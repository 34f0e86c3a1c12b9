package httpd

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/enos"
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
