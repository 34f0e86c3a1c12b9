package docs

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"github.com/hallmark-id/hallmark/ciss"
)

// TestCISSSettings checks the table of settings and their defaults.
func TestCISSSettings(t *testing.T) {
	text, err := json.Marshal(ciss.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	var defaults map[string]json.RawMessage
	if err := json.Unmarshal(text, &defaults); err != nil {
		t.Fatal(err)
	}
	var documented, real []string
	for _, row := range doc(t, "docs/ciss.md").table(t, "Settings") {
		documented = append(documented, code(row[0])+" "+code(row[1]))
	}
	for name, value := range defaults {
		real = append(real, name+" "+strings.Trim(string(value), `"`))
	}
	same(t, "settings of the ciss door", documented, real)
}

// TestCISSTexts checks that every text the door answers is explained.
func TestCISSTexts(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "internal", "httpd", "cissactions.go"))
	if err != nil {
		t.Fatal(err)
	}
	real := []string{ciss.UnknownAppText}
	for _, m := range regexp.MustCompile(`"([^"\n]*\p{Han}[^"\n]*)"`).FindAllStringSubmatch(string(source), -1) {
		if !strings.Contains(m[1], "：") && !slices.Contains(real, m[1]) { // but for the parts of who asks
			real = append(real, m[1])
		}
	}
	lines := strings.Join(doc(t, "docs/ciss.md").section(t, "Status codes"), "\n")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\|.*?`([^`]*\\p{Han}[^`]*)`").FindAllStringSubmatch(lines, -1) {
		documented = append(documented, m[1])
	}
	same(t, "texts of the ciss door", documented, real)
}

// TestCISSExample computes the worked example again.
func TestCISSExample(t *testing.T) {
	values := make(map[string]string)
	for _, row := range doc(t, "docs/ciss.md").table(t, "A worked example") {
		values[row[0]] = code(row[1])
	}
	check := func(name, want string) {
		t.Helper()
		if values[name] != want {
			t.Errorf("%s: documented as %q, is %q", name, values[name], want)
		}
		delete(values, name)
	}
	key, err := ciss.ParseKey(values["key"])
	if err != nil {
		t.Fatal(err)
	}
	channel, err := ciss.NewChannel(values["appId"], key, ciss.DefaultSettings(), bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("20060102150405", values["timestamp"], time.FixedZone("", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	authID := values["authId"]
	param, err := channel.SealScan(ciss.Scan{AuthID: authID, Status: ciss.StatusScanned, Time: at})
	if err != nil {
		t.Fatal(err)
	}
	scan, err := channel.OpenScan(param, at)
	if err != nil {
		t.Fatal(err)
	}
	joined := values["appId"] + authID + "81" + values["timestamp"]
	digest := sm3.Sum([]byte(joined))
	check("scan, joined", joined)
	check("SM3 of it", hex.EncodeToString(digest[:]))
	check("signature", scan.Signature)
	check("message", decrypted(t, key, param))
	check("param", param)

	returnObj, err := channel.SealResponse(ciss.Response{Desc: "成功", Time: at})
	if err != nil {
		t.Fatal(err)
	}
	check("answer, joined", "成功"+values["timestamp"])
	check("answer, message", decrypted(t, key, returnObj))
	check("returnObj", returnObj)
	checkCard(t, check, values)
	for _, name := range []string{"key", "appId", "authId", "timestamp"} {
		delete(values, name)
	}
	if len(values) != 0 {
		t.Errorf("rows that nothing checks: %v", values)
	}
}

// checkCard checks what the card does in the example.
func checkCard(t *testing.T, check func(name, want string), values map[string]string) {
	t.Helper()
	point, err := hex.DecodeString(values["card's public key"])
	if err != nil {
		t.Fatal(err)
	}
	key, err := sm2.NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	za, err := sm2.CalculateZA(key, []byte(ciss.DefaultUserID))
	if err != nil {
		t.Fatal(err)
	}
	e := sm3.Sum(append(za, values["authId"]...))
	check("ZA", hex.EncodeToString(za))
	check("e = SM3(ZA ‖ authId)", hex.EncodeToString(e[:]))
	if !verifies(t, key, e[:], values["a signData, r ‖ s"]) {
		t.Error("the card's signature is not one of the card's")
	}
	delete(values, "a signData, r ‖ s")
	delete(values, "card's public key")
}

func verifies(t *testing.T, key *ecdsa.PublicKey, e []byte, digits string) bool {
	t.Helper()
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != 64 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	return sm2.Verify(key, e, new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
}

// decrypted opens a sealed text with nothing but the ciphers.
func decrypted(t *testing.T, key ciss.Key, text string) string {
	t.Helper()
	plain, err := url.QueryUnescape(text)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(plain)
	if err != nil {
		t.Fatal(err)
	}
	block, err := sm4.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, make([]byte, 16)).CryptBlocks(sealed, sealed)
	return string(sealed[:len(sealed)-int(sealed[len(sealed)-1])])
}
