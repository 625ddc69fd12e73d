/* SPDX-License-Identifier: BSD-2-Clause */
#include "verdict.h"

#include <stddef.h>

#include "lib/base/buf.h"

const struct verdict verdict_none = {.action = VERDICT_NONE};

const char *const verdict_words[] = {
    "accept", "discard", "quarantine", "reject", "tempfail", NULL};

static const struct {
	enum verdict_action action;
	const char *word;
	int code; /* of the usual reply; 0: none */
	const char *xcode, *text;
} actions[] = {
    {VERDICT_NONE, "accept", 0, NULL, NULL},
    {VERDICT_ACCEPT, "accept", 0, NULL, NULL},
    {VERDICT_REJECT, "reject", 550, "5.7.1", "Message refused"},
    {VERDICT_TEMPFAIL, "tempfail", 451, "4.7.1", "Try again later"},
    {VERDICT_DISCARD, "discard", 0, NULL, NULL},
    {VERDICT_QUARANTINE, "quarantine", 0, NULL, NULL},
    {VERDICT_ERROR, "error", 451, "4.7.1", "Try again later"},
};

struct verdict
verdict_make(enum verdict_action action, const char *text)
{
	return (struct verdict){.action = action, .text = text};
}

struct verdict
verdict_error(enum verdict_error error, const char *cause)
{
	return (struct verdict){
	    .action = VERDICT_ERROR, .error = error, .text = cause};
}

bool
verdict_decides(const struct verdict *v)
{
	return v->action != VERDICT_NONE && v->action != VERDICT_QUARANTINE;
}

bool
verdict_refuses(const struct verdict *v)
{
	return v->action == VERDICT_REJECT || v->action == VERDICT_TEMPFAIL ||
	    v->action == VERDICT_DISCARD;
}

const char *
verdict_word(enum verdict_action action)
{
	return actions[action].word;
}

enum verdict_action
verdict_of_choice(int word)
{
	static const enum verdict_action choices[] = {VERDICT_ACCEPT,
	    VERDICT_DISCARD, VERDICT_QUARANTINE, VERDICT_REJECT,
	    VERDICT_TEMPFAIL};

	return choices[word];
}

char *
verdict_text(const char *words, char text_r[VERDICT_TEXT_SIZE])
{
	size_t n = 0;

	for (; words[n] != '\0' && n + 1 < VERDICT_TEXT_SIZE; n++) {
		unsigned char c = (unsigned char)words[n];

		text_r[n] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	text_r[n] = '\0';
	return text_r;
}

bool
verdict_reply(const struct verdict *v, int *code_r, const char **xcode_r,
    char text_r[VERDICT_TEXT_SIZE])
{
	if (actions[v->action].code == 0)
		return false;
	*code_r = v->code != 0 ? v->code : actions[v->action].code;
	*xcode_r = v->xcode != NULL ? v->xcode : actions[v->action].xcode;
	verdict_text(
	    v->text != NULL ? v->text : actions[v->action].text, text_r);
	return true;
}

void
verdict_outcome(const struct verdict *v, struct buf *b)
{
	static const char *const words[] = {
	    [VERDICT_NONE] = "accepted",
	    [VERDICT_ACCEPT] = "accepted",
	    [VERDICT_REJECT] = "refused",
	    [VERDICT_TEMPFAIL] = "refused for now",
	    [VERDICT_DISCARD] = "dropped",
	    [VERDICT_QUARANTINE] = "held",
	    [VERDICT_ERROR] = "could not be checked",
	};

	buf_str(b, words[v->action]);
	if (v->by != NULL)
		buf_printf(b, " by %s", v->by);
	if (v->symbol != NULL)
		buf_printf(b, " for the symbol %s", v->symbol);
}

void
verdict_explain(const struct verdict *v, struct buf *b)
{
	verdict_outcome(v, b);
	if (v->why != NULL)
		buf_printf(b, ", because %s", v->why);
	else if (v->symbol == NULL && v->text != NULL)
		buf_printf(b, ", with the text: %s", v->text);
}
