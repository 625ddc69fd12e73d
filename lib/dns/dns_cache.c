/*
 * A table of rows of WAYS places.  A key belongs into one row; a new answer
 * takes the place of the one in it that would leave first.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "dns_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/siphash.h"
#include "lib/dns/dns_wire.h"

#define WAYS 4
#define ROWS (DNS_CACHE_ENTRIES / WAYS)

struct dns_entry {
	atomic_int refs;
	size_t size;
	struct dns_answer *answer;
};

struct place {
	uint64_t hash[2]; /* stands for name and type */
	int64_t until_ms;
	struct dns_entry *entry; /* NULL: free */
};

struct dns_cache {
	pthread_mutex_t lock;
	uint64_t key[2]; /* nobody outside can choose names of one row */
	struct place places[ROWS][WAYS];
};

struct dns_entry *
dns_entry_new(struct dns_answer *answer, size_t size)
{
	struct dns_entry *e = malloc(sizeof(*e));

	if (e == NULL) {
		free(answer);
		return NULL;
	}
	atomic_init(&e->refs, 1);
	e->size = size;
	e->answer = answer;
	return e;
}

struct dns_entry *
dns_entry_ref(struct dns_entry *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
dns_entry_unref(struct dns_entry *e)
{
	if (e == NULL ||
	    atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(e->answer);
	free(e);
}

const struct dns_answer *
dns_entry_answer(const struct dns_entry *e)
{
	return e->answer;
}

struct dns_cache *
dns_cache_new(void)
{
	struct dns_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (getrandom(c->key, sizeof(c->key), 0) != sizeof(c->key) ||
	    pthread_mutex_init(&c->lock, NULL) != 0) {
		free(c);
		return NULL;
	}
	return c;
}

void
dns_cache_free(struct dns_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t j = 0; j < WAYS; j++)
			dns_entry_unref(c->places[i][j].entry);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The row of a key, and its hash. */
static struct place *
row_of(struct dns_cache *c, const char *key, enum dns_type type,
    uint64_t hash_r[2])
{
	char text[DNS_NAME_TEXT + 2];
	size_t len = strlen(key);

	text[0] = (char)(type >> 8);
	text[1] = (char)type;
	memcpy(text + 2, key, len);
	siphash128(c->key, text, len + 2, hash_r);
	return c->places[hash_r[0] % ROWS];
}

static bool
is_same(const struct place *p, const uint64_t hash[2])
{
	return p->entry != NULL && p->hash[0] == hash[0] &&
	    p->hash[1] == hash[1];
}

struct dns_entry *
dns_cache_get(
    struct dns_cache *c, const char *key, enum dns_type type, int64_t now_ms)
{
	struct dns_entry *found = NULL;
	uint64_t hash[2];
	struct place *row = row_of(c, key, type, hash);

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (is_same(&row[i], hash) && row[i].until_ms > now_ms)
			found = dns_entry_ref(row[i].entry);
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

static bool
is_kept(const struct dns_entry *e)
{
	const struct dns_answer *a = e->answer;

	return a->ttl > 0 && e->size <= DNS_CACHE_ANSWER_MAX &&
	    (a->status == DNS_OK || a->status == DNS_NODATA ||
		a->status == DNS_NXDOMAIN);
}

void
dns_cache_put(struct dns_cache *c, const char *key, enum dns_type type,
    struct dns_entry *e, int64_t now_ms)
{
	uint32_t ttl = e->answer->ttl;
	uint64_t hash[2];
	struct place *row = row_of(c, key, type, hash), *p = row;
	struct dns_entry *old;

	if (!is_kept(e))
		return;
	if (ttl > DNS_CACHE_TTL_MAX)
		ttl = DNS_CACHE_TTL_MAX;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (is_same(&row[i], hash)) {
			p = &row[i];
			break;
		}
		if (row[i].until_ms < p->until_ms)
			p = &row[i];
	}
	old = p->entry;
	*p = (struct place){.hash = {hash[0], hash[1]},
	    .until_ms = now_ms + (int64_t)ttl * 1000,
	    .entry = dns_entry_ref(e)};
	pthread_mutex_unlock(&c->lock);
	dns_entry_unref(old);
}
