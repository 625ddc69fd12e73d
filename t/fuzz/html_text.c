/* Any bytes are HTML. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/text/html_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_uri(void *ctx, const char *uri, size_t len, bool link)
{
	struct buf *b = ctx;

	(void)link;
	/* What is told is short; a base is put before it. */
	if (len == 0 || len > 3 * HTML_URI_MAX)
		abort();
	buf_reset(b);
	buf_add(b, uri, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT, uri = BUF_INIT;

	html_text_render(&out, (const char *)data, size, on_uri, &uri);
	/* White space of a tag is the longest that comes of anything. */
	if (out.failed || out.len > 3 * size + 8)
		abort();
	buf_fini(&out);
	buf_fini(&uri);
	return 0;
}
