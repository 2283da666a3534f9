package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Handle lets the server answer calls of a name, such as "status" or
// "backend/restart". The context ends when the caller goes away: work that must
// not stop half-way goes on with [context.WithoutCancel]. The text of an error
// reaches the caller. Handle must not be called after Serve.
func Handle[In, Out any](s *Server, name string, answer func(context.Context, In) (Out, error)) {
	s.mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		in, err := read[In](s.timeout, w, r)
		if err != nil {
			s.refuse(w, http.StatusBadRequest, err)
			return
		}
		out, err := answer(r.Context(), in)
		if err != nil {
			s.refuse(w, http.StatusUnprocessableEntity, err)
			return
		}
		s.reply(w, http.StatusOK, out)
	})
}

// HandleStream is Handle for an answer of bytes without a known end, such as a
// log that is followed. What is written reaches the caller at once. The context
// also ends when the server stops.
func HandleStream[In any](s *Server, name string, stream func(context.Context, In, io.Writer) error) {
	s.mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		in, err := read[In](s.timeout, w, r)
		if err != nil {
			s.refuse(w, http.StatusBadRequest, err)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		unhook := context.AfterFunc(s.streams, cancel)
		defer unhook()
		out := &flushed{w: w, control: http.NewResponseController(w)}
		err = stream(ctx, in, out)
		if s.streams.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("gateway stopped")
		}
		s.end(out, err)
	})
}

// read decodes the JSON of a call; none is the zero value. A field that this
// gateway does not know is an error, because the caller means something by it.
func read[In any](timeout time.Duration, w http.ResponseWriter, r *http.Request) (in In, err error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostRequest))
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		return in, fmt.Errorf("the running gateway does not understand this call: it may be another version than this command: %w", err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return in, errors.New("the call has more than one JSON value")
	}
	// The end of the caller is watched from here on, for as long as it takes.
	return in, control.SetReadDeadline(time.Time{})
}

func (s *Server) refuse(w http.ResponseWriter, status int, err error) {
	s.reply(w, status, failure{err.Error()})
}

func (s *Server) reply(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
		text, _ = json.Marshal(failure{fmt.Sprintf("gateway can't write its answer: %v", err)})
	}
	answer, control := append(text, '\n'), http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.timeout))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	_, _ = w.Write(answer) // fails only when the caller is gone
	_ = control.Flush()    // before the call counts as ended: the process may end with it
}

// flushed writes a stream. Its head waits for the first byte, so that an error
// before that is answered as an error.
type flushed struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (f *flushed) begin() {
	if f.begun {
		return
	}
	f.begun = true
	f.w.Header().Set("Content-Type", "application/octet-stream")
	f.w.Header().Set("Trailer", errorTrailer)
	f.w.WriteHeader(http.StatusOK)
}

func (f *flushed) Write(p []byte) (int, error) {
	f.begin()
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}

// end closes a stream with its error, or with none.
func (s *Server) end(f *flushed, err error) {
	if err != nil && !f.begun {
		s.refuse(f.w, http.StatusUnprocessableEntity, err)
		return
	}
	f.begin()
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.w.Header().Set(errorTrailer, strconv.QuoteToASCII(text))
}
