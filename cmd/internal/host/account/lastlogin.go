package account

import (
	"encoding/binary"
	"os"
	"time"

	"gateway/cmd/internal/host"
)

// lastlogRecord is the size of one record of /var/log/lastlog, which uid counts:
// a time of 32 bits, a terminal of 32 bytes and a host of 256 (lastlog(8)).
const lastlogRecord = 4 + 32 + 256

// LastLogin is when an account logged in last, by lastlog; zero when it never
// did, or where that file is not kept (Debian 13 has it no more).
func LastLogin(m host.Machine, uid int) time.Time {
	f, err := os.Open(m.Path("/var/log/lastlog"))
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	var at [4]byte
	if _, err := f.ReadAt(at[:], int64(uid)*lastlogRecord); err != nil {
		return time.Time{} // the file ends before it: never
	}
	seconds := binary.NativeEndian.Uint32(at[:])
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
