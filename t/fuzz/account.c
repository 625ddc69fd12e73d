/*
 * Any login, and whatever a person may write, makes a name that fits, is its
 * own form, and is of the right sort.  SPDX-License-Identifier: BSD-2-Clause
 *
 * QuotaRealm stands before the first line feed, and the name behind it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/quota/account.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct arena *a, const char *account, const char *realm)
{
	size_t len;

	if (account == NULL)
		abort();
	len = strlen(account);
	if (len < 1 || len > ACCOUNT_MAX)
		abort();
	if (strcmp(account_of_text(a, account, realm, NULL), account) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *realm, *account, *of_realm;
	char *text, *name;
	struct arena a;

	arena_init(&a);
	text = arena_memdup(&a, data, size);
	name = strchr(text, '\n');
	if (name == NULL)
		name = text + strlen(text);
	else
		*name++ = '\0';
	realm = account_realm(&a, text);
	if (*realm == '\0' || strchr(realm, '@') != NULL)
		realm = NULL;
	account = account_of_login(&a, name, realm, &of_realm);
	check(&a, account, realm);
	if (!account_is_login(account) || strlen(of_realm) > size)
		abort();
	check(&a, account_special(&a, ACCOUNT_SCRIPT, name), realm);
	account = account_special(&a, ACCOUNT_SENDER, name);
	check(&a, account, realm);
	if (account_is_login(account))
		abort();
	check(&a, account_of_text(&a, name, realm, &of_realm), realm);
	arena_fini(&a);
	return 0;
}
