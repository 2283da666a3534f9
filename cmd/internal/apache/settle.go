package apache

import "slices"

// settle writes into a route in what its settings differ from the site's.
func (b *builder) settle(route *table, n, root *node) {
	for _, e := range n.settings.entries {
		own := route.has("root") && (e.key == "index" || e.key == "listing" || e.key == "fallback") // a route with root takes none of the site's
		if above := root.settings.entry(e.key); own || above == nil || render(above.value) != render(e.value) {
			route.set(e.key, e.value, e.from...)
		} else {
			above.come(e.from)
		}
	}
	b.undo(route, n, root)
	if pages := pagesOf(n.settings); pages != pagesOf(root.settings) {
		route.children = append(route.children, retitled(n.settings.children, "[[site.route.error_page]]")...)
	}
	var own []*Directive
	for _, d := range n.headers {
		if !slices.Contains(root.headers, d) {
			own = append(own, d)
		}
	}
	b.headers(route, own)
}

// undo takes back on a route what the site says and the route's section does not.
func (b *builder) undo(route *table, n, root *node) {
	open := root.settings.has("allow") || root.settings.has("deny")
	if open && !n.settings.has("allow") && !n.settings.has("deny") && n.rule != nil && (n.rule.kind == proxied || n.rule.kind == static) {
		route.set("allow", []string{"all"})
	}
	if root.settings.has("auth_file") && !n.settings.has("auth_file") {
		route.set("auth_file", "")
	}
}

func pagesOf(t *table) string {
	text := ""
	for _, child := range t.children {
		text += child.content()
	}
	return text
}
