/* SPDX-License-Identifier: BSD-2-Clause */
#include "past.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "lib/ring/ring.h"
#include "record.h"
#include "record_pack.h"

#define PATIENCE_MS 2000

struct past {
	char *path;
	struct ring *ring;
	struct ring_reader reader;
	const char *wanted; /* NULL: all */
	struct arena arena;      /* of the record that was returned last */
	uint64_t foreign;
	uint64_t end; /* of what was there when it began to look */
	/* Records in work. */
	uint64_t skip;    /* those before this place are given up */
	uint64_t seen;    /* those before this one are waited for */
	int64_t gap_ends; /* until then; 0: there are none */
};

int
past_open(const char *path, struct past **past_r, struct errmsg *msg_r)
{
	struct past *p = calloc(1, sizeof(*p));
	int rc;

	*past_r = NULL;
	if (p == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "no memory");
	p->path = strdup(path);
	rc = p->path == NULL ? mapfile_fail(msg_r, ERR_NOMEM, "no memory")
			     : ring_open_read(path, &p->ring, msg_r);
	if (rc != 0) {
		free(p->path);
		free(p);
		return rc;
	}
	arena_init(&p->arena);
	p->reader.ring = p->ring;
	past_oldest(p);
	*past_r = p;
	return 0;
}

void
past_close(struct past *p)
{
	if (p == NULL)
		return;
	arena_fini(&p->arena);
	ring_close(p->ring);
	free(p->path);
	free(p);
}

void
past_oldest(struct past *p)
{
	p->reader.at = 0;
	p->reader.lost = 0;
	p->end = ring_head(p->ring);
}

void
past_newest(struct past *p)
{
	p->end = p->reader.at = ring_head(p->ring);
	p->reader.lost = 0;
}

/* Is the reader to wait at the record in work that it has come to?  Whatever
 * else was in work when the first one was seen is given up with it. */
static bool
waits(struct past *p)
{
	int64_t now = clock_ms();

	if (p->gap_ends == 0 || p->reader.at >= p->seen) {
		p->seen = ring_head(p->ring);
		p->gap_ends = now + PATIENCE_MS;
	}
	if (now < p->gap_ends)
		return true;
	p->skip = p->seen;
	p->gap_ends = 0;
	return false;
}

/* The record that was read, if this program knows it. */
static const struct record *
unpack(struct past *p)
{
	const struct record *r = NULL;

	arena_reset(&p->arena);
	(void)record_unpack(p->reader.words, p->reader.len, &p->arena, &r);
	return r;
}

const struct record *
past_next(struct past *p, bool follow)
{
	const struct record *r;
	enum ring_read found;

	while (follow || p->reader.at < p->end) {
		found = ring_next(&p->reader, follow ? p->skip : UINT64_MAX);
		if (found == RING_END || (found == RING_GAP && waits(p)))
			return NULL;
		if (found == RING_GAP ||
		    (p->wanted != NULL &&
			memmem(p->reader.words, p->reader.len, p->wanted,
			    strlen(p->wanted)) == NULL))
			continue;
		r = unpack(p);
		if (r != NULL)
			return r;
		p->foreign++;
	}
	return NULL;
}

void
past_want(struct past *p, const char *text)
{
	p->wanted = text;
}

uint64_t
past_place(const struct past *p)
{
	return p->reader.place;
}

const struct record *
past_at(struct past *p, uint64_t place)
{
	return ring_at(&p->reader, place) ? unpack(p) : NULL;
}

uint64_t
past_foreign(const struct past *p)
{
	return p->foreign;
}

uint64_t
past_lost(const struct past *p)
{
	return p->reader.lost;
}

bool
past_is_stale(const struct past *p)
{
	return !ring_is_there(p->ring, p->path);
}
