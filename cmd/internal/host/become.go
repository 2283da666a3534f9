package host

import (
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// become makes a program run as another user, with that user's own group and
// none of ours besides.
func become(cmd *exec.Cmd, uid *int) error {
	if uid == nil {
		return nil
	}
	u, err := user.LookupId(strconv.Itoa(*uid))
	if err != nil {
		return fmt.Errorf("run %s as user %d: %w", cmd.Args[0], *uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("run %s as user %s: its group %q is no number: %w", cmd.Args[0], u.Username, u.Gid, err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(*uid), Gid: uint32(gid)}
	cmd.Env = append(cmd.Env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	return nil
}
