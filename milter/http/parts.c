/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "html.h"
#include "lib/base/buf.h"
#include "lib/quota/limits.h"
#include "lib/text/encoded_word.h"
#include "milter/past.h"
#include "milter/reason.h"
#include "milter/record.h"
#include "now.h"
#include "page.h"
#include "plot.h"

void
part_time(struct html *h, struct timespec at)
{
	char text[64];
	struct tm tm;

	html_open(h, "time");
	if (gmtime_r(&at.tv_sec, &tm) != NULL &&
	    strftime(text, sizeof(text), "%FT%TZ", &tm) > 0)
		html_attr(h, "datetime", text);
	if (localtime_r(&at.tv_sec, &tm) != NULL &&
	    strftime(text, sizeof(text), "%a %d %b %T %Z", &tm) > 0)
		html_text(h, text);
	html_close(h);
}

void
part_verdict(struct html *h, const struct record *r)
{
	const char *word = record_word(r);

	html_open(h, "span");
	html_attrf(h, "class", "verdict %s", word);
	html_text(h, strcmp(word, "none") == 0 ? "given up" : word);
	html_close(h);
}

void
part_subject(struct html *h, const struct record *r)
{
	struct buf b = BUF_INIT;

	if (r->at != NULL) {
		html_classed(h, "span", "muted", "(no message)");
		return;
	}
	if (r->subject == NULL) {
		html_classed(h, "span", "muted", "(no subject)");
		return;
	}
	encoded_word_decode(&b, "Subject", 7, r->subject, r->subject_len);
	html_outsiden(h, b.data == NULL ? "" : b.data, b.len, HTML_CUT);
	buf_fini(&b);
}

void
part_reason(struct html *h, const struct record *r)
{
	struct buf b = BUF_INIT;

	reason_sentence(&b, r);
	html_outsiden(h, b.data == NULL ? "" : b.data, b.len, 2000);
	buf_fini(&b);
}

void
part_account(struct html *h, const char *account)
{
	if (account == NULL) {
		html_text(h, "–");
		return;
	}
	html_open(h, "a");
	html_attr_url(h, "href", "/account", "name", account);
	html_outside(h, account);
	html_close(h);
}

void
part_octets(struct html *h, double octets)
{
	char text[PLOT_NUMBER_SIZE];

	html_textf(h, "%sB", plot_number(octets, text));
}

void
part_limit(struct html *h, const char *kind, uint32_t window_s, double used,
    double limit)
{
	char window[LIMITS_TEXT], label[160];
	char a[PLOT_NUMBER_SIZE], b[PLOT_NUMBER_SIZE];
	double share = limit > 0 ? used / limit : 1;

	limits_window_text(window_s, window, sizeof(window));
	snprintf(label, sizeof(label), "%s of %s %s in %s, %.0f %%",
	    plot_number(used, a), plot_number(limit, b), kind, window,
	    share * 100);
	html_open_classed(h, "span", "limit");
	plot_share(h, share, label);
	html_open(h, "span");
	html_attr(h, "aria-hidden", "true");
	html_textf(h, "%s of %s %s/%s", a, b, kind, window);
	html_close(h);
	html_close(h);
}

void
part_part(struct html *h, double share)
{
	char label[32];

	snprintf(label, sizeof(label), "%.1f %%", 100 * share);
	plot_part(h, share, label);
}

void
part_term(struct html *h, const char *term)
{
	html_open(h, "div");
	html_element(h, "dt", term);
	html_open(h, "dd");
}

void
part_columns(struct html *h, const char *const *titles)
{
	html_open(h, "thead");
	html_open(h, "tr");
	for (; *titles != NULL; titles++) {
		html_open(h, "th");
		html_attr(h, "scope", "col");
		if (**titles == ' ')
			html_attr(h, "class", "n");
		html_text(h, *titles + (**titles == ' '));
		html_close(h);
	}
	html_close(h);
	html_close(h);
}

void
part_section(struct html *h, const char *id, const char *title)
{
	html_open_classed(h, "section", "card");
	html_attrf(h, "aria-labelledby", "%s", id);
	html_open(h, "h2");
	html_attr(h, "id", id);
	html_text(h, title);
	html_close(h);
}

/* -- decisions -- */

static void
decision_parties(struct html *h, const struct record *r)
{
	const struct rcpt *first = r->rcpts;
	size_t more = 0;

	html_open_classed(h, "div", "parties");
	if (r->at != NULL) {
		html_outside(h, r->client_ip);
	} else {
		html_outside(h, r->sender[0] == '\0' ? "<>" : r->sender);
		html_text(h, " → ");
		html_outside(h, first == NULL ? NULL : first->addr);
		for (; first != NULL && first->next != NULL;
		     first = first->next)
			more++;
		if (more > 0)
			html_textf(h, " and %zu more", more);
	}
	html_close(h);
}

static void
decision(struct html *h, const struct record *r, uint64_t place)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)place);
	html_open(h, "li");
	html_open_classed(h, "div", "when");
	part_time(h, r->time);
	html_classed(h, "span", "way",
	    r->at != NULL			    ? "client"
		: r->direction == DIRECTION_OUTBOUND ? "out"
						    : "in");
	html_close(h);
	part_verdict(h, r);
	html_open_classed(h, "div", "what");
	html_open_classed(h, "a", "subject");
	html_attr_url(h, "href", "/message", "at", text);
	part_subject(h, r);
	html_close(h);
	decision_parties(h, r);
	html_open_classed(h, "div", "reason");
	part_reason(h, r);
	html_close(h);
	html_close(h);
	html_close(h);
}

void
part_decisions(
    struct html *h, struct now *n, const uint64_t *places, size_t count)
{
	const struct record *r;

	html_open_classed(h, "ul", "decisions");
	for (size_t i = count; i-- > 0;) {
		r = past_at(n->past, places[i]);
		if (r != NULL)
			decision(h, r, places[i]);
	}
	html_close(h);
}
