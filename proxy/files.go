package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
)

// files serves the files of a folder. What is outside of the folder can't be
// reached, by no path and by no link; hidden files are not there.
type files struct {
	folder   string
	index    []string
	listing  bool
	fallback string // "": none
	asRoot   bool   // the kernel refuses us nothing
}

func (r Rules) files() *files {
	return &files{folder: r.Root, index: r.indexFiles(), listing: r.Listing, fallback: r.Fallback, asRoot: os.Geteuid() == 0}
}

// indexFiles is index.html by default, and none if the file has an empty list.
func (r Rules) indexFiles() []string {
	if r.Index == nil {
		return []string{"index.html"}
	}
	return r.Index
}

func (f *files) answer(h *Handler, c *call) {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		h.fail(c, failure{status: http.StatusMethodNotAllowed, level: slog.LevelInfo, reason: "a file can only be read",
			page: "This address can only be read.", allow: "GET, HEAD"})
		return
	}
	asked := c.asked()
	name, ok := fileName(asked.path)
	if !ok {
		h.fail(c, noSuchFile(nil))
		return
	}
	root, err := os.OpenRoot(f.folder) // anew each time: a link to the current release may have moved
	if err != nil {
		h.fail(c, failure{status: http.StatusInternalServerError, level: slog.LevelError, reason: "the folder of the files cannot be opened",
			page: pageUnavailable, cause: err})
		return
	}
	defer root.Close()
	visit := fileVisit{files: f, handler: h, call: c, root: root}
	visit.serve(name, strings.HasSuffix(asked.path, "/"))
}

// fileName makes of a raw path the name of a file below the root. ok is false
// for what names no file: escaped separators, NUL, what climbs above the root,
// and hidden files but those of RFC 8615.
func fileName(raw string) (name string, ok bool) {
	if raw == "" {
		return "", false
	}
	resolved, ok := resolveDots(decode(raw, true))
	if !ok || strings.ContainsRune(resolved, 0) || hasEscapedSeparator(raw) {
		return "", false
	}
	name = strings.TrimPrefix(path.Clean(resolved), "/")
	for i, segment := range strings.Split(name, "/") {
		if strings.HasPrefix(segment, ".") && (i > 0 || segment != ".well-known") {
			return "", false
		}
	}
	if name == "" {
		return ".", true
	}
	return name, true
}

func hasEscapedSeparator(raw string) bool {
	for raw != "" {
		n, c, escaped := nextByte(raw)
		if escaped && isSeparator(c) {
			return true
		}
		raw = raw[n:]
	}
	return false
}

// fileVisit is one request for one of the files.
type fileVisit struct {
	*files
	handler *Handler
	call    *call
	root    *os.Root
}

// serve answers with a file, or with what stands for a folder.
func (v *fileVisit) serve(name string, asFolder bool) {
	file, info, err := v.open(name)
	if err != nil {
		v.missing(err)
		return
	}
	defer file.Close()
	switch {
	case info.IsDir() && !strings.HasSuffix(v.call.target.path, "/"):
		v.toFolder()
	case info.IsDir():
		v.serveFolder(name, file)
	case asFolder:
		v.missing(fs.ErrNotExist)
	default:
		v.send(file, info)
	}
}

// open takes regular files and folders. It does not wait, as the other end of a
// pipe would have it.
func (v *fileVisit) open(name string) (*os.File, fs.FileInfo, error) {
	file, err := v.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fmt.Errorf("%s: %w: it is no file", name, fs.ErrNotExist)
	}
	if err == nil && v.asRoot {
		err = v.checkPublic(name, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// checkPublic refuses what not everybody on this machine may read. A web server
// with an account of its own is kept from a private file by its mode; root is not.
func (v *fileVisit) checkPublic(name string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o004 == 0 {
		return notPublic(name, info)
	}
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		folder, err := v.root.Stat(above)
		if err != nil {
			return err
		}
		if folder.Mode().Perm()&0o001 == 0 {
			return notPublic(above, folder)
		}
	}
	return nil
}

func notPublic(name string, info fs.FileInfo) error {
	return fmt.Errorf("%s: %w: its mode is %s, and as root gateway serves only what everybody may read", name, fs.ErrPermission, info.Mode())
}

// toFolder adds the slash without which relative links of the page would start
// one folder too high.
func (v *fileVisit) toFolder() {
	t := v.call.target
	t.path += "/"
	v.call.redirectTo(spelled(sameSite(t.String())), http.StatusMovedPermanently)
}

func (v *fileVisit) serveFolder(name string, folder *os.File) {
	for _, index := range v.index {
		file, info, err := v.open(path.Join(name, index))
		switch {
		case err != nil && isMissing(err):
			continue
		case err != nil:
			v.missing(err)
			return
		}
		defer file.Close()
		if info.Mode().IsRegular() {
			v.send(file, info)
			return
		}
	}
	switch {
	case v.listing:
		v.list(folder)
	case v.fallback != "":
		v.missing(fs.ErrNotExist)
	default:
		v.handler.fail(v.call, failure{status: http.StatusForbidden, level: slog.LevelInfo, reason: "the folder has no index file, and is not listed", page: pageForbidden})
	}
}

// missing answers for a file that is not to be had.
func (v *fileVisit) missing(err error) {
	if v.fallback == "" || !isMissing(err) {
		v.handler.fail(v.call, noSuchFile(err))
		return
	}
	file, info, err := v.open(strings.TrimPrefix(v.fallback, "/"))
	if err != nil {
		v.handler.fail(v.call, noSuchFile(err))
		return
	}
	defer file.Close()
	v.send(file, info)
}

// isMissing reports the errors of names that lead nowhere.
func isMissing(err error) bool {
	return err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// noSuchFile tells apart what is not there, which scanners ask for all day, and
// what is there and can't be given out, which an admin wants to know.
func noSuchFile(err error) failure {
	if isMissing(err) {
		return failure{status: http.StatusNotFound, level: slog.LevelDebug, reason: "there is no such file", page: pageNotFound, cause: err}
	}
	return failure{status: http.StatusForbidden, level: slog.LevelWarn, reason: "the file may not be read, or a link to it leads out of the folder", page: pageForbidden, cause: err}
}
