package operator

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// What the mux serves and what the document describes are the same operations,
// with the same query parameters and the same status of success.
func TestDocumentDescribesEveryRoute(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	served := map[string][]string{}
	for _, rt := range routes {
		query := slices.Clone(rt.query)
		slices.Sort(query)
		served[rt.method+" "+Prefix+rt.path] = query
	}
	described := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			described[method+" "+path] = queryOf(op)
		}
	}
	if diff := cmp.Diff(served, described, cmp.Transformer("set", func(s []string) string { return strings.Join(s, " ") })); diff != "" {
		t.Errorf("served (-) and described (+) differ:\n%s", diff)
	}
	for _, rt := range routes {
		want := rt.status
		if want == 0 {
			want = 200
		}
		op := doc.Paths.Value(Prefix + rt.path).GetOperation(rt.method)
		if op.Responses.Status(want) == nil {
			t.Errorf("%s %s: answers %d, which is not described", rt.method, rt.path, want)
		}
	}
}

func queryOf(op *openapi3.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.Value.In == "query" {
			names = append(names, p.Value.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Every code of the table of errors is in the document, and no other.
func TestDocumentNamesEveryErrorCode(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"invalid_input", "import_incomplete", "internal"}
	for _, k := range kinds {
		codes = append(codes, k.code)
	}
	slices.Sort(codes)
	var described []string
	schema := doc.Components.Schemas["Error"].Value.Properties["error"].Value.Properties["code"].Value
	for _, v := range schema.Enum {
		described = append(described, v.(string))
	}
	slices.Sort(described)
	if diff := cmp.Diff(slices.Compact(codes), described); diff != "" {
		t.Error(diff)
	}
}
