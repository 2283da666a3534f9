package main

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"gateway/proxy"
)

// answeredKey is what decides where a request is counted. There are as many as
// its labels have values, and none that a client made up.
type answeredKey struct {
	site, protocol, class string
	webSocket             bool
}

func seriesOf(o proxy.Observation) answeredKey {
	return answeredKey{o.Site, protocolOf(o.Protocol), classOf(o.Status), o.Status == 101}
}

// answered is where a request is counted.
type answered struct {
	requests prometheus.Counter
	took     prometheus.Observer // nil for a WebSocket
}

// answeredSeries remembers where requests are counted: the vectors would look at
// every byte of the labels for every request. Reading takes no lock.
type answeredSeries struct {
	all atomic.Pointer[map[answeredKey]answered] // never changed, only replaced
	mu  sync.Mutex                               // held by who replaces it
}

// series is where requests of this kind are counted.
func (m *metrics) series(key answeredKey) answered {
	if all := m.known.all.Load(); all != nil {
		if found, ok := (*all)[key]; ok {
			return found
		}
	}
	return m.firstOf(key)
}

// firstOf begins to count requests of this kind.
func (m *metrics) firstOf(key answeredKey) answered {
	begun := answered{requests: m.requests.WithLabelValues(key.site, key.protocol, key.class)}
	if !key.webSocket {
		begun.took = m.took.WithLabelValues(key.site)
	}
	m.known.mu.Lock()
	defer m.known.mu.Unlock()
	all := map[answeredKey]answered{key: begun}
	if before := m.known.all.Load(); before != nil {
		maps.Copy(all, *before)
	}
	m.known.all.Store(&all)
	return begun
}
