// Package ciss implements the scan-login interface of the CISS platform
// (客户端扫码登录认证): the sealed messages with which a phone app, whose SIM holds
// an SM2 key, tells a platform that a QR code was scanned and proves who did it.
//
// A [Channel] seals and opens the messages of one app: SM4-CBC in Base64, with a
// keyed digest that the vendor calls Sm3WithSM4Base64. A [Trust] checks
// certificates; [Channel.CheckLogin] and [Channel.CheckVerify] check what a card
// has signed. A [Client] calls a platform, as the app or as a back end.
//
// The vendor's document leaves much open: the IV, the padding, the digest, what
// the card signs. Each open point is a named value of [Settings]; docs/ciss.md
// says which of the defaults are documented and which are choices.
//
// The package opens no file or socket (but for Client, whose HTTP client is the
// caller's) and reads no clock. The SM2 implementation mixes the system's
// randomness into what it signs.
//
// References of the form "ciss §2.1" name sections of the protocol note,
// protocols/ciss.md.
package ciss
