package httpd

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// listRaw is an unsigned list of the fixture's device.
func (f *enosFixture) listRaw() raw {
	return raw{method: http.MethodGet, path: "/connect-service/v2.0/certificates",
		query: append(enos.Query{{Name: "action", Value: "list"}, {Name: "orgId", Value: f.org.String()}}, deviceQuery(f.device)...)}
}

func (f *enosFixture) wantCode(what string, r raw, code int) {
	f.t.Helper()
	if out := f.answer(r); out.Code != code || out.RequestID == "" || out.RequestID != strings.ToLower(out.RequestID) {
		f.t.Errorf("%s: %+v, want %d", what, out, code)
	}
}

// legacySigned signs a request of the older scheme.
func (f *enosFixture) legacySigned(d enos.Digest, r raw) raw {
	r.query = r.query.With(enos.ParamAccessKey, f.cred.AppKey()).With(enos.ParamTimestamp, enos.FormatTimestamp(f.clock.Now()))
	r.query = r.query.With(enos.ParamSign, f.cred.SignLegacy(d, r.query, []byte(r.body)))
	return r
}

func TestUnauthenticated(t *testing.T) {
	f := newEnOSFixture(t, nil)
	good := f.signed(f.cred, f.listRaw())
	f.wantCode("as it should be", good, 0)
	change := func(set func(*raw)) raw {
		r := good
		r.header = good.header.Clone()
		set(&r)
		return r
	}
	late, early := f.clock.Now().Add(-11*time.Minute), f.clock.Now().Add(11*time.Minute)
	at := func(when time.Time) raw {
		return change(func(r *raw) {
			text := enos.FormatTimestamp(when)
			r.header[enos.HeaderTimestamp] = []string{text}
			r.header[enos.HeaderSignature] = []string{f.cred.Sign(r.header.Get(enos.HeaderToken), r.query, nil, text)}
		})
	}
	sealed, err := f.cred.Seal(&serverKey().PublicKey, rand.Reader)
	f.must(err)
	for what, tt := range map[string]struct {
		r    raw
		code int
	}{
		"no headers":          {change(func(r *raw) { r.header = nil }), enos.CodeUnauthenticated},
		"another query":       {change(func(r *raw) { r.query = r.query.With("more", "1") }), enos.CodeSignature},
		"a body":              {change(func(r *raw) { r.body = "x" }), enos.CodeSignature},
		"a signature of hers": {change(func(r *raw) { r.header.Set(enos.HeaderSignature, strings.Repeat("0", 64)) }), enos.CodeSignature},
		"upper case":          {change(func(r *raw) { r.header.Set(enos.HeaderSignature, strings.ToUpper(r.header.Get(enos.HeaderSignature))) }), enos.CodeSignature},
		"another time":        {change(func(r *raw) { r.header.Set(enos.HeaderTimestamp, "1") }), enos.CodeSignature},
		"a token of nobody":   {change(func(r *raw) { r.header.Set(enos.HeaderToken, "x") }), enos.CodeToken},
		"a forged token": {change(func(r *raw) {
			r.header.Set(enos.HeaderToken, strings.Replace(r.header.Get(enos.HeaderToken), ".", "A.", 1))
		}), enos.CodeToken},
		"a lengthened token": {change(func(r *raw) { r.header.Set(enos.HeaderToken, longer(r.header.Get(enos.HeaderToken))) }), enos.CodeToken},
		"a token for another": {change(func(r *raw) {
			r.header.Set(enos.HeaderToken, strings.Split(r.header.Get(enos.HeaderToken), ".")[0]+".nobody")
		}), enos.CodeToken},
		"no signature": {change(func(r *raw) { r.header.Del(enos.HeaderSignature) }), enos.CodeUnsigned},
		"sealed":       {change(func(r *raw) { r.header = http.Header{enos.HeaderToken: {sealed}} }), enos.CodeUnsigned},
		"late":         {at(late), enos.CodeTimestamp},
		"early":        {at(early), enos.CodeTimestamp},
		"SHA-1":        {f.legacySigned(enos.SHA1, f.listRaw()), enos.CodeSignature},
		"SHA-256":      {f.legacySigned(enos.SHA256, f.listRaw()), 0},
	} {
		f.wantCode(what, tt.r, tt.code)
	}
	old := f.legacySigned(enos.SHA256, f.listRaw())
	f.clock.Advance(11 * time.Minute)
	f.wantCode("an old legacy signature", old, enos.CodeTimestamp)
	f.clock.Advance(2 * time.Hour)
	fresh := at(f.clock.Now())
	f.wantCode("an old token", fresh, enos.CodeToken)
}

// longer puts the end of a token off.
func longer(token string) string {
	later := "E"
	if token[3] == 'E' {
		later = "F"
	}
	return token[:3] + later + token[4:]
}

func TestClientIsChecked(t *testing.T) {
	f := newEnOSFixture(t, nil)
	id2, secret := f.newClient(f.org, registry.ClientSpec{Door: registry.DoorID2})
	r := f.listRaw()
	r.query = r.query.With(enos.ParamAccessKey, id2.ID).With(enos.ParamTimestamp, enos.FormatTimestamp(f.clock.Now()))
	r.query = r.query.With(enos.ParamSign, enos.NewCredential(id2.ID, secret).SignLegacy(enos.SHA256, r.query, nil))
	f.wantCode("a key of another door", r, enos.CodeSignature)
	inside, cred := f.newClient(f.org, registry.ClientSpec{Door: registry.DoorEnOS, Networks: []string{"10.0.0.0/8"}})
	signed := f.legacySignedBy(enos.NewCredential(inside.ID, cred))
	f.wantCode("another network", signed, enos.CodeDenied)
	signed.remote = "10.1.2.3:4"
	f.wantCode("the network", signed, 0)
	good := f.signed(f.cred, f.listRaw())
	f.must(f.reg.SetClientDisabled(t.Context(), f.org, f.app.ID, true, operatorActor))
	f.wantCode("a disabled client", good, enos.CodeToken)
}

func (f *enosFixture) legacySignedBy(cred *enos.Credential) raw {
	r := f.listRaw()
	r.query = r.query.With(enos.ParamAccessKey, cred.AppKey()).With(enos.ParamTimestamp, enos.FormatTimestamp(f.clock.Now()))
	r.query = r.query.With(enos.ParamSign, cred.SignLegacy(enos.SHA256, r.query, nil))
	return r
}

// Sealed tokens count only when the operator says so, for this server's key, and
// where nobody can read them.
func TestSealedTokens(t *testing.T) {
	f := newEnOSFixture(t, func(s *settings) { s.enos.SealKey = serverKey() })
	sealed := func(cred *enos.Credential, r raw) raw {
		token, err := cred.Seal(&serverKey().PublicKey, rand.Reader)
		f.must(err)
		r.header = http.Header{enos.HeaderToken: {token}}
		return r
	}
	f.wantCode("from this machine", sealed(f.cred, f.listRaw()), 0)
	far := sealed(f.cred, f.listRaw())
	far.remote = "192.0.2.1:5"
	f.wantCode("in plain HTTP", far, enos.CodeUnsigned)
	f.wantCode("another secret", sealed(enos.NewCredential(f.cred.AppKey(), "0a-0b"), f.listRaw()), enos.CodeUnsigned)
	f.wantCode("nobody's", sealed(enos.NewCredential("0a-0b", "0a-0b"), f.listRaw()), enos.CodeUnsigned)
	token, err := f.cred.Seal(&ownRSA().PublicKey, rand.Reader)
	f.must(err)
	foreign := f.listRaw()
	foreign.header = http.Header{enos.HeaderToken: {token}}
	f.wantCode("another key", foreign, enos.CodeUnsigned)
	if status, pem := f.send(raw{method: "GET", path: "/enos/CA/poseidon.pem"}); status != 200 || !bytes.HasPrefix(pem, []byte("-----BEGIN PUBLIC KEY-----")) {
		t.Errorf("%d %s", status, pem)
	}
	// Way a: the SDK's header gives way to the caller's own.
	f.wantCode("signed through headers", f.signed(f.cred, f.listRaw()), 0)
}

func TestFailuresAreLimited(t *testing.T) {
	f := newEnOSFixture(t, func(s *settings) { s.enos.FailureRate = 1 })
	r := f.listRaw()
	r.remote = "192.0.2.9:1"
	for i := range 10 {
		if out := f.answer(r); out.Code != enos.CodeUnauthenticated {
			t.Fatalf("failure %d: %+v", i, out)
		}
	}
	f.wantCode("too many", r, enos.CodeThrottled)
	good := f.signed(f.cred, f.listRaw())
	good.remote = r.remote
	f.wantCode("even what is right", good, enos.CodeThrottled)
	older := f.legacySigned(enos.SHA1, rawCall("GET", "/enosapi/connectService/devices/x/certificates/list", f.orgQuery(), ""))
	older.remote = r.remote
	var reply enos.LegacyReply
	_, body := f.send(older)
	if f.must(json.Unmarshal(body, &reply)); reply.Status != enos.LegacyThrottled {
		t.Errorf("the older calls: %s", body)
	}
	token := raw{path: "/apim-token-service/v2.0/token/get", body: f.tokenBody(enos.FormatTimestamp(f.clock.Now()), ""), remote: r.remote}
	var given enos.TokenReply
	_, body = f.send(token)
	if f.must(json.Unmarshal(body, &given)); given.Status != enos.TokenInternal || given.Data != nil {
		t.Errorf("the token service: %s", body)
	}
	f.wantCode("others", f.signed(f.cred, f.listRaw()), 0)
	f.clock.Advance(3 * time.Second)
	f.wantCode("later", func() raw { g := f.signed(f.cred, f.listRaw()); g.remote = r.remote; return g }(), 0)
}
