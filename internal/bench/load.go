package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is what a closed loop of connections measured: each sends its next
// request as soon as the last one is answered.
type Load struct {
	Requests      int
	Wall          time.Duration
	P50, P99, Max time.Duration
}

// request is one ready request and a part of the answer that shows success.
type request struct {
	raw  []byte
	want []byte
}

var errAnswer = errors.New("an answer was not the expected one")

// drive sends all requests over conns connections and checks every answer.
func drive(ctx context.Context, address string, conns int, requests []request) (Load, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	latencies := make([]time.Duration, len(requests))
	began := time.Now()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			if err := driveOne(ctx, address, &next, requests, latencies); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Load{}, err
	}
	return summarise(latencies, time.Since(began)), nil
}

func driveOne(ctx context.Context, address string, next *atomic.Int64, requests []request, latencies []time.Duration) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answers := bufio.NewReader(conn)
	var body bytes.Buffer
	for {
		i := int(next.Add(1)) - 1
		if i >= len(requests) {
			return nil
		}
		sent := time.Now()
		if _, err := conn.Write(requests[i].raw); err != nil {
			return err
		}
		if err := readAnswer(answers, &body, requests[i].want); err != nil {
			return err
		}
		latencies[i] = time.Since(sent)
	}
}

func readAnswer(from *bufio.Reader, body *bytes.Buffer, want []byte) error {
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		return err
	}
	body.Reset()
	if _, err := io.Copy(body, res.Body); err != nil {
		return err
	}
	if !bytes.Contains(body.Bytes(), want) {
		return fmt.Errorf("%w: %s", errAnswer, body.Bytes())
	}
	return nil
}

func summarise(latencies []time.Duration, wall time.Duration) Load {
	slices.Sort(latencies)
	at := func(q float64) time.Duration { return latencies[int(q*float64(len(latencies)-1))] }
	return Load{Requests: len(latencies), Wall: wall, P50: at(0.5), P99: at(0.99), Max: at(1)}
}
