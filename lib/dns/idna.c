/* SPDX-License-Identifier: BSD-2-Clause */
#include "idna.h"

#include <stdlib.h>
#include <string.h>

#include <idn2.h>

#include "lib/base/arena.h"

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

const char *
idna_ascii(struct arena *a, const char *domain)
{
	char *out, *copy;
	int rc;

	if (idna_is_ascii(domain)) {
		copy = arena_strdup(a, domain);
		return copy != NULL && tidy(copy) ? copy : NULL;
	}
	if (strlen(domain) > INPUT_MAX_LEN)
		return NULL;
	rc = idn2_to_ascii_8z(
	    domain, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK) {
		a->failed |= rc == IDN2_MALLOC;
		return NULL;
	}
	copy = arena_strdup(a, out);
	idn2_free(out);
	return copy != NULL && tidy(copy) ? copy : NULL;
}

const char *
idna_alabels(struct arena *a, const char *domain)
{
	return idna_is_ascii(domain) ? domain : idna_ascii(a, domain);
}
