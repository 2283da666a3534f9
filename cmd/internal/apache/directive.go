package apache

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// directive takes in a line that is no section, and does at once what httpd does
// while it reads.
func (r *reader) directive(l sourceLine, name, args string) error {
	args, err := r.expand(l, args)
	if err != nil {
		return err
	}
	d := &Directive{Position: l.Position, Name: name, Text: args, Args: words(args), Via: l.via}
	r.out = append(r.out, d)
	switch strings.ToLower(name) {
	case "include":
		return r.include(d, false)
	case "includeoptional":
		return r.include(d, true)
	case "define":
		r.define(d)
	case "undefine":
		delete(r.defines, d.arg(0))
		delete(r.variables, d.arg(0))
	case "loadmodule":
		r.load(d)
	case "serverroot":
		r.setRoot(d)
	case "use":
		return r.use(d)
	case "undefmacro":
		delete(r.macros, strings.ToLower(d.arg(0)))
	case "error":
		return &Problem{l.Position, "the configuration itself says that it is wrong: " + shorten(args), "correct what its message names; httpd does not start with it", nil}
	}
	return nil
}

func (r *reader) define(d *Directive) {
	r.defines[d.arg(0)] = true
	if len(d.Args) > 1 {
		r.variables[d.arg(0)] = d.arg(1)
	}
}

// load notes a module under the two names that <IfModule> knows it by. That of
// its source follows from its file, mod_ssl.so.
func (r *reader) load(d *Directive) {
	r.loadsModules = true
	r.modules[d.arg(0)] = true
	file := path.Base(d.arg(1))
	r.modules[strings.TrimSuffix(file, path.Ext(file))+".c"] = true
}

// setRoot follows ServerRoot if that folder is here. A configuration that was
// copied from another machine is read where it lies.
func (r *reader) setRoot(d *Directive) {
	if root := filepath.Clean(d.arg(0)); filepath.IsAbs(root) {
		r.written = root
		if isFolder(root) {
			r.root = root
		}
	}
}

// section takes in a section with the lines in it.
func (r *reader) section(l sourceLine, body []sourceLine, depth int) error {
	text := l.text
	if !strings.HasSuffix(text, ">") {
		return &Problem{l.Position, fmt.Sprintf("<%s has no \">\" at the end of its line", sectionName(text)), "write it", nil}
	}
	if depth >= deepestSection {
		return &Problem{l.Position, fmt.Sprintf("sections are nested more than %d deep", deepestSection), "close some of them earlier", nil}
	}
	_, args := cutName(strings.TrimSuffix(text[1:], ">"))
	args, err := r.expand(l, args)
	if err != nil {
		return err
	}
	d := &Directive{Position: l.Position, Name: sectionName(text), Text: strings.TrimSpace(args), Args: words(args), Section: true, Via: l.via}
	if d.Is("Macro") {
		return r.defineMacro(d, body)
	}
	if holds, conditional := r.condition(d); conditional {
		if !holds {
			return nil
		}
		return r.block(body, depth+1)
	}
	outer := r.out
	r.out = nil
	err = r.block(body, depth+1)
	d.Children, r.out = r.out, append(outer, d)
	return err
}
