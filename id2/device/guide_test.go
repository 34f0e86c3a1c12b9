package device_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/hallmark-id/hallmark/id2/device"
)

// docs/device.md prints what is between the marks.

// DEVICE:begin

// answer returns the device's answer to a challenge. On the first start it gets
// an identity: ask carries the code to the back end, which calls OtpGetId2, and
// returns the ProvisionData.
func answer(store string, sealKey []byte, token, serial, challenge string, ask func(code []byte) ([]byte, error)) (string, error) {
	carrier, err := device.OpenFile(rand.Reader, store, sealKey)
	if err != nil {
		return "", err
	}
	client := device.NewClient(carrier, rand.Reader)
	defer client.Close()
	provisioned, err := client.Provisioned()
	if err != nil {
		return "", err
	}
	if !provisioned {
		code, err := client.OTPAuthCode(token, []byte(serial))
		if err != nil {
			return "", err
		}
		data, err := ask(code)
		if err != nil {
			return "", err
		}
		if err := client.LoadOTPData(data); err != nil {
			return "", err
		}
	}
	return client.ChallengeAuthCode(challenge, nil)
}

// DEVICE:end

// A whole device: it is provisioned on its first start, and answers challenges.
func Example_device() {
	dir, err := os.MkdirTemp("", "id2")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sealKey := bytes.Repeat([]byte{7}, 32) // in earnest: from a TPM
	const token = "i11ABCDEFGHabcdefgh0123456789ABC"
	asked := 0
	ask := func(code []byte) ([]byte, error) {
		asked++
		return answerOTP(token, code), nil
	}
	for range 2 {
		code, err := answer(filepath.Join(dir, "identity"), sealKey, token, "serial 1", "55B83408399FA660F05C82E4F25333DC", ask)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(code[:4], len(code), asked)
	}
	// Output:
	// 0~2~ 118 1
	// 0~2~ 118 1
}
