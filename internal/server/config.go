// Package server puts the parts together: it opens the store, the keyring and
// the guard, starts the listeners and the background work, and takes them down
// again in order. The serve command, the demo and the tests all start it here.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"github.com/hallmark-id/hallmark/internal/httpd"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/store"
)

// Config says how to run a server. DataDir is needed; the zero value of every
// other field is a default.
type Config struct {
	// DataDir holds what the server keeps between starts.
	DataDir string
	// Store is "sqlite:FILE" or "postgres://…"; empty means hallmark.db in DataDir.
	Store string
	// RootKeyFile is the owner's key; empty means root.key in DataDir.
	RootKeyFile string

	// Listen is the public address, 127.0.0.1:8080 by default.
	Listen string
	// AdminListen moves the operator API, the console and the metrics to their own address.
	AdminListen string
	// PprofListen serves profiles, on a loopback address only.
	PprofListen string
	// ITLSListen is where devices provision themselves over iTLS, nowhere if empty.
	// The protocol has no TLS, so an address that others can reach is taken.
	ITLSListen string
	// PublicURL is the address under which devices and their peers reach the
	// server; certificates name it for good. Empty means that of the listener.
	PublicURL string
	// CASubject is what the authorities of a first start are called, such as
	// "C=CN, ST=Shanghai, O=Example"; empty parts take pki.DefaultSubject's.
	CASubject string
	// TLSCert and TLSKey are PEM files.
	TLSCert, TLSKey string
	// InsecureHTTP allows plain HTTP on an address others can reach.
	InsecureHTTP bool
	// ReadyFile is written with the base URL once the server answers.
	ReadyFile string

	// ChallengeLifetime is how long a challenge may be answered, 5 minutes by default.
	ChallengeLifetime time.Duration
	// CacheEntries bounds the cached devices.
	CacheEntries int
	// JournalRecords bounds the live records of the replay journal.
	JournalRecords int
	// Connections bounds the open connections of each HTTP listener, and
	// AddressConnections those of one address, trusted proxies excepted.
	Connections, AddressConnections int
	// AccessLog writes a line for every request.
	AccessLog bool
	ID2       httpd.ID2Options
	// EnOS has no keys: those come from the keyring and the store.
	EnOS httpd.EnOSOptions
	// EnOSSealed accepts the sealed tokens of Poseidon.
	EnOSSealed bool
	// LoginOrg is the organisation whose ciss apps sign in to the console, the
	// first one if empty.
	LoginOrg string
	// QRPrefix stands before the authId in the QR codes of the console.
	QRPrefix string

	// Version is what the list of nodes shows of this program.
	Version string
	Log     *slog.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Default settings.
const (
	DefaultListen            = "127.0.0.1:8080"
	DefaultChallengeLifetime = 5 * time.Minute
	DefaultSkew              = 15 * time.Minute
	DefaultFailureRate       = 100
	DefaultNonces            = 2_000_000
	DefaultEnOSSkew          = 10 * time.Minute
	DefaultTokenLifetime     = 2 * time.Hour
	DefaultAnswerBytes       = 64 << 20

	DefaultConnections        = 10_000
	DefaultAddressConnections = 1000
)

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("a data directory is needed: --data DIR")
	}
	setDefault(&c.Listen, DefaultListen)
	setDefault(&c.Store, "sqlite:"+filepath.Join(c.DataDir, "hallmark.db"))
	setDefault(&c.RootKeyFile, filepath.Join(c.DataDir, "root.key"))
	setDefault(&c.ChallengeLifetime, DefaultChallengeLifetime)
	setDefault(&c.Connections, DefaultConnections)
	setDefault(&c.AddressConnections, DefaultAddressConnections)
	setDefault(&c.ID2.Skew, DefaultSkew)
	setDefault(&c.ID2.Nonces, DefaultNonces)
	setDefault(&c.EnOS.Skew, DefaultEnOSSkew)
	setDefault(&c.EnOS.TokenLifetime, DefaultTokenLifetime)
	setDefault(&c.EnOS.AnswerBytes, DefaultAnswerBytes)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Lifetimes of a challenge that make sense: longer ones only help a thief.
const (
	minChallengeLifetime = time.Second
	maxChallengeLifetime = 24 * time.Hour
)

func (c *Config) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case c.ChallengeLifetime < minChallengeLifetime || c.ChallengeLifetime > maxChallengeLifetime:
		return fmt.Errorf("the challenge lifetime must be %v to %v", minChallengeLifetime, maxChallengeLifetime)
	case isShared(c.Store) && c.ChallengeLifetime > replay.MaxSharedLifetime:
		return fmt.Errorf("on PostgreSQL the challenge lifetime must be at most %v", replay.MaxSharedLifetime)
	case scanlogin.CheckPrefix(c.QRPrefix) != nil:
		return fmt.Errorf("--qr-prefix: %w", scanlogin.CheckPrefix(c.QRPrefix))
	case c.Connections < 0 || c.AddressConnections < 0:
		return errors.New("a bound of connections is at least 1")
	case c.PprofListen != "" && !httpd.IsLoopback(c.PprofListen):
		return errors.New("profiles show memory: --pprof-listen takes a loopback address only")
	}
	if err := c.checkPKI(); err != nil {
		return err
	}
	for _, address := range []string{c.Listen, c.AdminListen} {
		if address != "" && c.TLSCert == "" && !c.InsecureHTTP && !httpd.IsLoopback(address) {
			return fmt.Errorf("%s can be reached by others and would speak plain HTTP: give --tls-cert and --tls-key, or --insecure-http if a proxy in front of it speaks TLS", address)
		}
	}
	return nil
}

// checkPKI refuses what would stand in every certificate and be wrong there.
func (c *Config) checkPKI() error {
	if _, err := pki.ParseName(c.CASubject); c.CASubject != "" && err != nil {
		return fmt.Errorf("--ca-subject: %w", err)
	}
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("--public-url: %q is no address such as http://id.example.com", c.PublicURL)
	}
	return nil
}

// isShared reports whether a store address names one that several nodes share.
func isShared(dsn string) bool {
	_, embedded := store.Embedded(dsn)
	return !embedded
}
