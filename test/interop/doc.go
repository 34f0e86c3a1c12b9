// Package interop drives a running Hallmark server with clients that its
// authors did not write: the vendor's Go SDKs here, its Node SDKs in the folder
// node. Both work out a device's side with nothing but their language's
// standard library, so that a mistake shared by the server and its own client
// packages cannot hide. Clients that no registry has are stood in for by
// requests of their shape.
//
// The tests read the server and what is in it from the environment and fail,
// rather than skip, when something is missing:
//
//	HALLMARK_URL                                   base URL, such as http://127.0.0.1:8080
//	HALLMARK_ACCESS_KEY_ID, …_ACCESS_KEY_SECRET    access key of the ID² door
//	HALLMARK_SCOPED_KEY_ID, …_SCOPED_KEY_SECRET    one that may call GetServerRandom only
//	HALLMARK_DISABLED_KEY_ID, …_DISABLED_KEY_SECRET  one that is disabled
//	HALLMARK_PRODUCT_KEY, …_PRODUCT_SECRET         a product of AES-128
//	HALLMARK_SPARE_PRODUCT_KEY                     another, without licences
//	HALLMARK_OTP_PRODUCT_KEY, HALLMARK_OTP_SECRET  a third, made with --otp
//	HALLMARK_ID2                                   id of a device of the first product
//	HALLMARK_KEY_HEX                               its key, 32 hexadecimal digits
//
// Three more devices have that key: INTEROPSUSPENDED00000001 and
// INTEROPDISCARDED00000001 of the first product, in these states, and
// INTEROPUNLICENSED0000001 of the spare one. The server trusts the
// X-Forwarded-For of the tests. The script run makes all this, over plain HTTP
// and over TLS, and checks the table of docs/clients.md against what passed;
// HALLMARK_RESULTS names the file in which that is recorded.
//
// The folder ciss drives the scan login of the ciss door with sm-crypto-v2, and
// with openssl and curl; its own run has a server to itself.
package interop
