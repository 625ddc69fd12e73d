/*
 * Any octets are a code or not, a domain to ask about or not, an answer; what
 * comes of them keeps its promises.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dns/dnsbl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns/dns.h"

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_answer(const uint8_t *data, size_t size)
{
	struct dns_record records[RECORDS_MAX];
	struct dns_answer a = {.status = DNS_OK, .records = records};
	struct dnsbl_answer r;

	/* An octet of length before each: others than 4 are no address. */
	while (size > 0 && a.count < RECORDS_MAX) {
		size_t n = data[0] % 6;

		if (n >= size)
			break;
		records[a.count++] = (struct dns_record){data + 1, n};
		data += n + 1;
		size -= n + 1;
	}
	dnsbl_read(&a, &r);
	if (r.count > DNSBL_CODES_MAX ||
	    (r.count > 0) != (r.status == DNSBL_LISTED))
		abort();
	for (size_t i = 0; i < r.count; i++) {
		if (r.codes[i] >> 24 != 127 || r.codes[i] >= 0x7fffff00)
			abort();
	}
	if (r.status == DNSBL_FOREIGN && r.error >> 24 == 127)
		abort();
	if (r.status == DNSBL_REFUSED && r.error >> 8 != 0x7fffff)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[DNSBL_NAME_SIZE], *text = malloc(size + 1);
	struct dnsbl_range range = {0};

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (dnsbl_range_parse(text, &range, NULL) == 0 &&
	    (range.first > range.last || range.first >> 24 != 127 ||
		range.last >= 0x7fffff00))
		abort();
	if (dnsbl_range_has(&range, 0x7fffffff) &&
	    dnsbl_range_parse(text, &range, NULL) == 0)
		abort();
	if (dnsbl_name_domain(text, "b.example", name) &&
	    strlen(name) >= DNSBL_NAME_SIZE)
		abort();
	read_answer(data, size);
	free(text);
	return 0;
}
