package main

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/demo"
)

// DemoCmd shows the product at work.
type DemoCmd struct {
	Relay bool `help:"Show how a fleet moves whose keys only the vendor has; a second server plays the vendor."`
}

// Help implements kong.HelpProvider.
func (DemoCmd) Help() string { return "Example:\n\n    hallmark demo" }

// Run plays the demonstration; an unexpected outcome is an error.
func (c *DemoCmd) Run(ctx context.Context, env *Env) error {
	if c.Relay {
		return demo.RunRelay(ctx, env.Stdout)
	}
	return demo.Run(ctx, env.Stdout)
}
