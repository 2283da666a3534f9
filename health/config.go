package health

import (
	"cmp"
	"slices"
	"time"
)

// Config is the supervisor's part of a [[backend]]. It is a value: nothing
// writes it after it was loaded. A key that is left out is zero here and means
// the default that the accessor of the same name returns, because an array of
// tables cannot be decoded over defaults.
type Config struct {
	Command    []string      `toml:"command"`      // program and arguments, never through a shell; left out: watched, never started
	Dir        string        `toml:"dir"`          // working directory; left out: the user's home
	User       string        `toml:"user"`         // account to run as; left out: gateway's own
	Env        []string      `toml:"env"`          // "NAME=value", over env_file
	EnvFile    string        `toml:"env_file"`     // lines of NAME=value, as systemd's EnvironmentFile
	Conda      string        `toml:"conda"`        // name or prefix of a conda environment, put first on PATH
	Log        string        `toml:"log"`          // file for standard output and error; left out: under state
	LogMaxSize Size          `toml:"log_max_size"` // the log is rotated at this size; default 100MB
	LogKeep    int           `toml:"log_keep"`     // so many rotated files are kept; default 5
	StopSignal string        `toml:"stop_signal"`  // asks the process to end; default "TERM"
	StopGrace  time.Duration `toml:"stop_grace"`   // from stop_signal to KILL; default 10s
	StartGrace time.Duration `toml:"start_grace"`  // time to become ready before failed probes count; default 60s
	OOMScore   int           `toml:"oom_score"`    // Linux's oom_score_adj, -1000 to 1000; default 0
	Rlimit     Rlimit        `toml:"rlimit"`
	Probe      Probe         `toml:"probe"`
}

// Rlimit is the table [backend.rlimit]: soft and hard resource limits, as
// setrlimit(2) names them. A number, a size such as "4GB", or "unlimited";
// left out: gateway's own limit.
type Rlimit struct {
	NoFile  Limit `toml:"nofile"`  // open files
	NProc   Limit `toml:"nproc"`   // processes of the user
	Core    Limit `toml:"core"`    // size of a core dump
	AS      Limit `toml:"as"`      // address space
	MemLock Limit `toml:"memlock"` // locked memory
}

// Probe is the table [backend.probe]. A path makes it an HTTP request, a
// command makes it a program whose exit code 0 is good, and neither makes it a
// TCP connect.
type Probe struct {
	Path    string         `toml:"path"`    // HTTP: what is asked for
	Method  string         `toml:"method"`  // HTTP: default GET
	Host    string         `toml:"host"`    // HTTP: Host header; default the backend's own
	Status  string         `toml:"status"`  // HTTP: what is good, such as "200-399" or "200,204"; default "200-399"
	Body    string         `toml:"body"`    // HTTP: text that the answer must hold within its first 64 KiB
	Command []string       `toml:"command"` // program and arguments, run as the backend's user
	Timeout time.Duration  `toml:"timeout"` // most time for one probe; default 2s
	Every   time.Duration  `toml:"every"`   // between probes of a healthy backend; default 2s
	Fast    time.Duration  `toml:"fast"`    // between probes while it starts or fails; default 200ms, 1s for a command
	Fall    int            `toml:"fall"`    // so many failures in a row make it bad; default 3
	Rise    int            `toml:"rise"`    // so many successes in a row make it good; default 1
	Hang    *time.Duration `toml:"hang"`    // a process that fails its probes for so long is restarted; default 20s, "0s": never
}

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)

// Supervised tells whether gateway starts the backend, and not only watches it.
func (c Config) Supervised() bool { return len(c.Command) > 0 }

func (c Config) logMaxSize() Size   { return cmp.Or(c.LogMaxSize, 100<<20) }
func (c Config) logKeep() int       { return cmp.Or(c.LogKeep, 5) }
func (c Config) stopSignal() string { return cmp.Or(c.StopSignal, "TERM") }

// SameProcess tells whether a process that c started is what other would start.
func (c Config) SameProcess(other Config) bool {
	return slices.Equal(c.Command, other.Command) && c.Dir == other.Dir && c.User == other.User && slices.Equal(c.Env, other.Env) &&
		c.EnvFile == other.EnvFile && c.Conda == other.Conda && c.OOMScore == other.OOMScore && c.Rlimit == other.Rlimit
}

// EndsWithin is how long ending the backend may take at most.
func (c Config) EndsWithin() time.Duration { return c.stopGrace() + unkillable }

func (c Config) stopGrace() time.Duration  { return cmp.Or(c.StopGrace, 10*time.Second) }
func (c Config) startGrace() time.Duration { return cmp.Or(c.StartGrace, time.Minute) }

// connects tells whether the probe is no more than a TCP connect.
func (p Probe) connects() bool { return p.Path == "" && len(p.Command) == 0 }

func (p Probe) method() string         { return cmp.Or(p.Method, "GET") }
func (p Probe) status() string         { return cmp.Or(p.Status, "200-399") }
func (p Probe) timeout() time.Duration { return cmp.Or(p.Timeout, 2*time.Second) }
func (p Probe) every() time.Duration   { return cmp.Or(p.Every, 2*time.Second) }
func (p Probe) fall() int              { return cmp.Or(p.Fall, 3) }
func (p Probe) rise() int              { return cmp.Or(p.Rise, 1) }

func (p Probe) fast() time.Duration {
	if len(p.Command) > 0 { // a program costs a fork each time
		return cmp.Or(p.Fast, time.Second)
	}
	return cmp.Or(p.Fast, 200*time.Millisecond)
}

// hang is 20 s by default: longer than any pause of a healthy backend that we
// measured against (a freeze of 3 s costs nothing), and short enough that
// requests held since the hang was noticed, for 20 s by default, still wait
// when the new process is ready.
func (p Probe) hang() time.Duration {
	if p.Hang == nil {
		return 20 * time.Second
	}
	return *p.Hang
}

// timing gathers what State.Next needs of the configuration.
func (c Config) timing() Timing {
	return Timing{
		Supervised: c.Supervised(),
		Every:      c.Probe.every(),
		Fast:       c.Probe.fast(),
		Fall:       c.Probe.fall(),
		Rise:       c.Probe.rise(),
		Hang:       c.Probe.hang(),
		StartGrace: c.startGrace(),
		StopGrace:  c.stopGrace(),
	}
}
