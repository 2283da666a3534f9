package health

// Config is the supervisor's part of a [[backend]].
type Config struct {
	Command []string `toml:"command"` // left out: watched, never started
}

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)
