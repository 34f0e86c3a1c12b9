package main

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/demo"
)

// DemoCmd shows the product at work.
type DemoCmd struct{}

// Run plays the demonstration; an unexpected outcome is an error.
func (c *DemoCmd) Run(ctx context.Context, env *Env) error { return demo.Run(ctx, env.Stdout) }
