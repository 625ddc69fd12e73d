/* SPDX-License-Identifier: BSD-2-Clause */
#include "counters.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "chain.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/spf/spf.h"
#include "record.h"

/* -- labels -- */

struct label {
	const char *name;
	size_t values;
	const char *(*value)(size_t i); /* NULL: there is none of that number */
};

static const char *
direction(size_t i)
{
	return i == DIRECTION_OUTBOUND ? "outbound" : "inbound";
}

/* As record_word has them. */
enum { ACCEPT, REJECT, TEMPFAIL, DISCARD, QUARANTINE, ERROR, NONE, WORDS };

static const char *const words[WORDS] = {[ACCEPT] = "accept",
    [REJECT] = "reject",
    [TEMPFAIL] = "tempfail",
    [DISCARD] = "discard",
    [QUARANTINE] = "quarantine",
    [ERROR] = "error",
    [NONE] = "none"};

static_assert(WORDS == COUNTERS_VERDICTS, "as counters_sum tells them");

static const char *
word(size_t i)
{
	return words[i];
}

/* "-" (nobody), the chain itself ("postern"), or a stage. */
static const char *
decider(size_t i)
{
	if (i < 2)
		return i == 0 ? "-" : "postern";
	return stages[i - 2]->name;
}

static const char *
stage(size_t i)
{
	return stages[i]->name;
}

static const char *
spf(size_t i)
{
	return spf_outcome_text((enum spf_outcome)i);
}

static const char *
dkim(size_t i)
{
	return dkim_status_word((enum dkim_status)i);
}

static const char *
dmarc(size_t i)
{
	return dmarc_outcome_word((enum dmarc_outcome)i);
}

static const char *
yes(size_t i)
{
	return i == 0 ? "no" : "yes";
}

/* As enum dns_status has them, and what our own cache knew. */
static const char *const dns_words[] = {"ok", "nodata", "nxdomain", "tempfail",
    "timeout", "badname", "cached"};

#define DNS_CACHED (sizeof(dns_words) / sizeof(*dns_words) - 1)

static const char *
dns(size_t i)
{
	return dns_words[i];
}

static const char *
refused_thing(size_t i)
{
	return i == 0 ? "message" : "recipient";
}

static const struct label directions = {"direction", 2, direction};
static const struct label verdicts = {"verdict", WORDS, word};
static const struct label deciders = {"by", STAGES_MAX + 2, decider};
static const struct label accepted = {"accepted", 2, yes};
static const struct label is_signed = {"signed", 2, yes};
static const struct label spf_results = {"result", SPF_PERMERROR + 1, spf};
static const struct label dkim_results = {
    "result", DKIM_STATUS_PERMERROR + 1, dkim};
static const struct label dmarc_results = {
    "result", DMARC_PERMERROR + 1, dmarc};
static const struct label each_stage = {"stage", STAGES_MAX, stage};
static const struct label dns_results = {
    "result", sizeof(dns_words) / sizeof(*dns_words), dns};
static const struct label refused_things = {"what", 2, refused_thing};

/* -- which series begin at 0 -- */

/* Can it decide? */
static bool
decides(const struct stage *s)
{
	return s->mail != NULL || s->rcpt != NULL || s->eoh != NULL ||
	    s->eom != NULL || s->judge != NULL;
}

/* By nobody mail is accepted or given up; whoever refuses, rejects or
 * tempfails.  The rest is rare. */
static bool
message_begins(const size_t *values)
{
	size_t by = values[2];

	if (by == 0)
		return values[1] == ACCEPT || values[1] == NONE;
	return (values[1] == REJECT || values[1] == TEMPFAIL) &&
	    (by == 1 || decides(stages[by - 2]));
}

static bool
client_begins(const size_t *values)
{
	return (values[0] == REJECT || values[0] == TEMPFAIL) &&
	    values[1] >= 2 && stages[values[1] - 2]->connect != NULL;
}

static bool
stage_begins(const size_t *values)
{
	return decides(stages[values[0]]);
}

/* -- the table -- */

enum id {
	MESSAGES,
	RECIPIENTS,
	OCTETS,
	CLIENTS,
	SIGNED,
	SPF,
	DKIM,
	DMARC,
	QUOTA,
	DNS,
	DURATION,
	STAGES,
	DNS_DURATION,
	COUNTERS
};

static const struct {
	const char *name, *help;
	const struct label *labels[COUNTERS_LABELS]; /* NULL: no more */
	bool histogram; /* of nanoseconds; told in seconds */
	/* Does the series begin at 0, and not when it is first counted?  NULL:
	 * all do. */
	bool (*begins)(const size_t *values);
} rows[COUNTERS] = {
    [MESSAGES] = {.name = "postern_messages_total",
	.help = "Messages, by what became of them and who decided",
	.labels = {&directions, &verdicts, &deciders},
	.begins = message_begins},
    [RECIPIENTS] = {.name = "postern_recipients_total",
	.help = "Recipients of messages, and whether each was accepted",
	.labels = {&directions, &accepted}},
    [OCTETS] = {.name = "postern_message_bytes_total",
	.help = "Octets of messages that were let in or out",
	.labels = {&directions}},
    [CLIENTS] = {.name = "postern_clients_refused_total",
	.help = "Clients that were refused before any message",
	.labels = {&verdicts, &deciders},
	.begins = client_begins},
    [SIGNED] = {.name = "postern_outbound_total",
	.help = "Outbound messages that were let out, signed or not",
	.labels = {&is_signed}},
    [SPF] = {.name = "postern_spf_total",
	.help = "Messages by SPF's result for MAIL FROM",
	.labels = {&spf_results}},
    [DKIM] = {.name = "postern_dkim_total",
	.help = "DKIM signatures of inbound messages, and what became of each",
	.labels = {&dkim_results}},
    [DMARC] = {.name = "postern_dmarc_total",
	.help = "Messages by DMARC's result",
	.labels = {&dmarc_results}},
    [QUOTA] = {.name = "postern_quota_refusals_total",
	.help = "Messages and recipients that a quota or its lock refused",
	.labels = {&refused_things}},
    [DNS] = {.name = "postern_dns_queries_total",
	.help = "Questions to the DNS, and what came of each",
	.labels = {&dns_results}},
    [DURATION] = {.name = "postern_message_duration_seconds",
	.help = "Time from MAIL to the end of each message",
	.labels = {&directions},
	.histogram = true},
    [STAGES] = {.name = "postern_stage_duration_seconds",
	.help = "Time of each message in each stage, waits included",
	.labels = {&each_stage},
	.histogram = true,
	.begins = stage_begins},
    [DNS_DURATION] = {.name = "postern_dns_duration_seconds",
	.help = "Time until the resolver answered a question",
	.histogram = true},
};

/* Of one counter; a histogram's series has HISTOGRAM of them: a count for each
 * bucket, and the sum. */
#define HISTOGRAM (COUNTERS_BUCKETS + 2)
#define SUM (COUNTERS_BUCKETS + 1)
#define CELLS_MAX (STAGES_MAX * HISTOGRAM)

static_assert(2 * WORDS * (STAGES_MAX + 2) <= CELLS_MAX, "all counters fit");

static _Atomic uint64_t cells[COUNTERS][CELLS_MAX];

const double counters_bounds[COUNTERS_BUCKETS] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

/* The same in nanoseconds. */
static const uint64_t bounds[COUNTERS_BUCKETS] = {1000000, 2500000, 5000000,
    10000000, 25000000, 50000000, 100000000, 250000000, 500000000, 1000000000,
    2500000000, 5000000000, 10000000000};

/* -- counting -- */

static size_t
cell_of(enum id id, const size_t *values)
{
	size_t cell = 0;

	for (size_t k = 0; k < COUNTERS_LABELS && rows[id].labels[k] != NULL;
	     k++) {
		assert(values[k] < rows[id].labels[k]->values);
		cell = cell * rows[id].labels[k]->values + values[k];
	}
	return cell;
}

static void
add_to(enum id id, size_t cell, uint64_t n)
{
	atomic_fetch_add_explicit(&cells[id][cell], n, memory_order_relaxed);
}

static void
add(enum id id, const size_t *values, uint64_t n)
{
	add_to(id, cell_of(id, values), n);
}

static void
observe(enum id id, const size_t *values, uint64_t ns)
{
	size_t cell = cell_of(id, values) * HISTOGRAM, i = 0;

	while (i < COUNTERS_BUCKETS && ns > bounds[i])
		i++;
	add_to(id, cell + i, 1);
	add_to(id, cell + SUM, ns);
}

static size_t
word_of(const struct record *r)
{
	const char *word = record_word(r);
	size_t i = 0;

	while (i + 1 < WORDS && strcmp(words[i], word) != 0)
		i++;
	return i;
}

static size_t
decider_of(const struct record *r)
{
	const char *by = r->aborted ? NULL : r->verdict.by;

	for (size_t i = 0; by != NULL && stages[i] != NULL; i++) {
		if (strcmp(stages[i]->name, by) == 0)
			return i + 2;
	}
	return by != NULL;
}

static bool
is_quota(const struct verdict *v)
{
	return v->by != NULL && strcmp(v->by, "quota") == 0;
}

static void
count_checks(const struct record *r)
{
	if (r->spf != NULL && r->spf->scope == SPF_MFROM)
		add(SPF, (size_t[]){r->spf->result}, 1);
	for (size_t i = 0; r->dkim != NULL && i < r->dkim->count; i++)
		add(DKIM, (size_t[]){r->dkim->list[i].status}, 1);
	if (r->dmarc != NULL)
		add(DMARC, (size_t[]){r->dmarc->result}, 1);
}

/* Recipients that were refused, and by a quota. */
static void
count_refused(const struct record *r, size_t *all_r, size_t *quota_r)
{
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		const struct verdict *v = record_refusal(to);

		*all_r += v != NULL;
		*quota_r += v != NULL && is_quota(v);
	}
}

static void
count_message(const struct record *r)
{
	size_t direction = r->direction, refused = 0, quota = 0;

	count_refused(r, &refused, &quota);
	add(MESSAGES, (size_t[]){direction, word_of(r), decider_of(r)}, 1);
	add(RECIPIENTS, (size_t[]){direction, 1}, r->rcpt_count);
	add(RECIPIENTS, (size_t[]){direction, 0}, refused);
	add(QUOTA, (size_t[]){1}, quota);
	if (!r->aborted && verdict_refuses(&r->verdict) &&
	    is_quota(&r->verdict) && quota == 0)
		add(QUOTA, (size_t[]){0}, 1);
	if (r->left)
		add(OCTETS, (size_t[]){direction}, r->size);
	if (r->left && r->direction == DIRECTION_OUTBOUND)
		add(SIGNED, (size_t[]){r->unsigned_why == NULL}, 1);
	observe(DURATION, (size_t[]){direction}, (uint64_t)r->took_ns);
	count_checks(r);
}

void
counters_count(const struct record *r)
{
	if (r->at == NULL)
		count_message(r);
	else
		add(CLIENTS, (size_t[]){word_of(r), decider_of(r)}, 1);
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (r->stage_ns[i] > 0)
			observe(STAGES, (size_t[]){i}, r->stage_ns[i]);
	}
}

void
counters_dns(enum dns_status status, bool cached, uint64_t ns)
{
	add(DNS, (size_t[]){cached ? DNS_CACHED : (size_t)status}, 1);
	if (!cached)
		observe(DNS_DURATION, NULL, ns);
}

/* -- reading -- */

static uint64_t
cell_at(enum id id, size_t cell)
{
	return atomic_load_explicit(&cells[id][cell], memory_order_relaxed);
}

/* How many series the counter can have, and the labels of each. */
static size_t
count_series(enum id id, size_t *labels_r)
{
	size_t n = 1, k = 0;

	for (; k < COUNTERS_LABELS && rows[id].labels[k] != NULL; k++)
		n *= rows[id].labels[k]->values;
	*labels_r = k;
	return n;
}

/* Is there a stage of that number?  The labels have room for more. */
static bool
is_there(const struct label *label, size_t value)
{
	size_t first = label == &deciders ? 2 : 0, n = 0;

	if ((label != &deciders && label != &each_stage) || value < first)
		return true;
	while (stages[n] != NULL && n < value - first)
		n++;
	return stages[n] != NULL;
}

/* The labels of the series, the last of which counts fastest; false: it can't
 * be. */
static bool
name_series(enum id id, size_t series, struct counter *c, size_t *values_r)
{
	for (size_t k = c->labels; k-- > 0;) {
		const struct label *label = rows[id].labels[k];

		values_r[k] = series % label->values;
		if (!is_there(label, values_r[k]))
			return false;
		c->label[k] = label->name;
		c->value[k] = label->value(values_r[k]);
		series /= label->values;
	}
	return true;
}

/* False: nothing is counted. */
static bool
read_series(enum id id, size_t series, struct counter *c)
{
	if (!rows[id].histogram) {
		c->count = (double)cell_at(id, series);
		return c->count > 0;
	}
	c->buckets = COUNTERS_BUCKETS + 1;
	for (size_t i = 0; i <= COUNTERS_BUCKETS; i++) {
		c->bucket[i] = cell_at(id, series * HISTOGRAM + i);
		c->count += (double)c->bucket[i];
	}
	c->sum = (double)cell_at(id, series * HISTOGRAM + SUM) * 1e-9;
	return c->count > 0;
}

static void
each_of(enum id id, void (*each)(void *arg, const struct counter *c), void *arg)
{
	size_t values[COUNTERS_LABELS], labels;
	size_t n = count_series(id, &labels);

	for (size_t i = 0; i < n; i++) {
		struct counter c = {.name = rows[id].name,
		    .help = rows[id].help,
		    .labels = labels};

		if (name_series(id, i, &c, values) &&
		    (read_series(id, i, &c) || rows[id].begins == NULL ||
			rows[id].begins(values)))
			each(arg, &c);
	}
}

void
counters_each(void (*each)(void *arg, const struct counter *c), void *arg)
{
	for (enum id id = 0; id < COUNTERS; id++)
		each_of(id, each, arg);
}

static void
sum_messages(struct counters_sum *to)
{
	for (size_t d = 0; d < 2; d++) {
		for (size_t w = 0; w < WORDS; w++) {
			for (size_t by = 0; by < deciders.values; by++)
				to->messages[d][w] += cell_at(MESSAGES,
				    cell_of(MESSAGES, (size_t[]){d, w, by}));
		}
		for (size_t i = 0; i <= COUNTERS_BUCKETS; i++)
			to->duration[i] += cell_at(DURATION, d * HISTOGRAM + i);
		to->duration_ns += cell_at(DURATION, d * HISTOGRAM + SUM);
		for (size_t i = 0; i < 2; i++)
			to->recipients[i] += cell_at(
			    RECIPIENTS, cell_of(RECIPIENTS, (size_t[]){d, i}));
	}
}

void
counters_sum(struct counters_sum *to)
{
	*to = (struct counters_sum){0};
	sum_messages(to);
	for (size_t i = 0; i < verdicts.values * deciders.values; i++)
		to->clients_refused += cell_at(CLIENTS, i);
	for (size_t i = 0; i < DNS_CACHED; i++)
		to->dns_queries += cell_at(DNS, i);
	to->dns_failures =
	    cell_at(DNS, DNS_TEMPFAIL) + cell_at(DNS, DNS_TIMEOUT);
	to->dns_ns = cell_at(DNS_DURATION, SUM);
	to->quota_refusals = cell_at(QUOTA, 0) + cell_at(QUOTA, 1);
}
