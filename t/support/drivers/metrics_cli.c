/*
 * Prints what a daemon with the configuration of the argument tells Prometheus
 * when some mail has passed, and some numbers with hostile labels.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/counters.h"
#include "milter/inforce.h"
#include "milter/metrics.h"
#include "milter/service.h"
#include "milter/snapshot.h"
#include "walk.h"

static void
tell_hostile(struct metrics *m)
{
	static const char *const values[] = {"a\"b", "a\\b", "a\nb",
	    "a\xff" "b", "a\r\x1b[2J", "\\n", "\xc3\xa4", ""};
	const double numbers[] = {NAN, INFINITY, -INFINITY, 1e300, 0.1,
	    123456789012345, -1, 0};

	metrics_family(m, "test_hostile", METRIC_GAUGE, "Hostile labels");
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		metrics_sample(m, "text", values[i], numbers[i]);
	metrics_family(m, "test_nothing", METRIC_GAUGE, "None of it is told");
}

static const struct service hostile = {
    .name = "hostile", .room = 1, .gauges = tell_hostile};
static const struct service *const table[] = {&hostile, NULL};

static void
pass_mail(struct snapshot *snap)
{
	const struct walk w = {.from = "a@out.example",
	    .client_ip = "192.0.2.1",
	    .rcpts = {"b@here.example", "c@here.example"},
	    .message = "From: a@out.example\n\nx\n"};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	chain_end(s, &v);
	chain_close(s);
}

int
main(int argc, char **argv)
{
	struct snapshot *snap;
	struct errmsg msg;
	struct buf text = BUF_INIT;

	if (argc != 2 ||
	    snapshot_load(argv[1], SNAPSHOT_SERVES, NULL, &snap, &msg) != 0) {
		fprintf(stderr, "%s\n", argc != 2 ? "a file" : msg.text);
		return 1;
	}
	inforce_set(snapshot_ref(snap));
	for (int i = 0; i < 3; i++)
		pass_mail(snap);
	counters_dns(DNS_OK, false, 1000000);
	counters_dns(DNS_TIMEOUT, false, UINT64_C(60000000000));
	counters_dns(DNS_NXDOMAIN, true, 0);
	if (services_start(table) != 0)
		return 1;
	metrics_text(&text);
	(void)services_stop(1000);
	if (buf_text(&text) == NULL ||
	    fwrite(text.data, 1, text.len, stdout) != text.len)
		return 1;
	buf_fini(&text);
	inforce_set(NULL);
	snapshot_unref(snap);
	return 0;
}
