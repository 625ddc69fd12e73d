/*
 * Checks packets of the milter protocol before libmilter gets them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libmilter's engine does not check that strings have an end, and come in pairs
 * where they should.  No MTA sends a packet that fails these checks.
 */
#ifndef MILTER_DAEMON_PACKET_H
#define MILTER_DAEMON_PACKET_H

#include <stdbool.h>
#include <stddef.h>

/* Is the packet well formed?  data: the octets behind the command, perhaps
 * none. */
bool packet_check(char command, const char *data, size_t len);

#endif
