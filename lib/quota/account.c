/* SPDX-License-Identifier: BSD-2-Clause */
#include "account.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/text/ascii.h"

#define DIGEST_SIZE 32
#define LONG_ENOUGH (ACCOUNT_KEPT + 1 + 2 * DIGEST_SIZE)

_Static_assert(LONG_ENOUGH == ACCOUNT_MAX, "a short form has full length");

/* A login that begins with one of these gets ACCOUNT_LOGIN in front. */
static const char *const reserved[] = {
    ACCOUNT_SCRIPT, ACCOUNT_SENDER, ACCOUNT_LOGIN, "realm:"};

static bool
begins(const char *s, const char *word)
{
	return strncmp(s, word, strlen(word)) == 0;
}

/* Remove what does not belong to the form from both ends, in place.  Repeated
 * until there is nothing to remove: a name in its form stays as it is. */
static char *
trim(char *s)
{
	size_t len, before;

	while (ascii_space(*s))
		s++;
	len = strlen(s);
	do {
		before = len;
		while (len > 0 && ascii_space(s[len - 1]))
			len--;
		if (memchr(s, '@', len) != NULL)
			while (len > 0 && s[len - 1] == '.')
				len--;
		while (len > 0 && s[len - 1] == '@')
			len--;
	} while (len != before);
	s[len] = '\0';
	return s;
}

/* A copy in lower case, without what the ends lose. */
static char *
plain(struct arena *a, const char *text)
{
	char *s = arena_strdup(a, text);

	if (s == NULL)
		return NULL;
	for (char *p = s; *p != '\0'; p++)
		*p = ascii_lower(*p);
	return trim(s);
}

/* Is this the short form of some name? */
static bool
is_short(const char *s)
{
	if (strlen(s) != LONG_ENOUGH || s[ACCOUNT_KEPT] != '#')
		return false;
	for (const char *p = s + ACCOUNT_KEPT + 1; *p != '\0'; p++) {
		if (!ascii_digit(*p) && (*p < 'a' || *p > 'f'))
			return false;
	}
	return true;
}

/* The short form of a name that is too long, or has the form of a short one: a
 * login can't be the short form of another's name. */
static const char *
fit(struct arena *a, char *name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t len = strlen(name);
	char *out;

	if (len <= ACCOUNT_MAX && !is_short(name))
		return name;
	out = arena_alloc(a, ACCOUNT_MAX + 1);
	if (out == NULL ||
	    EVP_Digest(name, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return NULL;
	memcpy(out, name, ACCOUNT_KEPT);
	out[ACCOUNT_KEPT] = '#';
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(out + ACCOUNT_KEPT + 1 + 2 * i, 3, "%02x", digest[i]);
	return out;
}

/* Is it, or does it begin like, the name of another sort of account? */
static bool
is_reserved(const char *name)
{
	if (*name == '\0' || *name == '@' || strcmp(name, ACCOUNT_ALL) == 0)
		return true;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
		if (begins(name, reserved[i]))
			return true;
	}
	return false;
}

const char *
account_of_login(struct arena *a, const char *login, const char *realm,
    const char **realm_r)
{
	char *name = plain(a, login), *at;

	if (realm_r != NULL)
		*realm_r = "";
	if (name == NULL)
		return NULL;
	if (*name != '\0' && realm != NULL && strchr(name, '@') == NULL)
		name = arena_printf(a, "%s@%s", name, realm);
	if (name == NULL)
		return NULL;
	at = strrchr(name, '@');
	if (at != NULL && realm_r != NULL)
		*realm_r = at + 1;
	if (is_reserved(name))
		name = arena_printf(a, ACCOUNT_LOGIN "%s", name);
	return name == NULL ? NULL : fit(a, name);
}

const char *
account_special(struct arena *a, const char *prefix, const char *name)
{
	char *s = plain(a, name);

	if (s != NULL)
		s = arena_printf(a, "%s%s", prefix, s);
	return s == NULL ? NULL : fit(a, s);
}

const char *
account_of_text(struct arena *a, const char *text, const char *realm,
    const char **realm_r)
{
	char *s = plain(a, text);

	if (realm_r != NULL)
		*realm_r = "";
	if (s == NULL || is_short(s) || strcmp(s, ACCOUNT_OTHER_REALMS) == 0)
		return s;
	if (account_is_sum(s)) {
		if (*s == '@' && realm_r != NULL)
			*realm_r = s + 1;
		return fit(a, s);
	}
	if (begins(s, ACCOUNT_SCRIPT))
		return account_special(
		    a, ACCOUNT_SCRIPT, s + strlen(ACCOUNT_SCRIPT));
	if (begins(s, ACCOUNT_SENDER))
		return account_special(
		    a, ACCOUNT_SENDER, s + strlen(ACCOUNT_SENDER));
	if (begins(s, ACCOUNT_LOGIN))
		s += strlen(ACCOUNT_LOGIN);
	return account_of_login(a, s, realm, realm_r);
}

const char *
account_realm(struct arena *a, const char *text)
{
	char *s = arena_strdup(a, text), *end;

	if (s == NULL)
		return NULL;
	while (ascii_space(*s))
		s++;
	for (end = s; *end != '\0'; end++)
		*end = ascii_lower(*end);
	while (end > s && (ascii_space(end[-1]) || end[-1] == '.'))
		*--end = '\0';
	return s;
}

bool
account_is_sum(const char *account)
{
	return (*account == '@' && strrchr(account, '@') == account) ||
	    strcmp(account, ACCOUNT_ALL) == 0;
}

const char *
account_domain(const char *account)
{
	return account_is_sum(account) ? NULL : strrchr(account, '@');
}

bool
account_is_login(const char *account)
{
	return !account_is_sum(account) && !begins(account, ACCOUNT_SCRIPT) &&
	    !begins(account, ACCOUNT_SENDER) &&
	    strcmp(account, ACCOUNT_OTHER_REALMS) != 0;
}

const char *
account_login(const char *account)
{
	return begins(account, ACCOUNT_LOGIN)
	    ? account + strlen(ACCOUNT_LOGIN)
	    : account;
}
