.PHONY: build test
build:
	CGO_ENABLED=0 go build -trimpath -o bin/gateway ./cmd/gateway
