package main

import (
	"context"
)

// NodeCmd groups the commands for the servers on one store.
type NodeCmd struct {
	List   NodeListCmd   `cmd:"" help:"List the nodes."`
	Drain  NodeDrainCmd  `cmd:"" help:"Let a node tell balancers that it takes no more requests."`
	Resume NodeResumeCmd `cmd:"" help:"End the draining of a node."`
}

// NodeListCmd lists the nodes.
type NodeListCmd struct{}

// Help implements kong.HelpProvider.
func (NodeListCmd) Help() string {
	return "A node that crashed stays in the list for a day, with an old LAST SEEN.\n\nExample:\n\n    hallmark --data ./data node list"
}

// Run lists the nodes.
func (NodeListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"NODE", "URL", "VERSION", "STARTED", "LAST SEEN", "DRAINING"}}
	for _, n := range list.Nodes {
		t.add(n.NodeID, n.URL, n.Version, n.Started, n.LastSeen, yes(n.Draining))
	}
	return e.print(list, t)
}

// nodeArg is the node that a command is about.
type nodeArg struct {
	Node string `arg:"" help:"Its id in the list."`
}

// NodeDrainCmd drains a node.
type NodeDrainCmd struct{ nodeArg }

// Help implements kong.HelpProvider.
func (NodeDrainCmd) Help() string {
	return "The node goes on answering; its /readyz says that it is not ready, within two seconds.\n\nExample:\n\n    hallmark --data ./data node drain 2s0xdt4hs0cby"
}

// Run drains a node.
func (cmd *NodeDrainCmd) Run(ctx context.Context, e *Env) error {
	return setDraining(ctx, e, cmd.Node, true)
}

// NodeResumeCmd ends the draining of a node.
type NodeResumeCmd struct{ nodeArg }

// Help implements kong.HelpProvider.
func (NodeResumeCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data node resume 2s0xdt4hs0cby"
}

// Run ends the draining of a node.
func (cmd *NodeResumeCmd) Run(ctx context.Context, e *Env) error {
	return setDraining(ctx, e, cmd.Node, false)
}

func setDraining(ctx context.Context, e *Env, node string, draining bool) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	standing, err := c.SetNodeDraining(ctx, node, draining)
	if err != nil {
		return err
	}
	return e.printFields(standing)
}
