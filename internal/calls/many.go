package calls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hallmark-id/hallmark/internal/load"
)

// makers is how many requests are made at once. Some need an answer of the server
// first, so that there are more of them than cores.
const makers = 64

// many makes n of something; it stops at the first error.
func many[T any](ctx context.Context, n int, make1 func(ctx context.Context, i int) (T, error)) ([]T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	made := make([]T, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(makers, n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				var err error
				if made[i], err = make1(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return made, context.Cause(ctx)
}

// recorder is a transport that keeps requests instead of sending them, for those
// whose context says so. The doors' own clients make the requests that way, so
// that load is what a real client sends.
type recorder struct{ http.RoundTripper }

type recordKey struct{}

// errRecorded ends the call of a client whose request was kept.
var errRecorded = errors.New("the request was recorded")

// RoundTrip keeps a request or sends it.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	into, ok := req.Context().Value(recordKey{}).(*load.Request)
	if !ok {
		return r.RoundTripper.RoundTrip(req)
	}
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	*into = b.Bytes()
	return nil, errRecorded
}

// record returns the request that a client sends in call.
func record(ctx context.Context, call func(context.Context) error) (load.Request, error) {
	var kept load.Request
	err := call(context.WithValue(ctx, recordKey{}, &kept))
	if errors.Is(err, errRecorded) {
		return kept, nil
	}
	if err == nil {
		err = errors.New("the client sent no request")
	}
	return nil, err
}

// get returns the body of a page.
func get(ctx context.Context, client *http.Client, url string, h http.Header) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header = h
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var text strings.Builder
	_, err = io.Copy(&text, io.LimitReader(res.Body, maxPage))
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(url + ": " + res.Status)
	}
	return text.String(), err
}

// maxPage bounds a page that is read.
const maxPage = 1 << 20
