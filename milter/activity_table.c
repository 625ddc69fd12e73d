/* SPDX-License-Identifier: BSD-2-Clause */
#include "activity_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/base/siphash.h"

/* What was counted in a part of the window. */
struct cell {
	uint32_t messages, recipients, refused, scored;
	double score_sum;
	double score_max; /* where scored > 0 */
};

struct counts {
	struct cell cells[ACTIVITY_BUCKETS]; /* by activity_place */
	int64_t last_ms;
};

struct row {
	char *name; /* NULL: it was never used */
	uint64_t hash;
	struct counts counts;
	uint32_t messages; /* in all cells */
	uint32_t missed;
	int64_t born; /* the part in which it got its name */
	struct activity_share share;
	char clients[ACTIVITY_CLIENTS][HOST_TEXT_SIZE];
};

struct rank {
	double key;
	const struct row *row;
};

struct activity_table {
	size_t size, used;
	struct row *rows;
	uint32_t *weights; /* of the rows: messages and missed.  Until the next
	    part they only grow */
	uint32_t floor;    /* no weight is below it */
	size_t above;      /* the first so many rows weigh more */
	struct rank *ranks;
	uint32_t *index; /* by hash, open addressing: a row's number and 1; 0:
	    none */
	size_t mask;
	uint64_t key[2];
	int64_t bucket; /* the last part of the window */
	struct counts others;
	uint32_t lost[ACTIVITY_BUCKETS]; /* the greatest weight of a row that
	    lost its name in that part */
};

/* -- making one -- */

struct activity_table *
activity_table_new(size_t rows)
{
	struct activity_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->size = rows;
	for (t->mask = 4; t->mask < 2 * rows; t->mask *= 2)
		;
	t->index = calloc(t->mask--, sizeof(*t->index));
	t->rows = calloc(rows, sizeof(*t->rows));
	t->weights = calloc(rows, sizeof(*t->weights));
	t->ranks = calloc(rows, sizeof(*t->ranks));
	if (t->index == NULL || t->rows == NULL || t->weights == NULL ||
	    t->ranks == NULL ||
	    getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key)) {
		activity_table_free(t);
		return NULL;
	}
	return t;
}

void
activity_table_clear(struct activity_table *t)
{
	for (size_t i = 0; i < t->used; i++)
		free(t->rows[i].name);
	memset(t->rows, 0, t->size * sizeof(*t->rows));
	memset(t->index, 0, (t->mask + 1) * sizeof(*t->index));
	memset(t->weights, 0, t->size * sizeof(*t->weights));
	memset(t->lost, 0, sizeof(t->lost));
	memset(&t->others, 0, sizeof(t->others));
	t->used = t->above = 0;
	t->floor = 0;
	t->bucket = 0;
}

void
activity_table_free(struct activity_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; t->rows != NULL && i < t->used; i++)
		free(t->rows[i].name);
	free(t->rows);
	free(t->weights);
	free(t->ranks);
	free(t->index);
	free(t);
}

/* -- the window -- */

static uint32_t
add_up(uint32_t a, uint64_t b)
{
	return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static uint32_t
messages_of(const struct counts *c)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < ACTIVITY_BUCKETS; i++)
		sum = add_up(sum, c->cells[i].messages);
	return sum;
}

/* The greatest weight lost in the window up to that part. */
static uint32_t
lost_until(const struct activity_table *t, int64_t bucket)
{
	uint32_t most = 0;

	for (int64_t b = t->bucket - ACTIVITY_BUCKETS + 1; b <= bucket; b++) {
		if (b >= 0 && t->lost[activity_place(b)] > most)
			most = t->lost[activity_place(b)];
	}
	return most;
}

static void
weigh(struct activity_table *t, size_t i)
{
	t->weights[i] = add_up(t->rows[i].messages, t->rows[i].missed);
}

void
activity_table_turn(struct activity_table *t, int64_t bucket)
{
	int64_t from = bucket - ACTIVITY_BUCKETS;

	if (from < t->bucket)
		from = t->bucket;
	for (int64_t b = from + 1; b <= bucket; b++) {
		size_t at = activity_place(b);

		for (size_t i = 0; i < t->used; i++)
			memset(&t->rows[i].counts.cells[at], 0,
			    sizeof(struct cell));
		memset(&t->others.cells[at], 0, sizeof(struct cell));
		t->lost[at] = 0;
	}
	t->bucket = bucket;
	t->floor = 0;
	t->above = 0;
	for (size_t i = 0; i < t->used; i++) {
		struct row *row = &t->rows[i];
		uint32_t most =
		    row->missed == 0 ? 0 : lost_until(t, row->born);

		row->messages = messages_of(&row->counts);
		if (row->missed > most)
			row->missed = most;
		weigh(t, i);
	}
}

/* -- names -- */

static uint64_t
hash_of(const struct activity_table *t, const char *name)
{
	uint64_t hash[2];

	siphash128(t->key, name, strlen(name), hash);
	return hash[0];
}

/* The place in the index of the name; or the free one where it would be. */
static size_t
find(const struct activity_table *t, const char *name, uint64_t hash)
{
	size_t at = hash & t->mask;

	for (; t->index[at] != 0; at = (at + 1) & t->mask) {
		const struct row *row = &t->rows[t->index[at] - 1];

		if (row->hash == hash && strcmp(row->name, name) == 0)
			break;
	}
	return at;
}

/* Take the name out of the index; those that stand behind it move up. */
static void
forget(struct activity_table *t, const struct row *row)
{
	size_t hole = find(t, row->name, row->hash), at = hole;

	for (;;) {
		size_t home;

		at = (at + 1) & t->mask;
		if (t->index[at] == 0)
			break;
		home = t->rows[t->index[at] - 1].hash & t->mask;
		if (((at - home) & t->mask) >= ((at - hole) & t->mask)) {
			t->index[hole] = t->index[at];
			hole = at;
		}
	}
	t->index[hole] = 0;
}

static void
merge(struct cell *to, const struct cell *from)
{
	if (from->scored > 0 &&
	    (to->scored == 0 || from->score_max > to->score_max))
		to->score_max = from->score_max;
	to->score_sum += from->score_sum;
	to->messages = add_up(to->messages, from->messages);
	to->recipients = add_up(to->recipients, from->recipients);
	to->refused = add_up(to->refused, from->refused);
	to->scored = add_up(to->scored, from->scored);
}

static void
give_to_others(struct activity_table *t, size_t i)
{
	const struct row *row = &t->rows[i];
	uint32_t *lost = &t->lost[activity_place(t->bucket)];

	for (size_t b = 0; b < ACTIVITY_BUCKETS; b++)
		merge(&t->others.cells[b], &row->counts.cells[b]);
	if (row->counts.last_ms > t->others.last_ms)
		t->others.last_ms = row->counts.last_ms;
	if (t->weights[i] > *lost)
		*lost = t->weights[i];
}

/* The number of the row to use for another name: one that weighs least. */
static size_t
lightest(struct activity_table *t)
{
	for (;;) {
		for (; t->above < t->used; t->above++) {
			if (t->weights[t->above] <= t->floor)
				return t->above;
		}
		t->above = 0;
		t->floor = t->weights[0];
		for (size_t i = 1; i < t->used; i++) {
			if (t->weights[i] < t->floor)
				t->floor = t->weights[i];
		}
	}
}

/* A row for a new name. */
static struct row *
take_row(struct activity_table *t, const char *name, uint64_t hash)
{
	size_t i = t->used < t->size ? t->used : lightest(t);
	struct row *row = &t->rows[i];
	char *copy = strdup(name);

	if (copy == NULL)
		return NULL;
	if (i == t->used) {
		t->used++;
	} else {
		give_to_others(t, i);
		forget(t, row);
		free(row->name);
	}
	*row = (struct row){.name = copy,
	    .hash = hash,
	    .missed = lost_until(t, t->bucket),
	    .born = t->bucket};
	weigh(t, i);
	t->index[find(t, name, hash)] = (uint32_t)i + 1;
	return row;
}

/* -- adding -- */

/* Put the address in front of the others. */
static void
keep_client(struct row *row, const char *client)
{
	char text[HOST_TEXT_SIZE];
	size_t i = 0;

	strncpy(text, client, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while (i + 1 < ACTIVITY_CLIENTS && strcmp(row->clients[i], text) != 0)
		i++;
	memmove(row->clients[1], row->clients[0], i * sizeof(*row->clients));
	memcpy(row->clients[0], text, sizeof(text));
}

int
activity_table_add(struct activity_table *t, int64_t bucket,
    const struct activity_event *e)
{
	uint64_t hash = hash_of(t, e->name);
	uint32_t number = t->index[find(t, e->name, hash)];
	struct row *row = number == 0 ? take_row(t, e->name, hash)
				      : &t->rows[number - 1];
	struct cell one = {.messages = 1,
	    .recipients = add_up(0, e->recipients),
	    .refused = e->refused,
	    .scored = e->has_score,
	    .score_sum = e->has_score ? e->score : 0,
	    .score_max = e->score};

	if (row == NULL)
		return ERR_NOMEM;
	merge(&row->counts.cells[activity_place(bucket)], &one);
	row->messages = add_up(row->messages, 1);
	weigh(t, (size_t)(row - t->rows));
	if (e->client != NULL)
		keep_client(row, e->client);
	if (e->share != NULL)
		row->share = *e->share;
	if (e->ms > row->counts.last_ms)
		row->counts.last_ms = e->ms;
	return 0;
}

/* -- reading -- */

static void
sum_up(const struct activity_table *t, const struct counts *c,
    struct activity_row *r)
{
	uint64_t scored = 0;
	double sum = 0;

	for (size_t i = 0; i < ACTIVITY_BUCKETS; i++) {
		int64_t b = t->bucket - ACTIVITY_BUCKETS + 1 + (int64_t)i;
		const struct cell *cell =
		    &c->cells[activity_place(b < 0 ? b + ACTIVITY_BUCKETS : b)];

		r->messages += cell->messages;
		r->recipients += cell->recipients;
		r->refused += cell->refused;
		r->series[i] = cell->messages;
		if (cell->scored > 0 &&
		    (scored == 0 || cell->score_max > r->score_max))
			r->score_max = cell->score_max;
		scored += cell->scored;
		sum += cell->score_sum;
	}
	r->score_mean = scored == 0 ? 0 : sum / (double)scored;
	r->last_ms = c->last_ms;
}

static void
read_row(const struct activity_table *t, const struct row *row,
    struct activity_row *r)
{
	*r = (struct activity_row){.name = row->name,
	    .missed = row->missed,
	    .share = row->share};
	for (size_t i = 0; i < ACTIVITY_CLIENTS; i++) {
		if (row->clients[i][0] != '\0')
			r->clients[i] = row->clients[i];
	}
	sum_up(t, &row->counts, r);
}

static double
key_of(const struct activity_table *t, const struct row *row,
    enum activity_order by)
{
	struct activity_row r;

	read_row(t, row, &r);
	switch (by) {
	case ACTIVITY_BY_MESSAGES:
		return (double)r.messages;
	case ACTIVITY_BY_RECIPIENTS:
		return (double)r.recipients;
	case ACTIVITY_BY_REFUSED:
		return (double)r.refused;
	case ACTIVITY_BY_SHARE:
		return r.share.share;
	case ACTIVITY_BY_SCORE:
		return r.score_max;
	case ACTIVITY_BY_LAST:
		return (double)r.last_ms;
	default:
		return 0;
	}
}

static int
compare(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return strcmp(x->row->name, y->row->name);
}

size_t
activity_table_rows(struct activity_table *t, enum activity_order by,
    struct activity_row *rows, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < t->used; i++) {
		const struct row *row = &t->rows[i];

		if (row->messages > 0)
			t->ranks[count++] = (struct rank){
			    .key = key_of(t, row, by), .row = row};
	}
	if (count > 0)
		qsort(t->ranks, count, sizeof(*t->ranks), compare);
	if (count > max)
		count = max;
	for (size_t i = 0; i < count; i++)
		read_row(t, t->ranks[i].row, &rows[i]);
	return count;
}

bool
activity_table_row(const struct activity_table *t, const char *name,
    struct activity_row *row_r)
{
	uint32_t number = t->index[find(t, name, hash_of(t, name))];

	if (number == 0 || t->rows[number - 1].messages == 0)
		return false;
	read_row(t, &t->rows[number - 1], row_r);
	return true;
}

bool
activity_table_others(
    const struct activity_table *t, struct activity_row *row_r)
{
	*row_r = (struct activity_row){.missed = lost_until(t, t->bucket)};
	sum_up(t, &t->others, row_r);
	return row_r->messages > 0;
}
