/*
 * What the option rows say, for t/doc/keywords.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Without an argument: a line a keyword, with tabs between its name (that of a
 * row in a section as SECTION.NAME), its kind, `start` or `-`, its default or
 * `-`, and its summary.  With --opendmarc: the same of OpenDMARC's keywords.
 * With --symbols: the symbols that stages find, a line each.
 * With a file: read it by the rows, opening nothing that it names, and print
 * mistakes and warnings.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/chain.h"
#include "milter/opendmarc.h"
#include "milter/snapshot.h"

static const char *
kind(const struct conf_option *o)
{
	if (o->type == CONF_IGNORED)
		return "ignored";
	if (o->type != CONF_SECTION)
		return "value";
	return o->flags & CONF_UNTITLED ? "untitled" : "section";
}

static void
print_rows(const char *section, const struct conf_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct conf_option *o = &table->rows[i];

		printf("%s%s%s\t%s\t%s\t%s\t%s\n", section,
		    section[0] == '\0' ? "" : ".", o->keyword, kind(o),
		    o->flags & CONF_START ? "start" : "-",
		    o->def == NULL ? "-" : o->def,
		    o->summary == NULL ? "-" : o->summary);
		if (o->type == CONF_SECTION)
			print_rows(o->keyword, o->inside);
	}
}

static void
print_symbols(void)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		for (const char *const *s = stages[i]->symbols;
		     s != NULL && *s != NULL; s++)
			puts(*s);
	}
}

static int
read_file(const char *path)
{
	struct conf *conf;
	struct errmsg msg;
	const char *w;

	if (conf_read(path, snapshot_tables(), &conf, &msg) != 0) {
		printf("%s\n", msg.text);
		return EX_CONFIG;
	}
	for (size_t i = 0; (w = conf_warning(conf, i)) != NULL; i++)
		printf("%s\n", w);
	conf_free(conf);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	const struct conf_table *const *tables = snapshot_tables();

	if (argc > 1 && strcmp(argv[1], "--opendmarc") == 0) {
		print_rows("", &options_opendmarc);
		return EX_OK;
	}
	if (argc > 1 && strcmp(argv[1], "--symbols") == 0) {
		print_symbols();
		return EX_OK;
	}
	if (argc > 1)
		return read_file(argv[1]);
	for (size_t i = 0; tables[i] != NULL; i++)
		print_rows("", tables[i]);
	return EX_OK;
}
