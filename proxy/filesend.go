package proxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
)

// send answers with a file, or with the part of it that was asked for, or with
// the word that the client has it already.
func (v *fileVisit) send(file *os.File, info fs.FileInfo) {
	h := v.call.w.Header()
	h.Set("X-Request-Id", v.call.exchange.id)
	h.Set("Content-Type", contentType(file, info.Name()))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixMicro()))
	w := &fileWriter{pacedWriter: v.call.w, buffers: v.handler.buffers}
	http.ServeContent(w, v.call.r, "", info.ModTime(), file)
	if w.failed == nil {
		return
	}
	if errors.Is(w.failed, errFileRead) {
		v.call.sourceFailure = w.failed
	}
	panic(http.ErrAbortHandler) // lest a part is taken for the whole; watchAbort says why
}

// fileWriter copies a file to the client through a buffer that is lent.
type fileWriter struct {
	*pacedWriter
	buffers *buffers
	failed  error
}

// errFileRead is for a file that can't be read any further, or was cut while it
// was sent.
var errFileRead = errors.New("the file could not be read")

// ReadFrom is what http.ServeContent sends a file by.
func (w *fileWriter) ReadFrom(from io.Reader) (int64, error) {
	buffer := w.buffers.Get()
	defer w.buffers.Put(buffer)
	source := &fileReader{Reader: from}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.pacedWriter}, source, buffer)
	limited, isLimited := from.(*io.LimitedReader)
	switch {
	case source.failed != nil:
		err = fmt.Errorf("%w: %w", errFileRead, source.failed)
	case err == nil && isLimited && limited.N > 0:
		err = fmt.Errorf("%w: it is %d bytes shorter than it was", errFileRead, limited.N)
	}
	w.failed = err
	return n, err
}

// fileReader tells errors of the file from those of the client.
type fileReader struct {
	io.Reader
	failed error
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = err
	}
	return n, err
}
