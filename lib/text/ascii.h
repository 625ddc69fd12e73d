/*
 * Letters, digits and white space of ASCII, whatever the locale.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_ASCII_H
#define LIB_TEXT_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool
ascii_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_alpha(char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static inline bool
ascii_alnum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

/* A letter, a digit or `_`: what patterns call a word. */
static inline bool
ascii_word(char c)
{
	return ascii_alnum(c) || c == '_';
}

/* The value of a hexadecimal digit; -1: it is none. */
static inline int
ascii_hex(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Do the octets begin with the word, whatever its case? */
static inline bool
ascii_starts(const char *s, size_t len, const char *word)
{
	size_t n = strlen(word);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(s[i]) != ascii_lower(word[i]))
			return false;
	return true;
}

/* Are the octets the word, whatever its case? */
static inline bool
ascii_is(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && ascii_starts(s, len, word);
}

#endif
