/*
 * The services, in the order of starting; they are stopped the other way about.
 * Data only.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "services.h"

#include <stddef.h>

#include "service.h"

const struct service *const services[] = {
    &service_snapshots,  /* stops last: all others let go of theirs */
    &service_dns,        /* before those that ask */
    &service_ticks,      /* what stages do now and then */
    &service_ring,       /* writes a file, which may wait for a disk */
    &service_statistics, /* writes a file, which may wait for a disk */
    &service_reload,     /* stops first: then nothing changes any more */
    NULL,
};
