package http1

import "testing"

func TestPiece_IsLargeOnlyForBodiesThatFillIt(t *testing.T) {
	p := &piece{lender: new(pieces)}
	defer p.giveBack()
	for i, step := range []struct{ read, next int }{
		{0, smallPiece}, {1, smallPiece}, {smallPiece - 1, smallPiece}, {smallPiece, largePiece},
		{largePiece, largePiece}, {smallPiece, largePiece}, {smallPiece - 1, smallPiece}, {0, smallPiece},
	} {
		p.n = step.read
		if got := len(p.next()); got != step.next {
			t.Errorf("step %d: room for %d bytes after %d, want %d", i, got, step.read, step.next)
		}
	}
}

func TestPiece_FramesChunksOfEverySize(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{{0, ""}, {1, "1\r\n"}, {smallPiece, "4000\r\n"}, {largePiece, "10000\r\n"}} {
		p := &piece{lender: new(pieces), n: c.n}
		p.next()
		chunk := string(p.chunk())
		if c.n > 0 && (chunk[:len(c.want)] != c.want || chunk[len(chunk)-2:] != "\r\n" || len(chunk) != len(c.want)+c.n+2) || c.n == 0 && chunk != "" {
			t.Errorf("%d bytes: %.20q, %d bytes in all", c.n, chunk, len(chunk))
		}
		p.giveBack()
	}
}
