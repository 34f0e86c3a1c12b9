package device_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
)

// A device keeps its identity in a file, answers a challenge, and a server that
// has the same key checks the answer.
func Example() {
	dir, err := os.MkdirTemp("", "id2")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	key, err := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
	if err != nil {
		log.Fatal(err)
	}
	sealKey := make([]byte, 32) // in earnest: from a TPM, or typed in
	carrier, err := device.OpenFile(rand.Reader, filepath.Join(dir, "identity"), sealKey)
	if err != nil {
		log.Fatal(err)
	}
	const id = "00AAABBB11122281FE15B400"
	if err := carrier.Set(device.Identity{ID: id, Hash: id2.SHA256, Key: key}); err != nil {
		log.Fatal(err)
	}
	client := device.NewClient(carrier, rand.Reader)
	text, err := client.ChallengeAuthCode("55B83408399FA660F05C82E4F25333DC", nil)
	if err != nil {
		log.Fatal(err)
	}

	code, err := id2.ParseAuthCode(text)
	if err != nil {
		log.Fatal(err)
	}
	server := key.Public() // symmetric: the same key
	msg := id2.AppendMessage(nil, id, code.DeviceRandom, code.Value, nil)
	fmt.Println(len(text), server.Verify(code.Hash, msg, code.Signature))
	// Output: 118 true
}

// The vendor's example key gives the vendor's example code if the device random
// is the same.
func ExampleClient_TimestampAuthCode() {
	raw, _ := hex.DecodeString("4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60")
	key, err := id2.NewPrivateKey(id2.AES256, raw)
	if err != nil {
		log.Fatal(err)
	}
	carrier := device.NewMemory(rand.Reader)
	if err := carrier.Set(device.Identity{ID: "4142434445464748494A4B4C", Hash: id2.SHA256, Key: key}); err != nil {
		log.Fatal(err)
	}
	fixed := bytes.NewReader(bytes.Repeat([]byte{0xAB}, 8))
	text, err := device.NewClient(carrier, fixed).TimestampAuthCode("1512022279204", []byte("abcd1234"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: 3~2~ABABABABABABABAB~1512022279204~13zePuxAvpnt37Jx88Nt17rqN8HCGdyrkwBGAAp8vR5msyC++8NwDRew+8a7MqUo
}

// Mutual authentication: the device lets the server answer its own challenge.
func ExampleClient_VerifyServerCode() {
	key, err := id2.GeneratePrivateKey(rand.Reader, id2.SM4)
	if err != nil {
		log.Fatal(err)
	}
	const id = "6162636465666768696A6B6C"
	carrier := device.NewMemory(rand.Reader)
	if err := carrier.Set(device.Identity{ID: id, Hash: id2.SM3, Key: key}); err != nil {
		log.Fatal(err)
	}
	client := device.NewClient(carrier, rand.Reader)
	challenge, err := client.DeviceChallenge(32)
	if err != nil {
		log.Fatal(err)
	}

	server := key.Public()
	answer, err := server.ServerCode(id2.SM3, id, challenge, nil, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.VerifyServerCode(answer, challenge, nil))
	fmt.Println(device.Number(client.VerifyServerCode(answer, challenge[1:], nil)))
	// Output:
	// <nil>
	// -1
}

// A new device gets its identity by one-time token. The code and the answer pass
// through the service provider's back end, which calls OtpGetId2; here the server
// is played by the same functions that it uses.
func ExampleClient_LoadOTPData() {
	const productSecret = "i11ABCDEFGHabcdefgh0123456789ABC"
	carrier := device.NewMemory(rand.Reader) // in earnest: a File
	client := device.NewClient(carrier, rand.Reader)
	defer client.Close()
	code, err := client.OTPAuthCode(productSecret, []byte("00:16:3e:00:00:01"))
	if err != nil {
		log.Fatal(err)
	}

	provisionData := answerOTP(productSecret, code)

	if err := client.LoadOTPData(provisionData); err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.ID())
	fmt.Println(device.Number(client.LoadOTPData(provisionData))) // an answer serves once
	// Output:
	// 00A1B2C3D4E5F60718293A00 <nil>
	// -1
}

// answerOTP is what a server does.
func answerOTP(productSecret string, code []byte) []byte {
	token, err := id2.ParseToken(productSecret)
	if err != nil {
		log.Fatal(err)
	}
	parsed, err := id2.ParseOTPAuthCode(code)
	if err != nil {
		log.Fatal(err)
	}
	request, err := parsed.Open(token)
	if err != nil {
		log.Fatal(err)
	}
	key, err := id2.GeneratePrivateKey(rand.Reader, request.KeyType.Algorithm())
	if err != nil {
		log.Fatal(err)
	}
	public := key.Public() // symmetric: the same key
	data, err := request.ProvisionData("00A1B2C3D4E5F60718293A00", &public)
	if err != nil {
		log.Fatal(err)
	}
	return data
}

// Device and server derive the same password for the same minutes.
func ExampleClient_TOTP() {
	raw, _ := hex.DecodeString("6162636465666768696a6b6c6d6e6f70")
	key, err := id2.NewPrivateKey(id2.SM4, raw)
	if err != nil {
		log.Fatal(err)
	}
	const id = "6162636465666768696A6B6C"
	carrier := device.NewMemory(rand.Reader)
	if err := carrier.Set(device.Identity{ID: id, Hash: id2.SM3, Key: key}); err != nil {
		log.Fatal(err)
	}
	client := device.NewClient(carrier, rand.Reader)
	password, err := client.TOTP(1512022279, 180, 8, 7) // in earnest: time.Now().Unix()
	if err != nil {
		log.Fatal(err)
	}

	server := key.Public()
	want, err := server.Deriver(id).TOTP(1512022279, 180, 8, 7)
	fmt.Println(password, password == want, err)
	// Output: 69948739 true <nil>
}

// A key of the application's own, which the chip or file with the ID² key yields
// again at any time, and which never has to be stored.
func ExampleClient_DeriveKey() {
	key, err := id2.NewPrivateKey(id2.AES128, []byte("!\"#$%&'()*+,-./0"))
	if err != nil {
		log.Fatal(err)
	}
	carrier := device.NewMemory(rand.Reader)
	if err := carrier.Set(device.Identity{ID: "2122232425262728292A2B2C", Hash: id2.SHA256, Key: key}); err != nil {
		log.Fatal(err)
	}
	client := device.NewClient(carrier, rand.Reader)
	derived, err := client.DeriveKey("a", 16)
	fmt.Printf("%x %v\n", derived, err)
	// Output: 842648a6cafd21995b775326806106be <nil>
}
