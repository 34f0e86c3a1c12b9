package operator

import (
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Node is a server process on the store.
type Node struct {
	NodeID  string `json:"node_id"`
	URL     string `json:"url"`
	Version string `json:"version"`
	Started string `json:"started"`
	// LastSeen is when it last told that it lives; an old one belongs to a node
	// that crashed.
	LastSeen string `json:"last_seen"`
	Draining bool   `json:"draining"`
}

// NodeList is what listing nodes answers.
type NodeList struct {
	Nodes []Node `json:"nodes"`
}

// NodeStanding is what draining and resuming a node answers.
type NodeStanding struct {
	NodeID   string `json:"node_id"`
	Draining bool   `json:"draining"`
}

func listNodes(c *call) (any, error) {
	nodes, err := c.Registry.Nodes(c.r.Context())
	if err != nil {
		return nil, err
	}
	list := NodeList{Nodes: make([]Node, len(nodes))}
	for i, n := range nodes {
		list.Nodes[i] = Node{NodeID: n.ID.String(), URL: n.URL, Version: n.Version, Started: n.Started.String(),
			LastSeen: n.Seen.String(), Draining: n.Draining}
	}
	return list, nil
}

func drainNode(c *call) (any, error)  { return c.setDraining(true) }
func resumeNode(c *call) (any, error) { return c.setDraining(false) }

func (c *call) setDraining(draining bool) (any, error) {
	name := c.r.PathValue("node_id")
	id, ok := registry.ParseID(name)
	if !ok {
		return nil, registry.ErrNotFound
	}
	return NodeStanding{NodeID: name, Draining: draining}, c.Registry.SetNodeDraining(c.r.Context(), id, draining, c.by)
}
