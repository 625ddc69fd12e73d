/*
 * The services there are.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_SERVICES_H
#define MILTER_SERVICES_H

struct service;

extern const struct service service_dns;
extern const struct service service_history;
extern const struct service service_http;
extern const struct service service_journal;
extern const struct service service_reload;
extern const struct service service_ring;
extern const struct service service_snapshots;
extern const struct service service_statistics;
extern const struct service service_status;
extern const struct service service_ticks;

/* The table, in the order of starting, NULL-ended (services.c). */
extern const struct service *const services[];

#endif
