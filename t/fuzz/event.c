/*
 * Any line is an event or a mistake in clean words, and no event makes of the
 * evidence anything but a finite sum in clean words.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/habit/habit.h"
#include "milter/ctl/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_words(const char *words)
{
	for (; *words != '\0'; words++) {
		if ((unsigned char)*words < 0x20)
			abort();
	}
}

static void
feed(struct habit *h, struct habit_event *e)
{
	struct habit_result r;
	double sum = 0;
	int rc;

	e->stopped = e->bytes % 2 == 1;
	rc = habit_event(h, e, &r);
	if (rc == ERR_LIMIT)
		return;
	if (rc != 0 || r.count > HABIT_KINDS || !isfinite(r.score))
		abort();
	for (size_t i = 0; i < r.count; i++) {
		check_words(r.evidence[i].words);
		sum += r.evidence[i].points;
		if (!(r.evidence[i].points > 0))
			abort();
	}
	if (fabs(sum - r.score) > 1e-6)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *next;
	struct habit_options opt;
	struct event ev = {0};
	struct habit *h;

	habit_defaults(&opt);
	opt.alert_score = 5;
	opt.lock_score = 5;
	opt.lock_for = 60;
	if (habit_open_memory(&h, &opt) != 0)
		abort();
	for (; at < end; at = next) {
		struct errmsg msg = {.text = ""};

		next = memchr(at, '\n', (size_t)(end - at));
		next = next == NULL ? end : next + 1;
		if (event_read(&ev, at, (size_t)(next - at), &msg) == 0)
			feed(h, &ev.habit);
		else if (msg.text[0] == '\0')
			abort();
	}
	event_fini(&ev);
	habit_close(h);
	return 0;
}
