package itlsd

import (
	"os"
	"testing"

	"github.com/hallmark-id/hallmark/internal/testtable"
)

// given are the alerts that the tests have got from the door.
var given testtable.Seen

// TestMain holds every alert of the document against the tests.
func TestMain(m *testing.M) {
	os.Exit(testtable.Main(m, testtable.Table{File: "../../docs/id2.md", After: "\n### Alerts\n", Seen: &given}))
}
