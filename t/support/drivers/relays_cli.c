/*
 * What lib/rules/relays makes of Received fields, for t/oracle/relays and by
 * hand.  SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: relays_cli [-t NET]... [-i NET]... [-m NET]... <FIELDS
 *
 * Each line is a Received field's value on one line; an empty line ends a
 * message.  Printed are five lines each: the values of X-Spam-Relays-Trusted,
 * -Untrusted, -Internal and -External, and the number of unparseable fields.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/list/netlist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/relay_formats.h"
#include "lib/mail/relays.h"

static void
answer(const struct relay_formats *f, const struct relay_nets *nets,
    const struct hdr_list *header, struct arena *a)
{
	struct relays r;
	int error = relays_build(f, nets, header, NULL, a, &r);

	if (error != 0)
		errx(1, "%s", err_text(error));
	printf("%s\n%s\n%s\n%s\n%zu\n", r.text_trusted, r.text_untrusted,
	    r.text_internal, r.text_external, r.unparseable);
}

static void
read_messages(const struct relay_formats *f, const struct relay_nets *nets)
{
	struct arena a;
	struct hdr_list header = {0};
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	arena_init(&a);
	while ((n = getline(&line, &room, stdin)) > 0) {
		if (n > 1) {
			if (hdr_add(&header, &a, "Received", 8, line,
				(size_t)n - 1) != 0)
				errx(1, "no memory");
			continue;
		}
		answer(f, nets, &header, &a);
		arena_reset(&a);
		header = (struct hdr_list){0};
	}
	free(line);
	arena_fini(&a);
}

int
main(int argc, char **argv)
{
	struct netlist *lists[3];
	struct relay_formats *f;
	struct errmsg msg;
	static const char kinds[] = "tim";
	int c, error;

	for (int i = 0; i < 3; i++) {
		if ((lists[i] = netlist_new()) == NULL)
			errx(1, "no memory");
	}
	while ((c = getopt(argc, argv, "t:i:m:")) != -1) {
		const char *kind = strchr(kinds, c);

		if (kind == NULL)
			return 64;
		if (netlist_add(lists[kind - kinds], optarg, &msg) < 0)
			errx(64, "%s", msg.text);
	}
	error = relay_formats_new(&f);
	if (error != 0)
		errx(1, "%s", err_text(error));
	read_messages(f, &(struct relay_nets){lists[0], lists[1], lists[2], NULL});
	relay_formats_free(f);
	for (int i = 0; i < 3; i++)
		netlist_free(lists[i]);
	return 0;
}
