/* Any header can be asked by any selector: a line with the selector, then the
 * message.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS_MAX 200

struct mail {
	struct arena arena;
	struct hdr_list headers;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	if (m->headers.count < FIELDS_MAX &&
	    hdr_add(&m->headers, &m->arena, name, name_len, value, value_len) !=
		0)
		abort();
}

static void
ask(const struct rules *rules, struct mail *m, const char *selector)
{
	const struct rules_input in = {
	    .arena = &m->arena, .headers = &m->headers};
	struct rules_text t = {0};
	int rc = rules_select(rules, selector, &in, &t);
	size_t seen = 0;

	if (rc != 0 && rc != ERR_SYNTAX)
		abort();
	for (size_t i = 0; t.data != NULL && i < t.len; i++)
		seen += t.data[i] == '\n';
	if (seen > t.len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const always[] = {"From:addr", "From:name",
	    "ALL:raw", "ToCc:addr:host", "EnvelopeFrom", "Received:ip",
	    "ALL-EXTERNAL"};
	const struct rules_setup setup = {0};
	const char *text = (const char *)data;
	const char *eol = size == 0 ? NULL : memchr(text, '\n', size);
	struct mail m = {0};
	struct rules *rules;
	char *selector;

	if (eol == NULL || rules_new_text("", 0, &setup, &rules) != 0)
		return 0;
	arena_init(&m.arena);
	selector = arena_memdup(&m.arena, text, (size_t)(eol - text));
	message_split(eol + 1, size - (size_t)(eol + 1 - text), on_field, &m);
	ask(rules, &m, selector);
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		ask(rules, &m, always[i]);
	arena_fini(&m.arena);
	rules_free(rules);
	return 0;
}
