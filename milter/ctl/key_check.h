/*
 * posternctl key check.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_KEY_CHECK_H
#define MILTER_CTL_KEY_CHECK_H

#include <stdbool.h>

/* Compare what the DNS publishes with the keys that the configuration has for a
 * domain, with that selector or (NULL) all.  An exit code. */
int posternctl_key_check(const char *config, const char *domain,
    const char *selector, bool json);

#endif
