// Package report makes of the samples of a benchmark what people read: a table in Markdown, and a page of plots that needs nothing but itself.
//
// # What it promises
//
// A figure is the median over the rounds, and says how far they lie apart. A ratio is the median of the ratios of the rounds: what
// disturbs the machine for a while disturbs both sides of it. What failed is counted beside the figure. The command, the machine and the time that its disk
// needs to sync are part of both.
package report
