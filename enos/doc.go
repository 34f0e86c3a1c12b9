// Package enos implements the gateway protocol of the EnOS platform's device
// certificate service (设备证书服务): what operators' back ends and gateways speak
// to get certificates for devices, renew, revoke and list them.
//
// The server's half tells the three authentication schemes of the field apart
// ([Detect]), checks them ([Credential.CheckSignature],
// [Credential.CheckLegacy], [OpenSealed] with [Credential.CheckSealed]),
// decodes bodies ([ApplyRequest], [RenewRequest], [RevokeRequest]) and writes
// answers ([Reply], [TokenReply], [LegacyReply] with [AppendJSON]). The client's half is [Client],
// and [LegacyClient] for servers that only know the older calls.
//
// The schemes:
//
//	SchemeSigned  an issued token, a timestamp and a signature in headers: what to use
//	SchemeLegacy  accessKey, requestTimestamp and sign in the query: SDKs of the 2.x line
//	SchemeSealed  a token sealed for the server's key, no signature: Poseidon for Python
//
// Errors of the service are values of [Error] with HTTP status 200: real clients
// hide the body of anything else.
//
// The package holds no state but a client's token: no store, no listener, no
// clock but the one a client is given. Section numbers in comments, such as
// "enos §3.2", are those of the project's protocol note on EnOS.
package enos
