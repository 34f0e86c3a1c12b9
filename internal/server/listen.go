package server

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hallmark-id/hallmark/internal/console"
	"github.com/hallmark-id/hallmark/internal/durable"
	"github.com/hallmark-id/hallmark/internal/httpd"
	"github.com/hallmark-id/hallmark/internal/itlsd"
	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/relay"
)

// Names of the files in the data directory that commands look for.
const (
	TokenFile = "operator.token"
	StateFile = "server.json"
)

// State is the content of StateFile: where the server on a data directory
// answers.
type State struct {
	URL         string    `json:"url"`
	AdminURL    string    `json:"admin_url"`
	ITLSAddress string    `json:"itls_address,omitempty"`
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`
}

type listener struct {
	net.Listener
	server *http.Server
	url    string
}

// listen starts all listeners.
func (s *Server) listen() error {
	c := &s.config
	reg := s.newMetrics()
	s.relay = relay.New(relay.Options{Registry: s.registry, Metrics: reg, Note: s.authn.Note, Now: s.clock.Now, Random: rand.Reader,
		Log: c.Log, AccessLog: c.AccessLog})
	metrics, handler := httpd.NewMetrics(reg), promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	o := httpd.Options{Registry: s.registry, Authn: s.authn, Provision: s.provision, Relay: s.relay, Scans: s.scans, PKI: s.pki, Metrics: metrics, Log: c.Log, Now: s.clock.Now, Ready: s.ready,
		AccessLog: c.AccessLog, ID2: c.ID2, EnOS: c.EnOS}
	admin := o
	admin.Operator = operator.New(operator.Options{Registry: s.registry, PKI: s.pki, Accounts: s.accounts, Relay: s.relay, Authn: s.authn, TokenHash: s.token, Log: c.Log, RequestID: httpd.RequestID})
	pages, err := s.newConsole(reg)
	if err != nil {
		return err
	}
	admin.Console = pages
	admin.MetricsHandler = operator.RequireToken(s.token, handler)
	if c.AdminListen == "" {
		o = admin
	}
	connections := newConnectionMetrics(reg)
	if _, err := s.serve("public", c.Listen, httpd.New(o), connections); err != nil {
		return err
	}
	if s.node.ID, err = registry.NewID(rand.Reader); err != nil {
		return err
	}
	s.node.URL, s.node.Version, s.node.Started = s.url, c.Version, registry.At(s.clock.Now())
	if c.AdminListen != "" {
		if _, err := s.serve("admin", c.AdminListen, httpd.NewAdmin(admin), connections); err != nil {
			return err
		}
	}
	if c.ITLSListen != "" {
		if err := s.serveITLS(reg); err != nil {
			return err
		}
	}
	if c.PprofListen != "" {
		return s.servePprof()
	}
	return nil
}

// newConsole makes the web console.
func (s *Server) newConsole(reg prometheus.Registerer) (http.Handler, error) {
	c := &s.config
	return console.New(console.Options{Registry: s.registry, Accounts: s.accounts, Scans: s.scans, Org: c.LoginOrg, QRPrefix: c.QRPrefix,
		RequestID: httpd.RequestID, Metrics: reg, Log: c.Log, Now: s.clock.Now,
		Caller: func(r *http.Request) console.Caller {
			return console.Caller{Address: httpd.Remote(r, c.ID2.TrustedProxies), Secure: httpd.IsSecure(r, c.ID2.TrustedProxies)}
		}})
}

// serveITLS lets devices provision themselves.
func (s *Server) serveITLS(reg prometheus.Registerer) error {
	c := &s.config
	tcp, err := net.Listen("tcp", c.ITLSListen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.itls = itlsd.New(itlsd.Options{Provision: s.provision, Metrics: itlsd.NewMetrics(reg), Log: c.Log, Now: s.clock.Now,
		FailureRate: c.ID2.FailureRate, AccessLog: c.AccessLog})
	s.itlsAddress = tcp.Addr().String()
	go func() {
		if err := s.itls.Serve(tcp); err != nil {
			s.failed <- err
		}
	}()
	c.Log.Info("devices can provision themselves over iTLS", "address", s.itlsAddress)
	return nil
}

func (s *Server) serve(name, address string, h http.Handler, m *connectionMetrics) (*listener, error) {
	open, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	places := limit.NewConnections(s.maxConnections(), s.config.AddressConnections, s.config.ID2.TrustedProxies...)
	tcp := httpd.LimitListener(open.(*net.TCPListener), places, m.watch(name, places))
	l := &listener{Listener: tcp, server: httpd.NewServer(h, s.config.Log), url: "http://" + tcp.Addr().String()}
	l.server.RegisterOnShutdown(s.scans.Close) // pages that wait would wait on
	s.listeners = append(s.listeners, l)
	if s.config.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.config.TLSCert, s.config.TLSKey)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("TLS certificate: %w", err), tcp.Close())
		}
		l.Listener = tls.NewListener(tcp, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
		l.url = "https://" + tcp.Addr().String()
	}
	if s.url == "" { // the public one comes first, and requests may ask for it
		s.url = l.url
	}
	go func() {
		if err := l.server.Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return l, nil
}

// servePprof serves profiles in plain HTTP: the address is this machine's own.
func (s *Server) servePprof() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	tcp, err := net.Listen("tcp", s.config.PprofListen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.listeners = append(s.listeners, &listener{Listener: tcp, server: srv})
	go func() { _ = srv.Serve(tcp) }()
	s.config.Log.Info("profiles are served", "url", "http://"+tcp.Addr().String()+"/debug/pprof/")
	return nil
}

// announce tells where the server answers: first to commands, then to who
// waits for the ready file.
func (s *Server) announce() error {
	state := State{URL: s.url, AdminURL: s.AdminURL(), ITLSAddress: s.itlsAddress, PID: os.Getpid(), Started: s.config.Now().UTC()}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(s.stateFile(), append(text, '\n'), 0o600); err != nil {
		return err
	}
	if s.config.ReadyFile == "" {
		return nil
	}
	return durable.WriteFile(s.config.ReadyFile, []byte(s.url+"\n"), 0o644)
}

// withdraw removes the state file, unless another server has replaced it.
func (s *Server) withdraw() error {
	text, err := os.ReadFile(s.stateFile())
	var state State
	if err != nil || json.Unmarshal(text, &state) != nil || state.URL != s.url {
		return nil
	}
	return os.Remove(s.stateFile())
}

func (s *Server) stateFile() string { return filepath.Join(s.config.DataDir, StateFile) }

// URL is the base URL of the public listener.
func (s *Server) URL() string { return s.url }

// ITLSAddress is where devices provision themselves over iTLS, "" if nowhere.
func (s *Server) ITLSAddress() string { return s.itlsAddress }

// AdminURL is the base URL of the operator API.
func (s *Server) AdminURL() string {
	if s.config.AdminListen != "" {
		return s.listeners[1].url
	}
	return s.url
}
