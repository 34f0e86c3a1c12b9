// Command hallmark is a self-hosted identity server for devices, and the tool
// that runs one: it serves, it manages products, devices and API clients over
// the server's operator API, and it plays a device or a load for tests.
//
// Exit status: 0 done, 1 failed, 2 wrong use, 3 done but some of the input was
// refused.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/hallmark-id/hallmark/id2"
)

// The exit statuses.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitPartly
)

// cli is the command tree.
type cli struct {
	Globals

	Serve ServeCmd `cmd:"" help:"Run the server." group:"Server:"`
	Demo  DemoCmd  `cmd:"" help:"Show everything once on a temporary store." group:"Server:"`
	Bench BenchCmd `cmd:"" help:"Measure a server under load." group:"Server:"`

	Org     OrgCmd     `cmd:"" help:"Organisations (企业), which see nothing of each other." group:"Operator commands:"`
	Product ProductCmd `cmd:"" help:"Products (产品, ProductKey): what devices of one kind share." group:"Operator commands:"`
	Device  DeviceCmd  `cmd:"" help:"Devices (设备) and their ID²." group:"Operator commands:"`
	Client  ClientCmd  `cmd:"" help:"API clients (AccessKey): credentials for one door." group:"Operator commands:"`
	CA      CACmd      `cmd:"" name:"ca" help:"Certificate authorities (CA, 认证机构)." group:"Operator commands:"`
	Cert    CertCmd    `cmd:"" help:"Device certificates (设备证书)." group:"Operator commands:"`
	CISS    CISSCmd    `cmd:"" name:"ciss" help:"Scan login (扫码登录): settings of apps, trusted authorities." group:"Operator commands:"`
	Account AccountCmd `cmd:"" help:"Accounts (账号) of the people who sign in to the console." group:"Operator commands:"`
	App     AppCmd     `cmd:"" help:"A phone app (应用APP) on the command line." group:"Operator commands:"`
	Licence LicenceCmd `cmd:"" help:"Licences (授权) that devices have taken." group:"Operator commands:"`
	Relay   RelayCmd   `cmd:"" help:"Relay (中继): devices whose key the vendor holds are asked of its service." group:"Operator commands:"`
	Audit   AuditCmd   `cmd:"" help:"The record of what was changed and refused." group:"Operator commands:"`
	Node    NodeCmd    `cmd:"" help:"Nodes: the servers on one store." group:"Operator commands:"`

	Version    VersionCmd    `cmd:"" help:"Print the version." group:"About:"`
	Completion CompletionCmd `cmd:"" help:"Print a completion script for a shell." group:"About:"`
	Help       HelpCmd       `cmd:"" help:"Explain a command." group:"About:"`
}

// Globals are the flags that every command takes, before or after its name.
type Globals struct {
	Data      string `placeholder:"DIR" help:"Data directory: where serve keeps everything, and where other commands find the server that runs on it."`
	Server    string `placeholder:"URL" help:"Address of the server (HALLMARK_SERVER)."`
	TokenFile string `placeholder:"FILE" help:"File with the operator token (HALLMARK_TOKEN_FILE); with --data, DIR/operator.token."`
	CACert    string `name:"ca-cert" placeholder:"FILE" help:"Trust the certificates of this private authority, PEM."`
	Org       string `placeholder:"NAME" help:"Organisation by name or id; the first one if not given."`
	Output    string `short:"o" enum:"table,json,csv" default:"table" help:"table for people, json for programs (one document), csv for device export and lists of certificates."`
}

// Env is what commands run in. Their Run methods take it, and a context that
// ends on an interrupt.
type Env struct {
	*Globals
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run executes one command line and returns the exit status. Help ends the
// process by itself.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	env := &Env{Globals: &c.Globals, Stdin: stdin, Stdout: stdout, Stderr: stderr}
	parser, err := newParser(&c, env)
	if err != nil {
		return env.report(err)
	}
	selected, err := parser.Parse(args)
	if err == nil {
		err = checkOutput(selected, c.Output)
	}
	if err != nil {
		return env.report(err)
	}
	selected.BindTo(ctx, (*context.Context)(nil))
	return env.report(selected.Run(env, parser))
}

func newParser(c *cli, env *Env) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("hallmark"),
		kong.Description("A self-hosted identity server for devices.\n\nhallmark demo shows it at work; hallmark serve --data DIR runs it."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.Vars{"algorithms": strings.Join(algorithmNames(), ","), "hashes": "md5,sha1,sha256,sm3"},
	)
}

func algorithmNames() []string {
	var names []string
	for _, a := range id2.Algorithms() {
		names = append(names, a.String())
	}
	return names
}

// withCSV are the commands that print csv.
var withCSV = []string{"device export", "cert list", "cert search <text>", "cert expiring"}

// checkOutput refuses csv where there is none.
func checkOutput(selected *kong.Context, output string) error {
	if output == "csv" && !slices.Contains(withCSV, selected.Command()) {
		return usage("-o csv goes only with device export and with cert list, search and expiring; use -o json")
	}
	return nil
}

// report prints an error as one line and returns the exit status.
func (e *Env) report(err error) int {
	var parse *kong.ParseError
	var wrong *usageError
	var partly *partlyError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &parse):
		e.complain(err.Error(), "run "+helpFor(parse.Context))
		return exitUsage
	case errors.As(err, &wrong):
		e.complain(err.Error(), "")
		return exitUsage
	case errors.As(err, &partly):
		e.complain(err.Error(), partly.hint)
		return exitPartly
	}
	e.complain(e.explain(err))
	return exitFailed
}

// helpFor is the command that explains the one that was misused.
func helpFor(c *kong.Context) string {
	if c == nil {
		return "hallmark --help"
	}
	if node := c.Selected(); node != nil {
		return "hallmark " + strings.TrimPrefix(node.Path(), "hallmark ") + " --help"
	}
	return "hallmark --help"
}
