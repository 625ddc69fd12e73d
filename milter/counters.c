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
static const char *const words[] = {
    "accept", "reject", "tempfail", "discard", "quarantine", "error", "none"};

#define WORDS (sizeof(words) / sizeof(*words))

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
	STAGES,
	COUNTERS
};

static const struct {
	const char *name, *help;
	const struct label *labels[COUNTERS_LABELS]; /* NULL: no more */
	double unit; /* what 1 in the cells is; 0: 1 */
} rows[COUNTERS] = {
    [MESSAGES] = {.name = "postern_messages_total",
	.help = "Messages, by what became of them and who decided",
	.labels = {&directions, &verdicts, &deciders}},
    [RECIPIENTS] = {.name = "postern_recipients_total",
	.help = "Recipients of messages, and whether each was accepted",
	.labels = {&directions, &accepted}},
    [OCTETS] = {.name = "postern_message_bytes_total",
	.help = "Octets of messages that were let in or out",
	.labels = {&directions}},
    [CLIENTS] = {.name = "postern_clients_refused_total",
	.help = "Clients that were refused before any message",
	.labels = {&verdicts, &deciders}},
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
    [STAGES] = {.name = "postern_stage_seconds_total",
	.help = "Time in each stage, waits included",
	.labels = {&each_stage},
	.unit = 1e-9},
};

#define CELLS_MAX (2 * WORDS * (STAGES_MAX + 2)) /* of one counter */

static _Atomic uint64_t cells[COUNTERS][CELLS_MAX];

/* -- counting -- */

static void
add(enum id id, const size_t *values, uint64_t n)
{
	size_t cell = 0;

	for (size_t k = 0; k < COUNTERS_LABELS && rows[id].labels[k] != NULL;
	     k++) {
		assert(values[k] < rows[id].labels[k]->values);
		cell = cell * rows[id].labels[k]->values + values[k];
	}
	atomic_fetch_add_explicit(&cells[id][cell], n, memory_order_relaxed);
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

static void
count_message(const struct record *r)
{
	size_t refused = 0;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		refused += record_refusal(to) != NULL;
	add(MESSAGES, (size_t[]){r->direction, word_of(r), decider_of(r)}, 1);
	add(RECIPIENTS, (size_t[]){r->direction, 1}, r->rcpt_count);
	add(RECIPIENTS, (size_t[]){r->direction, 0}, refused);
	if (r->left)
		add(OCTETS, (size_t[]){r->direction}, r->size);
	if (r->left && r->direction == DIRECTION_OUTBOUND)
		add(SIGNED, (size_t[]){r->unsigned_why == NULL}, 1);
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
			add(STAGES, (size_t[]){i}, r->stage_ns[i]);
	}
}

/* -- reading -- */

/* The values of a cell's labels, the last of which counts fastest. */
static void
name_series(enum id id, size_t cell, struct counter *c)
{
	c->labels = 0;
	while (c->labels < COUNTERS_LABELS &&
	    rows[id].labels[c->labels] != NULL)
		c->labels++;
	for (size_t k = c->labels; k-- > 0;) {
		const struct label *label = rows[id].labels[k];

		c->label[k] = label->name;
		c->value[k] = label->value(cell % label->values);
		cell /= label->values;
	}
}

void
counters_each(void (*each)(void *arg, const struct counter *c), void *arg)
{
	for (enum id id = 0; id < COUNTERS; id++) {
		for (size_t cell = 0; cell < CELLS_MAX; cell++) {
			uint64_t n = atomic_load_explicit(
			    &cells[id][cell], memory_order_relaxed);
			struct counter c = {
			    .name = rows[id].name, .help = rows[id].help};

			if (n == 0)
				continue;
			name_series(id, cell, &c);
			c.count = (double)n *
			    (rows[id].unit == 0 ? 1 : rows[id].unit);
			each(arg, &c);
		}
	}
}
