package libid2

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/openapi"
)

// site is a running server with a product that provisions, and its back end.
type site struct {
	product operator.CreatedProduct
	backEnd *openapi.Client
	itls    string // port of the other door
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "hallmark")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, "../../cmd/hallmark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	server, err := process.Start(t.Context(), binary, filepath.Join(dir, "ready"), "serve", "--data", filepath.Join(dir, "data"),
		"--listen", "127.0.0.1:0", "--itls-listen", "127.0.0.1:0", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	token, err := os.ReadFile(filepath.Join(dir, "data", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	op := operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token))})
	s := &site{itls: itlsPort(t, filepath.Join(dir, "data", "server.json"))}
	if s.product, err = op.CreateProduct(t.Context(), operator.ProductSpec{Name: "lamps", Algorithm: "aes128", OTP: true}); err != nil {
		t.Fatal(err)
	}
	access, err := op.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "id2"})
	if err != nil {
		t.Fatal(err)
	}
	s.backEnd, err = openapi.NewClient(openapi.ClientOptions{Endpoint: server.URL, Placement: openapi.InForm,
		Credential: openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// itlsPort reads from the server's own file where devices provision themselves.
func itlsPort(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var where struct {
		Address string `json:"itls_address"`
	}
	if err := json.Unmarshal(text, &where); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(where.Address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// call asks the server, as a back end, and reads the answer's Data.
func (s *site) call(t *testing.T, data any, action string, pairs ...string) {
	t.Helper()
	params := []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}}
	for i := 0; i < len(pairs); i += 2 {
		params = append(params, openapi.Param{Name: pairs[i], Value: pairs[i+1]})
	}
	result, err := s.backEnd.Call(t.Context(), action, params)
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	if !result.Success {
		t.Fatalf("%s: %d %s", action, result.Code, result.Message)
	}
	if err := json.Unmarshal(result.Data, data); err != nil {
		t.Fatalf("%s: %v: %s", action, err, result.Data)
	}
}

// cDevice is the program device.c.
type cDevice struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Scanner
}

func startDevice(t *testing.T, program, home string) *cDevice {
	t.Helper()
	d := &cDevice{cmd: command(t, program)}
	d.cmd.Env = append(d.cmd.Env, "HOME="+home, "HALLMARK_ID2_FINGERPRINT=00:16:3e:00:00:01")
	d.cmd.Stderr = os.Stderr
	var err error
	if d.input, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.output = bufio.NewScanner(out)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.read(t, "init")
	return d
}

// do has the device perform a command, which must succeed.
func (d *cDevice) do(t *testing.T, command string, args ...string) []byte {
	t.Helper()
	fmt.Fprintln(d.input, command, strings.Join(args, " "))
	return d.read(t, command)
}

func (d *cDevice) read(t *testing.T, command string) []byte {
	t.Helper()
	if !d.output.Scan() {
		t.Fatalf("%s: the device has gone", command)
	}
	number, digits, _ := strings.Cut(d.output.Text(), " ")
	data, err := hex.DecodeString(digits)
	if number != "0" || err != nil {
		t.Fatalf("%s: %s", command, d.output.Text())
	}
	return data
}

// refuses has the device perform a command, which must fail with a number.
func (d *cDevice) refuses(t *testing.T, want int, command string, args ...string) {
	t.Helper()
	fmt.Fprintln(d.input, command, strings.Join(args, " "))
	if !d.output.Scan() || d.output.Text() != fmt.Sprint(want, " ") {
		t.Errorf("%s: %q, want %d", command, d.output.Text(), want)
	}
}

func (d *cDevice) stop(t *testing.T) {
	t.Helper()
	d.input.Close()
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the device ended with %v", err)
	}
}

// TestDevice: a C program gets its identity from a running server through the
// service provider's back end, and authenticates with it, also after a restart.
func TestDevice(t *testing.T) {
	s := newSite(t)
	home := t.TempDir()
	program := builds[0].compile(t, false, "device.c")
	d := startDevice(t, program, home)

	code := d.do(t, "ask", s.product.ProductSecret)
	var provisioned struct{ ProvisionData string }
	s.call(t, &provisioned, "OtpGetId2", "DeviceAuthCode", base64.StdEncoding.EncodeToString(code))
	data, err := base64.StdEncoding.DecodeString(provisioned.ProvisionData)
	if err != nil {
		t.Fatal(err)
	}
	d.do(t, "load", hex.EncodeToString(data))
	id := d.do(t, "id")
	s.authenticates(t, d)
	d.stop(t)

	d = startDevice(t, program, home)
	if again := d.do(t, "id"); !bytes.Equal(again, id) {
		t.Errorf("id %s, after a restart %s", id, again)
	}
	s.authenticates(t, d)
	d.stop(t)
}

// TestOwnProvisioning: a C program gets its identity over iTLS, without a back end.
func TestOwnProvisioning(t *testing.T) {
	s := newSite(t)
	d := startDevice(t, builds[1].compile(t, true, "device.c"), t.TempDir())
	defer d.stop(t)
	pk, secret := s.product.ProductKey, s.product.ProductSecret
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, silentPort, _ := net.SplitHostPort(silent.Addr().String())

	const minute = "60000"
	d.refuses(t, -10, "provision", silentPort, pk, secret, "0") // the least there is, 2 s
	d.refuses(t, -1, "provision", s.itls, "a1NoSuchProd", secret, minute)
	d.refuses(t, -2, "provision", s.itls, pk, secret[1:], minute)
	d.refuses(t, -11, "id")
	d.do(t, "provision", s.itls, pk, secret, minute)
	s.authenticates(t, d)
	id := d.do(t, "id")
	d.do(t, "provision", silentPort, pk, secret, minute) // nothing to do any more
	if again := d.do(t, "id"); !bytes.Equal(again, id) {
		t.Errorf("id %s became %s", id, again)
	}
}

// authenticates lets a device do all that the door has.
func (s *site) authenticates(t *testing.T, d *cDevice) {
	t.Helper()
	id, pk := string(d.do(t, "id")), s.product.ProductKey
	var challenge string
	s.call(t, &challenge, "GetServerRandom", "Id2", id)
	var genuine bool
	s.call(t, &genuine, "Verify", "Id2", id, "ProductKey", pk, "AuthCode", string(d.do(t, "challenge", challenge)))
	if !genuine {
		t.Error("by challenge: not genuine")
	}

	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	var sealed string
	s.call(t, &sealed, "VerifyAndEncrypt", "Id2", id, "ProductKey", pk, "Extra", "digest1234", "Data", "for this device only",
		"AuthCode", string(d.do(t, "timestamp", now, "digest1234")))
	d.opens(t, sealed, "for this device only")

	deviceChallenge := string(d.do(t, "device-challenge"))
	s.call(t, &challenge, "GetServerRandom", "Id2", id)
	var mutual struct{ ServerAuthCode, EncryptData string }
	s.call(t, &mutual, "GetServerAuthCodeAndEncryptData", "Id2", id, "ProductKey", pk, "Data", "both know", "ServerExtra", "1234abcfe",
		"DeviceChallenge", deviceChallenge, "DeviceAuthCode", string(d.do(t, "challenge", challenge)))
	d.do(t, "verify-server", mutual.ServerAuthCode, deviceChallenge, "1234abcfe")
	d.opens(t, mutual.EncryptData, "both know")
}

// opens checks that the device can read what the server encrypted for it.
func (d *cDevice) opens(t *testing.T, sealed, want string) {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if plain := d.do(t, "decrypt", hex.EncodeToString(data)); string(plain) != want {
		t.Errorf("opened %q, want %q", plain, want)
	}
}

// TestLog: with HALLMARK_ID2_LOG the library says why a call fails.
func TestLog(t *testing.T) {
	program := builds[0].compile(t, false, "device.c")
	for _, env := range []string{"HALLMARK_ID2_LOG=1", "UNRELATED=1"} {
		cmd := command(t, program)
		cmd.Env = append(cmd.Env, "HALLMARK_ID2_STORE=/dev/null/nowhere", env)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil {
			t.Error("no store, and no error")
		}
		if said := strings.HasPrefix(stderr.String(), "libid2: "); said != (env == "HALLMARK_ID2_LOG=1") {
			t.Errorf("%s: said %q", env, stderr.String())
		}
	}
}
