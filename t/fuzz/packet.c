/* What packet_check lets through can be taken apart as libmilter does it, by
 * code that trusts it.  The first octet is the command.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "milter/daemon/packet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many strings, each found by its end. */
static size_t
walk(const char *data, size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += strlen(data + at) + 1)
		n++;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1, host;
	char *copy;
	bool fine;

	if (size == 0)
		return 0;
	copy = malloc(len > 0 ? len : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data + 1, len);
	fine = packet_check((char)data[0], len > 0 ? copy : NULL, len);
	if (fine && data[0] == 'D' && walk(copy + 1, len - 1) % 2 != 0)
		abort();
	if (fine && memchr("HMRU", data[0], 4) != NULL && walk(copy, len) < 1)
		abort();
	if (fine && data[0] == 'L' && walk(copy, len) < 2)
		abort();
	if (fine && data[0] == 'C') {
		host = strlen(copy) + 1;
		if (copy[host] != 'U' &&
		    walk(copy + host + 3, len - host - 3) < 1)
			abort();
	}
	free(copy);
	return 0;
}
