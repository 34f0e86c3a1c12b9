package httpd

import (
	"context"
	"errors"
	"strings"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// cissActions are the operations of the ciss door, by the scope that allows each
// (ciss §2). One returns the resultDesc of its success; it fails with a
// *ciss.Fault, a *denial, or another error for a fault of the server's own.
var cissActions = map[string]struct {
	path    string
	perform func(*cissDoor, context.Context, *cissCall) (string, error)
}{
	"Scan":        {ciss.PathScan, (*cissDoor).scan},
	"LoginVerify": {ciss.PathLoginVerify, (*cissDoor).loginVerify},
	"Verify":      {ciss.PathVerify, (*cissDoor).verify},
}

// Texts of resultDesc. The vendor documents none; success is named so by the
// width of its samples (ciss §4).
const (
	textOK       = "成功"
	textMessage  = "报文无法受理"
	textInternal = "系统内部错误"
	textScope    = "应用无权调用此接口"
)

// denial is a refused authentication.
type denial struct {
	text  string // resultDesc
	cause error
}

func (e *denial) Error() string { return e.cause.Error() }
func (e *denial) Unwrap() error { return e.cause }

// sessionTexts say in resultDesc what a scan session, or the account behind it,
// has against a request. Of several the first holds.
var sessionTexts = []struct {
	cause error
	text  string
}{
	{scanlogin.ErrUnknown, "二维码不存在或已失效"},
	{scanlogin.ErrExpired, "二维码不存在或已失效"},
	{scanlogin.ErrFinished, "二维码已使用或已取消"},
	{scanlogin.ErrNotScanned, "请先扫描二维码"},
	{scanlogin.ErrOtherApp, "二维码已被其他应用扫描"},
	{account.ErrUnbound, "证书未绑定账号"},
	{account.ErrAmbiguous, "证书对应多个账号"},
	{account.ErrDisabled, "账号已停用"},
}

// signers say what is wrong with a signer: in resultDesc, and to the page that
// waits for the session.
var signers = map[ciss.Why]struct {
	text    string
	refusal scanlogin.Refusal
}{
	ciss.WhyCertificate: {"证书格式错误", scanlogin.RefusedCertificate},
	ciss.WhyCurve:       {"证书不是SM2证书", scanlogin.RefusedCertificate},
	ciss.WhyUntrusted:   {"证书不受信任", scanlogin.RefusedUntrusted},
	ciss.WhyTime:        {"证书不在有效期内", scanlogin.RefusedExpired},
	ciss.WhyRevoked:     {"证书已吊销", scanlogin.RefusedRevoked},
	ciss.WhyStaleCRL:    {"证书吊销列表已过期", scanlogin.RefusedRevoked},
	ciss.WhyUsage:       {"证书用途不允许签名", scanlogin.RefusedCertificate},
	ciss.WhySignData:    {"签名数据格式错误", scanlogin.RefusedSignature},
	ciss.WhySignature:   {"签名验证失败", scanlogin.RefusedSignature},
}

// denied turns the errors of scan sessions and accounts into denials.
func denied(err error) error {
	for _, t := range sessionTexts {
		if errors.Is(err, t.cause) {
			return &denial{t.text, t.cause}
		}
	}
	return err
}

// accept refuses an app without the scope, and a message that was seen before.
// Nothing of a message acts before both are known.
func (d *cissDoor) accept(c *cissCall, signature string) error {
	if !d.seen.first(c.app.ID, signature, d.now()) {
		return &ciss.Fault{Reason: "seen before"}
	}
	if !c.app.Allows(c.action) {
		return &denial{textScope, errors.New("the app lacks the scope " + c.action)}
	}
	return nil
}

func (c *cissCall) scanApp() scanlogin.App {
	return scanlogin.App{ID: c.app.ID, Org: c.app.Org, By: c.by}
}

// scan notes that a code was scanned, or that the user declined (扫码通知).
func (d *cissDoor) scan(ctx context.Context, c *cissCall) (string, error) {
	m, err := c.app.Channel.OpenScan(c.param, d.now())
	if err != nil {
		return "", err
	}
	if err := d.accept(c, m.Signature); err != nil {
		return "", err
	}
	from, err := d.scans.Scan(ctx, c.scanApp(), m.AuthID, string(m.Status))
	if err != nil {
		return "", denied(err)
	}
	if m.Status != ciss.StatusScanned || !c.app.Channel.Settings().Requester {
		return textOK, nil
	}
	return describe(from), nil
}

// describe says who asks to log in, for the app to show to its user before he
// confirms: a code may have been shown to him by somebody else (ciss §8).
func describe(from scanlogin.Requester) string {
	text := textOK + "。请求登录的地址：" + from.Address
	if from.Agent != "" {
		text += "；浏览器：" + from.Agent
	}
	return strings.TrimSpace(text)
}

// loginVerify logs in with a card's signature (扫码认证).
func (d *cissDoor) loginVerify(ctx context.Context, c *cissCall) (string, error) {
	m, err := c.app.Channel.OpenLoginVerify(c.param, d.now())
	if err != nil {
		return "", err
	}
	if err := d.accept(c, m.Signature); err != nil {
		return "", err
	}
	trust, err := d.registry.Trust(ctx, c.app.Org)
	if err != nil {
		return "", err
	}
	chain, err := c.app.Channel.CheckLogin(&m, trust, d.now())
	if err != nil {
		return "", d.refuse(ctx, c, m.AuthID, err)
	}
	proof := scanlogin.Proof{Certificate: chain[0]}
	if len(chain) > 1 {
		proof.Issuer = chain[1]
	}
	return textOK, denied(d.scans.Confirm(ctx, c.scanApp(), m.AuthID, proof))
}

// refuse tells the page of a session why its confirmation failed, and returns
// what the app is told: what is wrong with the session, if anything, before what
// is wrong with the signer.
func (d *cissDoor) refuse(ctx context.Context, c *cissCall, authID string, err error) error {
	var rejection *ciss.Rejection
	if !errors.As(err, &rejection) {
		return err
	}
	signer := signers[rejection.Why]
	if err := d.scans.Refuse(ctx, c.scanApp(), authID, signer.refusal); err != nil {
		return denied(err)
	}
	return &denial{signer.text, rejection}
}

// verify checks a signature for an application's back end.
func (d *cissDoor) verify(ctx context.Context, c *cissCall) (string, error) {
	m, err := c.app.Channel.OpenVerify(c.param, d.now())
	if err != nil {
		return "", err
	}
	if err := d.accept(c, m.Signature); err != nil {
		return "", err
	}
	trust, err := d.registry.Trust(ctx, c.app.Org)
	if err != nil {
		return "", err
	}
	_, err = c.app.Channel.CheckVerify(&m, trust, d.now())
	var rejection *ciss.Rejection
	if errors.As(err, &rejection) {
		return "", &denial{signers[rejection.Why].text, rejection}
	}
	return textOK, err
}
