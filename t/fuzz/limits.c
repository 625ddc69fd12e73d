/*
 * Any text is a limit that says itself again, or a mistake in clean words.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each line is added to a section, whose title stands before the first `=`.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/quota/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text)
{
	struct errmsg msg = {.text = ""};
	char again[64], window_text[LIMITS_TEXT];
	uint64_t amount, amount2;
	uint32_t window, window2;

	if (limits_parse(text, &amount, &window, &msg) != 0) {
		for (const char *p = msg.text; *p != '\0'; p++) {
			if ((unsigned char)*p < 0x20)
				abort();
		}
		return;
	}
	if (amount > QUOTA_LIMIT_MAX || window > QUOTA_WINDOW_MAX)
		abort();
	if (window == 0)
		return;
	limits_window_text(window, window_text, sizeof(window_text));
	snprintf(again, sizeof(again), "%llu/%s", (unsigned long long)amount,
	    window_text);
	if (limits_parse(again, &amount2, &window2, NULL) != 0 ||
	    amount2 != amount || window2 != window)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct limits *l = limits_new();
	char *text = malloc(size + 1), *line, *save = NULL;
	uint64_t amount;
	uint32_t window;
	struct quota_set set;
	const char *title;

	if (l == NULL || text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');

		if (value == NULL) {
			check_text(line);
			continue;
		}
		*value++ = '\0';
		check_text(value);
		if (*value == '!')
			limits_set_action(l, line, 1 + value[1], NULL);
		if (limits_parse(value, &amount, &window, NULL) == 0)
			limits_add(l, line,
			    (enum quota_kind)(size % QUOTA_KINDS), amount,
			    window, NULL);
		if (limits_of(l, line, &set) == 0 &&
		    set.count > limits_most(l, &title))
			abort();
		if (set.minor && limits_pool(line) == NULL)
			abort();
		if (limits_pool(line) != NULL && limits_has(l, line) &&
		    limits_of_pool(l, line, &set) == 0 &&
		    (set.count > limits_most(l, &title) || set.minor))
			abort();
		limits_action(l, line, size % 2 == 0);
	}
	free(text);
	limits_free(l);
	return 0;
}
