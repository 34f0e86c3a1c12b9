package faultproxy

import "strings"

// Kind is what a request is.
type Kind int

// The kinds of request.
const (
	Other   Kind = iota // a farewell, a password
	Startup             // a new session
	Prepare             // texts are only parsed
	Run                 // statements run

	// cancel asks to end what another session does. It never reaches the server:
	// by the time it does, that session may do something else.
	cancel
)

// Request is what a client sends before it waits.
type Request struct {
	Kind Kind
	// SQL holds the texts of the statements, prepared ones too, parted by "; ".
	SQL string
}

// Preparing matches requests that prepare a statement whose text contains a
// part, whatever the letters' case.
func Preparing(part string) func(Request) bool { return containing(Prepare, part) }

// Running matches requests that run a statement whose text contains a part,
// whatever the letters' case.
func Running(part string) func(Request) bool { return containing(Run, part) }

func containing(kind Kind, part string) func(Request) bool {
	part = strings.ToLower(part)
	return func(r Request) bool { return r.Kind == kind && strings.Contains(strings.ToLower(r.SQL), part) }
}

// Fault is an armed fault.
type Fault struct {
	match  func(Request) bool
	action Action
	struck chan struct{}
	done   chan struct{}
}

// Struck is closed when the fault has met its request.
func (f *Fault) Struck() <-chan struct{} { return f.struck }

// Done is closed when the server has finished a request whose answer does not
// reach the client.
func (f *Fault) Done() <-chan struct{} { return f.done }

// Hit reports whether the fault has met its request.
func (f *Fault) Hit() bool {
	select {
	case <-f.struck:
		return true
	default:
		return false
	}
}

// Action is what happens to a request.
type Action struct {
	what   what
	bytes  int
	before byte
	code   string
	gate   <-chan struct{}
}

type what int

const (
	cutBefore what = iota
	cutMidway
	cutAfter
	cutAnswer
	orphan
	fail
	kill
	hold
	silence
)

// CutBefore breaks the connection before the server hears of the request.
func CutBefore() Action { return Action{what: cutBefore} }

// CutMidway breaks the connection after the server got the first n bytes; a
// negative n leaves out so many at the end.
func CutMidway(n int) Action { return Action{what: cutMidway, bytes: n} }

// CutAfter lets the server finish the request and breaks the connection instead
// of passing the answer.
func CutAfter() Action { return Action{what: cutAfter} }

// CutAnswer lets the server finish the request and passes its answer up to the
// first message of a type ('C' command complete, 'D' row, 'Z' ready), where it
// breaks the connection.
func CutAnswer(before byte) Action { return Action{what: cutAnswer, before: before} }

// Orphan breaks the client's connection at once and passes the request to the
// server only when the gate is closed, as a network may that still holds it.
func Orphan(gate <-chan struct{}) Action { return Action{what: orphan, gate: gate} }

// Fail answers with an error of a SQLSTATE. The server does not hear of the
// request.
func Fail(code string) Action { return Action{what: fail, code: code} }

// Kill lets the server finish the request, answers with a fatal error of a
// SQLSTATE all the same, and breaks the connection: a server that stops may do
// so after it has committed.
func Kill(code string) Action { return Action{what: kill, code: code} }

// Hold delays the request until the gate is closed.
func Hold(gate <-chan struct{}) Action { return Action{what: hold, gate: gate} }

// Silence leaves the connection half open: the request is swallowed and nothing
// passes any more.
func Silence() Action { return Action{what: silence} }
