package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows on a terminal how far a transfer is; elsewhere it is silent.
type progress struct{ bar *progressbar.ProgressBar }

// progress begins to show a transfer of so many bytes, -1 if nobody knows.
func (e *Env) progress(what string, bytes int64) progress {
	if !isTerminal(e.Stderr) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(bytes,
		progressbar.OptionSetWriter(e.Stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
	)}
}

// counting begins to show how many of so many things are done.
func (e *Env) counting(what string, n int) progress {
	if !isTerminal(e.Stderr) {
		return progress{}
	}
	return progress{progressbar.NewOptions(n,
		progressbar.OptionSetWriter(e.Stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// add shows that more things are done.
func (p progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // what cannot be drawn does not count
	}
}

func (p progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	reader := progressbar.NewReader(r, p.bar)
	return &reader
}

// finish takes the bar away. It may be called more than once.
func (p progress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear() // what cannot be drawn need not be wiped
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// size returns the length of a regular file, -1 for anything else.
func size(stream any) int64 {
	f, ok := stream.(*os.File)
	if !ok {
		return -1
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}
