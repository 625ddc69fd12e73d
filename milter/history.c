/* SPDX-License-Identifier: BSD-2-Clause */
#include "history.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/err.h"

#define SLOTS (HISTORY_MINUTES_KEPT + HISTORY_HOURS_KEPT)
#define BODY (SLOTS * HISTORY_ROOM * sizeof(uint64_t))
#define SUM_BITS 48
#define SUM_MAX ((UINT64_C(1) << SUM_BITS) - 1)

static_assert((int)HISTORY_SERIES <= (int)HISTORY_ROOM, "a slot has room");
static_assert(HISTORY_RECIPIENTS_ACCEPTED ==
	HISTORY_MESSAGES + 2 * (int)HISTORY_VERDICTS, "side by side");
static_assert(BODY % 4096 == 0, "as shared.h wants it");

static const struct shared_kind kind = {
    .magic = "postern history",
    .what = "history",
    .version = 1,
    .body_min = BODY,
    .body_max = BODY,
};

struct history {
	struct shared file;
};

/* -- opening -- */

static struct history *
history_new(struct errmsg *msg_r)
{
	struct history *h = calloc(1, sizeof(*h));

	if (h == NULL)
		errmsg_set(msg_r, "%s", err_text(ERR_NOMEM));
	return h;
}

static int
opened(struct history *h, int rc, struct history **history_r)
{
	if (rc != 0) {
		free(h);
		h = NULL;
	}
	*history_r = h;
	return rc;
}

int
history_open(const char *path, time_t now, struct history **history_r,
    struct shared_report *report_r, struct errmsg *msg_r)
{
	struct history *h = *history_r = history_new(msg_r);

	if (h == NULL)
		return ERR_NOMEM;
	return opened(h,
	    shared_open(&h->file, &kind, path, BODY, now, NULL, NULL, report_r,
		msg_r),
	    history_r);
}

int
history_open_read(
    const char *path, struct history **history_r, struct errmsg *msg_r)
{
	struct history *h = *history_r = history_new(msg_r);

	if (h == NULL)
		return ERR_NOMEM;
	return opened(
	    h, shared_open_read(&h->file, &kind, path, msg_r), history_r);
}

void
history_close(struct history *h)
{
	if (h == NULL)
		return;
	shared_close(&h->file);
	free(h);
}

bool
history_is_there(const struct history *h, const char *path)
{
	return shared_is_there(&h->file, path);
}

/* -- slots and cells -- */

time_t
history_step(enum history_scale scale)
{
	return scale == HISTORY_MINUTES ? 60 : 3600;
}

static uint64_t
kept(enum history_scale scale)
{
	return scale == HISTORY_MINUTES ? HISTORY_MINUTES_KEPT
					: HISTORY_HOURS_KEPT;
}

/* The number of the minute or hour; 0 for times before the epoch. */
static uint64_t
number_of(enum history_scale scale, time_t at)
{
	return at < 0 ? 0 : (uint64_t)(at / history_step(scale));
}

static _Atomic uint64_t *
cell_of(const struct history *h, enum history_scale scale, uint64_t number,
    enum history_series series)
{
	_Atomic uint64_t *cells = h->file.body;
	size_t slot = number % kept(scale) +
	    (scale == HISTORY_MINUTES ? 0 : HISTORY_MINUTES_KEPT);

	return &cells[slot * HISTORY_ROOM + (size_t)series];
}

/* How often the slots had come round, as a cell has it; never 0, which is what
 * a new file has. */
static uint64_t
round_of(enum history_scale scale, uint64_t number)
{
	return number / kept(scale) % 0xffff + 1;
}

static void
add_to(_Atomic uint64_t *cell, uint64_t round, uint64_t n)
{
	uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), sum;

	do {
		sum = old >> SUM_BITS == round ? old & SUM_MAX : 0;
		sum = n > SUM_MAX - sum ? SUM_MAX : sum + n;
	} while (!atomic_compare_exchange_weak_explicit(cell, &old,
	    round << SUM_BITS | sum, memory_order_relaxed,
	    memory_order_relaxed));
}

void
history_add(struct history *h, time_t at, enum history_series series,
    uint64_t n)
{
	static const enum history_scale scales[] = {
	    HISTORY_MINUTES, HISTORY_HOURS};

	assert((int)series < (int)HISTORY_ROOM);
	for (size_t i = 0; n > 0 && i < 2; i++) {
		uint64_t number = number_of(scales[i], at);

		add_to(cell_of(h, scales[i], number, series),
		    round_of(scales[i], number), n);
	}
}

void
history_read(const struct history *h, enum history_scale scale,
    enum history_series series, time_t now, time_t from, size_t n,
    uint64_t *counts_r)
{
	uint64_t last = number_of(scale, now), first = number_of(scale, from);

	assert((int)series < (int)HISTORY_ROOM);
	for (size_t i = 0; i < n; i++) {
		uint64_t number = first + i, cell;

		counts_r[i] = 0;
		if (number > last || last - number >= kept(scale))
			continue;
		cell = atomic_load_explicit(
		    cell_of(h, scale, number, series), memory_order_relaxed);
		if (cell >> SUM_BITS == round_of(scale, number))
			counts_r[i] = cell & SUM_MAX;
	}
}
