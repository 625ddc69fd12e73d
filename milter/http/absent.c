/*
 * Stands for server.c where there is no libmicrohttpd.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/service.h"
#include "milter/services.h"

const struct service service_http = {
    .name = "http",
};
