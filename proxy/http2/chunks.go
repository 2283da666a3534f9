package http2

type (
	smallChunk [2 << 10]byte
	largeChunk [maxFrame]byte
)

// chunk is a piece of memory for a body.
type chunk struct {
	data  []byte // what was not taken yet
	small *smallChunk
	large *largeChunk // one of the two
}

// chunks is a queue of bytes.
type chunks struct {
	list []chunk
	size int
}

// add copies p to the end.
func (q *chunks) add(p []byte, s *Server) {
	q.size += len(p)
	for len(p) > 0 {
		last := len(q.list) - 1
		if last < 0 || len(q.list[last].data) == cap(q.list[last].data) {
			q.list = append(q.list, s.takeChunk(len(p)))
			last = len(q.list) - 1
		}
		data := q.list[last].data
		n := min(len(p), cap(data)-len(data))
		q.list[last].data = append(data, p[:n]...)
		p = p[n:]
	}
}

// take moves bytes from the front to p.
func (q *chunks) take(p []byte, s *Server) (n int) {
	for n < len(p) && q.size > 0 {
		first := &q.list[0]
		copied := copy(p[n:], first.data)
		first.data = first.data[copied:]
		n, q.size = n+copied, q.size-copied
		if len(first.data) == 0 {
			s.giveChunk(*first)
			*first = chunk{}
			q.list = q.list[1:]
		}
	}
	if q.size == 0 {
		q.list = nil
	}
	return n
}

// drop throws everything away.
func (q *chunks) drop(s *Server) {
	for _, c := range q.list {
		s.giveChunk(c)
	}
	q.list, q.size = nil, 0
}

// takeChunk lends memory for what begins with n bytes.
func (s *Server) takeChunk(n int) chunk {
	if n <= len(smallChunk{}) {
		c := s.smallChunks.Get().(*smallChunk)
		return chunk{data: c[:0], small: c}
	}
	c := s.largeChunks.Get().(*largeChunk)
	return chunk{data: c[:0], large: c}
}

func (s *Server) giveChunk(c chunk) {
	if c.small != nil {
		s.smallChunks.Put(c.small)
	} else {
		s.largeChunks.Put(c.large)
	}
}
