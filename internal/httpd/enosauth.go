package httpd

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Refusals of requests that could not be authenticated, whose codes are this
// project's own (enos §3.2).
var (
	errEnOSThrottled = &enos.Error{Code: enos.CodeThrottled, Msg: "too many requests: try again later"}
	errEnOSNone      = &enos.Error{Code: enos.CodeUnauthenticated, Msg: "the request is not signed: send apim-accesstoken, apim-timestamp and apim-signature, or accessKey, requestTimestamp and sign"}
	errEnOSToken     = &enos.Error{Code: enos.CodeToken, Msg: "the access token is not valid or has expired: get a new one"}
	errEnOSSignature = &enos.Error{Code: enos.CodeSignature, Msg: "the signature is wrong"}
	errEnOSReused    = &enos.Error{Code: enos.CodeSignature, Msg: "the signature belongs to another call"}
	errEnOSSHA1      = &enos.Error{Code: enos.CodeSignature, Msg: "SHA-1 signatures are not accepted here: set the SDK to SHA-256"}
	errEnOSWeak      = &enos.Error{Code: enos.CodeSignature, Msg: "MD5 signatures are not accepted: set the SDK to SHA-256"}
	errEnOSTime      = &enos.Error{Code: enos.CodeTimestamp, Msg: "the timestamp is missing, malformed or too far from the server's clock"}
	errEnOSTokenOnly = &enos.Error{Code: enos.CodeUnsigned, Msg: "an access token alone is not enough: sign the request (apim-signature, apim-timestamp)"}
	errEnOSSealed    = &enos.Error{Code: enos.CodeUnsigned, Msg: "a sealed Poseidon token cannot be accepted here: pass apim-accesstoken, apim-timestamp and apim-signature as headers, or have the operator allow sealed tokens (--enos-sealed-token) and give the SDK this server's key (/enos/CA/poseidon.pem)"}
	errEnOSSealedKey = &enos.Error{Code: enos.CodeUnsigned, Msg: "the sealed token was not made for this server's key (/enos/CA/poseidon.pem)"}
	errEnOSPlain     = &enos.Error{Code: enos.CodeUnsigned, Msg: "a sealed token is accepted over TLS only"}
	errEnOSBusy      = &enos.Error{Code: enos.CodeInternal, Msg: enos.ErrCertificateService.Msg}
)

// admit authenticates a request by whichever scheme it uses.
func (d *enosDoor) admit(c *enosCall) *enos.Error {
	addr := Remote(c.r, d.options.TrustedProxies)
	if d.limiter.Blocked(addr) {
		return errEnOSThrottled
	}
	if refusal := d.authenticate(c); refusal != nil {
		if refusal != errEnOSBusy { // that is no fault of the caller's
			d.limiter.Failed(addr)
		}
		c.client = nil
		return refusal
	}
	return d.admitClient(c, addr)
}

// admitClient holds a client that has proved itself against its own limits.
func (d *enosDoor) admitClient(c *enosCall, addr netip.Addr) *enos.Error {
	if !c.client.AllowsFrom(addr) {
		return enos.Denied("address")
	}
	if !d.limiter.AllowClient(c.client.ID) {
		return errEnOSThrottled
	}
	d.registry.Touch(c.client, d.now())
	return nil
}

func (d *enosDoor) authenticate(c *enosCall) *enos.Error {
	switch c.scheme = enos.Detect(c.r.Header, c.query); c.scheme {
	case enos.SchemeSigned:
		return d.checkSigned(c)
	case enos.SchemeLegacy:
		return d.checkLegacy(c, false)
	case enos.SchemeSealed:
		return d.checkSealed(c)
	case enos.SchemeTokenOnly:
		return errEnOSTokenOnly
	}
	return errEnOSNone
}

// client finds the live client of an app key; unknown is what to say without one.
func (d *enosDoor) client(ctx context.Context, c *enosCall, appKey string, unknown *enos.Error) *enos.Error {
	client, err := d.registry.LiveClient(ctx, appKey)
	switch {
	case errors.Is(err, registry.ErrNotFound) || err == nil && (client.Door != registry.DoorEnOS || client.Disabled):
		return unknown
	case err != nil:
		if ctx.Err() == nil { // else the caller has gone
			d.log.Error("the app key could not be read", "request", c.id, "error", err)
		}
		return errEnOSBusy
	}
	c.client = client
	return nil
}

// checkTime holds a timestamp against the clock.
func (d *enosDoor) checkTime(text string) (time.Time, *enos.Error) {
	at, err := enos.ParseTimestamp(text)
	if err != nil || d.now().Sub(at).Abs() > d.options.Skew {
		return at, errEnOSTime
	}
	return at, nil
}

// checkSigned checks an issued token and the signature that goes with it
// (enos §3.2).
func (d *enosDoor) checkSigned(c *enosCall) *enos.Error {
	token, timestamp := c.r.Header.Get(enos.HeaderToken), c.r.Header.Get(enos.HeaderTimestamp)
	appKey, _, ok := d.tokens.open(token, d.now())
	if !ok {
		return errEnOSToken
	}
	if refusal := d.client(c.r.Context(), c, appKey, errEnOSToken); refusal != nil {
		return refusal
	}
	c.sign = c.r.Header.Get(enos.HeaderSignature)
	if !c.client.EnOS.CheckSignature(c.sign, token, c.query, c.body, timestamp) {
		return errEnOSSignature
	}
	var refusal *enos.Error
	c.signed, refusal = d.checkTime(timestamp)
	return refusal
}

// checkLegacy checks accessKey and sign of the query (enos §3.3). SHA-1 is for
// the older calls only.
func (d *enosDoor) checkLegacy(c *enosCall, older bool) *enos.Error {
	c.sign = c.get(enos.ParamSign)
	switch digest, err := enos.LegacyDigest(c.sign); {
	case errors.Is(err, enos.ErrWeakDigest):
		return errEnOSWeak
	case err != nil:
		return errEnOSSignature
	case digest == enos.SHA1 && (!older || d.options.RefuseSHA1):
		return errEnOSSHA1
	}
	if refusal := d.client(c.r.Context(), c, c.get(enos.ParamAccessKey), errEnOSSignature); refusal != nil {
		return refusal
	}
	if !c.client.EnOS.CheckLegacy(c.sign, c.query, c.body) {
		return errEnOSSignature
	}
	var refusal *enos.Error
	c.signed, refusal = d.checkTime(c.get(enos.ParamTimestamp))
	return refusal
}

// checkSealed opens a Poseidon token with the server's own key (enos §3.4 b). It
// says who calls, but covers nothing of what is asked: that is TLS's to protect.
func (d *enosDoor) checkSealed(c *enosCall) *enos.Error {
	if d.options.SealKey == nil {
		return errEnOSSealed
	}
	if !private(c.r, d.options.TrustedProxies) {
		return errEnOSPlain
	}
	sealed, err := enos.OpenSealed(d.options.SealKey, c.r.Header.Get(enos.HeaderToken))
	if err != nil {
		return errEnOSSealedKey
	}
	if refusal := d.client(c.r.Context(), c, sealed.AppKey, errEnOSSealedKey); refusal != nil {
		return refusal
	}
	if !c.client.EnOS.CheckSealed(sealed) {
		return errEnOSSealedKey
	}
	return nil
}

// private reports whether nobody on the way could read or change a request: it
// came over TLS, from this machine, or from a proxy that the operator trusts.
func private(r *http.Request, proxies []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	if addr.IsLoopback() {
		return true
	}
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// once performs what a request asks unless the same signature asked for it
// before: then the first answer is repeated. A signature without a timestamp, or
// none, is no guard, and reading needs none.
func (d *enosDoor) once(c *enosCall, do func() (int, []byte)) (int, []byte) {
	if c.sign == "" || c.r.Method == http.MethodGet {
		return do()
	}
	until := c.signed.Add(d.options.Skew)
	code, body, ok := d.answers.once(c.r.Context(), answerKey(c.client.ID, c.sign), c.r.Method+" "+c.path, d.now(), until, do)
	if !ok {
		return d.answer(c, nil, errEnOSReused)
	}
	return code, body
}
