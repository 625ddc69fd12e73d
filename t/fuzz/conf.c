/*
 * Any octets are a configuration or mistakes in words, in the order of lines;
 * what is accepted, or left when the mistakes are taken out, prints in a form
 * that is accepted again.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/conf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {"accept", "reject", "tempfail", NULL};

#define TEXT_SIZE 24

static int
parse_text(const char *value, void *value_r, struct errmsg *msg_r)
{
	if (strlen(value) < TEXT_SIZE) {
		strcpy(value_r, value);
		return 0;
	}
	return errmsg_set(msg_r, "expected less");
}

static const struct conf_option quota[] = {
    {.keyword = "Messages",
	.type = CONF_LIST,
	.def = "{1/day}",
	.parse = parse_text,
	.size = TEXT_SIZE},
    {.keyword = "Score", .type = CONF_INT, .max = 9},
    {.keyword = "Note", .type = CONF_STR},
};
static const struct conf_option rows[] = {
    {.keyword = "Syslog", .type = CONF_BOOL, .def = "no"},
    {.keyword = "UMask", .type = CONF_INT, .max = 0777},
    {.keyword = "Domain", .type = CONF_SET},
    {.keyword = "On-Default", .type = CONF_WORD, .words = words},
    {.keyword = "RuleFile", .type = CONF_STR, .flags = CONF_MULTI},
    {.keyword = "FixCRLF", .type = CONF_IGNORED, .summary = "unsafe"},
    {.keyword = "SendReports",
	.type = CONF_IGNORED,
	.flags = CONF_OFF,
	.summary = "none are sent"},
    {.keyword = "Quota", .type = CONF_SECTION, .inside = CONF_TABLE(quota)},
};
static const struct conf_table *const tables[] = {CONF_TABLE(rows), NULL};

static char *
print(const struct conf *c, size_t *len_r)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len_r);

	if (out == NULL)
		abort();
	conf_print(c, out);
	fclose(out);
	return text;
}

/* Each begins with a line that is not before the last one's. */
static void
check_order(const struct errlist *list)
{
	long line = 0;
	const char *text;

	for (size_t i = 0; (text = errlist_get(list, i)) != NULL; i++) {
		long next = strtol(text + strlen("fuzz:"), NULL, 10);

		if (strncmp(text, "fuzz:", 5) != 0 || next < line)
			abort();
		line = next;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errlist *list;
	struct conf *c, *again;
	struct errmsg msg = {.text = ""};
	char *first, *second;
	size_t len, len2;
	int rc;

	/* Include would read files that are not the input. */
	if (memmem(data, size, "nclude", 6) != NULL ||
	    memmem(data, size, "NCLUDE", 6) != NULL)
		return 0;
	list = errlist_new();
	if (list == NULL)
		abort();
	rc = conf_read_text_list(
	    (const char *)data, size, "fuzz", tables, list, &c);
	if ((rc == 0) != (errlist_count(list) == 0))
		abort();
	errlist_sort(list);
	check_order(list);
	first = print(c, &len);
	if (conf_read_text(first, len, "print", tables, &again, &msg) != 0)
		abort();
	second = print(again, &len2);
	if (len != len2 || memcmp(first, second, len) != 0)
		abort();
	free(first);
	free(second);
	conf_free(c);
	conf_free(again);
	errlist_free(list);
	return 0;
}
