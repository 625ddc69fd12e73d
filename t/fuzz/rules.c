/* Any text can be read as rules, and what was read can be run.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "lib/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add(struct hdr_list *l, struct arena *a, const char *name, const char *value)
{
	if (hdr_add(l, a, name, strlen(name), value, strlen(value)) != 0)
		abort();
}

static void
run(const struct rules *rules)
{
	static const char *const facts[] = {"SPF_PASS", NULL};
	struct rules_result result;
	struct hdr_list headers = {0};
	struct arena a;
	struct rules_input in = {.arena = &a,
	    .headers = &headers,
	    .body = "Hello\r\n",
	    .body_len = 7,
	    .facts = facts};
	double sum = 0;

	arena_init(&a);
	add(&headers, &a, "Received", " from a.example ([192.0.2.1]) by b; x");
	add(&headers, &a, "From", " \"A\" <a@example.com>");
	add(&headers, &a, "Subject", " =?utf-8?q?abc?= abcabcabc");
	if (rules_run(rules, &in, &result) != 0)
		abort();
	for (const struct rules_hit *h = result.hits; h; h = h->next) {
		if (h->value == 0 || (h->sub && h->score != 0))
			abort();
		sum += h->score;
	}
	if (sum != result.score)
		abort();
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rules_setup setup = {0};
	const struct rules_mistake *m;
	struct rules *rules;
	bool failed = false;
	int rc;

	rc = rules_new_text((const char *)data, size, &setup, &rules);
	if (rc != 0 && rc != ERR_CONFIG)
		return 0;
	for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
		failed |= m->severity == RULES_ERROR && m->rule == NULL;
		if (m->text[0] == '\0')
			abort();
	}
	if (failed != (rc == ERR_CONFIG))
		abort();
	if (rc == 0)
		run(rules);
	rules_free(rules);
	return 0;
}
