package proxy

import "time"

// DefaultLimits is what [limits] means where the file is silent.
func DefaultLimits() Limits {
	return Limits{
		Connections: 20_000,
		// Schools, offices and mobile carriers put thousands of users behind one
		// address, so this guards the whole against one address and no more.
		ConnectionsPerAddress: 12_000,
		Streams:               128, // at least 100 is wanted by RFC 9113, section 6.5.2
		Header:                64 << 10,
		HeaderLines:           100, // Apache's LimitRequestFields
		Body:                  1 << 30,
		Buffer:                64 << 10,
	}
}

// DefaultTimeouts is what [timeouts] means where the file is silent.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		Handshake: 10 * time.Second,
		Header:    20 * time.Second, // Apache's RequestReadTimeout header=20
		Body:      30 * time.Second,
		Write:     60 * time.Second,
		Idle:      2 * time.Minute,
		Connect:   5 * time.Second,
		// WeChat's clients give up after 60 s. The backend's answer should not be
		// cut off before the client itself stops waiting for it.
		FirstByte: 2 * time.Minute,
		Drain:     30 * time.Second,
		Upgraded:  10 * time.Second,
		Handover:  time.Hour,
	}
}

// DefaultLog is what [log] means where the file is silent.
func DefaultLog() LogConfig {
	return LogConfig{
		Access:      "-",
		Format:      "combined",
		Error:       "-",
		Level:       "info",
		MaxSize:     100 << 20,
		RotateEvery: 24 * time.Hour, // else a quiet site's lines would outlive max_age
		MaxAge:      30 * 24 * time.Hour,
		Keep:        30, // as many as max_age makes of a file a day
		Compress:    true,
	}
}

// A [[backend]] is an element of an array of tables and cannot be decoded over
// defaults, so each optional key has an accessor that supplies its own.

// PreservesHost reports whether the client's Host is sent to the backend.
// Default true, as ProxyPreserveHost On.
func (b Backend) PreservesHost() bool { return b.PreserveHost == nil || *b.PreserveHost }

// FirstByteOr is the backend's own first_byte, or the one of [timeouts].
func (b Backend) FirstByteOr(common time.Duration) time.Duration {
	if b.FirstByte > 0 {
		return b.FirstByte
	}
	return common
}

// HoldFor is how long a request waits for a backend that is coming back. Default 20 s;
// 0 answers at once.
func (b Backend) HoldFor() time.Duration {
	if b.Hold != nil {
		return *b.Hold
	}
	return 20 * time.Second
}

// HoldsRequests is how many requests wait at once. Default 1000.
func (b Backend) HoldsRequests() int {
	if b.HoldRequests > 0 {
		return b.HoldRequests
	}
	return 1000
}

// HoldsBytes is how many bytes of request bodies are kept for waiting requests.
// Default 64 MB.
func (b Backend) HoldsBytes() Size {
	if b.HoldBytes > 0 {
		return b.HoldBytes
	}
	return 64 << 20
}
