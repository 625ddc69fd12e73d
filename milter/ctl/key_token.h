/*
 * posternctl key token: the token that opens the page.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_KEY_TOKEN_H
#define MILTER_CTL_KEY_TOKEN_H

#include <stdbool.h>

struct conf;
struct privileges;

/* Print it, with renew a new one that is put in its place; as root, the file
 * becomes the owner's.  An exit code. */
int key_token(const struct conf *c, const struct privileges *owner, bool renew,
    bool json);

#endif
