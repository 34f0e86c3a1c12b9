// Command openbao measures what a user could take instead of this server: the HMAC
// verification of OpenBao's transit engine, in the same rounds as ours and a bare
// hello, by hallmark bench --beside. It needs OpenBao: bao in PATH, or its path in
// HALLMARK_BAO.
//
//	make build && go run ./test/compare/openbao
//
// Arguments are those of hallmark bench, such as --rounds 15.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/hallmark-id/hallmark/internal/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, "bin/hallmark", os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "openbao:", err)
		os.Exit(1)
	}
}

// compare starts OpenBao on a temporary directory, readies it, and measures.
func compare(ctx context.Context, hallmark string, args []string, stdout, stderr io.Writer) (err error) {
	program, err := find()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-openbao-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := start(ctx, program, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	version, err := b.open(ctx)
	if err != nil {
		return fmt.Errorf("%w; its log: %s", err, b.log())
	}
	fmt.Fprintf(stderr, "OpenBao %s, raft storage in %s, plain HTTP, no audit device, a service token whose policy allows the one call\n", version, dir)
	other, err := b.verifications(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal([]bench.Other{other})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "beside.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, hallmark, append([]string{"bench", "--beside", file}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd.Run()
}

// find returns the program.
func find() (string, error) {
	if path := os.Getenv("HALLMARK_BAO"); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("bao")
	if err != nil {
		return "", errors.New("there is no bao in PATH: install OpenBao, or name it with HALLMARK_BAO=PATH")
	}
	return path, nil
}
