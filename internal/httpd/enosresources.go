package httpd

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// enosAction is one operation of a resource.
type enosAction struct {
	method string
	scope  string
	do     func(*enosDoor, context.Context, *enosCall) (any, error)
}

// enosResources are the resources and their actions (enos §1, §2).
var enosResources = map[string]map[string]enosAction{
	"certificates": {
		"apply":  {http.MethodPost, "Apply", (*enosDoor).applyCertificate},
		"renew":  {http.MethodPost, "Renew", (*enosDoor).renewCertificate},
		"revoke": {http.MethodPost, "Revoke", (*enosDoor).revokeCertificate},
		"list":   {http.MethodGet, "Read", (*enosDoor).listCertificates},
	},
	"products": {
		"create": {http.MethodPost, "Manage", (*enosDoor).createProduct},
		"get":    {http.MethodGet, "Read", (*enosDoor).getProduct},
		"search": {http.MethodPost, "Read", (*enosDoor).searchProducts},
		"update": {http.MethodPost, "Manage", (*enosDoor).updateProduct},
		"delete": {http.MethodPost, "Manage", (*enosDoor).deleteProduct},
	},
	"devices": {
		"create":  {http.MethodPost, "Manage", (*enosDoor).createDevice},
		"get":     {http.MethodGet, "Read", (*enosDoor).getDevice},
		"search":  {http.MethodPost, "Read", (*enosDoor).searchDevices},
		"update":  {http.MethodPost, "Manage", (*enosDoor).updateDevice},
		"delete":  {http.MethodPost, "Manage", (*enosDoor).deleteDevice},
		"enable":  {http.MethodPost, "Manage", (*enosDoor).enableDevice},
		"disable": {http.MethodPost, "Manage", (*enosDoor).disableDevice},
	},
}

// serveResource answers a call of the connect service.
func (d *enosDoor) serveResource(w http.ResponseWriter, c *enosCall) {
	began := time.Now()
	c.name = "unknown"
	version, resource, _ := strings.Cut(c.path, "/")
	actions, ok := enosResources[resource]
	if !ok || version != "v2.0" && version != "v2.1" {
		http.NotFound(w, c.r)
		return
	}
	refusal := c.read()
	var action enosAction
	if refusal == nil {
		if action, ok = actions[c.get("action")]; ok {
			c.name = resource + "." + c.get("action")
		}
		refusal = d.admit(c)
	}
	if refusal == nil {
		refusal = d.allow(c, action, ok)
	}
	if refusal != nil {
		code, body := d.answer(c, nil, refusal)
		d.reply(w, c, began, code, body)
		return
	}
	code, body := d.once(c, func() (int, []byte) {
		data, err := action.do(d, c.r.Context(), c)
		return d.answer(c, data, err)
	})
	d.reply(w, c, began, code, body)
}

// allow decides whether an authenticated client may do what it asks.
func (d *enosDoor) allow(c *enosCall, action enosAction, known bool) *enos.Error {
	switch name, present := c.query.Get("action"); {
	case !present || name == "":
		return enos.Missing("action")
	case !known:
		return enos.InvalidArgument("action", "there is no such action")
	case c.r.Method != action.method:
		return enos.InvalidArgument("action", name+" needs "+action.method)
	}
	return d.allowScope(c, action.scope)
}

// allowScope holds organisation and scope against the client.
func (d *enosDoor) allowScope(c *enosCall, scope string) *enos.Error {
	if refusal := c.checkOrg(); refusal != nil {
		return refusal
	}
	if !c.client.Allows(scope) {
		return enos.Denied("orgId " + c.get("orgId") + ", action " + scope)
	}
	return nil
}

// checkOrg refuses any organisation but the client's own, without telling whether
// there is such a one.
func (c *enosCall) checkOrg() *enos.Error {
	text := c.get("orgId")
	if text == "" {
		return enos.Missing("orgId")
	}
	org, ok := registry.ParseID(text)
	switch {
	case !ok:
		return enos.ErrOrgNotFound
	case org != c.client.Org:
		return enos.Denied("orgId " + text)
	}
	return nil
}
