package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// longestLine bounds a password that is read.
const longestLine = 4 << 10

// newPassword asks for a password twice on a terminal, and else reads the first
// line of standard input.
func (e *Env) newPassword() (string, error) {
	f, ok := e.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(e.Stdin, longestLine)).ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || line == "") {
			return "", withHint(fmt.Errorf("no password on standard input: %w", err), "give it as the first line, or run the command on a terminal")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := e.hidden(f, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := e.hidden(f, "The same again: ")
	if err == nil && again != first {
		err = errors.New("the two passwords differ")
	}
	return first, err
}

// hidden reads a line that the terminal does not show.
func (e *Env) hidden(f *os.File, prompt string) (string, error) {
	fmt.Fprint(e.Stderr, prompt)
	line, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(e.Stderr)
	return string(line), err
}
