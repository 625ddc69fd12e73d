/*
 * Starts the resolver's threads when a configuration comes into force; commands
 * that only read the configuration don't need them.  They end with the last
 * configuration that uses the resolver.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/resolver.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

static int64_t
dns_tick(void)
{
	struct snapshot *snap = inforce_get();

	if (snap != NULL && snap->resolver != NULL &&
	    resolver_start(snap->resolver) != 0)
		log_line(LOG_ERR,
		    "dns: can't start a thread, and so nothing is looked up: "
		    "%s",
		    strerror(errno));
	snapshot_unref(snap);
	return -1;
}

const struct service service_dns = {
    .name = "dns",
    .tick = dns_tick,
};
