package id2_test

import (
	"encoding/hex"
	"fmt"
	"log"

	"github.com/hallmark-id/hallmark/id2"
)

// The example of the vendor's fixed-key note, checked as a server does: parse,
// rebuild the message, verify. Whether the value was issued by this server, or is
// a time near its own, is the caller's to check.
func ExampleKey_Verify() {
	raw, _ := hex.DecodeString("4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60")
	key, err := id2.NewSymmetricKey(id2.AES256, raw)
	if err != nil {
		log.Fatal(err)
	}
	code, err := id2.ParseAuthCode("3~2~ABABABABABABABAB~1512022279204~13zePuxAvpnt37Jx88Nt17rqN8HCGdyrkwBGAAp8vR5msyC++8NwDRew+8a7MqUo")
	if err != nil {
		log.Fatal(err)
	}
	msg := id2.AppendMessage(nil, "4142434445464748494A4B4C", code.DeviceRandom, code.Value, []byte("abcd1234"))
	fmt.Println(code.Kind.IsTimestamp(), code.Kind.HasExtra(), key.Verify(code.Hash, msg, code.Signature))
	// Output: true true true
}

// A server that refuses what does not fit the documented 512 bytes before it
// does any work.
func ExampleKey_CiphertextSize() {
	key, err := id2.NewSymmetricKey(id2.SM4, make([]byte, 16))
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range []int{4, 511, 512} {
		size := key.CiphertextSize(n)
		fmt.Println(n, size, size >= 0 && size <= 512)
	}
	// Output:
	// 4 16 true
	// 511 512 true
	// 512 528 false
}
