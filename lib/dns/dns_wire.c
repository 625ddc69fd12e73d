/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Octets that stand for themselves in a name. */
static bool
is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '.' && c != '\\' && c != '"';
}

static size_t
put_octet(char *text, unsigned char c)
{
	if (is_plain(c)) {
		text[0] = (char)c;
		return 1;
	}
	text[0] = '\\';
	text[1] = (char)('0' + c / 100);
	text[2] = (char)('0' + c / 10 % 10);
	text[3] = (char)('0' + c % 10);
	return 4;
}

size_t
dns_wire_name(const unsigned char *wire, size_t len, char *text)
{
	size_t at = 0, out = 0, end;

	for (;;) {
		if (at >= len || at >= DNS_NAME_MAX ||
		    wire[at] > DNS_LABEL_MAX)
			return 0;
		end = at + 1 + wire[at];
		if (wire[at++] == 0)
			break;
		if (end >= len)
			return 0;
		if (out > 0)
			text[out++] = '.';
		while (at < end)
			out += put_octet(text + out, wire[at++]);
	}
	text[out] = '\0';
	return at;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One octet of a label as text, which may be \DDD or \X; 0: no octet. */
static size_t
octet_length(const char *s)
{
	if (*s == '\0')
		return 0;
	if (*s != '\\')
		return 1;
	if (is_digit(s[1]) && is_digit(s[2]) && is_digit(s[3]))
		return (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0' < 256
		    ? 4
		    : 0;
	return s[1] == '\0' || is_digit(s[1]) ? 0 : 2;
}

bool
dns_wire_key(const char *name, char *key_r)
{
	size_t wire = 1, label = 0, out = 0, n;

	if (strcmp(name, ".") == 0)
		name = "";
	while (*name != '\0') {
		if (*name == '.') {
			if (label == 0)
				return false;
			label = 0;
			if (*++name == '\0')
				break;
			key_r[out++] = '.';
			continue;
		}
		n = octet_length(name);
		if (n == 0 || ++label > DNS_LABEL_MAX)
			return false;
		wire += label == 1 ? 2 : 1;
		if (wire > DNS_NAME_MAX)
			return false;
		for (; n > 0; n--, name++)
			key_r[out++] = *name >= 'A' && *name <= 'Z'
			    ? (char)(*name | 0x20)
			    : *name;
	}
	key_r[out] = '\0';
	return true;
}

/* The strings of a TXT record joined; its length, or -1. */
static int
read_txt(const unsigned char *in, size_t len, unsigned char *out)
{
	size_t at = 0, n = 0;

	if (len == 0)
		return -1;
	while (at < len) {
		size_t part = in[at++];

		if (part > len - at)
			return -1;
		memcpy(out + n, in + at, part);
		at += part;
		n += part;
	}
	return (int)n;
}

/* A name that takes all of the data; the length of its text, or -1. */
static int
read_name(const unsigned char *in, size_t len, unsigned char *out)
{
	if (len == 0 || dns_wire_name(in, len, (char *)out) != len)
		return -1;
	return (int)strlen((const char *)out);
}

/* One record to `out`, which has the room of room_for(). */
static int
read_record(enum dns_type type, const unsigned char *in, size_t len,
    unsigned char *out)
{
	int n;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		if (len != (type == DNS_A ? 4 : 16))
			return -1;
		memcpy(out, in, len);
		return (int)len;
	case DNS_TXT:
		return read_txt(in, len, out);
	case DNS_PTR:
	case DNS_CNAME:
		return read_name(in, len, out);
	case DNS_MX:
		if (len < 3)
			return -1;
		memcpy(out, in, 2);
		n = read_name(in + 2, len - 2, out + 2);
		return n < 0 ? -1 : n + 2;
	}
	return -1;
}

/* Octets that a record may become; names grow by their escapes. */
static size_t
room_for(enum dns_type type, int len)
{
	if (len <= 0)
		return 0;
	if (type == DNS_A || type == DNS_AAAA || type == DNS_TXT)
		return (size_t)len;
	return (size_t)len + DNS_NAME_TEXT;
}

struct dns_answer *
dns_wire_answer(enum dns_type type, char *const *data, const int *len,
    size_t count, size_t *size_r)
{
	size_t size = sizeof(struct dns_answer), used = 0;
	struct dns_answer *a;
	struct dns_record *records;
	unsigned char *out;

	size += count * sizeof(*records);
	for (size_t i = 0; i < count; i++)
		size += room_for(type, len[i]);
	a = calloc(1, size);
	if (a == NULL)
		return NULL;
	records = (struct dns_record *)(a + 1);
	out = (unsigned char *)(records + count);
	a->records = records;
	for (size_t i = 0; i < count; i++) {
		int n = len[i] < 0 ? -1
				   : read_record(type,
					 (const unsigned char *)data[i],
					 (size_t)len[i], out + used);

		if (n < 0)
			continue;
		records[a->count++] = (struct dns_record){
		    .data = out + used, .len = (size_t)n};
		used += (size_t)n;
	}
	if (a->count > 0)
		a->status = DNS_OK;
	else
		a->status = count > 0 ? DNS_TEMPFAIL : DNS_NODATA;
	*size_r = (size_t)(out - (unsigned char *)a) + used;
	return a;
}
