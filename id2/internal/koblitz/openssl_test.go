package koblitz

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// opensslVectors were made with OpenSSL 3.0: a key, its signature of "message"
// under SHA-256 as R ‖ S, another public key, and the shared secret of the two.
// secp224k1 is in no other vectors here.
var opensslVectors = []struct {
	curve                                    *Curve
	private, public, signature, peer, shared string
}{
	{Secp192k1,
		"078af149a8c279c27601e81e50c70afddb29cea9be23203b",
		"047fd8fa76ffe4b422393ba4d73b27f715bda094826252b93caacca0e37a2d265a0230f53d298c36207084e8e2fd939d01",
		"e6eb7b7ff73b6e43641a51b72e26ab2ad40e4f02fac6071a744a89f8d9990a9c568b05064bbc8fd63eb21f34e0d7b319",
		"044772ec86e58fc732313760278d6926d62da9034476fe8064b8a437e80daa43add0245742169fe898a6552a4dd40aa31f",
		"8b780d0dfd6751c3a9d39b3b85120648c7e6ef77c9dfdc36"},
	{Secp224k1,
		"002e6b44222e402d045c611a885bdc209f48a26877a3c5145fab56cc60",
		"0451501e4757156d22cc6158c29a19004b5e2a96bc113a8da1c0f3f54bdfa6c685ead7d9f860c9d9bb80832755bc4f3f9585148259c100eca7",
		"a392026bb72933b083e7919354fbaa327427b0b6b066c29f706e71e96210b20527545281308c5c55e51b0184fb672914599d8f7d26436e67",
		"0471ce3a5916dc6cdd67363bd7193722c2bbec4761fa13ad08ef26259d04bd4b08516d4b67de76c55882dfeb7439e7475addd9af14307fb0ef",
		"9b8f5accd2bfd32c2d15da08e3b90f11980ca0efd27c324e32b1ce80"},
	{Secp256k1,
		"ab3245a6794a304cfa1665736a99df5f0df6d3e2ecb3a96ef8c49a0a97ed54fa",
		"0428bc3229cca665dc6d4e8099fd9493872768dfbaf919b462ebfdc52e0d8ac4b8fa229f12bfe955f3d502376307a004d179f6edfab965511aba2c40b999256b4f",
		"21942dc05ab850f605f7bc220ef82542c04852427e2ea4cd6ca72eb6c9ab395329358135bc3c3667168e05aacd872d2b37c5eaaa1a0b7526b41483d4653e74c1",
		"046535269847398e71add22799cee7f597656103875b2548d06dae2ac5d0dda81dbd081907d176796dceb3e9dc9d1c4466f25458f597d200006c7e4b45181d603d",
		"1dc12e7c8bb14262db6f53249c431f264e78aa1cda636e3a8b54a1ffcbce4a63"},
}

func TestOpenSSLVectors(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	digest := sha256.Sum256([]byte("message"))
	for _, v := range opensslVectors {
		key, err := v.curve.NewPrivateKey(unhex(v.private))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(key.Public().Bytes(), unhex(v.public)) {
			t.Errorf("%v: public key differs", v.curve)
		}
		if !key.Public().Verify(digest[:], unhex(v.signature)) {
			t.Errorf("%v: signature refused", v.curve)
		}
		peer, err := v.curve.ParsePublicKey(unhex(v.peer))
		if err != nil {
			t.Fatal(err)
		}
		if z, err := key.ECDH(peer); err != nil || !bytes.Equal(z, unhex(v.shared)) {
			t.Errorf("%v: shared secret %x, %v", v.curve, z, err)
		}
	}
}
