/*
 * Any octets make a string that a reader of JSON takes for the same text, and
 * that holds nothing which could move a terminal.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/jsontext.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_octets(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->data[i];

		if (c < 0x20 || c == 0x7f)
			abort();
		/* U+0080 to U+009F */
		if (c == 0xc2 && (unsigned char)b->data[i + 1] < 0xa0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf json = BUF_INIT, text = BUF_INIT;
	json_t *value;

	utf8_mend(&text, (const char *)data, size);
	jsontext_add(&json, (const char *)data, size);
	check_octets(&json);
	value = json_loadb(
	    json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (value == NULL || json_string_length(value) != text.len ||
	    memcmp(json_string_value(value), buf_text(&text), text.len) != 0)
		abort();
	json_decref(value);
	buf_fini(&json);
	buf_fini(&text);
	return 0;
}
