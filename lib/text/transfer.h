/*
 * Content transfer encodings undone (RFC 2045 section 6), as SpamAssassin
 * undoes them: bad input is never refused.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is decoded is never longer than what it was made from; out has room for
 * len octets and may be the input itself.  The length of the result comes back.
 */
#ifndef LIB_TEXT_TRANSFER_H
#define LIB_TEXT_TRANSFER_H

#include <stddef.h>

size_t transfer_base64(char *out, const char *in, size_t len);
/* Line ends may be LF or CRLF and stay what they are. */
size_t transfer_qp(char *out, const char *in, size_t len);

#endif
