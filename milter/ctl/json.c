/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/jsontext.h"
#include "lib/base/utf8.h"
#include "posternctl.h"

json_t *
posternctl_stringn(const char *text, size_t len)
{
	struct buf b = BUF_INIT;
	json_t *j;

	utf8_mend(&b, text, len);
	j = json_stringn(buf_text(&b), b.len);
	buf_fini(&b);
	return j;
}

json_t *
posternctl_string(const char *text)
{
	return text == NULL ? json_null()
			    : posternctl_stringn(text, strlen(text));
}

static void
print(json_t *object, size_t more)
{
	/* With 15 digits 0.1 is 0.1; with more it is 0.10000000000000001. */
	char *line = json_dumps(object,
	    JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15) | more);
	struct buf b = BUF_INIT;

	/* It may go to a terminal. */
	if (line != NULL)
		jsontext_guard(&b, line, strlen(line));
	puts(b.len == 0 || b.failed ? "{}" : buf_text(&b));
	buf_fini(&b);
	free(line);
}

void
posternctl_print(json_t *object)
{
	print(object, 0);
}

void
posternctl_print_ascii(json_t *object)
{
	print(object, JSON_ENSURE_ASCII);
}
