package httpd

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hallmark-id/hallmark/enos"
)

// enosSearch is what a search asks for.
type enosSearch struct {
	equal map[string]string
	page  enos.Pagination
}

const (
	defaultPage = 10
	maxPage     = 200
	// maxFound bounds how deep a search pages: each page walks those before it.
	maxFound = 10_000
)

// term is one condition of an expression: a field and a quoted value.
var term = regexp.MustCompile(`^\s*([A-Za-z.]+)\s*=\s*(?:"([^"]*)"|'([^']*)')\s*$`)

var conjunction = regexp.MustCompile(`(?i)\s+and\s+`)

// readSearch reads the body of a search (enos §5). Of the vendor's expressions
// it knows field = 'value', joined by and; anything else is refused.
func readSearch(c *enosCall, fields ...string) (*enosSearch, error) {
	s := &enosSearch{equal: make(map[string]string), page: enos.Pagination{PageNo: 1, PageSize: defaultPage}}
	var req enos.SearchRequest
	if len(c.body) > 0 {
		if err := enos.Decode(c.body, &req); err != nil {
			return nil, err
		}
	}
	if p := req.Pagination; p != nil {
		s.page = enos.Pagination{PageNo: max(p.PageNo, 1), PageSize: p.PageSize}
		if p.PageSize == 0 {
			s.page.PageSize = defaultPage
		}
	}
	if s.page.PageSize < 1 || s.page.PageSize > maxPage || s.page.PageNo > maxFound || s.page.PageNo*s.page.PageSize > maxFound {
		return nil, enos.InvalidArgument("pagination", "pageSize must be 1 to 200, and the page within the first 10000")
	}
	if strings.TrimSpace(req.Expression) == "" {
		return s, nil
	}
	for _, text := range conjunction.Split(req.Expression, -1) {
		m := term.FindStringSubmatch(text)
		if m == nil || !slices.Contains(fields, strings.TrimSuffix(m[1], ".defaultValue")) {
			return nil, enos.InvalidArgument("expression", "field = 'value' is served, joined by and, for "+strings.Join(fields, ", "))
		}
		s.equal[strings.TrimSuffix(m[1], ".defaultValue")] = m[2] + m[3]
	}
	return s, nil
}

func (s *enosSearch) wants(field, value string) bool {
	want, asked := s.equal[field]
	return !asked || want == value
}

func (s *enosSearch) offset() int { return int((s.page.PageNo - 1) * s.page.PageSize) }
