STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PACKAGES   ?= ./...
FOR        ?= 1h
PROFILED   ?= h1-1k,h1-10k,h2-1k,full,resumed,down,up

# The profile in cmd/gateway is for what admins run: with it every package that
# gateway imports is compiled once more.
QUICK       = GOFLAGS="$$GOFLAGS -pgo=off"

.PHONY: run build deb dist test tools format vet lint unit bench bench-go profile pgo soak compare-drops fuzz clean

run: build ## build, and serve the demo: no root, no file, no network
	bin/gateway demo

build: ## build bin/gateway
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/gateway ./cmd/gateway

deb: ## packages for Debian and Ubuntu in dist/
	@VERSION='$(VERSION)' .ci/package deb dist

dist: ## archives for Linux and macOS in dist/, with their checksums
	@VERSION='$(VERSION)' .ci/package dist dist

test: tools format vet lint unit ## install what the tests need, then everything that must hold

tools:
	@.ci/tools

format:
	@unformatted="$$(gofmt -l cmd proxy certs health)"; \
	if [ -n "$$unformatted" ]; then echo "gofmt: run gofmt -w on: $$unformatted"; exit 1; fi

vet:
	$(QUICK) go vet ./...
	$(QUICK) GOOS=darwin go vet ./...
	$(QUICK) go vet -tags packaging ./cmd/gateway
	$(QUICK) go vet -tags nethttp ./proxy

lint:
	$(QUICK) go run $(STATICCHECK) ./...
	$(QUICK) go run $(STATICCHECK) -tags nethttp ./proxy

# Sockets are read by other calls where the race detector looks on.
unit: ## whole processes under load have the machine to themselves; then proxy over net/http and httputil only
	$(QUICK) go test -race -timeout 40m -parallel 6 $$(go list $(PACKAGES) | grep -v '^gateway/cmd/gateway$$')
	$(QUICK) go test -race -timeout 40m -parallel 6 ./cmd/gateway
	$(QUICK) go test ./proxy/socket ./proxy/http1
	$(QUICK) GATEWAY_TEST_PATH=general go test -race -timeout 20m -tags nethttp ./proxy

bench: build ## gateway beside other proxies; ARGS='-only gateway,nginx -rows h1-1k' for less
	go run ./cmd/internal/bench $(ARGS)

bench-go: ## the hot functions, with allocations
	go test -run '^$$' -bench . -benchmem $(PACKAGES)

profile: ## where gateway's CPU time goes under the load of the benchmark: bin/cpu.prof
	CGO_ENABLED=0 go build -trimpath -tags profile -o bin/gateway-profile ./cmd/gateway
	go run ./cmd/internal/bench -binary bin/gateway-profile -only gateway -rounds 1 -rows $(PROFILED) -profile bin/cpu.prof
	go tool pprof -top -nodecount 40 bin/gateway-profile bin/cpu.prof

pgo: profile ## take that profile as what "go build" optimises gateway for
	cp bin/cpu.prof cmd/gateway/default.pgo

soak: ## an hour of load and changes, then what else takes minutes; FOR=15m for less
	GATEWAY_SOAK=1 GATEWAY_SOAK_FOR=$(FOR) go test -run Soak -v -timeout 4h ./cmd/gateway

compare-drops: ## what gateway, nginx, HAProxy and Caddy drop when they are changed under one load
	GATEWAY_COMPARE=1 go test -run TestCompare_Drops -v -timeout 30m ./cmd/gateway

fuzz: ## every fuzz target for 30 seconds
	@.ci/fuzz 30s

clean:
	rm -rf bin dist
