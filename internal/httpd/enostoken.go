package httpd

import (
	"net/http"
	"time"

	"github.com/hallmark-id/hallmark/enos"
)

// serveToken answers the token service (enos §3.1). Whatever apim header comes
// along does not count: some callers send one here, too.
func (d *enosDoor) serveToken(w http.ResponseWriter, c *enosCall) {
	began := time.Now()
	switch c.path {
	case "v2.0/token/get":
		c.name = "token.get"
	case "v2.0/token/refresh":
		c.name = "token.refresh"
	default:
		http.NotFound(w, c.r)
		return
	}
	token, status := d.giveToken(c)
	d.reply(w, c, began, status, d.encode(c, enos.TokenReply{Status: status, Msg: enos.TokenMessage(status), Business: enos.TokenBusiness, Data: token}))
}

// giveToken returns a token, or the state that says why there is none.
func (d *enosDoor) giveToken(c *enosCall) (*enos.Token, int) {
	addr := Remote(c.r, d.options.TrustedProxies)
	if d.limiter.Blocked(addr) {
		return nil, enos.TokenInternal
	}
	status := d.checkTokenRequest(c)
	if status == enos.TokenOK && d.admitClient(c, addr) != nil {
		return nil, enos.TokenUnknownAppKey
	}
	if status != enos.TokenOK {
		if status != enos.TokenInternal { // that is no fault of the caller's
			d.limiter.Failed(addr)
		}
		c.client = nil
		return nil, status
	}
	token, expire := d.tokens.issue(c.client.ID, d.now(), c.name == "token.refresh")
	return &enos.Token{AccessToken: token, Expire: expire}, enos.TokenOK
}

func (d *enosDoor) checkTokenRequest(c *enosCall) int {
	var req enos.TokenRequest
	if c.r.Method != http.MethodPost || c.read() != nil || enos.Decode(c.body, &req) != nil {
		return enos.TokenParameter
	}
	if req.AppKey == "" || req.Encryption == "" || req.Timestamp == "" || c.name == "token.refresh" && req.AccessToken == "" {
		return enos.TokenEmpty
	}
	unknown := &enos.Error{Code: enos.TokenUnknownAppKey}
	if refusal := d.client(c.r.Context(), c, req.AppKey, unknown); refusal == unknown {
		return enos.TokenUnknownAppKey
	} else if refusal != nil {
		return enos.TokenInternal
	}
	if !c.client.EnOS.CheckEncryption(string(req.Timestamp), req.Encryption) {
		return enos.TokenEncryption
	}
	if _, refusal := d.checkTime(string(req.Timestamp)); refusal != nil {
		return enos.TokenParameter
	}
	if c.name != "token.refresh" {
		return enos.TokenOK
	}
	appKey, expired, ok := d.tokens.open(req.AccessToken, d.now())
	switch {
	case expired && appKey == req.AppKey:
		return enos.TokenExpired
	case !ok || appKey != req.AppKey:
		return enos.TokenRefresh
	}
	return enos.TokenOK
}
