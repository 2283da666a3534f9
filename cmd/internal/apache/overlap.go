package apache

import (
	"regexp/syntax"
	"slices"
)

// mayBegin reports whether some path that begins with a text fits a pattern. It
// follows the pattern along the text; false is sure, true is not.
func mayBegin(pattern, text string) bool {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return true
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || program.StartCond()&syntax.EmptyBeginText == 0 {
		return true
	}
	at := follow(program, []uint32{uint32(program.Start)}, false)
	letters := []rune(text)
	for i, letter := range letters {
		var next []uint32
		for _, pc := range at {
			switch inst := &program.Inst[pc]; {
			case inst.Op == syntax.InstMatch:
				return true
			case inst.MatchRune(letter):
				next = append(next, inst.Out)
			}
		}
		at = follow(program, next, i == len(letters)-1)
	}
	return len(at) > 0
}

// follow are the instructions that take a letter, or end the pattern, behind
// others. An end of the text is met only where the known text ends.
func follow(program *syntax.Prog, from []uint32, last bool) []uint32 {
	var at []uint32
	seen := map[uint32]bool{}
	for len(from) > 0 {
		pc := from[0]
		from = from[1:]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := program.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from = slices.Insert(from, 0, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			from = slices.Insert(from, 0, inst.Out)
		case syntax.InstEmptyWidth:
			if last || syntax.EmptyOp(inst.Arg)&syntax.EmptyEndText == 0 {
				from = slices.Insert(from, 0, inst.Out)
			}
		case syntax.InstFail:
		default:
			at = append(at, pc)
		}
	}
	return at
}
