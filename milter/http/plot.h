/*
 * Plots in a page: SVG that is read without a script, by a title, a description
 * and a table of the same numbers too.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Colours come from the style sheet by class.  No text from outside gets into a
 * plot.
 */
#ifndef MILTER_HTTP_PLOT_H
#define MILTER_HTTP_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct html;

#define PLOT_POINTS_MAX 96
#define PLOT_SERIES_MAX 6
#define PLOT_NONE (-1.0) /* a value: nothing is known of that time */

struct plot_series {
	const char *name;  /* in the legend and the table */
	const char *class; /* of the style sheet: its colour */
	double value[PLOT_POINTS_MAX];
};

struct plot {
	const char *id;    /* of the page: one of each */
	const char *title; /* what is plotted */
	const char *note;  /* what there is to say of it, one sentence */
	const char *unit;  /* of the values: "messages", "ms" */
	bool half;         /* two of them stand side by side */
	time_t from, step; /* of the points, seconds */
	size_t points;
	size_t count; /* of the series */
	struct plot_series series[PLOT_SERIES_MAX];
};

/* Bars of the series, one upon another. */
void plot_bars(struct html *h, const struct plot *p);
/* A line for each series; PLOT_NONE is a gap. */
void plot_lines(struct html *h, const struct plot *p);
/* A small line of numbers, oldest first; label: what they are, for who can't
 * see it. */
void plot_spark(
    struct html *h, const uint32_t *values, size_t n, const char *label);
/* A bar that is full to that share, and warns where it is nearly full; label as
 * above. */
void plot_share(struct html *h, double share, const char *label);

/* The same without a warning. */
void plot_part(struct html *h, double share, const char *label);

#define PLOT_NUMBER_SIZE 32
/* 1234567 as people read it: 1.23 M; returns text. */
const char *plot_number(double n, char text[PLOT_NUMBER_SIZE]);

#endif
