/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_keyring.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/siphash.h"
#include "lib/dkim/dkim_record.h"

struct entry {
	char *text; /* NULL: empty */
	size_t len;
	struct dkim_record *record;
};

struct dkim_keyring {
	pthread_mutex_t lock;
	uint64_t secret[2]; /* so that nobody can aim at a place */
	struct entry entries[DKIM_KEYRING_SIZE]; /* each text has one place */
};

struct dkim_keyring *
dkim_keyring_new(void)
{
	struct dkim_keyring *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	if (getrandom(k->secret, sizeof(k->secret), 0) !=
		sizeof(k->secret) ||
	    pthread_mutex_init(&k->lock, NULL) != 0) {
		free(k);
		return NULL;
	}
	return k;
}

static void
clear(struct entry *e)
{
	free(e->text);
	dkim_record_free(e->record);
	*e = (struct entry){0};
}

void
dkim_keyring_free(struct dkim_keyring *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < DKIM_KEYRING_SIZE; i++)
		clear(&k->entries[i]);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* A record that is used, with its place's text; the lock is held. */
static void
put(struct entry *e, const void *text, size_t len, struct dkim_record *r)
{
	char *copy = malloc(len + 1);

	/* Without memory it is simply not kept. */
	if (copy == NULL)
		return;
	clear(e);
	memcpy(copy, text, len);
	e->text = copy;
	e->len = len;
	e->record = dkim_record_ref(r);
}

struct dkim_record *
dkim_keyring_get(struct dkim_keyring *k, const void *text, size_t len)
{
	struct dkim_record *r = NULL;
	struct entry *e;
	uint64_t hash[2];

	if (len > DKIM_RECORD_MAX)
		return dkim_record_read(text, len);
	siphash128(k->secret, text, len, hash);
	e = &k->entries[hash[0] % DKIM_KEYRING_SIZE];
	pthread_mutex_lock(&k->lock);
	if (e->text != NULL && e->len == len && memcmp(e->text, text, len) == 0)
		r = dkim_record_ref(e->record);
	pthread_mutex_unlock(&k->lock);
	if (r != NULL)
		return r;
	r = dkim_record_read(text, len);
	if (r == NULL)
		return NULL;
	pthread_mutex_lock(&k->lock);
	put(e, text, len, r);
	pthread_mutex_unlock(&k->lock);
	return r;
}
