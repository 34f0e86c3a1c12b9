// Package interop drives a running Hallmark server with clients that its
// authors did not write: the vendor's Go SDK here, its Node SDK in the folder
// node. Both work out a device's side with nothing but their language's
// standard library, so that a mistake shared by the server and its own client
// packages cannot hide.
//
// The tests read the server and one AES-128 device from the environment and
// fail, rather than skip, when something is missing:
//
//	HALLMARK_URL                base URL, such as http://127.0.0.1:8080
//	HALLMARK_ACCESS_KEY_ID      access key of the ID² door
//	HALLMARK_ACCESS_KEY_SECRET  its secret
//	HALLMARK_PRODUCT_KEY        product key
//	HALLMARK_ID2                id of a device of that product
//	HALLMARK_KEY_HEX            the device's AES-128 key, 32 hexadecimal digits
//
// Run them with
//
//	go test -count=1 ./...
//	cd node && npm ci && npm test
package interop
