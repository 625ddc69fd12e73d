/*
 * Functions of `eval:` rules that are built in.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/rules/rules_impl.h"

static const struct {
	const char *name;
	rules_eval_fn *fn;
} functions[] = {
    {"", NULL},
};

rules_eval_fn *
rules_eval_find(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (strcmp(functions[i].name, name) == 0)
			return functions[i].fn;
	}
	return NULL;
}
