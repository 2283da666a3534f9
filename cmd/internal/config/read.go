package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// maxFileSize is the largest file that is read, in bytes. A configuration with
// a thousand sites stays far below; whatever is larger is some other file.
const maxFileSize = 1 << 20

// readText reads the file at path, without the byte order mark that some
// editors put in front, or tells why there is no text to be had.
func readText(path string) (text string, problem *Problem) {
	data, err := readBounded(path)
	if err != nil {
		return "", unreadable(path, err)
	}
	text = strings.TrimLeft(string(data), "\ufeff")
	switch {
	case len(data) > maxFileSize:
		return "", &Problem{File: path, Wrong: "is larger than 1 MiB", Instead: "name gateway's own configuration file, such as /etc/gateway/config.toml"}
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "", &Problem{File: path, Line: 1, Wrong: "is in UTF-16", Instead: "save it as UTF-8"}
	case strings.TrimSpace(text) == "":
		return "", &Problem{File: path, Wrong: "is empty", Instead: "start from config.example.toml"}
	}
	if at := invalidUTF8(text); at >= 0 {
		return "", &Problem{File: path, Line: 1 + strings.Count(text[:at], "\n"),
			Wrong: fmt.Sprintf("has a byte that is not UTF-8 (0x%02x)", text[at]), Instead: "save the file as UTF-8"}
	}
	return text, nil
}

// readBounded reads one byte more than allowed, so that the caller sees the
// excess. Anything but a file is refused first: opening a named pipe would wait
// for ever.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular{info.Mode()}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

type errNotRegular struct{ mode fs.FileMode }

func (e errNotRegular) Error() string {
	if e.mode.IsDir() {
		return "is a folder"
	}
	return "is not a file"
}

func unreadable(path string, err error) *Problem {
	p := Problem{File: path, Wrong: "cannot be read: " + plainCause(err), Instead: "check the path after -c"}
	var notRegular errNotRegular
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Wrong, p.Instead = "there is no such file", "name the file with -c FILE, or start from config.example.toml"
	case errors.Is(err, fs.ErrPermission):
		p.Wrong = fmt.Sprintf("cannot be read by user id %d: %s", os.Geteuid(), plainCause(err))
		p.Instead = "run the command as root, or give that user the right to read it"
	case errors.As(err, &notRegular) && notRegular.mode.IsDir():
		p.Wrong, p.Instead = "is a folder", "name the file in it, such as "+strings.TrimRight(path, "/")+"/config.toml"
	case errors.As(err, &notRegular):
		p.Wrong = err.Error()
	}
	return &p
}

// plainCause is the system's reason without the path, which the message has already.
func plainCause(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

// invalidUTF8 is the position of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
