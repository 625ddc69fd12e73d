/* SPDX-License-Identifier: BSD-2-Clause */
#include "shown.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

#define TEXT_MAX 8 /* octets of one character, as it is shown */

/* posternctl has one thread, and this is made once; (locale_t)0: not UTF-8. */
static locale_t
utf8_locale(void)
{
	static bool looked;
	static locale_t loc;

	if (!looked) {
		looked = true;
		loc = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
		if (loc != (locale_t)0 &&
		    strcmp(nl_langinfo_l(CODESET, loc), "UTF-8") != 0) {
			freelocale(loc);
			loc = (locale_t)0;
		}
	}
	return loc;
}

bool
shown_utf8(void)
{
	return utf8_locale() != (locale_t)0;
}

static wchar_t
code_point(const char *bytes, size_t n)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned code = (unsigned char)bytes[0] & masks[n];

	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)bytes[i] & 0x3f);
	return (wchar_t)code;
}

/* The columns of a character that stands as it is; 0: it does not. */
static size_t
width_of(const char *bytes, size_t n)
{
	locale_t saved;
	int width;

	if (n == 1)
		return bytes[0] > 0x20 && bytes[0] < 0x7f &&
		    strchr("\"\\=", bytes[0]) == NULL;
	if (n == 0 || !shown_utf8())
		return 0;
	saved = uselocale(utf8_locale());
	width = wcwidth(code_point(bytes, n));
	uselocale(saved);
	return width < 1 ? 0 : (size_t)width;
}

/* One character, or an octet that is none.  Returns its octets. */
static size_t
show_one(const char *bytes, size_t len, char text[TEXT_MAX], size_t *columns)
{
	size_t n = utf8_length(bytes, len);

	*columns = width_of(bytes, n);
	if (*columns > 0) {
		memcpy(text, bytes, n);
		text[n] = '\0';
		return n;
	}
	snprintf(text, TEXT_MAX, "\\x%02x", (unsigned char)bytes[0]);
	*columns = 4;
	return 1;
}

static size_t
all_columns(const char *bytes, size_t len)
{
	char text[TEXT_MAX];
	size_t sum = 0, columns;

	for (size_t i = 0; i < len;) {
		i += show_one(bytes + i, len - i, text, &columns);
		sum += columns;
	}
	return sum;
}

size_t
shown_add(struct buf *b, const char *bytes, size_t len, size_t columns)
{
	bool cut = all_columns(bytes, len) > columns;
	size_t room = cut ? columns - (columns < 3 ? columns : 3) : columns;
	size_t used = 0, one;
	char text[TEXT_MAX];

	for (size_t i = 0; i < len;) {
		i += show_one(bytes + i, len - i, text, &one);
		if (used + one > room)
			break;
		buf_str(b, text);
		used += one;
	}
	if (cut) {
		buf_add(b, "...", columns - room);
		used += columns - room;
	}
	return used;
}

size_t
shown_columns(const char *text)
{
	size_t len = strlen(text), sum = 0, columns, n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_length(text + i, len - i);
		columns = width_of(text + i, n);
		sum += columns > 0 ? columns : 1;
		if (n == 0)
			n = 1;
	}
	return sum;
}

void
shown_size(unsigned long long octets, char text_r[SHOWN_SIZE])
{
	static const char units[] = "KMGT";
	unsigned long long unit = 1024;
	size_t i = 0;

	if (octets < unit) {
		snprintf(text_r, SHOWN_SIZE, "%llu", octets);
		return;
	}
	while (i < 3 && octets / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	/* Down, so that what is not full does not look so. */
	if (octets % unit == 0 || octets / unit >= 10)
		snprintf(text_r, SHOWN_SIZE, "%llu%c", octets / unit, units[i]);
	else
		snprintf(text_r, SHOWN_SIZE, "%llu.%d%c", octets / unit,
		    (int)(octets % unit * 10 / unit) % 10, units[i]);
}

void
shown_ago(long long now, long long then, char text_r[SHOWN_AGO])
{
	long long s = now > then ? now - then : 0;

	if (then == 0)
		snprintf(text_r, SHOWN_AGO, "-");
	else if (s < 60)
		snprintf(text_r, SHOWN_AGO, "%llds", s);
	else if (s < 3600)
		snprintf(text_r, SHOWN_AGO, "%lldm", s / 60);
	else if (s < 86400)
		snprintf(text_r, SHOWN_AGO, "%lldh", s / 3600);
	else
		snprintf(text_r, SHOWN_AGO, "%lldd", s / 86400);
}
