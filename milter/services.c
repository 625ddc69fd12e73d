/*
 * The services, in the order of starting; they stop in the reverse order.  Data
 * only.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "services.h"

#include <stddef.h>

#include "service.h"

const struct service *const services[] = {
    &service_snapshots,  /* stops last: the others must first drop their
        references */
    &service_dns,        /* before those that use the DNS */
    &service_ticks,      /* calls the stages' tick hooks */
    &service_ring,       /* writes a file, which may wait for a disk */
    &service_history,    /* writes a file, which may wait for a disk */
    &service_journal,    /* writes a file, which may wait for a disk */
    &service_statistics, /* writes a file, which may wait for a disk */
    &service_status,     /* writes a file, which may wait for a disk */
    &service_http,       /* answers browsers, however slow they are */
    &service_reload,     /* stops first: then the configuration in force
        stays */
    NULL,
};
