/*
 * Starts the resolver's threads when a configuration comes into force, and
 * tests whether the name servers answer; commands that only read the
 * configuration need neither.  The threads end with the last configuration that
 * uses the resolver.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "lib/base/err.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/problems.h"
#include "milter/resolver.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

static int64_t
start_and_test(struct resolver *r)
{
	if (resolver_start(r) == 0)
		return resolver_test(r);
	log_line(LOG_ERR,
	    "dns: can't start a thread, and so nothing is looked up: %s",
	    strerror(errno));
	return -1;
}

static int64_t
dns_tick(void)
{
	struct snapshot *snap = inforce_get();
	int64_t ms = -1;

	if (snap != NULL && snap->resolver != NULL)
		ms = start_and_test(snap->resolver);
	snapshot_unref(snap);
	return ms;
}

static void
dns_gauges(struct metrics *m)
{
	struct snapshot *snap = inforce_get();
	struct errmsg words;

	if (snap != NULL && snap->resolver != NULL)
		metrics_gauge(m, "postern_dns_up",
		    "1: the name servers answer",
		    !resolver_is_silent(snap->resolver, &words));
	snapshot_unref(snap);
}

static void
dns_problems(struct problems *p)
{
	struct snapshot *snap = inforce_get();
	struct errmsg words;

	if (snap != NULL && snap->resolver != NULL &&
	    resolver_is_silent(snap->resolver, &words))
		problems_add(p, true, "resolver",
		    "see that they run and that no firewall is between, or "
		    "name others in Nameservers",
		    "%s", words.text);
	snapshot_unref(snap);
}

const struct service service_dns = {
    .name = "dns",
    .tick = dns_tick,
    .gauges = dns_gauges,
    .problems = dns_problems,
};
