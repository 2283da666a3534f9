package host

import "syscall"

// endWithUs has the kernel ask a program to end when gateway is killed.
func endWithUs(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGTERM }
