/*
 * A DNS that answers from text, for tests.  SPDX-License-Identifier: BSD-2-Clause
 *
 * One record a line: `name TYPE data`, type A, AAAA, MX, TXT or PTR; also
 * `name TYPE !timeout` or `!servfail`.  MX data is `preference host`.
 * A + behind the type: DNSSEC protects it.  A name
 * with no line does not exist; a name with lines of other types has no data.
 */
#ifndef T_SUPPORT_DRIVERS_DNS_FILE_H
#define T_SUPPORT_DRIVERS_DNS_FILE_H

#include "lib/dns/dns.h"

/* Fill d; the text is copied.  0, or a negative ERR_ for a line that is not
 * understood. */
int dns_file_open(const char *text, struct dns *d);
void dns_file_close(struct dns *d);

#endif
