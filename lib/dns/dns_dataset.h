/*
 * lib/dns/dns.h answered from data sets of `name text` lines, for trying things
 * out.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Each line of a name is a record: `A 192.0.2.1`, `AAAA 2001:db8::1`,
 * `MX 10 mx.example`, `PTR mx.example`, `TXT v=spf1 -all`; all else is the text
 * of a TXT.  A name without a line does not exist.
 */
#ifndef LIB_DNS_DNS_DATASET_H
#define LIB_DNS_DNS_DATASET_H

#include "lib/dns/dns.h"

struct dataset;

/*
 * keys: for names of DKIM keys (`X._domainkey.Y`), or NULL.  all: for other
 * names, or NULL: those are asked of `rest`.  What is given must outlive *d.
 * 0, or ERR_NOMEM.
 */
int dns_dataset_open(const struct dataset *keys, const struct dataset *all,
    const struct dns *rest, struct dns *d);
void dns_dataset_close(struct dns *d); /* {0} is fine */

#endif
