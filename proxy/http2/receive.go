package http2

import "net/http"

// takeHeaders reads a header section, which begins a stream or ends a request's body.
func (c *Conn) takeHeaders(f frame) error {
	if f.stream%2 == 0 {
		return connError{codeProtocol, "HEADERS for a stream that can't be the client's"}
	}
	fault := c.readHead(f)
	if _, ok := fault.(streamError); fault != nil && !ok {
		return fault
	}
	c.mu.Lock()
	s, known, forgiven := c.streams[f.stream], f.stream <= c.last, c.isForgiven(f.stream)
	switch {
	case forgiven:
		c.takeLate(f)
	case !known:
		c.last = f.stream
		c.calm.opened()
	}
	c.mu.Unlock()
	switch {
	case forgiven:
		return nil
	case fault != nil:
		return fault
	case s != nil:
		return c.takeTrailer(f, s)
	case known:
		return connError{codeClosed, "HEADERS for a stream that is over"}
	}
	return c.takeRequest(f)
}

// readHead reads and decodes the whole of a header section into c.head. An error
// that concerns the stream alone comes after that.
func (c *Conn) readHead(f frame) error {
	stream, size := f.stream, f.length
	block, fault, err := c.readFirst(f)
	if err != nil {
		return err
	}
	c.head.reset(c.server.options.MaxHeaderList)
	for continuations := 0; ; {
		if _, err := c.decoder.Write(block); err != nil {
			return connError{codeCompression, err.Error()}
		}
		if f.has(flagEndHeaders) {
			break
		}
		c.in.begun = true
		if f, err = c.readHeader(); err != nil {
			return err
		}
		if f.kind != frameContinuation || f.stream != stream {
			return connError{codeProtocol, "a header section is interrupted"}
		}
		continuations, size = continuations+1, size+f.length
		if continuations > maxContinuations || size > c.server.options.MaxHeaderList {
			return cutHead
		}
		c.in.begun = true
		if block, err = c.in.next(f.length); err != nil {
			return c.stopped(err)
		}
	}
	if err := c.decoder.Close(); err != nil {
		return connError{codeCompression, err.Error()}
	}
	return fault
}

// readFirst reads the payload of HEADERS (RFC 9113, 6.2).
func (c *Conn) readFirst(f frame) (block []byte, fault, err error) {
	if f.length > c.server.options.MaxHeaderList {
		return nil, nil, cutHead
	}
	payload, err := c.in.next(f.length)
	if err != nil {
		return nil, nil, c.stopped(err)
	}
	if payload, err = unpad(f, payload); err != nil {
		return nil, nil, err
	}
	if f.has(flagPriority) {
		if len(payload) < 5 {
			return nil, nil, connError{codeFrameSize, "HEADERS are too short"}
		}
		fault = checkDependency(f.stream, payload)
		payload = payload[5:]
	}
	return payload, fault, nil
}

// takeRequest begins a stream.
func (c *Conn) takeRequest(f frame) error {
	ended := f.has(flagEndStream)
	request, ok := c.makeRequest(&c.head, ended)
	if !ok && !c.head.tooLarge {
		return streamError{f.stream, codeProtocol}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.server.options.MaxStreams
	if len(c.streams) >= most || c.running >= 2*most {
		return streamError{f.stream, codeRefused}
	}
	s := c.open(f.stream, ended)
	s.tooLarge = c.head.tooLarge
	c.start(s, &request)
	return nil
}

// takeTrailer ends a request's body. s is only good for comparing: it may be over.
func (c *Conn) takeTrailer(f frame, s *stream) error {
	trailer, ok := http.Header(nil), false
	if c.head.seen == 0 && !c.head.malformed && !c.head.tooLarge {
		trailer, ok = c.head.header()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.streams[f.stream] != s:
		return nil
	case s.remoteEnded:
		return streamError{f.stream, codeClosed}
	case !ok || !f.has(flagEndStream):
		return streamError{f.stream, codeProtocol}
	}
	return c.endRemote(s, trailer)
}

// endRemote ends the client's side of a stream. c.mu is held.
func (c *Conn) endRemote(s *stream, trailer http.Header) error {
	if s.body.left > 0 {
		return c.blame(streamError{s.id, codeProtocol}, errBodyLength)
	}
	s.remoteEnded = true
	s.body.end(trailer)
	return nil
}
