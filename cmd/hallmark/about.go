package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is set when a release is linked.
var version = "dev"

// VersionCmd prints the version.
type VersionCmd struct{}

// Help implements kong.HelpProvider.
func (VersionCmd) Help() string { return "Example:\n\n    hallmark version -o json" }

// build is what the binary knows of itself.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Run prints the version.
func (VersionCmd) Run(e *Env) error {
	b := build{Version: version, Revision: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return e.show(b, func(w io.Writer) {
		fmt.Fprintf(w, "hallmark %s (%s, %s, %s)\n", b.Version, b.Revision, b.Go, b.Platform)
	})
}

// HelpCmd explains a command.
type HelpCmd struct {
	Command []string `arg:"" optional:"" help:"Command to explain."`
}

// Help implements kong.HelpProvider.
func (HelpCmd) Help() string { return "Example:\n\n    hallmark help device import" }

// Run parses the command again, asking for its help, which ends the process.
func (cmd *HelpCmd) Run(parser *kong.Kong) error {
	_, err := parser.Parse(append(cmd.Command, "--help"))
	return err
}
