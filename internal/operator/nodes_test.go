package operator_test

import (
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestNodes(t *testing.T) {
	s := newServer(t)
	node := registry.Node{ID: 77, URL: "http://10.0.0.1:8080", Version: "1.2.3", Started: 1000, Seen: 2000}
	if _, err := s.store.Beat(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	list, err := s.client().Nodes(t.Context())
	want := operator.Node{NodeID: node.ID.String(), URL: node.URL, Version: "1.2.3", Started: node.Started.String(), LastSeen: node.Seen.String()}
	if err != nil || len(list.Nodes) != 1 || list.Nodes[0] != want {
		t.Fatalf("%+v, %v; want %+v", list, err, want)
	}
	for _, draining := range []bool{true, false} {
		standing, err := s.client().SetNodeDraining(t.Context(), want.NodeID, draining)
		if err != nil || standing.Draining != draining {
			t.Errorf("%+v, %v", standing, err)
		}
		if asked, err := s.store.Beat(t.Context(), node); err != nil || asked != draining {
			t.Errorf("the node is told %v, %v; want %v", asked, err, draining)
		}
	}
	for _, unknown := range []string{"nobody", registry.ID(78).String()} {
		if _, err := s.client().SetNodeDraining(t.Context(), unknown, true); err == nil {
			t.Errorf("drained %s, which is no node", unknown)
		}
	}
}
