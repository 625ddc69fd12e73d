/*
 * Packets of the milter protocol: is one what libmilter takes it for?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libmilter's engine believes that strings come in pairs where they should and
 * end where they should.  What is wrong with one by this measure no MTA sends.
 */
#ifndef MILTER_DAEMON_PACKET_H
#define MILTER_DAEMON_PACKET_H

#include <stdbool.h>
#include <stddef.h>

/* The octets behind the command, of which there may be none. */
bool packet_check(char command, const char *data, size_t len);

#endif
