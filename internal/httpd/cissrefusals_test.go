package httpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// What is wrong with a message cannot be told from the answer: whatever it is,
// the answers are the same to the byte.
func TestCISSMessagesLookAlike(t *testing.T) {
	p := newPhone(t, nil)
	authID, secret := p.session()
	good := p.scanParam(authID, ciss.StatusScanned)
	sealed, err := url.QueryUnescape(good)
	p.must(err)
	raw, err := base64.StdEncoding.DecodeString(sealed)
	p.must(err)
	flip := func(i int) string { // a block becomes noise, and a bit of the next one changes
		changed := append([]byte{}, raw...)
		changed[(i+len(changed))%len(changed)] ^= 1
		return url.QueryEscape(base64.StdEncoding.EncodeToString(changed))
	}
	other := p.as(p.app, ciss.Key{1})
	stale := *p
	late, err := stale.channel.SealScan(ciss.Scan{AuthID: authID, Status: ciss.StatusScanned, Time: p.clock.Now().Add(-301 * time.Second)})
	p.must(err)
	early, err := stale.channel.SealScan(ciss.Scan{AuthID: authID, Status: ciss.StatusScanned, Time: p.clock.Now().Add(301 * time.Second)})
	p.must(err)
	twin, _ := p.newApp(p.org, registry.ClientSpec{Door: registry.DoorCISS, AppID: "1010000000000021", AppKey: hex.EncodeToString(p.key[:])})
	foreign, err := p.as(twin, p.key).channel.SealScan(ciss.Scan{AuthID: authID, Status: ciss.StatusScanned, Time: p.clock.Now()})
	p.must(err)
	bad := map[string]string{
		"wrong key":                 other.scanParam(authID, ciss.StatusScanned),
		"signature changed":         flip(-40),
		"padding changed":           flip(-17),
		"JSON changed":              flip(0),
		"authId changed":            flip(20),
		"cut":                       url.QueryEscape(base64.StdEncoding.EncodeToString(raw[:len(raw)-16])),
		"not whole blocks":          "AAAA",
		"not Base64":                "%%%",
		"empty":                     "",
		"another message":           p.loginParam(authID),
		"too old":                   late,
		"from the future":           early,
		"of another app, same key":  foreign,
		"another app's own message": strings.Repeat("A", 64),
	}
	var want cissReply
	for name, param := range bad {
		got := p.send(ciss.PathScan, param)
		if want.body == "" {
			p.answers(got, ciss.StatusMessage, textMessage)
			want = got
		}
		if got != want {
			t.Errorf("%s: %+v, others %+v", name, got, want)
		}
	}
	if s := p.state(authID, secret); s != scanlogin.Created {
		t.Errorf("a refused message did something: %v", s)
	}
	p.answers(p.send(ciss.PathScan, good), ciss.StatusOK, textOK)
	if got := p.send(ciss.PathScan, good); got != want {
		t.Errorf("a replay: %+v, others %+v", got, want)
	}
}

// A message serves once, at whichever path and however its text is encoded.
func TestCISSReplay(t *testing.T) {
	p := newPhone(t, nil)
	authID, secret := p.scanned()
	login := p.loginParam(authID)
	p.answers(p.send(ciss.PathLoginVerify, login), ciss.StatusOK, textOK)
	bare, err := url.QueryUnescape(login)
	p.must(err)
	for _, again := range []string{login, bare, strings.ReplaceAll(bare, "+", " "), strings.ReplaceAll(login, "%2B", "%2b")} {
		p.answers(p.send(ciss.PathLoginVerify, again), ciss.StatusMessage, textMessage)
	}
	if s := p.state(authID, secret); s != scanlogin.Authenticated {
		t.Errorf("%v", s)
	}
}

func TestCISSSessions(t *testing.T) {
	p := newPhone(t, nil)
	scan := func(p *phone, authID string) cissReply {
		return p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned))
	}
	login := func(p *phone, authID string) cissReply { return p.send(ciss.PathLoginVerify, p.loginParam(authID)) }
	const none = "00000000000000000000000000000000"
	const gone, finished = "二维码不存在或已失效", "二维码已使用或已取消"
	denied := ciss.StatusAuthentication

	p.answers(scan(p, none), denied, gone)
	p.answers(scan(p, "not-from-here-at-all"), denied, gone)
	p.answers(login(p, none), denied, gone)

	authID, _ := p.session()
	p.answers(login(p, authID), denied, "请先扫描二维码")
	p.answers(scan(p, authID), ciss.StatusOK, textOK)
	sister := p.as(p.newApp(p.org, registry.ClientSpec{Door: registry.DoorCISS}))
	sister.answers(scan(sister, authID), denied, "二维码已被其他应用扫描")
	sister.answers(login(sister, authID), denied, "二维码已被其他应用扫描")
	sister.answers(sister.send(ciss.PathScan, sister.scanParam(authID, ciss.StatusCancelled)), denied, "二维码已被其他应用扫描")
	stranger := p.as(p.newApp(p.newOrg("stranger"), registry.ClientSpec{Door: registry.DoorCISS}))
	stranger.answers(scan(stranger, authID), denied, gone)
	stranger.answers(login(stranger, authID), denied, gone)
	p.answers(login(p, authID), ciss.StatusOK, textOK)
	p.clock.Advance(time.Second)
	p.answers(login(p, authID), denied, finished)
	p.answers(scan(p, authID), denied, finished)

	authID, _ = p.scanned()
	p.answers(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusCancelled)), ciss.StatusOK, textOK)
	p.answers(login(p, authID), denied, finished)

	authID, _ = p.session()
	p.clock.Advance(scanlogin.Lifetime + time.Second)
	p.answers(scan(p, authID), denied, gone)
	authID, _ = p.scanned()
	p.clock.Advance(5 * time.Minute)
	p.answers(login(p, authID), denied, gone)
}

func TestCISSSigners(t *testing.T) {
	p := newPhone(t, nil)
	now := p.clock.Now()
	p.bind(p.certificate(10, p.root, p.card, func(c *smx509.Certificate) { c.NotAfter = now.Add(-time.Second) }))
	with := func(cert *smx509.Certificate) *phone {
		other := *p
		other.cert = cert
		return &other
	}
	change := func(serial int64, change func(*smx509.Certificate)) *smx509.Certificate {
		c := p.certificate(serial, p.root, p.card, change)
		p.bind(c)
		return c
	}
	expired := change(11, func(c *smx509.Certificate) { c.NotAfter = now.Add(-time.Second) })
	future := change(12, func(c *smx509.Certificate) { c.NotBefore = now.Add(time.Second) })
	cipher := change(13, func(c *smx509.Certificate) { c.KeyUsage = smx509.KeyUsageDataEncipherment })
	revoked := change(14, nil)
	unbound := p.certificate(15, p.root, p.card, nil)
	forged := *p.cert
	forged.Raw = append([]byte{}, p.cert.Raw...)
	forged.Raw[len(forged.Raw)-1] ^= 1
	self := *p
	self.ca, self.card = newCard(t), newCard(t)
	selfSigned := self.certificate(16, nil, self.card, nil)
	list, err := smx509.CreateRevocationList(rand.Reader, &smx509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []smx509.RevocationListEntry{{SerialNumber: big.NewInt(14), RevocationTime: now}}}, p.root, p.ca)
	p.must(err)
	_, err = p.reg.SetRootCRL(t.Context(), p.org, list, operatorActor)
	p.must(err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.must(err)
	elsewhere, err := smx509.CreateCertificate(rand.Reader, &smx509.Certificate{SerialNumber: big.NewInt(17), Subject: p.cert.Subject,
		NotBefore: p.cert.NotBefore, NotAfter: p.cert.NotAfter}, p.root, &ec.PublicKey, p.ca)
	p.must(err)
	thief := with(p.cert)
	thief.card = newCard(t)

	for name, c := range map[string]struct {
		p       *phone
		words   string
		refusal scanlogin.Refusal
	}{
		"forged":            {with(&forged), "证书不受信任", scanlogin.RefusedUntrusted},
		"self-signed":       {with(selfSigned), "证书不受信任", scanlogin.RefusedUntrusted},
		"of another curve":  {with(&smx509.Certificate{Raw: elsewhere}), "证书不是SM2证书", scanlogin.RefusedCertificate},
		"expired":           {with(expired), "证书不在有效期内", scanlogin.RefusedExpired},
		"not yet valid":     {with(future), "证书不在有效期内", scanlogin.RefusedExpired},
		"for encryption":    {with(cipher), "证书用途不允许签名", scanlogin.RefusedCertificate},
		"revoked":           {with(revoked), "证书已吊销", scanlogin.RefusedRevoked},
		"bound to nobody":   {with(unbound), "证书未绑定账号", scanlogin.RefusedUnbound},
		"without the key":   {thief, "签名验证失败", scanlogin.RefusedSignature},
		"not a certificate": {with(&smx509.Certificate{Raw: []byte{0x30, 0}}), "证书格式错误", scanlogin.RefusedCertificate},
	} {
		authID, secret := p.scanned()
		p.answers(p.send(ciss.PathLoginVerify, c.p.loginParam(authID)), ciss.StatusAuthentication, c.words)
		session, err := p.scans.Session(t.Context(), authID, secret)
		if err != nil || session.State != scanlogin.Scanned || session.Refusal != c.refusal {
			t.Errorf("%s: the page is told %+v, %v", name, session, err)
		}
		p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusOK, textOK) // he may try again
	}
	p.clock.Advance(61 * time.Minute) // and now the list has ended
	authID, _ := p.scanned()
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, "证书吊销列表已过期")
	p.must(p.reg.RemoveRoot(t.Context(), p.org, ciss.Fingerprint(p.root), operatorActor))
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, "证书不受信任")
}

// A card that signs otherwise than the app's settings say is refused.
func TestCISSSignedOtherwise(t *testing.T) {
	p := newPhone(t, nil)
	for name, change := range map[string]string{
		"another user id": `{"sm2_user_id":"ALICE123@YAHOO.COM"}`, "an empty user id": `{"sm2_user_id":""}`,
		"a bare digest": `{"digest":"bare"}`, "Base64 of the authId": `{"signed_message":"auth-id-base64"}`,
	} {
		settings, err := ciss.DefaultSettings().With([]byte(change))
		p.must(err)
		p.open(settings)
		authID, _ := p.scanned()
		p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, "签名验证失败")
		if t.Failed() {
			t.Log(name)
		}
	}
	p.open(ciss.DefaultSettings())
	authID, _ := p.scanned()
	param := p.sealLogin(ciss.LoginVerify{AuthID: authID, SignCert: hex.EncodeToString(p.cert.Raw), SignData: "00"})
	p.answers(p.send(ciss.PathLoginVerify, param), ciss.StatusAuthentication, "签名数据格式错误")
}

func TestCISSAccounts(t *testing.T) {
	p := newPhone(t, nil)
	authID, _ := p.scanned()
	_, err := p.accounts.SetDisabled(t.Context(), "wang", true, operatorActor)
	p.must(err)
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, "账号已停用")
}

// A certificate that fits the rules of two accounts signs in to neither.
func TestCISSTwoAccounts(t *testing.T) {
	p := newPhone(t, nil)
	for name, subject := range map[string]string{"li": "CN=Number 20", "zhao": "CN=Number 20,O=Example"} {
		_, err := p.accounts.Create(t.Context(), account.Spec{Name: name, Role: account.Viewer}, operatorActor)
		p.must(err)
		_, err = p.accounts.Bind(t.Context(), name, account.BindingSpec{Authority: ciss.Fingerprint(p.root), Subject: subject}, operatorActor)
		p.must(err)
	}
	p.cert = p.certificate(20, p.root, p.card, func(c *smx509.Certificate) { c.Subject.Organization = []string{"Example"} })
	authID, _ := p.scanned()
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, "证书对应多个账号")
}

func TestCISSScopes(t *testing.T) {
	p := newPhone(t, nil)
	p = p.as(p.newApp(p.org, registry.ClientSpec{Door: registry.DoorCISS, Scopes: []string{"Scan"}}))
	authID, secret := p.scanned()
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusAuthentication, textScope)
	if s := p.state(authID, secret); s != scanlogin.Scanned {
		t.Errorf("%v", s)
	}
}

// Status codes are the app's own.
func TestCISSStatusMap(t *testing.T) {
	p := newPhone(t, nil)
	_, err := p.reg.SetAppSettings(t.Context(), p.org, p.app.ID, []byte(`{"status":{"message":1209,"authentication":1921,"internal":1500}}`), operatorActor)
	p.must(err)
	p.answers(p.send(ciss.PathScan, "AAAA"), 1209, textMessage)
	p.answers(p.send(ciss.PathScan, p.scanParam("00000000000000000000000000000000", ciss.StatusScanned)), 1921, "二维码不存在或已失效")
}

// A store that fails is the server's fault: sealed where the app is known still,
// and nothing is told of it.
func TestCISSStoreFailure(t *testing.T) {
	p := newPhone(t, nil)
	authID, _ := p.scanned()
	login := p.loginParam(authID)
	p.must(p.store.Close())
	p.answers(p.send(ciss.PathLoginVerify, login), ciss.StatusInternal, textInternal)
	if got := p.post(ciss.PathScan, "application/json", []byte(`{"appId":"1010000000000021","param":"1"}`)); got.status != http.StatusServiceUnavailable || strings.Contains(got.body, "database") {
		t.Errorf("%+v", got)
	}
}

// FuzzCISS sends anything: to strangers the door is one of a few answers, and no
// session moves.
func FuzzCISS(f *testing.F) {
	p := newPhone(f, nil)
	authID, secret := p.session()
	f.Add(ciss.PathScan, `{"appId":"`+p.app.ID+`","param":"AAAAAAAAAAAAAAAAAAAAAA=="}`)
	f.Add(ciss.PathLoginVerify, "{\"appId\":\""+p.app.ID+"\",\"param\":\"%2B\",}")
	f.Add(ciss.PathVerify, `{"appId":"1","param":""}`)
	_, err := p.reg.SetAppSettings(f.Context(), p.org, p.app.ID, []byte(`{"lenient":true}`), operatorActor)
	p.must(err)
	f.Fuzz(func(t *testing.T, path, body string) {
		p.t = t
		if path != ciss.PathScan && path != ciss.PathLoginVerify {
			path = ciss.PathVerify
		}
		switch got := p.post(path, "application/json", []byte(body)); got.status {
		case http.StatusOK:
			answer, err := ciss.ParseAnswer([]byte(got.body))
			if err != nil || answer.StatusCode != ciss.StatusMessage && answer.StatusCode != ciss.StatusUnknownApp {
				t.Errorf("%+v, %v", answer, err)
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("HTTP %d", got.status)
		}
		if s := p.state(authID, secret); s != scanlogin.Created {
			t.Errorf("the session is %v", s)
		}
	})
}
