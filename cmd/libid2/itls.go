//go:build linux && cgo

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/itls"
)

const (
	minWait     = 2 * time.Second // as with the vendor's client
	itlsTries   = 3               // an answer that got lost is asked for again
	maxHostName = 128
)

// itlsServer is where a device without an identity asks for one.
type itlsServer struct {
	host       string
	port       uint16
	productKey string
}

// address is the server's, under the product's own name (id2 §4.6); a host that is
// an address stays as it is.
func (s itlsServer) address() string {
	host := s.productKey + "." + s.host
	if _, err := netip.ParseAddr(s.host); err == nil {
		host = s.host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(s.port)))
}

// provision gets the device an identity over iTLS within the time given, unless it
// has one.
func (s *session) provision(server itlsServer, token string, wait time.Duration) error {
	provisioned, err := s.client.Provisioned()
	if err != nil || provisioned {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(wait, minWait))
	defer cancel()
	for range itlsTries {
		if err = s.exchange(ctx, server, token); err == nil || !errors.Is(err, device.ErrCommunication) {
			return err
		}
	}
	return err
}

// exchange asks once, with a code of its own.
func (s *session) exchange(ctx context.Context, server itlsServer, token string) error {
	fingerprint, err := s.fingerprint()
	if err != nil {
		return err
	}
	hello := itls.Hello{ProductKey: server.productKey}
	if hello.AuthCode, err = s.client.OTPAuthCode(token, fingerprint); err != nil {
		return err
	}
	if _, err := rand.Read(hello.Random[:]); err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.address())
	if err != nil {
		return fromNetwork(err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	data, err := itls.Exchange(conn, hello)
	if err != nil {
		return fromNetwork(err)
	}
	return s.client.LoadOTPData(data)
}

// fromNetwork gives what can happen on the way to a server its number.
func fromNetwork(err error) error {
	var alert itls.Alert
	number := device.ErrCommunication
	switch {
	case errors.As(err, &alert):
		return fmt.Errorf("%w: the server refused: %w", device.ErrGeneric, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		number = device.ErrTimeout
	}
	return fmt.Errorf("%w: %w", number, err)
}
