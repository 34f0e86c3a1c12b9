package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hallmark-id/hallmark/internal/durable"
)

const hello = "hello"

// ServeHello runs the yardstick: a bare net/http server that says hello, over TLS
// if it has a certificate. It returns when ctx ends.
func ServeHello(ctx context.Context, readyFile string, certificate *tls.Certificate) error {
	text := []byte(hello)
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(text)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String()
	if certificate != nil {
		url = "https://" + l.Addr().String()
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	if err := durable.WriteFile(readyFile, []byte(url), 0o644); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
