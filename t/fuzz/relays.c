/* Any Received fields make four pseudo-headers, in each of which as many
 * brackets open as there are relays.  The first line is a list of networks,
 * each other a field.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/list/netlist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/relay_formats.h"
#include "lib/mail/relays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct netlist *
networks(const char *line, size_t len)
{
	struct netlist *l = netlist_new();
	char word[256];

	if (l == NULL)
		abort();
	while (len > 0) {
		const char *end = memchr(line, ' ', len);
		size_t n = end == NULL ? len : (size_t)(end - line);

		if (n < sizeof(word)) {
			struct errmsg msg;

			memcpy(word, line, n);
			word[n] = '\0';
			netlist_add(l, word, &msg);
		}
		n += end != NULL;
		line += n;
		len -= n;
	}
	return l;
}

static void
count(const char *text, size_t want)
{
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, "[ ip=")) != NULL; s++)
		n++;
	if (n != want || strchr(text, '\n') != NULL)
		abort();
}

static void
build(const struct relay_formats *f, const struct netlist *l, struct arena *a,
    const struct hdr_list *header)
{
	struct relay_nets nets = {.trusted = l};
	struct relays r;

	if (relays_build(f, &nets, header, NULL, a, &r) != 0)
		abort();
	if (r.internal > r.trusted || r.trusted > r.count)
		abort();
	count(r.text_trusted, r.trusted);
	count(r.text_untrusted, r.count - r.trusted);
	count(r.text_internal, r.internal);
	count(r.text_external, r.count - r.internal);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct relay_formats *f; /* compiling takes long */
	const char *text = (const char *)data;
	struct netlist *l = NULL;
	struct hdr_list header = {0};
	struct arena a;

	if (f == NULL && relay_formats_new(&f) != 0)
		abort();
	arena_init(&a);
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t n = end == NULL ? size : (size_t)(end - text);

		if (l == NULL)
			l = networks(text, n);
		else if (hdr_add(&header, &a, "Received", 8, text, n) != 0)
			abort();
		n += end != NULL;
		text += n;
		size -= n;
	}
	build(f, l, &a, &header);
	netlist_free(l);
	arena_fini(&a);
	return 0;
}
