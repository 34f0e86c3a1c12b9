package operator

import (
	_ "embed" // the document
	"net/http"
)

// Document is the API's description in OpenAPI 3, as JSON.
//
//go:embed openapi.json
var Document []byte

func serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	// A caller who is gone needs no error.
	_, _ = w.Write(Document)
}
