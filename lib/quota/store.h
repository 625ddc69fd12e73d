/*
 * The stores behind quota.h: each kind of store has a table of functions.
 * Private to lib/quota.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A store's object begins with a struct quota.  Every function has the contract
 * of its namesake quota_... in quota.h; arguments come as the caller gave them.
 */
#ifndef LIB_QUOTA_STORE_H
#define LIB_QUOTA_STORE_H

#include "quota.h"

struct quota_store {
	int (*reserve)(struct quota *q, const char *account,
	    const struct quota_set *set, const struct quota_amount *amount,
	    struct quota_use *use, struct quota_refusal *refusal_r);
	void (*give_back)(struct quota *q, struct quota_use *use,
	    const struct quota_amount *amount);
	int (*commit)(struct quota *q, struct quota_use *use,
	    struct quota_refusal *refusal_r);
	void (*settle)(struct quota *q, struct quota_use *use);
	void (*release)(struct quota *q, struct quota_use *use);

	int (*would)(struct quota *q, const char *account,
	    const struct quota_set *set, const struct quota_amount *amount,
	    struct quota_refusal *refusal_r);
	bool (*has_room)(struct quota *q, const char *account,
	    const struct quota_set *set);
	int (*peek)(struct quota *q, const char *account,
	    const struct quota_set *set, struct quota_state *state_r);
	bool (*next)(struct quota *q, uint32_t *cursor,
	    struct quota_entry *entry_r);
	void (*peek_entry)(struct quota *q, const struct quota_entry *entry,
	    const struct quota_set *set, struct quota_state *state_r);
	void (*info)(struct quota *q, struct quota_info *info_r);

	int (*reset_all)(struct quota *q);
	int (*reset)(struct quota *q, const char *account);
	int (*lock)(struct quota *q, const char *account, bool locked);
	int (*rename)(struct quota *q, const char *from, const char *to,
	    bool *joined_r);
	int (*noted)(struct quota *q, enum quota_note note, const char *words);
	int (*note)(struct quota *q, enum quota_note note, const char *words);

	int (*check)(struct quota *q, struct quota_report *report_r,
	    struct errmsg *msg_r);
	bool (*needs_check)(const struct quota *q);
	void (*close)(struct quota *q);
};

struct quota {
	const struct quota_store *store;
};

#endif
