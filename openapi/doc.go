// Package openapi implements the RPC gateway protocol of Alibaba Cloud's
// OpenAPI: the protocol that service providers' back ends speak to an ID²
// server through any of the vendor's SDKs.
//
// It has two halves. The server's half decodes a request ([Request.Decode]),
// checks its system parameters ([Request.CheckSystem], [Request.CheckTime]) and
// its signature ([Request.Verify]), and writes answers ([AppendReply],
// [AppendError]). The client's half signs ([Message.SignV1], [Message.SignV3])
// and calls ([Client]). Both halves share one canonicalisation.
//
// Two signature versions exist side by side. V1 carries everything, the
// signature included, as parameters; V3 (ACS3) carries system values in headers
// and signs a hash of the body. Both put API parameters where they like: query,
// form body or, V3 only, JSON body.
//
// The package holds no state: no store, no clock, no listener. What it does not
// do, its caller must: find the credential of an access key, know which versions
// and actions exist, and refuse a nonce that was used before.
//
// The order of a server's checks is
//
//	Decode → CheckSystem → version and action known → access key known →
//	CheckTime → Verify → nonce unused
//
// Section numbers in comments, such as "openapi-rpc §1.2", are those of the
// project's protocol note on the gateway.
package openapi
