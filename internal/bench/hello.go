package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hallmark-id/hallmark/internal/durable"
)

// ServeHello runs the yardstick: a bare net/http server that says hello. It
// returns when ctx ends.
func ServeHello(ctx context.Context, readyFile string) error {
	hello := []byte("hello")
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(hello)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(readyFile, []byte("http://"+l.Addr().String()), 0o644); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
