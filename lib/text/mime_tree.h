/*
 * A message taken apart into its leaves (RFC 2046), with SpamAssassin's view of
 * what is broken.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Base64 and quoted-printable are undone; uuencoded text stays as it is.  A part
 * with a name that ends in .htm or .html is HTML, whatever its type.
 */
#ifndef LIB_TEXT_MIME_TREE_H
#define LIB_TEXT_MIME_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct hdr_list;

#define MIME_DEPTH_MAX 20      /* multiparts and messages in one another */
#define MIME_PARTS_MAX 1000    /* leaves; what follows is left out */
#define MIME_LINES_MAX 1000000 /* looked at, counting each level's */
#define MIME_NODES_MAX 1000    /* with fields that are kept, and ... */
#define MIME_FIELDS_MAX 5000   /* ... the fields of all of them */
#define MIME_VALUE_MAX 8192    /* octets of a field that are kept */
#define MIME_LINE_MAX 2048     /* longer ones of multiparts are broken */

enum mime_kind {
	MIME_OTHER, /* nothing that rules see: the text is not kept */
	MIME_RAW,   /* text, but rawbody's alone */
	MIME_PLAIN,
	MIME_HTML,
};

/* A leaf; in the arena. */
struct mime_part {
	enum mime_kind kind;
	const char *text; /* octets, transfer encoding undone */
	size_t len;
	const char *charset; /* as declared */
	size_t charset_len;
	struct mime_part *next;
};

/* A field as it came, its line ends LF, without the last one. */
struct mime_field {
	const char *name, *value;
	size_t name_len, len;
	struct mime_field *next;
};

/* The message, a part, or a message in a part: what has a header.  In the order
 * that they begin in; the first is the message. */
struct mime_node {
	struct mime_field *fields, **end;
	struct mime_node *next;
};

/* Do the lines end in CRLF? SpamAssassin looks at the first and the last. */
bool mime_is_crlf(const char *text, size_t len);
/* Make each CRLF an LF; the new length. */
size_t mime_drop_cr(char *text, size_t len);

/* The leaves in order, of a body whose lines end in LF, and what has fields
 * (nodes_r may be NULL).  0 or ERR_NOMEM. */
int mime_tree_parse(struct arena *a, const struct hdr_list *fields,
    const char *body, size_t len, struct mime_part **first_r,
    struct mime_node **nodes_r);

#endif
