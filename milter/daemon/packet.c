/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet.h"

#include <string.h>

#include <libmilter/mfdef.h>

/* The number of strings; -1: the last one has no NUL. */
static long
strings(const char *data, size_t len)
{
	size_t at = 0;
	long n = 0;

	for (; at < len; n++) {
		const char *nul = memchr(data + at, '\0', len - at);

		if (nul == NULL)
			return -1;
		at = (size_t)(nul - data) + 1;
	}
	return n;
}

/* Macros: the command that they belong to, then names and values in turn. */
static bool
macros(const char *data, size_t len)
{
	long n;

	if (len == 0)
		return false;
	n = strings(data + 1, len - 1);
	return n >= 0 && n % 2 == 0;
}

/* Connect: the host's name, the address's family, and unless that is unknown
 * the port in two octets and the address. */
static bool
connection(const char *data, size_t len)
{
	const char *nul = len == 0 ? NULL : memchr(data, '\0', len);
	size_t left;

	if (nul == NULL)
		return false;
	left = len - (size_t)(nul + 1 - data);
	if (left == 0)
		return false;
	if (nul[1] == SMFIA_UNKNOWN)
		return true;
	return left > 3 && strings(nul + 4, left - 3) > 0;
}

bool
packet_check(char command, const char *data, size_t len)
{
	switch (command) {
	case SMFIC_OPTNEG:
		return len >= MILTER_OPTLEN;
	case SMFIC_MACRO:
		return macros(data, len);
	case SMFIC_CONNECT:
		return connection(data, len);
	case SMFIC_HELO:
	case SMFIC_MAIL:
	case SMFIC_RCPT:
	case SMFIC_UNKNOWN:
		return strings(data, len) >= 1;
	case SMFIC_HEADER:
		/* The name must not be empty: libmilter would misread an empty
		 * name with its value. */
		return len > 0 && data[0] != '\0' && strings(data, len) >= 2;
	case SMFIC_BODY:
		return len > 0;
	case SMFIC_BODYEOB: /* may have the last chunk of the body */
	case SMFIC_DATA:
	case SMFIC_EOH:
	case SMFIC_ABORT:
	case SMFIC_QUIT:
	case SMFIC_QUIT_NC:
		return true;
	}
	return false;
}
