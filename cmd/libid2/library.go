//go:build linux && cgo

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"sync"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
)

// options is what the environment of the program says. Empty is not set.
type options struct {
	store       string // directory of the store
	home        string // the user's
	sealKeyFile string // in place of the one in the store
	fingerprint string // in place of the one in the store
	algorithm   string // of the key in a secure element
	log         log
}

// log is whether errors go to standard error: C has but a number for them.
type log bool

func (l log) report(err error) {
	if l {
		fmt.Fprintln(os.Stderr, "libid2:", err)
	}
}

// session is what is open between id2_client_init and id2_client_cleanup.
type session struct {
	client      *device.Client
	fingerprint func() ([]byte, error)
	set         func(device.Identity) error
	close       func() error
	log         log
}

// library counts the calls of id2_client_init.
type library struct {
	mu    sync.Mutex
	users int
	open  *session // nil without users
}

// init opens what a driver or the store gives; a further call only counts. driver
// is nil where the program has none.
func (l *library) init(driver se.Driver, o options) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		open := openSoft
		if driver != nil {
			open = func(o options) (*session, error) { return openElement(driver, o) }
		}
		s, err := open(o)
		if err != nil {
			o.log.report(err)
			return err
		}
		s.log = o.log
		l.open = s
	}
	l.users++
	return nil
}

// cleanup takes back one call of init; the last one closes the session. What is
// under way in other threads ends as it may: with the session gone, in an error.
func (l *library) cleanup() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		return nil
	}
	l.users--
	if l.users > 0 {
		return nil
	}
	s := l.open
	l.open = nil
	s.client.Close()
	return s.close()
}

// session returns what is open.
func (l *library) session() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return nil, fmt.Errorf("%w: id2_client_init was not called", device.ErrGeneric)
	}
	return l.open, nil
}

// openElement opens the secure element behind a driver.
func openElement(driver se.Driver, o options) (*session, error) {
	algorithm := id2.AES128
	if o.algorithm != "" {
		var err error
		if algorithm, err = id2.ParseAlgorithm(o.algorithm); err != nil {
			return nil, fmt.Errorf("%w: HALLMARK_ID2_ALGORITHM: %w", device.ErrBadParameters, err)
		}
	}
	applet, err := se.Open(driver)
	if err != nil {
		return nil, device.FromCard(err)
	}
	carrier, err := device.NewSecureElement(applet, algorithm, id2.Key{})
	if err != nil {
		applet.Close() // the first error tells more
		return nil, err
	}
	none := fmt.Errorf("%w: the identity is in a secure element", device.ErrNotSupported)
	return &session{
		client:      device.NewClient(carrier, rand.Reader),
		fingerprint: func() ([]byte, error) { return nil, none },
		set:         func(device.Identity) error { return none },
		close:       func() error { return device.FromCard(applet.Close()) },
	}, nil
}
