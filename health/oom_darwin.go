package health

import "log/slog"

// oomKilled: macOS does not tell.
func oomKilled(identity) bool { return false }

func adjustOOM(_, score int, log *slog.Logger) {
	if score != 0 {
		log.Warn("oom_score is Linux's, and is ignored here")
	}
}
