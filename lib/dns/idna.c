/* SPDX-License-Identifier: BSD-2-Clause */
#include "idna.h"

#include <stdlib.h>
#include <string.h>

#include <idn2.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

#define NAME_MAX_LEN 253 /* RFC 1035 section 2.3.4, in presentation form */
#define LABEL_MAX_LEN 63
#define INPUT_MAX_LEN 1024 /* octets of UTF-8; longer ones name nothing */

bool
idna_is_ascii(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s >= 0x80)
			return false;
	}
	return true;
}

/* Make letters small, look at every octet and length. */
static bool
tidy(char *name)
{
	size_t label = 0, len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		name[--len] = '\0';
	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (char *p = name; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
		if (*p == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if ((*p >= 'a' && *p <= 'z') ||
		    (*p >= '0' && *p <= '9') || *p == '-' || *p == '_') {
			if (++label > LABEL_MAX_LEN)
				return false;
		} else {
			return false;
		}
	}
	return label > 0;
}

/* A tidy copy. */
static int
keep(struct arena *a, const char *name, const char **name_r)
{
	char *copy = arena_strdup(a, name);

	if (copy == NULL)
		return ERR_NOMEM;
	if (!tidy(copy))
		return ERR_SYNTAX;
	*name_r = copy;
	return 0;
}

int
idna_ascii(struct arena *a, const char *domain, const char **name_r)
{
	char *out;
	int rc;

	*name_r = NULL;
	if (idna_is_ascii(domain))
		return keep(a, domain, name_r);
	if (strlen(domain) > INPUT_MAX_LEN)
		return ERR_SYNTAX;
	rc = idn2_to_ascii_8z(
	    domain, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return rc == IDN2_MALLOC ? ERR_NOMEM : ERR_SYNTAX;
	rc = keep(a, out, name_r);
	idn2_free(out);
	return rc;
}

int
idna_alabels(struct arena *a, const char *domain, const char **name_r)
{
	if (!idna_is_ascii(domain))
		return idna_ascii(a, domain, name_r);
	*name_r = domain;
	return 0;
}
