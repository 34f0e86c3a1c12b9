package id2

import (
	"crypto/rand"
	"testing"
)

const (
	benchID        = "0102030405060708090A0B0C"
	benchChallenge = "55B83408399FA660F05C82E4F25333DC"
)

// benchKey makes a key per algorithm.
func benchKey(b *testing.B, a Algorithm) PrivateKey {
	b.Helper()
	key, err := GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

func BenchmarkVerify(b *testing.B) {
	msg := AppendMessage(nil, benchID, "ABABABABABABABAB", benchChallenge, nil)
	for _, a := range Algorithms() {
		private := benchKey(b, a)
		public := private.Public()
		signature, err := private.Sign(rand.Reader, a.NativeHash(), msg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(a.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !public.Verify(a.NativeHash(), msg, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	msg := AppendMessage(nil, benchID, "ABABABABABABABAB", benchChallenge, nil)
	for _, a := range Algorithms() {
		private := benchKey(b, a)
		b.Run(a.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := private.Sign(rand.Reader, a.NativeHash(), msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncrypt(b *testing.B) {
	plain := make([]byte, 64)
	for _, a := range Algorithms() {
		private := benchKey(b, a)
		public := private.Public()
		b.Run(a.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := public.Encrypt(rand.Reader, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheck is what a server does for one device code: parse, build the
// message in a buffer it keeps, verify.
func BenchmarkCheck(b *testing.B) {
	private := benchKey(b, AES128)
	public := private.Public()
	msg := AppendMessage(nil, benchID, "ABABABABABABABAB", benchChallenge, nil)
	signature, err := private.Sign(nil, SHA256, msg)
	if err != nil {
		b.Fatal(err)
	}
	text := AuthCode{Challenge, SHA256, "ABABABABABABABAB", benchChallenge, signature}.String()
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		code, err := ParseAuthCode(text)
		if err != nil {
			b.Fatal(err)
		}
		msg := AppendMessage(buffer[:0], benchID, code.DeviceRandom, code.Value, nil)
		if !public.Verify(code.Hash, msg, code.Signature) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParseAuthCode(b *testing.B) {
	text := loadVectors().DeviceAuth[0].AuthCode
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAuthCode(text); err != nil {
			b.Fatal(err)
		}
	}
}
