package apache

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// ModuleCoverage is what generally becomes of a module's directives. Where a
// single use of one can't be carried, the report of that configuration says so.
type ModuleCoverage struct {
	Module     string        `json:"module"`
	Directives int           `json:"directives"`
	Classes    map[Class]int `json:"classes"`
}

// coveredModules are those of which Coverage tells, in this order.
var coveredModules = [...]string{"mod_ssl", "mod_proxy", "mod_proxy_http", "mod_proxy_wstunnel", "mod_headers", "mod_rewrite", "mod_alias", "core"}

// Coverage counts the directives of the modules that proxies are made of.
func Coverage() []ModuleCoverage {
	var all []ModuleCoverage
	table := knowledge()
	for _, module := range coveredModules {
		c := ModuleCoverage{Module: module, Classes: map[Class]int{}}
		for _, k := range table {
			if k.module == module {
				c.Directives++
				c.Classes[k.class]++
			}
		}
		all = append(all, c)
	}
	return all
}

// PrintCoverage writes the shares for people.
func PrintCoverage(w io.Writer, all []ModuleCoverage) error {
	columns := []Class{Carried, Differently, NotNeeded, NotCarried}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "module\tdirectives\tcarried\tdifferently\tnot needed\tnot carried\t\n")
	sum := ModuleCoverage{Module: "all", Classes: map[Class]int{}}
	for _, c := range all {
		sum.Directives += c.Directives
		for class, n := range c.Classes {
			sum.Classes[class] += n
		}
	}
	for _, c := range append(slices.Clone(all), sum) {
		cells := []string{c.Module, fmt.Sprint(c.Directives)}
		for _, class := range columns {
			cells = append(cells, c.share(class))
		}
		fmt.Fprintln(out, strings.Join(cells, "\t")+"\t")
	}
	return out.Flush()
}

// share is a number with its part of the whole; mod_proxy_http brings no
// directive of its own.
func (c ModuleCoverage) share(class Class) string {
	if c.Directives == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%d%%)", c.Classes[class], (200*c.Classes[class]+c.Directives)/(2*c.Directives))
}
