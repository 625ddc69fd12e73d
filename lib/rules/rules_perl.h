/*
 * Perl's patterns in PCRE2's words.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The two agree on nearly everything.  Where Perl takes what PCRE2 refuses, or
 * understands it otherwise, and the same can be said in PCRE2's words, it is:
 *
 *   $?  \b??  ^{0,1}   an assertion that need not hold    (?:$)?
 *   x{,3}  x{ 1, 3 }   as of Perl 5.34                    x{0,3}  x{1,3}
 *   (?a)  (?^aa:x)     ASCII, which patterns are anyway   (?)  (?^:x)
 *   \N{U+41}           a character by its number          \x{41}
 *   (?i){2}  |{2}      letters, since nothing is repeated (?i)\{2}  |\{2}
 */
#ifndef LIB_RULES_RULES_PERL_H
#define LIB_RULES_RULES_PERL_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Add the pattern to b; extended: white space and comments in it mean nothing.
 * b->failed when there is no memory. */
void perl_translate(struct buf *b, const char *s, size_t len, bool extended);

#endif
