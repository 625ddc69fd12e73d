/* SPDX-License-Identifier: BSD-2-Clause */
#include "plot.h"

#include <stdio.h>
#include <string.h>

#include "html.h"

/* Units of the drawing: the style sheet gives it its size. */
#define WIDTH 960
#define WIDTH_HALF 468
#define HEIGHT 220
#define LEFT 48
#define RIGHT 6
#define TOP 10
#define BOTTOM 24
#define LINES 4 /* of the grid, above the axis */
#define LABELS 8 /* times below the axis, at most; half of that where it is
    half as wide */

#define INNER_HEIGHT (HEIGHT - TOP - BOTTOM)

const char *
plot_number(double n, char text[PLOT_NUMBER_SIZE])
{
	static const char *const units[] = {"", " k", " M", " G", " T"};
	size_t unit = 0;

	while (n >= 9999.5 || (unit > 0 && n >= 999.5)) {
		if (unit + 1 == sizeof(units) / sizeof(*units))
			break;
		n /= 1000;
		unit++;
	}
	if (n >= 99.95 || n == (double)(int64_t)n)
		snprintf(text, PLOT_NUMBER_SIZE, "%.0f%s", n, units[unit]);
	else
		snprintf(text, PLOT_NUMBER_SIZE,
		    n < 9.995 ? "%.2f%s" : "%.1f%s", n, units[unit]);
	return text;
}

/* -- scales -- */

static double
greater(double a, double b)
{
	return a > b ? a : b;
}

/* The least 1, 2, 2.5 or 5 times a power of ten by which `most` is reached in
 * LINES steps. */
static double
grid_step(double most)
{
	static const double steps[] = {1, 2, 2.5, 5, 10};
	double power = 1, step;

	if (!(most > 0))
		return 1;
	while (power * 10 <= most / LINES)
		power *= 10;
	while (power > most / LINES)
		power /= 10;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		step = steps[i] * power;
		if (step * LINES >= most)
			return step;
	}
	return 10 * power;
}

static double
width(const struct plot *p)
{
	return p->half ? WIDTH_HALF : WIDTH;
}

/* Of a point. */
static double
step_width(const struct plot *p)
{
	return (width(p) - LEFT - RIGHT) / (double)p->points;
}

static double
x_of(const struct plot *p, double point)
{
	return LEFT + step_width(p) * point;
}

static double
y_of(double value, double top)
{
	return TOP + INNER_HEIGHT * (1 - value / top);
}

static void
time_text(time_t at, const char *fmt, char *text, size_t size)
{
	struct tm tm;

	if (localtime_r(&at, &tm) == NULL ||
	    strftime(text, size, fmt, &tm) == 0)
		strcpy(text, "?");
}

/* -- parts of a drawing -- */

static void
text_at(struct html *h, double x, double y, const char *class, const char *text)
{
	html_open_classed(h, "text", class);
	html_attrf(h, "x", "%.1f", x);
	html_attrf(h, "y", "%.1f", y);
	html_text(h, text);
	html_close(h);
}

static void
draw_grid(struct html *h, const struct plot *p, double step)
{
	char text[PLOT_NUMBER_SIZE];

	for (int i = 0; i <= LINES; i++) {
		double y = y_of(i, LINES);

		html_open_classed(h, "path", i == 0 ? "axis" : "grid");
		html_attrf(
		    h, "d", "M%d %.1fH%.0f", LEFT, y, width(p) - RIGHT);
		html_close(h);
		text_at(h, LEFT - 8, y + 4, "y", plot_number(i * step, text));
	}
}

static void
draw_times(struct html *h, const struct plot *p)
{
	size_t labels = p->half ? LABELS / 2 : LABELS;
	size_t every = (p->points + labels - 1) / labels;
	char text[32];

	for (size_t i = 0; i < p->points; i += every) {
		time_text(p->from + (time_t)i * p->step,
		    p->points * (size_t)p->step > 3 * 86400 ? "%d %b"
							  : "%a %H:%M",
		    text, sizeof(text));
		text_at(h, x_of(p, (double)i), HEIGHT - 6, "x", text);
	}
}

static void
draw_legend(struct html *h, const struct plot *p)
{
	html_open_classed(h, "ul", "legend");
	for (size_t i = 0; i < p->count; i++) {
		html_open(h, "li");
		html_open(h, "svg");
		html_attr(h, "viewBox", "0 0 12 12");
		html_attr(h, "aria-hidden", "true");
		html_open_classed(h, "rect", p->series[i].class);
		html_attr(h, "width", "12");
		html_attr(h, "height", "12");
		html_attr(h, "rx", "3");
		html_close(h);
		html_close(h);
		html_text(h, p->series[i].name);
		html_close(h);
	}
	html_close(h);
}

/* The same as numbers. */
static void
draw_table(struct html *h, const struct plot *p)
{
	char text[64];

	html_open(h, "details");
	html_element(h, "summary", "As a table");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	html_open(h, "caption");
	html_textf(h, "%s, %s", p->title, p->unit);
	html_close(h);
	html_open(h, "thead");
	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "col");
	html_text(h, "From");
	html_close(h);
	for (size_t k = 0; k < p->count; k++) {
		html_open_classed(h, "th", "n");
		html_attr(h, "scope", "col");
		html_text(h, p->series[k].name);
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_open(h, "tbody");
	for (size_t i = p->points; i-- > 0;) {
		time_text(p->from + (time_t)i * p->step, "%a %d %b %H:%M", text,
		    sizeof(text));
		html_open(h, "tr");
		html_open(h, "th");
		html_attr(h, "scope", "row");
		html_text(h, text);
		html_close(h);
		for (size_t k = 0; k < p->count; k++) {
			double v = p->series[k].value[i];

			html_classed(h, "td", "n",
			    v < 0 ? "–" : plot_number(v, text));
		}
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

/* Everything around what is drawn; returns the value at the top of the grid. */
static double
begin(struct html *h, const struct plot *p, double most)
{
	double step = grid_step(most);

	html_open_classed(h, "figure", "plot");
	html_open(h, "figcaption");
	html_open(h, "h3");
	html_text(h, p->title);
	html_close(h);
	draw_legend(h, p);
	html_close(h);
	html_open(h, "svg");
	html_attrf(h, "viewBox", "0 0 %.0f %d", width(p), HEIGHT);
	html_attr(h, "role", "img");
	html_attrf(h, "aria-labelledby", "%s-title %s-desc", p->id, p->id);
	html_open(h, "title");
	html_attrf(h, "id", "%s-title", p->id);
	html_text(h, p->title);
	html_close(h);
	html_open(h, "desc");
	html_attrf(h, "id", "%s-desc", p->id);
	html_text(h, p->note);
	html_close(h);
	draw_grid(h, p, step);
	return step * LINES;
}

static void
end(struct html *h, const struct plot *p)
{
	draw_times(h, p);
	html_close(h);
	html_classed(h, "p", "note", p->note);
	draw_table(h, p);
	html_close(h);
}

/* What somebody sees who points at a time. */
static void
hint(struct html *h, const struct plot *p, size_t i)
{
	char when[32], text[PLOT_NUMBER_SIZE];

	time_text(
	    p->from + (time_t)i * p->step, "%a %H:%M", when, sizeof(when));
	html_open(h, "title");
	html_text(h, when);
	for (size_t k = 0; k < p->count; k++) {
		double v = p->series[k].value[i];

		if (v > 0)
			html_textf(h, " · %s %s", p->series[k].name,
			    plot_number(v, text));
	}
	html_close(h);
}

/* -- bars -- */

static double
sum_at(const struct plot *p, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < p->count; k++)
		sum += greater(p->series[k].value[i], 0);
	return sum;
}

static void
draw_bar(struct html *h, const struct plot *p, size_t i, double top)
{
	double gap = step_width(p) * 0.16;
	double below = 0;

	html_open(h, "g");
	hint(h, p, i);
	/* As high as the plot, so that a low bar can be pointed at. */
	html_open_classed(h, "rect", "hit");
	html_attrf(h, "x", "%.1f", x_of(p, (double)i));
	html_attrf(h, "y", "%d", TOP);
	html_attrf(h, "width", "%.1f", step_width(p));
	html_attrf(h, "height", "%d", INNER_HEIGHT);
	html_close(h);
	for (size_t k = 0; k < p->count; k++) {
		double v = p->series[k].value[i];
		/* What there is can be seen, however little it is. */
		double high = v > 0 ? greater(INNER_HEIGHT * v / top, 1.2) : 0;

		if (!(v > 0))
			continue;
		html_open_classed(h, "rect", p->series[k].class);
		html_attrf(h, "x", "%.1f", x_of(p, (double)i) + gap / 2);
		html_attrf(h, "y", "%.1f", TOP + INNER_HEIGHT - below - high);
		html_attrf(h, "width", "%.1f", step_width(p) - gap);
		html_attrf(h, "height", "%.1f", high);
		html_close(h);
		below += high;
	}
	html_close(h);
}

void
plot_bars(struct html *h, const struct plot *p)
{
	double most = 0, top;

	for (size_t i = 0; i < p->points; i++)
		most = greater(most, sum_at(p, i));
	top = begin(h, p, most);
	for (size_t i = 0; i < p->points; i++) {
		if (sum_at(p, i) > 0)
			draw_bar(h, p, i, top);
	}
	end(h, p);
}

/* -- lines -- */

static void
draw_line(struct html *h, const struct plot *p, const struct plot_series *s,
    double top)
{
	char path[PLOT_POINTS_MAX * 32];
	size_t len = 0;
	bool goes_on = false;

	path[0] = '\0';
	for (size_t i = 0; i < p->points; i++) {
		double v = s->value[i];

		if (v >= 0)
			len += (size_t)snprintf(path + len, sizeof(path) - len,
			    "%c%.1f %.1f", goes_on ? 'L' : 'M',
			    x_of(p, (double)i + 0.5), y_of(v, top));
		/* A point between gaps is a line of no length, which round caps
		 * make a dot. */
		if (v >= 0 && !goes_on)
			len += (size_t)snprintf(
			    path + len, sizeof(path) - len, "h0");
		goes_on = v >= 0;
	}
	if (len == 0)
		return;
	html_open(h, "path");
	html_attrf(h, "class", "line %s", s->class);
	/* Longer than html_attrf takes. */
	html_attr(h, "d", path);
	html_close(h);
}

void
plot_lines(struct html *h, const struct plot *p)
{
	double most = 0, top;

	for (size_t k = 0; k < p->count; k++) {
		for (size_t i = 0; i < p->points; i++)
			most = greater(most, p->series[k].value[i]);
	}
	top = begin(h, p, most);
	for (size_t k = 0; k < p->count; k++)
		draw_line(h, p, &p->series[k], top);
	for (size_t i = 0; i < p->points; i++) {
		if (!(sum_at(p, i) > 0))
			continue;
		html_open_classed(h, "rect", "hit");
		html_attrf(h, "x", "%.1f", x_of(p, (double)i));
		html_attrf(h, "y", "%d", TOP);
		html_attrf(h, "width", "%.1f", step_width(p));
		html_attrf(h, "height", "%d", INNER_HEIGHT);
		hint(h, p, i);
		html_close(h);
	}
	end(h, p);
}

/* -- small ones -- */

#define SPARK_WIDTH 144
#define SPARK_HEIGHT 24

void
plot_spark(
    struct html *h, const uint32_t *values, size_t n, const char *label)
{
	uint32_t most = 1;

	for (size_t i = 0; i < n; i++)
		most = values[i] > most ? values[i] : most;
	html_open_classed(h, "svg", "spark");
	html_attrf(h, "viewBox", "0 0 %d %d", SPARK_WIDTH, SPARK_HEIGHT);
	html_attr(h, "role", "img");
	html_attr(h, "aria-label", label);
	for (size_t i = 0; i < n; i++) {
		double wide = SPARK_WIDTH / (double)n;
		double high = greater(
		    (SPARK_HEIGHT - 1) * (double)values[i] / most, 1);

		html_open_classed(h, "rect", values[i] == 0 ? "none" : "some");
		html_attrf(h, "x", "%.1f", (double)i * wide);
		html_attrf(h, "y", "%.1f", SPARK_HEIGHT - high);
		html_attrf(h, "width", "%.1f", wide * 0.72);
		html_attrf(h, "height", "%.1f", high);
		html_close(h);
	}
	html_close(h);
}

static void
bar(struct html *h, double share, const char *class, const char *label)
{
	double wide = share > 1 ? 100 : share < 0 ? 0 : share * 100;

	html_open_classed(h, "svg", class);
	html_attr(h, "viewBox", "0 0 100 8");
	html_attr(h, "preserveAspectRatio", "none");
	html_attr(h, "role", "img");
	html_attr(h, "aria-label", label);
	html_open_classed(h, "rect", "all");
	html_attr(h, "width", "100");
	html_attr(h, "height", "8");
	html_close(h);
	html_open_classed(h, "rect", "used");
	html_attrf(h, "width", "%.1f", wide);
	html_attr(h, "height", "8");
	html_close(h);
	html_close(h);
}

void
plot_share(struct html *h, double share, const char *label)
{
	bar(h, share,
	    share >= 1	       ? "share full"
		: share >= 0.8 ? "share near"
			       : "share",
	    label);
}

void
plot_part(struct html *h, double share, const char *label)
{
	bar(h, share, "share", label);
}
