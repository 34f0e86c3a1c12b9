package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"github.com/hallmark-id/hallmark/internal/httpd"
	"github.com/hallmark-id/hallmark/internal/server"
)

// ServeCmd runs the server.
type ServeCmd struct {
	Listen       string `placeholder:"ADDR" default:"127.0.0.1:8080" help:"Address to listen on; port 0 takes a free one."`
	AdminListen  string `placeholder:"ADDR" help:"Serve the operator API, the console and the metrics here instead of on the public address."`
	ITLSListen   string `name:"itls-listen" placeholder:"ADDR" help:"Let devices provision themselves over iTLS here; without it they cannot."`
	PprofListen  string `placeholder:"ADDR" help:"Serve profiles on this loopback address."`
	Store        string `placeholder:"URL" env:"HALLMARK_STORE" help:"sqlite:FILE or postgres://USER@HOST/DATABASE; hallmark.db in the data directory if not given."`
	RootKeyFile  string `placeholder:"FILE" help:"The key that seals all secrets, made at the first start; root.key in the data directory if not given. Keep a copy apart from the data."`
	ReadyFile    string `placeholder:"FILE" help:"Write the base URL here once the server answers."`
	TLSCert      string `placeholder:"FILE" help:"Certificate chain, PEM."`
	TLSKey       string `placeholder:"FILE" help:"Private key of the certificate, PEM."`
	PublicURL    string `placeholder:"URL" help:"Address under which devices reach this server, such as http://id.example.com; device certificates name it for good. That of --listen if not given."`
	CASubject    string `placeholder:"DN" help:"Subject of the certificate authorities that the first start makes, such as \"C=CN, ST=Shanghai, L=Shanghai, O=Example, OU=Devices\"; devices must repeat its C, ST and O."`
	InsecureHTTP bool   `help:"Allow plain HTTP on an address that others can reach, as behind a proxy that speaks TLS."`

	ChallengeLifetime time.Duration  `default:"5m" help:"How long a challenge may be answered."`
	GatewaySkew       time.Duration  `default:"15m" help:"How far a request's timestamp may be from the clock."`
	StringlyJSON      bool           `help:"Answer the id2 door's JSON with every value as text, as the vendor's samples print it."`
	FailureRate       float64        `default:"100" help:"Failed requests per second and address before it is slowed down; 0 for no bound."`
	ClientRate        float64        `help:"Requests per second and API client; 0 for no bound."`
	MaxConnections    int            `default:"10000" placeholder:"N" help:"Open connections in all, per listener."`
	MaxPerAddress     int            `name:"max-connections-per-address" default:"1000" placeholder:"N" help:"Open connections of one address; trusted proxies may have more."`
	TrustedProxy      []netip.Prefix `placeholder:"CIDR,…" help:"Networks of proxies whose X-Forwarded-For tells a caller's address, for limits and allowed networks."`
	EnOSSkew          time.Duration  `name:"enos-skew" default:"10m" help:"How far the timestamp of a request to the EnOS door may be from the clock."`
	EnOSRefuseSHA1    bool           `name:"enos-refuse-sha1" help:"Refuse SHA-1 signatures for the EnOS door's older calls (/enosapi), although most clients of those know no other."`
	EnOSSealedToken   bool           `name:"enos-sealed-token" help:"Accept the sealed tokens of Poseidon SDKs that were given this server's key (/enos/CA/poseidon.pem). They sign nothing of a request: TLS must protect it."`
	LoginOrg          string         `placeholder:"NAME" help:"Organisation whose ciss apps sign in to the console; the first one if not given."`
	QRPrefix          string         `name:"qr-prefix" placeholder:"TEXT" help:"Stands before the authId in the console's QR codes, such as https://login.example/scan?authId=."`
	CacheEntries      int            `default:"1000000" help:"Devices kept in memory, at some 200 bytes each."`

	DrainDelay time.Duration `help:"How long to answer on, saying not ready, before stopping: a balancer's time to look elsewhere."`

	LogFormat string `enum:"text,json" default:"text" help:"text or json."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	AccessLog bool   `help:"Log a line for every request; never its parameters."`
}

// Help is shown by hallmark serve --help.
func (*ServeCmd) Help() string {
	return `The first start makes the store, the root key and the operator token in the data directory.

  hallmark serve --data /var/lib/hallmark
  hallmark product create --data /var/lib/hallmark --name pump --algorithm aes128`
}

// drainTimeout is how long requests under way may take at the end.
const drainTimeout = 30 * time.Second

// Run serves until the context ends.
func (c *ServeCmd) Run(ctx context.Context, env *Env) error {
	if env.Data == "" {
		return usage("serve needs --data DIR, where it keeps everything")
	}
	tuneCollector()
	log := c.logger(env)
	s, err := server.Start(ctx, c.config(env, log))
	if err != nil {
		return err
	}
	log.Info("hallmark serves", "url", s.URL(), "data", env.Data)
	select {
	case <-ctx.Done():
		log.Info("stopping: finishing the requests under way")
		s.Drain(c.DrainDelay)
	case err = <-s.Failed():
		err = fmt.Errorf("a listener ended: %w", err)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if stopErr := s.Shutdown(drain); err == nil {
		err = stopErr
	}
	return err
}

// collectAt is how many percent the heap may grow before garbage is collected.
// A server keeps little beside its caches, so that Go's own 100 would collect
// many times a second; this saves a twentieth of the processor time.
const collectAt = 300

// tuneCollector sets the garbage collector, unless its own variable does.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

func (c *ServeCmd) config(env *Env, log *slog.Logger) server.Config {
	return server.Config{
		DataDir: env.Data, Store: c.Store, RootKeyFile: c.RootKeyFile, ReadyFile: c.ReadyFile,
		Listen: c.Listen, AdminListen: c.AdminListen, PprofListen: c.PprofListen, ITLSListen: c.ITLSListen,
		PublicURL: c.PublicURL, CASubject: c.CASubject, TLSCert: c.TLSCert, TLSKey: c.TLSKey, InsecureHTTP: c.InsecureHTTP,
		ChallengeLifetime: c.ChallengeLifetime, CacheEntries: c.CacheEntries, AccessLog: c.AccessLog, Connections: c.MaxConnections, AddressConnections: c.MaxPerAddress, LoginOrg: c.LoginOrg, QRPrefix: c.QRPrefix, Log: log, Version: version,
		ID2:  httpd.ID2Options{Skew: c.GatewaySkew, Stringly: c.StringlyJSON, FailureRate: c.FailureRate, ClientRate: c.ClientRate, TrustedProxies: c.TrustedProxy},
		EnOS: httpd.EnOSOptions{Skew: c.EnOSSkew, RefuseSHA1: c.EnOSRefuseSHA1, FailureRate: c.FailureRate, ClientRate: c.ClientRate, TrustedProxies: c.TrustedProxy}, EnOSSealed: c.EnOSSealedToken,
	}
}

func (c *ServeCmd) logger(env *Env) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(env.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(env.Stderr, o))
}
