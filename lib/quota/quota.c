/*
 * What a quota is, and the store that keeps it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "quota.h"

#include <string.h>

#include "lib/base/err.h"
#include "store.h"

const char *
quota_kind_name(enum quota_kind kind)
{
	static const char *const names[QUOTA_KINDS] = {
	    [QUOTA_MESSAGES] = "messages",
	    [QUOTA_RECIPIENTS] = "recipients",
	    [QUOTA_BYTES] = "bytes",
	};

	return kind < QUOTA_KINDS ? names[kind] : "?";
}

int
quota_set_add(struct quota_set *set, const struct quota_limit *limit)
{
	unsigned i = 0;

	if (limit->kind >= QUOTA_KINDS || limit->window_s < 1 ||
	    limit->window_s > QUOTA_WINDOW_MAX ||
	    limit->limit > QUOTA_LIMIT_MAX)
		return ERR_LIMIT;
	while (i < set->count && (set->limit[i].kind < limit->kind ||
	    (set->limit[i].kind == limit->kind &&
	    set->limit[i].window_s < limit->window_s)))
		i++;
	if (i < set->count && set->limit[i].kind == limit->kind &&
	    set->limit[i].window_s == limit->window_s) {
		if (limit->limit < set->limit[i].limit)
			set->limit[i].limit = limit->limit;
		return 0;
	}
	if (set->count == QUOTA_LIMITS_MAX)
		return ERR_LIMIT;
	memmove(&set->limit[i + 1], &set->limit[i],
	    (set->count - i) * sizeof(set->limit[0]));
	set->limit[i] = *limit;
	set->count++;
	return 0;
}


/* --- counting --------------------------------------------------------- */

int
quota_reserve(struct quota *q, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_use *use, struct quota_refusal *refusal_r)
{
	return q->store->reserve(q, account, set, amount, use, refusal_r);
}

void
quota_give_back(struct quota *q, struct quota_use *use,
    const struct quota_amount *amount)
{
	q->store->give_back(q, use, amount);
}

int
quota_commit(struct quota *q, struct quota_use *use,
    struct quota_refusal *refusal_r)
{
	return q->store->commit(q, use, refusal_r);
}

void
quota_settle(struct quota *q, struct quota_use *use)
{
	q->store->settle(q, use);
}

void
quota_release(struct quota *q, struct quota_use *use)
{
	q->store->release(q, use);
}

void
quota_cancel(struct quota *q, struct quota_use *use)
{
	use->committed = false;
	q->store->release(q, use);
}

/* --- looking ---------------------------------------------------------- */

/* Of a table in which nothing was counted. */
static int
would_ever(const struct quota_set *set, const struct quota_amount *amount,
    struct quota_refusal *refusal_r)
{
	unsigned k = set == NULL ? 0 : set->count;

	while (k > 0 && amount->of[set->limit[k - 1].kind] <=
	    set->limit[k - 1].limit)
		k--;
	if (k == 0)
		return QUOTA_GRANTED;
	if (refusal_r != NULL)
		*refusal_r = (struct quota_refusal){set->limit[k - 1], 0,
		    QUOTA_NEVER};
	return QUOTA_REFUSED;
}

int
quota_would(struct quota *q, const char *account, const struct quota_set *set,
    const struct quota_amount *amount, struct quota_refusal *refusal_r)
{
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);

	if (len == 0 || len > QUOTA_ACCOUNT_MAX)
		return ERR_LIMIT;
	if (q == NULL)
		return would_ever(set, amount, refusal_r);
	return q->store->would(q, account, set, amount, refusal_r);
}

bool
quota_has_room(
    struct quota *q, const char *account, const struct quota_set *set)
{
	return q->store->has_room(q, account, set);
}

int
quota_peek(struct quota *q, const char *account, const struct quota_set *set,
    struct quota_state *state_r)
{
	return q->store->peek(q, account, set, state_r);
}

bool
quota_next(struct quota *q, uint32_t *cursor, struct quota_entry *entry_r)
{
	return q->store->next(q, cursor, entry_r);
}

void
quota_peek_entry(struct quota *q, const struct quota_entry *entry,
    const struct quota_set *set, struct quota_state *state_r)
{
	q->store->peek_entry(q, entry, set, state_r);
}

void
quota_info(struct quota *q, struct quota_info *info_r)
{
	q->store->info(q, info_r);
}

/* --- administration --------------------------------------------------- */

int
quota_reset_all(struct quota *q)
{
	return q->store->reset_all(q);
}

int
quota_reset(struct quota *q, const char *account)
{
	return q->store->reset(q, account);
}

int
quota_lock(struct quota *q, const char *account, bool locked)
{
	return q->store->lock(q, account, locked);
}

int
quota_rename(
    struct quota *q, const char *from, const char *to, bool *joined_r)
{
	return q->store->rename(q, from, to, joined_r);
}

int
quota_noted(struct quota *q, enum quota_note note, const char *words)
{
	return q->store->noted(q, note, words);
}

int
quota_note(struct quota *q, enum quota_note note, const char *words)
{
	return q->store->note(q, note, words);
}

int
quota_check(struct quota *q, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	return q->store->check(q, report_r, msg_r);
}

bool
quota_needs_check(const struct quota *q)
{
	return q->store->needs_check(q);
}

void
quota_close(struct quota *q)
{
	if (q != NULL)
		q->store->close(q);
}
