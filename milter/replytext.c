/* SPDX-License-Identifier: BSD-2-Clause */
#include "replytext.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

/* The placeholder at p, and its length; NULL: there is none. */
static const struct replytext_word *
placeholder(const char *p, const struct replytext_word *words, size_t *len_r)
{
	for (; *p == '%' && words->name != NULL; words++) {
		size_t len = strlen(words->name);

		*len_r = len + 2;
		if (strncmp(p + 1, words->name, len) == 0 && p[len + 1] == '%')
			return words;
	}
	return NULL;
}

/* `%a%, %b% and %c%` */
static int
expected(const struct replytext_word *words, struct errmsg *msg_r)
{
	struct buf b = BUF_INIT;
	int rc;

	for (const struct replytext_word *w = words; w->name != NULL; w++) {
		if (w != words)
			buf_str(&b, w[1].name == NULL ? " and " : ", ");
		buf_printf(&b, "%%%s%%", w->name);
	}
	rc = errmsg_set(
	    msg_r, "expected no placeholders but %s", buf_text(&b));
	buf_fini(&b);
	return rc;
}

int
replytext_check(const char *value, const struct replytext_word *words,
    struct errmsg *msg_r)
{
	size_t len;

	if (*value == '\0' || strlen(value) > REPLYTEXT_MAX)
		return errmsg_set(
		    msg_r, "expected a text of 1 to %d octets", REPLYTEXT_MAX);
	for (const char *p = value; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return errmsg_set(msg_r,
			    "expected a text in ASCII, as SMTP replies are");
		if (placeholder(p, words, &len) != NULL)
			p += len - 1;
		else if (*p == '%' && isalpha((unsigned char)p[1]))
			return expected(words, msg_r);
	}
	return 0;
}

const char *
replytext_fill(struct arena *a, const char *value,
    const struct replytext_word *words)
{
	struct buf b = BUF_INIT;
	const char *text;

	while (*value != '\0') {
		size_t len = 1;
		const struct replytext_word *w = placeholder(
		    value, words, &len);

		if (w == NULL)
			buf_char(&b, *value);
		else if (w->text != NULL)
			buf_str(&b, w->text);
		value += w == NULL ? 1 : len;
	}
	buf_add(&b, "", 0);
	text = buf_text(&b);
	text = text == NULL ? NULL : arena_strdup(a, text);
	buf_fini(&b);
	return text;
}
