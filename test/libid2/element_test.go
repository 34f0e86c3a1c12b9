package libid2

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
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
