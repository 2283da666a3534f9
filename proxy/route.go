package proxy

import (
	"fmt"
	"regexp"
	"slices"
)

// route is some paths of a site and how requests for them are answered: by
// upstream or, where that is nil, by answer.
type route struct {
	path    string
	exact   bool           // path is the whole path
	pattern *regexp.Regexp // in the place of path; nil: none
	strip   bool
	rewrite *destination // nil: none
	body    int64        // largest request body; 0: no limit

	upstream *upstream
	answer   answerer

	access   *access  // nil: everybody is served
	login    *login   // nil: nobody is asked
	request  []change // of the headers of requests to the backend
	response []change // of those of responses to the client
	pages    ownPages
}

// answerer answers requests in gateway itself.
type answerer interface {
	answer(h *Handler, c *call)
}

// AnswersWithoutBackend reports whether some site, or a route of one, serves files,
// redirects or responds with a status, so that a file without backends makes sense.
func (c Config) AnswersWithoutBackend() bool {
	return slices.ContainsFunc(c.Sites, func(s Site) bool {
		return slices.ContainsFunc(s.allRoutes(), func(r Route) bool { return r.answers() && r.Backend == "" })
	})
}

// allRoutes are the routes of a site, with what answers for the site itself as
// the last of them.
func (s Site) allRoutes() []Route {
	if !s.own().answers() {
		return s.Routes
	}
	own := s.own()
	own.Headers, own.ErrorPages = Headers{}, nil // every route has the site's
	return append(s.Routes[:len(s.Routes):len(s.Routes)], own)
}

// own is the route "/" that the keys of the site itself make.
func (s Site) own() Route {
	return Route{Path: "/", Backend: s.Backend, Body: s.Body, Rules: s.Rules}
}

// answers reports whether the route itself names what answers.
func (r Route) answers() bool {
	return r.Backend != "" || r.Root != "" || r.Redirect != "" || r.Respond != 0
}

// under completes a route with what its site says where it is silent.
func (r Route) under(s Site) Route {
	if r.Body == nil {
		r.Body = s.Body
	}
	if !r.answers() {
		r.Backend, r.Root, r.Redirect, r.RedirectStatus, r.Respond = s.Backend, s.Root, s.Redirect, s.RedirectStatus, s.Respond
		r.Index, r.Listing, r.Fallback = s.Index, s.Listing, s.Fallback
	}
	if len(r.Allow) == 0 && len(r.Deny) == 0 {
		r.Allow, r.Deny = s.Allow, s.Deny
	}
	if r.AuthFile == nil {
		r.AuthFile, r.AuthRealm = s.AuthFile, s.AuthRealm
	}
	return r
}

// parts are what the routes of all sites have in common.
type parts struct {
	upstreams map[string]*upstream
	users     *userFiles
}

// newRoute compiles a route of a site whose pages were read already.
func newRoute(r Route, s Site, pages ownPages, with parts) (*route, error) {
	r = r.under(s)
	one := &route{path: r.Path, exact: r.Exact, strip: r.Strip, body: int64(*r.Body), upstream: with.upstreams[r.Backend]}
	err := one.compile(r, s)
	if err != nil {
		return nil, err
	}
	if one.login, err = r.login(s.Name, with.users); err != nil {
		return nil, fmt.Errorf("auth_file: %w", err)
	}
	one.pages, err = pages.with(r.ErrorPages)
	return one, err
}

// compile reads all that can be written wrong.
func (one *route) compile(r Route, s Site) (err error) {
	if one.pattern, err = r.pattern(); err != nil {
		return fmt.Errorf("match %q: %w", r.Match, err)
	}
	if r.Rewrite != "" {
		to, err := parseRewrite(r.Rewrite, r.placeholders())
		if err != nil {
			return fmt.Errorf("rewrite: %w", err)
		}
		one.rewrite = &to
	}
	if one.answer, err = r.answerer(); err != nil {
		return fmt.Errorf("redirect: %w", err)
	}
	if one.access, err = r.access(); err != nil {
		return err
	}
	return one.compileHeaders(s.Headers, r.Headers)
}

// compileHeaders has the site's changes made before the route's.
func (one *route) compileHeaders(levels ...Headers) error {
	for _, h := range levels {
		request, err := parseChanges(h.requestKeys())
		if err != nil {
			return err
		}
		response, err := parseChanges(h.responseKeys())
		if err != nil {
			return err
		}
		one.request, one.response = append(one.request, request...), append(one.response, response...)
	}
	return nil
}

// answerer is nil for a backend.
func (r Route) answerer() (answerer, error) {
	switch {
	case r.Root != "":
		return r.files(), nil
	case r.Redirect != "":
		return r.redirection()
	case r.Respond != 0:
		return responder(r.Respond), nil
	default:
		return nil, nil
	}
}

// pattern is nil for a route with a path.
func (r Route) pattern() (*regexp.Regexp, error) {
	if r.Match == "" {
		return nil, nil
	}
	return regexp.Compile(r.Match)
}

// placeholders are those of redirect and rewrite.
func (r Route) placeholders() []string {
	pattern, err := r.pattern()
	if err != nil || pattern == nil {
		return destinationNames(r.Match != "", 9) // all there can be, if the expression is wrong
	}
	return destinationNames(true, pattern.NumSubexp())
}
