package httpd

import (
	"os"
	"testing"

	"github.com/hallmark-id/hallmark/internal/testtable"
)

// What the answers that the tests of this package have read said, by door.
var (
	id2Codes, enosCodes                testtable.Seen
	cissCodes, cissTexts, cissStatuses testtable.Seen
)

// TestMain holds every code in the doors' documents against the tests.
func TestMain(m *testing.M) {
	os.Exit(testtable.Main(m,
		testtable.Table{File: "../../docs/id2.md", After: "\n## Service codes\n", Seen: &id2Codes},
		testtable.Table{File: "../../docs/id2.md", After: "\n## Gateway errors\n", Seen: &id2Codes},
		testtable.Table{File: "../../docs/enos.md", After: "\n## Errors\n", Seen: &enosCodes},
		testtable.Table{File: "../../docs/enos.md", After: "\n| `status` |", Seen: &enosCodes},
		testtable.Table{File: "../../docs/enos.md", After: "\n| `status` of the older calls |", Seen: &enosCodes},
		testtable.Table{File: "../../docs/ciss.md", After: "\n## Status codes\n", Seen: &cissCodes},
		testtable.Table{File: "../../docs/ciss.md", After: "\n| `resultDesc` of 921 |", Seen: &cissTexts},
		testtable.Table{File: "../../docs/ciss.md", After: "\n| HTTP status |", Seen: &cissStatuses},
	))
}
