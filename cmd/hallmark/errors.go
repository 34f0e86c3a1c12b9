package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// usageError is a command line that makes no sense.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// partlyError says that some of the input was refused and the rest taken.
type partlyError struct{ reason, hint string }

func (e *partlyError) Error() string { return e.reason }

// hintError carries what to do about an error.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }

func (e *hintError) Unwrap() error { return e.err }

// withHint adds a hint to an error; it keeps nil.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

var errInterrupted = errors.New("interrupted")

// explain returns an error's message and hint.
func (e *Env) explain(err error) (message, hint string) {
	var own *hintError
	var server *operator.Error
	switch {
	case errors.As(err, &own):
		return err.Error(), own.hint
	case errors.Is(err, context.Canceled):
		return errInterrupted.Error(), ""
	case !errors.As(err, &server):
		return err.Error(), ""
	case isUntrusted(err):
		return err.Error(), "name the authority of the server's certificate with --ca-cert FILE"
	case server.Code == "unreachable" && e.Data != "":
		return err.Error(), "start the server with hallmark serve --data " + e.Data
	}
	return err.Error(), server.Hint
}

// isUntrusted reports whether the server's certificate was the obstacle.
func isUntrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	return errors.As(err, &authority) || errors.As(err, &verification)
}

// complain prints one line, whatever the message holds.
func (e *Env) complain(message, hint string) {
	if hint != "" {
		message += " (" + hint + ")"
	}
	fmt.Fprintln(e.Stderr, "hallmark: "+plain(message))
}

// note tells something that is no result.
func (e *Env) note(format string, args ...any) {
	fmt.Fprintln(e.Stderr, plain(fmt.Sprintf(format, args...)))
}

// plain keeps a text on one line and control sequences away from terminals:
// names come from files and from callers.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
