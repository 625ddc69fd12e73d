/* Any bytes come apart into fields and a body. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
	struct arena arena;
	struct hdr_list list;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct fields *f = ctx;

	if (name_len == 0)
		abort();
	if (f->list.count < 2000)
		hdr_add(&f->list, &f->arena, name, name_len, value, value_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fields f = {0};
	struct buf b = BUF_INIT;
	size_t body;

	arena_init(&f.arena);
	body = message_split((const char *)data, size, on_field, &f);
	if (body > size)
		abort();
	message_crlf(&b, (const char *)data + body, size - body);
	if (b.len < size - body)
		abort();
	buf_reset(&b);
	utf8_mend(&b, (const char *)data, size);
	buf_escape(&b, data, size, 4096);
	buf_fini(&b);
	arena_fini(&f.arena);
	return 0;
}
