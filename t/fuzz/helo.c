/* Any HELO has a form, which its result agrees with. The first octet chooses
 * the client.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/host.h"
#include "lib/dns/helo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char octets[] = {192, 0, 2, 0};
	struct host client;
	const struct helo_result *r;
	struct helo *h;
	char *text;

	if (size == 0)
		return 0;
	octets[3] = data[0];
	client = host_ip4(octets);
	text = strndup((const char *)data + 1, size - 1);
	if (text == NULL)
		abort();
	h = helo_new(NULL, text, &client);
	if (h == NULL)
		abort();
	r = helo_collect(h, NULL);
	if ((r->name != NULL) !=
		(r->form == HELO_NAME || r->form == HELO_WORD) ||
	    (r->form == HELO_NAME && strchr(r->name, '.') == NULL) ||
	    (r->form == HELO_LITERAL && !r->bracketed) ||
	    (r->status != HELO_NONE &&
		r->form != HELO_LITERAL && r->form != HELO_ADDRESS))
		abort();
	helo_free(h);
	free(text);
	return 0;
}
