package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

type contextTestKey struct{}

var errContextTest = errors.New("the server stops")

// contextTwins are a requestContext and what package context would have made, of
// parents of their own.
func contextTwins(t *testing.T) (ours, theirs context.Context, cancelOurs, cancelTheirs func(), stop func()) {
	t.Helper()
	parent := func() (context.Context, context.CancelCauseFunc) {
		return context.WithCancelCause(context.WithValue(t.Context(), contextTestKey{}, "value"))
	}
	firstParent, stopFirst := parent()
	secondParent, stopSecond := parent()
	c := &requestContext{}
	c.begin(firstParent)
	theirs, cancelTheirs = context.WithCancel(secondParent)
	return c, theirs, c.cancel, cancelTheirs, func() { stopFirst(errContextTest); stopSecond(errContextTest) }
}

func TestRequestContext_IsWhatPackageContextWouldMake(t *testing.T) {
	type acts struct{ cancel, stop func() }
	for name, act := range map[string]func(a acts){
		"nothing happens":       func(acts) {},
		"cancelled":             func(a acts) { a.cancel() },
		"cancelled twice":       func(a acts) { a.cancel(); a.cancel() },
		"the parent ends":       func(a acts) { a.stop() },
		"ended, then cancelled": func(a acts) { a.stop(); a.cancel() },
	} {
		for _, asked := range []string{"never", "before", "after"} {
			t.Run(name+"/"+asked, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ours, theirs, cancelOurs, cancelTheirs, stop := contextTwins(t)
					if asked == "before" {
						contextWait(ours, theirs)
					}
					act(acts{func() { cancelOurs(); cancelTheirs() }, stop})
					if asked == "after" {
						contextWait(ours, theirs)
					}
					synctest.Wait()
					contextSame(t, ours, theirs)
					cancelOurs()
					cancelTheirs()
				})
			})
		}
	}
}

func contextWait(all ...context.Context) {
	for _, ctx := range all {
		_ = ctx.Done()
	}
}

func contextSame(t *testing.T, ours, theirs context.Context) {
	t.Helper()
	if ours.Err() != theirs.Err() || context.Cause(ours) != context.Cause(theirs) {
		t.Errorf("error %v because of %v, and package context's %v because of %v", ours.Err(), context.Cause(ours), theirs.Err(), context.Cause(theirs))
	}
	if ours.Value(contextTestKey{}) != "value" {
		t.Error("the parent's values are gone")
	}
	_, deadline := ours.Deadline()
	if deadline {
		t.Error("there is a deadline that the parent has not")
	}
	for what, derive := range map[string]func(context.Context) bool{"a child": contextChildEnds, "AfterFunc": contextCallsBack, "Done": contextIsDone} {
		if mine, want := derive(ours), derive(theirs); mine != want {
			t.Errorf("%s has ended: %v, and with package context %v", what, mine, want)
		}
	}
}

func contextIsDone(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

func contextChildEnds(ctx context.Context) bool {
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	return child.Err() != nil
}

func contextCallsBack(ctx context.Context) bool {
	called := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { close(called) })
	defer stop()
	synctest.Wait()
	return contextIsDone(contextOf(called))
}

// contextOf is a context that ends with a channel.
func contextOf(done chan struct{}) context.Context { return doneContext{context.Background(), done} }

type doneContext struct {
	context.Context
	done chan struct{}
}

func (c doneContext) Done() <-chan struct{} { return c.done }

func TestRequestContext_EndsThoseWhoWaitForIt(t *testing.T) {
	for name, byParent := range map[string]bool{"cancel": false, "parent": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, _, cancel, cancelOther, stop := contextTwins(t)
				defer cancelOther()
				child, cancelChild := context.WithTimeout(ours, time.Hour)
				defer cancelChild()
				if cancel(); byParent {
					stop()
				}
				<-child.Done()
				if child.Err() != context.Canceled {
					t.Errorf("the child ended with %v", child.Err())
				}
			})
		})
	}
}

// A handler that keeps the context of its request, and waits for its end, must
// not find itself with another request's.
func TestWorkspaces_KeepOneThatSomebodyMayStillKnow(t *testing.T) {
	var spaces workspaces
	w := spaces.lend(t.Context())
	_ = w.Done()
	w.cancel()
	spaces.takeBack(w)
	for range 100 {
		if other := spaces.lend(t.Context()); other == w {
			t.Fatal("a workspace was lent out whose context somebody waits for")
		}
	}
	if w.Err() != context.Canceled {
		t.Errorf("the context that was kept says %v", w.Err())
	}
}

func TestWorkspaces_LendNothingOfTheRequestBefore(t *testing.T) {
	var spaces workspaces
	w := spaces.lend(t.Context())
	r, _ := http.NewRequest("GET", "https://api.example.com/secret", nil)
	w.request = *r.WithContext(w)
	tr := newTransaction(&benchWriter{header: http.Header{}}, &w.request)
	tr.exchange.user, tr.status = "alice", 200
	h := benchHandler(t, frontConfig("http://127.0.0.1:7878"), false)
	c := h.newCall(&tr.response, tr.request)
	c.parts.endToEnd(http.Header{"Cookie": {"secret"}})
	c.parts.values.one("secret")
	w.cancel()
	spaces.takeBack(w)

	if w.exchange != nil || w.transaction.exchange.user != "" || w.transaction.status != 0 || w.request.URL != nil {
		t.Errorf("exchange %+v, status %d, request %+v", w.transaction.exchange, w.transaction.status, w.request)
	}
	if p := &w.parts; len(p.header) != 0 || p.values != (values{}) || p.call.r != nil || p.out.URL != nil {
		t.Errorf("parts of the call are left: %+v", p.header)
	}
	if w.requestContext.begin(t.Context()); w.Err() != nil {
		t.Errorf("a new request begins with %v", w.Err())
	}
}

func TestWorkspaces_DoNotKeepTheMapOfAWideHeader(t *testing.T) {
	var p callParts
	wide := http.Header{}
	for i := range mostReused + 1 {
		wide[http.CanonicalHeaderKey("X-"+strconv.Itoa(i))] = []string{"1"}
	}
	if got := p.endToEnd(wide); len(got) != len(wide) || p.header != nil {
		t.Errorf("%d of %d headers, and a map with %d is kept", len(got), len(wide), len(p.header))
	}
	few := http.Header{"Accept": {"*/*"}}
	p.endToEnd(few)
	p.clear()
	if got := p.endToEnd(wide); len(got) != len(wide) || len(p.header) != 0 {
		t.Errorf("%d of %d headers, beside %d that were kept", len(got), len(wide), len(p.header))
	}
}

func TestWorkspace_TellsTheLegWhereInterimResponsesGo(t *testing.T) {
	w := newWorkspace()
	w.requestContext.begin(t.Context())
	trace := httptrace.ContextClientTrace(w)
	if trace == nil || trace.Got1xxResponse == nil {
		t.Fatal("nobody is told of an interim response")
	}
	if err := trace.Got1xxResponse(103, nil); err != nil {
		t.Errorf("one that comes too late: %v", err)
	}
}
