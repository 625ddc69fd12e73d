/*
 * eval: functions about dates.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/rules/rules_eval.h"
#include "lib/text/ascii.h"

#define WORDS_MAX 12 /* of a date */
#define WORD_SIZE 32
#define TIMES_MAX 128 /* Received fields that are looked at */

struct date_words {
	char words[WORDS_MAX][WORD_SIZE];
	size_t count;
};

/* Words without the commas between them. */
static void
split(const char *text, size_t len, struct date_words *d)
{
	size_t i = 0;

	d->count = 0;
	while (i < len && d->count < WORDS_MAX) {
		size_t n = 0;
		char *word = d->words[d->count];

		while (i < len && (ascii_space(text[i]) || text[i] == ','))
			i++;
		while (i < len && !ascii_space(text[i]) && text[i] != ',') {
			if (n < WORD_SIZE - 1)
				word[n++] = text[i];
			i++;
		}
		word[n] = '\0';
		d->count += n > 0;
	}
}

static int
month(const char *word)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int i = 0; i < 12 && strlen(word) == 3; i++) {
		if (ascii_starts(names + 3 * i, 3, word))
			return i;
	}
	return -1;
}

static bool
digits(const char *word, size_t min, size_t max, int *value_r)
{
	size_t len = strspn(word, "0123456789");

	*value_r = atoi(word);
	return len >= min && len <= max && word[len] == '\0';
}

/* `29 Aug 2002`, or `Aug 29 12:13:43 2002`. */
static bool
find_day(const struct date_words *d, struct tm *tm)
{
	size_t year_len = 4;
	int h, m;

	for (size_t i = 0; i < d->count; i++) {
		tm->tm_mon = month(d->words[i]);
		if (tm->tm_mon < 0)
			continue;
		if (i > 0 && i + 1 < d->count &&
		    digits(d->words[i - 1], 1, 9, &tm->tm_mday) &&
		    digits(d->words[i + 1], 2, 4, &tm->tm_year)) {
			year_len = strlen(d->words[i + 1]);
			break;
		}
		if (i + 3 < d->count &&
		    digits(d->words[i + 1], 1, 9, &tm->tm_mday) &&
		    sscanf(d->words[i + 2], "%2d:%2d:", &h, &m) == 2 &&
		    digits(d->words[i + 3], 4, 4, &tm->tm_year))
			break;
		tm->tm_mon = -1;
	}
	if (tm->tm_mon < 0)
		return false;
	/* RFC 5322 section 4.3; a year of four digits is what it says. */
	if (year_len == 2 && tm->tm_year < 50)
		tm->tm_year += 2000;
	else if (year_len != 4)
		tm->tm_year += 1900;
	/* SpamAssassin's own bounds. */
	if (tm->tm_year > 2037)
		tm->tm_year = 2037;
	if (tm->tm_year < 1970)
		tm->tm_year = 1970;
	tm->tm_year -= 1900;
	return true;
}

static int
at_most(int value, int most)
{
	return value > most ? most : value;
}

static void
find_time(const struct date_words *d, struct tm *tm)
{
	for (size_t i = 0; i < d->count; i++) {
		int h = 0, m = 0, s = 0;

		if (sscanf(d->words[i], "%2d:%2d:%2d", &h, &m, &s) < 2 ||
		    h < 0 || m < 0 || s < 0)
			continue;
		tm->tm_hour = at_most(h, 23);
		tm->tm_min = at_most(m, 59);
		tm->tm_sec = at_most(s, 59);
		return;
	}
}

/* Seconds to add. */
static long
find_zone(const struct date_words *d)
{
	static const struct {
		const char *name;
		int quarters; /* of an hour */
	} zones[] = {{"UT", 0}, {"UTC", 0}, {"GMT", 0}, {"WET", 0},
	    {"NST", -14}, {"NDT", -10}, {"AST", -16}, {"ADT", -12},
	    {"EST", -20}, {"EDT", -16}, {"CST", -24}, {"CDT", -20},
	    {"MST", -28}, {"MDT", -24}, {"PST", -32}, {"PDT", -28},
	    {"HST", -40}, {"AKST", -36}, {"AKDT", -32}, {"BRT", -12},
	    {"BRST", -8}, {"BST", 4}, {"IST", 4}, {"WEST", 4}, {"CET", 4},
	    {"MET", 4}, {"MEZ", 4}, {"CEST", 8}, {"MEST", 8}, {"MESZ", 8},
	    {"EET", 8}, {"EEST", 12}, {"MSK", 12}, {"MSD", 16}, {"JST", 36}};

	for (size_t i = 0; i < d->count; i++) {
		const char *w = d->words[i];
		int n;

		if ((*w == '+' || *w == '-') && digits(w + 1, 4, 4, &n)) {
			long seconds = (n / 100 * 60L + n % 100) * 60;

			return *w == '+' ? seconds : -seconds;
		}
	}
	for (size_t i = 0; i < d->count; i++) {
		for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
			if (strcmp(zones[z].name, d->words[i]) == 0)
				return zones[z].quarters * 900L;
		}
	}
	return 0;
}

bool
eval_date(const char *text, size_t len, int64_t *time_r)
{
	struct date_words d;
	struct tm tm = {0};

	split(text, len, &d);
	if (!find_day(&d, &tm))
		return false;
	tm.tm_mday = at_most(tm.tm_mday, 31);
	find_time(&d, &tm);
	*time_r = (int64_t)timegm(&tm) - find_zone(&d);
	if (*time_r < 0)
		*time_r = 0;
	return true;
}

static bool
date_field(struct run *run, int64_t *time_r)
{
	static const char *const names[] = {"Resent-Date", "Date"};

	for (size_t i = 0; i < 2; i++) {
		struct rules_text t = rules_get(run, names[i]);
		const char *line = t.data, *end = t.data + t.len;

		while (line < end) {
			const char *eol =
			    memchr(line, '\n', (size_t)(end - line));
			size_t len =
			    (size_t)((eol == NULL ? end : eol) - line);

			if (eval_date(line, len, time_r))
				return true;
			line += len + 1;
		}
	}
	return false;
}

static bool
has(struct rules_text t, const char *word)
{
	return memmem(t.data, t.len, word, strlen(word)) != NULL;
}

/* `from localhost ...`, `from NAME [NAME] ...127.0.0.1`, or qmail by itself. */
static bool
is_local(struct rules_text line)
{
	const char *at = memmem(line.data, line.len, "from ", 5);
	const char *end = line.data + line.len;
	unsigned spaces = 0;

	if (has(line, "invoked by uid "))
		return true;
	if (at == NULL)
		return false;
	at += 5;
	if (ascii_starts(at, (size_t)(end - at), "localhost "))
		return true;
	for (; at < end && spaces < 3; at++) {
		spaces += *at == ' ';
		if (spaces > 0 &&
		    ascii_starts(at, (size_t)(end - at), "127.0.0.1"))
			return true;
	}
	return false;
}

static bool
is_fetched(struct rules_text line)
{
	return has(line, "by localhost with ") && has(line, "(fetchmail-");
}

/* Take the next line that is not empty. */
static bool
next_line(struct rules_text *t, struct rules_text *line_r)
{
	while (t->len > 0) {
		const char *eol = memchr(t->data, '\n', t->len);
		size_t len = eol == NULL ? t->len : (size_t)(eol - t->data);
		size_t skip = eol == NULL ? len : len + 1;

		*line_r = (struct rules_text){t->data, len};
		t->data += skip;
		t->len -= skip;
		if (len > 0)
			return true;
	}
	return false;
}

/* When a mailbox was fetched says nothing of when its mail was sent. */
static void
skip_fetched(struct rules_text *t)
{
	struct rules_text rest = *t, line;

	if (!next_line(&rest, &line))
		return;
	if (is_local(line)) {
		if (!next_line(&rest, &line) || !is_fetched(line))
			return;
	} else if (!is_fetched(line)) {
		return;
	}
	*t = rest;
}

static size_t
received_times(struct run *run, int64_t *times)
{
	struct rules_text t = rules_get(run, "Received"), line;
	size_t n = 0;

	skip_fetched(&t);
	/* The field that the MTA has yet to write. */
	if (run->in->here != NULL)
		times[n++] = run->in->now;
	while (n < TIMES_MAX && next_line(&t, &line)) {
		/* Behind the last `;`; where there is none, some word will be
		 * the month. */
		const char *date = memrchr(line.data, ';', line.len);
		const char *from = date == NULL ? line.data : date + 1;
		size_t len = line.len - (size_t)(from - line.data);

		if (eval_date(from, len, &times[n]))
			n++;
	}
	return n;
}

/* By how many seconds is Date ahead of when the message was handed on?  Of all
 * times the nearest counts. */
static int64_t
date_shift(struct run *run)
{
	int64_t times[TIMES_MAX + 1], date, best = 0;
	size_t n;

	if (!date_field(run, &date))
		return 0;
	n = received_times(run, times);
	/* The first hop may have taken its time from Date. */
	if (n > 1 && times[n - 1] == date)
		n--;
	for (size_t i = 0; i < n; i++) {
		int64_t shift = date - times[i];

		if (i == 0 || llabs(shift) < llabs(best))
			best = shift;
	}
	return best;
}

bool
eval_shifted_date(struct run *run, const struct rule *rule)
{
	const char *min = eval_arg(rule, 0), *max = eval_arg(rule, 1);
	double shift = (double)date_shift(run);

	return (strcmp(min, "undef") == 0 || shift >= 3600 * atof(min)) &&
	    (strcmp(max, "undef") == 0 || shift < 3600 * atof(max));
}

/* -- Message-IDs of Outlook, which tell the time -- */

#define OUTLOOK_TICK 0.0023283064365387 /* per second */
#define OUTLOOK_BASE 27111902.8329849
#define OUTLOOK_FUDGE 250

static bool
is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!ascii_digit(s[i]) && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	}
	return true;
}

static bool
fits(long token, int64_t time)
{
	long expected = (long)((double)time * OUTLOOK_TICK + OUTLOOK_BASE);

	return labs(token - expected) < OUTLOOK_FUDGE;
}

bool
eval_outlook_message_id(struct run *run, const struct rule *rule)
{
	struct rules_text id = rules_get(run, "MESSAGEID");
	int64_t times[TIMES_MAX + 1], date = 0;
	char token[9];
	size_t n;

	(void)rule;
	/* <0123456789ab$01234567$01234567@ */
	if (id.len < 33 || id.data[0] != '<' || !is_hex(id.data + 1, 12) ||
	    id.data[13] != '$' || !is_hex(id.data + 14, 8) ||
	    id.data[22] != '$' || !is_hex(id.data + 23, 8) ||
	    id.data[31] != '@')
		return false;
	memcpy(token, id.data + 5, 8);
	token[8] = '\0';
	if (!date_field(run, &date))
		date = 0;
	if (fits(strtol(token, NULL, 16), date))
		return false;
	n = received_times(run, times);
	return !fits(strtol(token, NULL, 16), n == 0 ? 0 : times[0]);
}
