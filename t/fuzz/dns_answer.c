/* Any RDATA gives an answer within its bounds, and its names can be asked for.
 * Input: a digit for the type, then records, each after its length in two
 * octets.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns/dns_wire.h"

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(const struct dns_record *r, size_t from)
{
	char name[DNS_NAME_TEXT], key[DNS_NAME_TEXT];

	if (r->len < from || r->len - from >= sizeof(name))
		abort();
	memcpy(name, r->data + from, r->len - from);
	name[r->len - from] = '\0';
	if (strlen(name) != r->len - from || !dns_wire_key(name, key))
		abort();
}

static void
check_answer(enum dns_type type, const struct dns_answer *a, size_t count)
{
	if (a->count > count || (a->count > 0) != (a->status == DNS_OK))
		abort();
	for (size_t i = 0; i < a->count; i++) {
		if (type == DNS_PTR || type == DNS_CNAME)
			check_name(&a->records[i], 0);
		else if (type == DNS_MX)
			check_name(&a->records[i], 2);
		else if (type == DNS_A && a->records[i].len != 4)
			abort();
		else if (type == DNS_AAAA && a->records[i].len != 16)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {
	    DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};
	char *records[RECORDS_MAX], key[DNS_NAME_TEXT], *text;
	int len[RECORDS_MAX];
	struct dns_answer *a;
	enum dns_type type;
	size_t n = 0, at = 1, room;

	if (size == 0)
		return 0;
	type = types[data[0] % (sizeof(types) / sizeof(*types))];
	while (n < RECORDS_MAX && size - at >= 2) {
		size_t part = (size_t)data[at] << 8 | data[at + 1];

		at += 2;
		if (part > size - at)
			part = size - at;
		/* of its exact size, so that reading past it is noticed */
		records[n] = malloc(part == 0 ? 1 : part);
		if (records[n] == NULL)
			abort();
		memcpy(records[n], data + at, part);
		len[n++] = (int)part;
		at += part;
	}
	a = dns_wire_answer(type, records, len, n, &room);
	if (a == NULL)
		abort();
	check_answer(type, a, n);
	free(a);
	while (n > 0)
		free(records[--n]);
	text = strndup((const char *)data + 1, size - 1);
	if (text != NULL && dns_wire_key(text, key) &&
	    strlen(key) >= DNS_NAME_TEXT)
		abort();
	free(text);
	return 0;
}
