package libid2

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

// TestElement: a program linked with a driver of its own uses the card behind it.
func TestElement(t *testing.T) {
	everyBuild(t, func(t *testing.T, b build, static bool) {
		cmd := command(t, b.compile(t, static, "element.c", "driver.c"))
		cmd.ExtraFiles = []*os.File{serveCard(t)}
		cmd.Env = append(cmd.Env, "SE_FD=3")
		run(t, cmd)
		if _, err := os.Stat(cmd.Dir + "/.hallmark"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a store was made beside the secure element: %v", err)
		}
	})
}

// TestDriverInLibrary: the driver comes as a library of its own, static or shared,
// linked as se_driver.h says.
func TestDriverInLibrary(t *testing.T) {
	dir := t.TempDir()
	object, archive, shared := filepath.Join(dir, "driver.o"), filepath.Join(dir, "libse.a"), filepath.Join(dir, "libse.so")
	gcc(t, "gcc", "-fPIC", "-I", builds[0].dir, "-c", "c/driver.c", "-o", object)
	output(t, "ar", "rcs", archive, object)
	gcc(t, "gcc", "-shared", object, "-o", shared)
	static, dynamic := filepath.Join(builds[0].dir, "libid2.a"), "-lid2"
	for name, c := range map[string]struct {
		flags []string
		used  bool
	}{
		"archive, static": {[]string{"-Wl,-u,se_open_session", archive, static}, true},
		"archive, shared": {[]string{"-Wl,-u,se_open_session", archive, dynamic}, true},
		"shared, static":  {[]string{"-Wl,--no-as-needed", "-lse", static}, true},
		"shared, shared":  {[]string{"-Wl,--no-as-needed", "-lse", dynamic}, true},
		"passed over":     {[]string{archive, static}, false},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "program")
			args := []string{"-std=gnu99", "-I", builds[0].dir, "-o", program, "c/device.c", "-L", builds[0].dir, "-L", dir}
			args = append(append(args, c.flags...), "-Wl,-rpath,"+builds[0].dir, "-Wl,-rpath,"+dir, "-pthread")
			gcc(t, "gcc", args...)
			cmd := command(t, program)
			cmd.ExtraFiles = []*os.File{serveCard(t)}
			cmd.Env = append(cmd.Env, "SE_FD=3")
			cmd.Stdin = strings.NewReader("id\n")
			want := fmt.Sprintf("0 \n0 %x\n", vectorID)
			if !c.used { // and so there is a store, without an identity
				want = "0 \n-11 \n"
			}
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
				t.Errorf("%v, %q, want %q", err, out, want)
			}
		})
	}
}

// serveCard runs a virtual card with the vectors' identity and returns the other
// end of the line to it.
func serveCard(t *testing.T) *os.File {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "card"), os.NewFile(uintptr(pair[1]), "driver")
	id, _ := hex.DecodeString(vectorID)
	raw, _ := hex.DecodeString(vectorKey)
	card := virtual.New(rand.Reader, virtual.Config{Style: virtual.T0, Vendor: se.NXP, ID: id})
	key, err := id2.NewPrivateKey(id2.AES128, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- answer(card, ours) }()
	t.Cleanup(func() {
		theirs.Close() // the program has gone already
		if err := <-done; err != nil {
			t.Errorf("card: %v", err)
		}
		ours.Close()
	})
	return theirs
}

// answer answers commands until the line ends, each after its length in two bytes.
func answer(card *virtual.Card, line io.ReadWriter) error {
	for {
		var size [2]byte
		_, err := io.ReadFull(line, size[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		command := make([]byte, binary.BigEndian.Uint16(size[:]))
		if err == nil {
			_, err = io.ReadFull(line, command)
		}
		if err != nil {
			return err
		}
		result := card.Process(command)
		if _, err := line.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(result))), result...)); err != nil {
			return err
		}
	}
}
