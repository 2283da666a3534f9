package main

import "slices"

// results are the values of each measurement and contender, one slice a round.
type results map[string]map[string][][]float64

func (r results) add(key, name string, values []float64) {
	if r[key] == nil {
		r[key] = map[string][][]float64{}
	}
	r[key][name] = append(r[key][name], values)
}

// column is what one row of the measurement was in each round.
func (r results) column(key, name string, row int) []float64 {
	var values []float64
	for _, round := range r[key][name] {
		values = append(values, round[row])
	}
	return values
}

// median is the value in the middle; of an even number the mean of the two.
// Of nothing it is 0.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio is the median of the rounds' ratios. Whatever slowed the machine down in
// a round slowed down both, so that it says more than the ratio of two medians.
func ratio(values, base []float64) float64 {
	var ratios []float64
	for i, v := range values[:min(len(values), len(base))] {
		if base[i] != 0 {
			ratios = append(ratios, v/base[i])
		}
	}
	return median(ratios)
}
