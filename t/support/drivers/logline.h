/*
 * What every line of the log is like.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_LOGLINE_H
#define T_SUPPORT_DRIVERS_LOGLINE_H

/* Ends the process when a line is not printable ASCII, or when what is one of
 * key=value pairs is not made as postern(8) says, LOG: nothing that comes from
 * outside looks like a pair of ours. */
void logline_check(const char *line);

#endif
