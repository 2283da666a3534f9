package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is the table.
type report struct {
	Machine machine      `json:"machine"`
	Names   []string     `json:"contenders"`
	Ratios  []ratioOf    `json:"ratios"`
	Rows    []reportLine `json:"rows"`
}

// ratioOf is a column that compares two contenders.
type ratioOf struct {
	Of string `json:"of"`
	To string `json:"to"`
}

// reportLine is a row of the table: a median for each contender, then the ratios.
type reportLine struct {
	Key    string      `json:"key"`
	Title  string      `json:"title"`
	Median []float64   `json:"median"`
	Ratio  []float64   `json:"ratio"`
	Rounds [][]float64 `json:"rounds"` // of each contender
	digits int
}

func newReport(m machine, contenders []contender, taken []measurement, all results) report {
	r := report{Machine: m, Ratios: ratiosOf(contenders)}
	for _, c := range contenders {
		r.Names = append(r.Names, c.name)
	}
	for _, m := range taken {
		for i := range m.rows {
			r.Rows = append(r.Rows, r.line(m, i, all))
		}
	}
	return r
}

// ratiosOf pairs every build of gateway with nginx, with plain httputil, and with
// the first build.
func ratiosOf(contenders []contender) []ratioOf {
	bases := []string{"nginx", "httputil"}
	if contenders[0].gateway {
		bases = append(bases, contenders[0].name)
	}
	var all []ratioOf
	for _, c := range contenders {
		for _, base := range bases {
			if c.gateway && c.name != base && has(contenders, base) {
				all = append(all, ratioOf{Of: c.name, To: base})
			}
		}
	}
	return all
}

func has(contenders []contender, name string) bool {
	for _, c := range contenders {
		if c.name == name {
			return true
		}
	}
	return false
}

func (r report) line(m measurement, i int, all results) reportLine {
	line := reportLine{Key: m.rows[i].key, Title: m.rows[i].title, digits: m.rows[i].digits}
	for _, name := range r.Names {
		rounds := all.column(m.key, name, i)
		line.Rounds = append(line.Rounds, rounds)
		line.Median = append(line.Median, median(rounds))
	}
	for _, pair := range r.Ratios {
		line.Ratio = append(line.Ratio, ratio(all.column(m.key, pair.Of, i), all.column(m.key, pair.To, i)))
	}
	return line
}

// writeTable prints Markdown that is aligned for terminals too.
func (r report) writeTable(out io.Writer) error {
	fmt.Fprintf(out, "%s\n\n", r.Machine)
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| median of the rounds\t| "+strings.Join(append(r.Names[:len(r.Names):len(r.Names)], r.ratioTitles()...), "\t| ")+"\t|")
	fmt.Fprintln(table, "|---"+strings.Repeat("\t|---", len(r.Names)+len(r.Ratios))+"\t|")
	for _, line := range r.Rows {
		fmt.Fprintln(table, "| "+strings.Join(line.cells(), "\t| ")+"\t|")
	}
	return table.Flush()
}

func (r report) ratioTitles() []string {
	var titles []string
	for _, pair := range r.Ratios {
		titles = append(titles, pair.Of+" / "+pair.To)
	}
	return titles
}

func (l reportLine) cells() []string {
	cells := []string{l.Title}
	for _, v := range l.Median {
		cells = append(cells, formatValue(v, l.digits))
	}
	for _, v := range l.Ratio {
		cells = append(cells, strconv.FormatFloat(v, 'f', 2, 64))
	}
	return cells
}

func (r report) writeJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func formatValue(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
