/*
 * Accounts get other names, and what names were made of is noted.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "file.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/siphash.h"

/* Under the lock. */
static int
rename_in(struct mapped *q, struct map *m, const char *from, const char *to,
    bool *joined_r)
{
	size_t from_len = strlen(from), to_len = strlen(to);
	struct quota_key from_key = quota_key_of(m, from, from_len);
	struct quota_key to_key = quota_key_of(m, to, to_len);
	uint32_t n, other;
	int rc;

	if (slot_find(m, &from_key, &n) == NULL)
		return ERR_NOTFOUND;
	if (from_len == to_len && memcmp(from, to, to_len) == 0)
		return 0;
	/* A reset of the table must take effect before the name changes. */
	slot_mend(q, m, n, NULL);
	*joined_r = slot_find(m, &to_key, &other) != NULL;
	if (!*joined_r) {
		slot_rename(m, n, &to_key, to, to_len);
		return 0;
	}
	/* From here on an attempt to count under the old name has no effect:
	 * it sees another version at its end, and begins again. */
	slot_stop(m, n);
	rc = slot_join(q, m, map_slot(m, n), m, to, to_len);
	if (rc == 0)
		slot_drop(m, n);
	else
		slot_mend(q, m, n, NULL);
	return rc;
}

int
mapped_rename(
    struct quota *base, const char *from, const char *to, bool *joined_r)
{
	struct mapped *q = mapped_of(base);
	bool joined = false;
	struct map *m;
	int rc;

	if (*from == '\0' || strlen(from) > QUOTA_ACCOUNT_MAX || *to == '\0' ||
	    strlen(to) > QUOTA_ACCOUNT_MAX)
		return ERR_LIMIT;
	rc = admin_lock(q, &m);
	if (rc != 0)
		return rc;
	rc = rename_in(q, m, from, to, &joined);
	table_unlock(q, m);
	if (joined_r != NULL)
		*joined_r = joined;
	return rc;
}

/* Never 0. */
static uint64_t
hash_words(const struct map *m, const char *words)
{
	uint64_t hash[2];

	siphash128(m->t->hash_key, words, strlen(words), hash);
	return hash[0] | 1;
}

int
mapped_noted(struct quota *base, enum quota_note note, const char *words)
{
	struct mapped *q = mapped_of(base);
	struct map *m = atomic_load(&q->map);
	uint64_t was = atomic_load(&m->t->notes[note]);

	if (was == 0)
		return ERR_NOTFOUND;
	return was == hash_words(m, words);
}

int
mapped_note(struct quota *base, enum quota_note note, const char *words)
{
	struct mapped *q = mapped_of(base);
	struct map *m;
	int rc = admin_lock(q, &m);

	if (rc != 0)
		return rc;
	atomic_store(&m->t->notes[note], hash_words(m, words));
	table_unlock(q, m);
	return 0;
}
