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
	uint64_t gap;     /* where a record in work is */
	int64_t gap_ends; /* when it is skipped; 0: there is none */
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
}

void
past_newest(struct past *p)
{
	p->reader.at = ring_head(p->ring);
	p->reader.lost = 0;
}

/* Is the reader to wait for the record in work that it has come to? */
static bool
waits(struct past *p)
{
	int64_t now = clock_ms();

	if (p->gap_ends == 0 || p->gap != p->reader.at) {
		p->gap = p->reader.at;
		p->gap_ends = now + PATIENCE_MS;
	}
	return now < p->gap_ends;
}

const struct record *
past_next(struct past *p, bool follow)
{
	const struct record *r;
	enum ring_read found;

	for (;;) {
		found = ring_next(&p->reader, follow);
		if (found == RING_GAP && waits(p))
			return NULL;
		if (found == RING_GAP)
			found = ring_next(&p->reader, false);
		p->gap_ends = 0;
		if (found != RING_RECORD)
			return NULL;
		if (p->wanted != NULL &&
		    memmem(p->reader.words, p->reader.len, p->wanted,
			strlen(p->wanted)) == NULL)
			continue;
		arena_reset(&p->arena);
		if (record_unpack(p->reader.words, p->reader.len, &p->arena,
			&r) == 0)
			return r;
		p->foreign++;
	}
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
	const struct record *r;

	p->reader.at = place;
	if (place >= ring_head(p->ring) ||
	    ring_next(&p->reader, true) != RING_RECORD ||
	    p->reader.place != place)
		return NULL;
	arena_reset(&p->arena);
	return record_unpack(p->reader.words, p->reader.len, &p->arena, &r) == 0
	    ? r
	    : NULL;
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
