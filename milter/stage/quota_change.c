/* SPDX-License-Identifier: BSD-2-Clause */
#include "quota_change.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/quota/account.h"
#include "lib/quota/quota.h"
#include "quota_conf.h"

static const char *const words[] = {
    [QUOTA_CHANGE_RESET] = "the counts begin anew",
    [QUOTA_CHANGE_LOCK] = "is locked",
    [QUOTA_CHANGE_UNLOCK] = "is not locked",
};

bool
quota_change_fits(
    const struct conf *c, const char *account, enum quota_change what)
{
	return what != QUOTA_CHANGE_LOCK || !account_is_sum(account) ||
	    quota_conf_has_total(c, account);
}

int
quota_change(struct quota *table, const char *account, enum quota_change what)
{
	if (what != QUOTA_CHANGE_RESET)
		return quota_lock(table, account, what == QUOTA_CHANGE_LOCK);
	return account == NULL ? quota_reset_all(table)
			       : quota_reset(table, account);
}

void
quota_change_line(struct buf *b, const char *account, enum quota_change what)
{
	buf_str(b, "quota: ");
	if (account == NULL)
		buf_str(b, "all accounts");
	else
		buf_escape(b, account, strlen(account), QUOTA_ACCOUNT_MAX);
	buf_printf(b, ": %s, by ", words[what]);
}
