package main

import (
	"os"
	"time"

	"golang.org/x/term"

	"github.com/hallmark-id/hallmark/internal/live"
)

// How often a load is shown, on a terminal and in a log.
const (
	liveEvery = 200 * time.Millisecond
	logEvery  = 5 * time.Second
)

// shower returns what shows how a load goes on standard error, and how often it
// is to be called: live on a terminal, with lines that fit so many columns, else
// one line for a log. Clear takes the live view away.
func (e *Env) shower(view func(width int) []string, line func() string) (draw func(), every time.Duration, clear func()) {
	if !isTerminal(e.Stderr) {
		return func() { e.note("%s", line()) }, logEvery, func() {}
	}
	file := e.Stderr.(*os.File)
	screen := live.NewScreen(file)
	return func() {
		width, rows, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 {
			width, rows = 80, 24
		}
		screen.Draw(view(width), rows)
	}, liveEvery, screen.Close
}
