package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/hallmark-id/hallmark/internal/server"
)

// idleTarget is the variable that makes this program a crowd of idle clients,
// in a process of its own so that its files and memory are not the server's.
const idleTarget = "HALLMARK_HOSTILE_IDLE"

func TestMain(m *testing.M) {
	if address := os.Getenv(idleTarget); address != "" {
		if err := crowd(address); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// idleCrowd leaves one place for answers.
const idleCrowd = server.DefaultConnections - 1

// crowd makes a request on each of many connections, says so, and holds them
// until its standard input ends.
func crowd(address string) error {
	conns := make([]net.Conn, idleCrowd)
	for i := range conns {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(i/250), byte(2+i%250))}}
		c, err := d.Dial("tcp", address)
		if err != nil {
			return err
		}
		conns[i] = c
		if _, err := io.WriteString(c, request("GET", "/healthz", "")); err != nil {
			return err
		}
	}
	for i, c := range conns {
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			return errors.Join(fmt.Errorf("connection %d was not answered", i), err)
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// TestTenThousandIdle holds as many connections as the default takes, idle after
// one request, from many addresses.
func TestTenThousandIdle(t *testing.T) {
	needFiles(t, idleCrowd+1000)
	tg := newTarget(t, nil)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), idleTarget+"="+tg.address)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill() // if it still runs
		_ = c.Wait()
	}()
	if said, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(said) != "ready" {
		t.Fatalf("the crowd: %s %v", said, err)
	}
	tg.answers()
	if open := tg.metric("hallmark_connections"); open < idleCrowd {
		t.Fatalf("%d are open", open)
	}
	per := (heap() - tg.heap) / idleCrowd
	t.Logf("%d bytes of heap for each idle connection", per)
	if per > 32<<10 {
		t.Errorf("an idle connection takes %d bytes of heap", per)
	}
	_ = in.Close()
	tg.calm()
}

// needFiles fails unless the process may open so many files.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if uint64(files.Cur) < n {
		t.Fatalf("this test opens %d files and may open %d: run it again after ulimit -n %d", n, files.Cur, n)
	}
}
