/*
 * The text of a message as SpamAssassin 4 shows it to its rules: one message,
 * four views.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	body     what a person reads: text parts decoded to UTF-8, HTML
 *	         rendered, white space as single blanks; a piece is a paragraph
 *	         (2 KiB at most) and ends in "\n".  The first is the Subject.
 *	rawbody  text parts, transfer encoding undone and nothing else; pieces
 *	         of 2 to 4 KiB, cut behind a line where that can be.
 *	full     fields and body as they came, in one piece, lines end in LF.
 *	uri      the addresses in body and in HTML, each with its cleaned forms.
 *
 * To use it: collect the body while it streams (a buffer in the message's
 * arena, up to a limit such as MIME_BODY_DEFAULT; what is longer is cut there,
 * and rules then see its beginning), and at its end
 *
 *	struct mime *m = mime_new(arena, &fields, body, len, &env);
 *	const struct text_view *v = mime_view(m, MIME_BODY);
 *	for (size_t i = 0; v != NULL && i < v->count; i++)
 *		match(v->pieces[i].text, v->pieces[i].len);
 *
 * A rule matches a view if its pattern matches a piece; one with `tflags
 * nosubject` passes over the first of body.  A view is made when it is first
 * asked for, so a rule set without uri rules never pays for addresses (those
 * need body, which is made with them).  Everything is in the message's arena
 * and lives as long as that does; fields and body are borrowed until then.  One
 * thread at a time.
 *
 * Mail is never refused: what is broken is seen as SpamAssassin sees it.  The
 * work grows with the body's length, times MIME_DEPTH_MAX at worst; the limits
 * are in mime_tree.h.
 */
#ifndef LIB_TEXT_MIME_H
#define LIB_TEXT_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "text_view.h"
#include "uri_clean.h"

struct arena;
struct hdr_list;
struct mime;
struct mime_node;
struct pslist;

#define MIME_BODY_DEFAULT (512 * 1024)
#define MIME_BODY_PART_MAX 50000 /* characters of a part in body */
#define MIME_RAW_PART_MAX 500000 /* octets of a part in rawbody */
#define MIME_URIS_MAX 4000	 /* more are left out */

enum mime_view_kind {
	MIME_BODY,
	MIME_RAWBODY,
	MIME_FULL,
	MIME_URI,
	MIME_VIEWS
};

struct mime_env {
	/* Top-level domains.  NULL: addresses in text are not found, those in
	 * HTML are. */
	const struct pslist *tlds;
	uri_redirect_fn *redirect; /* may be NULL */
	void *redirect_ctx;
	/* Is the time up? Asked before each part and each paragraph; then a
	 * view ends there.  May be NULL. */
	bool (*stop)(void *ctx);
	void *stop_ctx;
	bool nodes; /* mime_nodes will be asked for */
};

/* NULL: no memory.  Lines of the body end in LF or CRLF.  env is copied. */
struct mime *mime_new(struct arena *a, const struct hdr_list *fields,
    const char *body, size_t len, const struct mime_env *env);
/* NULL: no memory. */
const struct text_view *mime_view(struct mime *m, enum mime_view_kind kind);
/* The mailto: addresses of <a>, as they stand in HTML; NULL: no memory. */
const struct text_view *mime_links(struct mime *m);
/* The message and its parts with their fields (mime_tree.h), of a mime that was
 * made for it; NULL: no memory. */
const struct mime_node *mime_nodes(struct mime *m);

#endif
