package host

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// readXattrs reads the extended attributes of a file, such as its access control
// list. A file system without any has none.
func readXattrs(file *os.File) (map[string][]byte, error) {
	fd := int(file.Fd())
	names := make([]byte, 64<<10) // the most that Linux lists (XATTR_LIST_MAX)
	n, err := unix.Flistxattr(fd, names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attributes := map[string][]byte{}
	value := make([]byte, 64<<10) // the largest value (XATTR_SIZE_MAX)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		n, err := unix.Fgetxattr(fd, name, value)
		if err != nil {
			return nil, err
		}
		attributes[name] = slices.Clone(value[:n])
	}
	return attributes, nil
}

// writeXattrs gives a file these attributes and takes others away.
func writeXattrs(file *os.File, want map[string][]byte) error {
	have, err := readXattrs(file)
	if err != nil {
		return err
	}
	for name := range have {
		if _, wanted := want[name]; !wanted {
			err = errors.Join(err, leniently(name, unix.Fremovexattr(int(file.Fd()), name)))
		}
	}
	for name, value := range want {
		if old, there := have[name]; !there || !slices.Equal(old, value) {
			err = errors.Join(err, leniently(name, unix.Fsetxattr(int(file.Fd()), name, value, 0)))
		}
	}
	return err
}

// leniently passes over attributes that belong to the system, which gives them
// to a new file by its own rules and does not let them be set.
func leniently(name string, err error) error {
	system := strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "com.apple.")
	if system || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// forNewContent are the attributes that go over to a new content of a file. A
// program's capabilities and signatures were for the old one.
func forNewContent(attributes map[string][]byte) map[string][]byte {
	kept := map[string][]byte{}
	for name, value := range attributes {
		if name != "security.capability" && name != "security.ima" && name != "security.evm" {
			kept[name] = value
		}
	}
	return kept
}
