package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// workspace is all that serving one request takes, in one piece: an allocation
// costs more than its memory. It is the context of the request, too, which so
// knows of it.
type workspace struct {
	requestContext
	trace context.Context // tells the leg to the backend where interim responses go

	request     http.Request
	exchange    *exchange // as the context tells it; nil before it was begun
	transaction transaction
	parts       callParts
}

func newWorkspace() *workspace {
	w := &workspace{}
	w.trace = httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: w.parts.interim.pass})
	return w
}

// workspaceOf is the workspace of a request, nil if it has none yet.
func workspaceOf(ctx context.Context) *workspace {
	w, _ := ctx.Value(workspaceKey).(*workspace)
	return w
}

// workspaceFor gives a request a workspace if it has none. The request that it
// returns is the workspace's own copy, which may be written to.
func workspaceFor(r *http.Request) (*workspace, *http.Request) {
	w := workspaceOf(r.Context())
	switch {
	case w == nil:
		w = newWorkspace()
		w.requestContext.begin(r.Context())
		w.request = *r.WithContext(w)
	case r != &w.request:
		w.request = *r
	}
	return w, &w.request
}

// Value knows the workspace and what is in it.
func (w *workspace) Value(key any) any {
	switch {
	case key == exchangeKey && w.exchange != nil:
		return w.exchange
	case key == workspaceKey:
		return w
	}
	if value := w.trace.Value(key); value != nil {
		return value
	}
	return w.requestContext.Value(key)
}

// workspaces lends out workspaces.
type workspaces struct{ pool sync.Pool }

func (s *workspaces) lend(parent context.Context) *workspace {
	w, ok := s.pool.Get().(*workspace)
	if !ok {
		w = newWorkspace()
	}
	w.requestContext.begin(parent)
	return w
}

// takeBack is called when the request was answered and logged. A workspace that
// somebody may still know is left to the garbage collector: whoever does something
// for a request beside its handler waits for the end of its context.
func (s *workspaces) takeBack(w *workspace) {
	if w.isAwaited() {
		return
	}
	w.request, w.exchange, w.transaction = http.Request{}, nil, transaction{}
	w.parts.clear()
	s.pool.Put(w)
}
