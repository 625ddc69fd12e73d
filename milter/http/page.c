/* SPDX-License-Identifier: BSD-2-Clause */
#include "page.h"

#include "html.h"

static void
meta(struct html *h, const char *name, const char *content)
{
	html_void(h, "meta");
	html_attr(h, "name", name);
	html_attr(h, "content", content);
}

static void
head(struct html *h, const char *title, bool live)
{
	html_open(h, "head");
	html_void(h, "meta");
	html_attr(h, "charset", "utf-8");
	html_open(h, "title");
	html_textf(h, "%s – postern", title);
	html_close(h);
	meta(h, "viewport", "width=device-width, initial-scale=1");
	meta(h, "color-scheme", "light dark");
	/* Else browsers send `Origin: null` with our own forms. */
	meta(h, "referrer", "same-origin");
	html_void(h, "link");
	html_attr(h, "rel", "stylesheet");
	html_attr(h, "href", "/style.css");
	html_void(h, "link");
	html_attr(h, "rel", "icon");
	html_attr(h, "href", "/icon.svg");
	if (live) {
		html_open(h, "script");
		html_attr(h, "src", "/live.js");
		html_attr(h, "defer", NULL);
		html_close(h);
	}
	html_close(h);
}

static void
search(struct html *h)
{
	html_open(h, "form");
	html_attr(h, "action", "/find");
	html_attr(h, "method", "get");
	html_attr(h, "role", "search");
	html_open_classed(h, "label", "unseen");
	html_attr(h, "for", "q");
	html_text(h, "Queue id, account, client or address");
	html_close(h);
	html_void(h, "input");
	html_attr(h, "id", "q");
	html_attr(h, "name", "q");
	html_attr(h, "type", "search");
	html_attr(h, "maxlength", "200");
	html_attr(h, "placeholder", "Queue id, account, client …");
	html_open(h, "button");
	html_attr(h, "type", "submit");
	html_text(h, "Find");
	html_close(h);
	html_close(h);
}

static void
top(struct html *h, bool inside)
{
	html_open_classed(h, "a", "skip");
	html_attr(h, "href", "#main");
	html_text(h, "Skip to the content");
	html_close(h);
	html_open(h, "header");
	html_open_classed(h, "a", "brand");
	html_attr(h, "href", "/");
	html_open(h, "svg");
	html_attr(h, "viewBox", "0 0 20 20");
	html_attr(h, "aria-hidden", "true");
	html_open(h, "path");
	html_attr(h, "d", "M4 18V9a6 6 0 0 1 12 0v9h-3.2V9.2a2.8 2.8 0 0 "
			  "0-5.6 0V18z");
	html_close(h);
	html_close(h);
	html_text(h, "postern");
	html_close(h);
	if (inside) {
		search(h);
		html_open_classed(h, "form", "logout");
		html_attr(h, "action", "/logout");
		html_attr(h, "method", "post");
		html_open_classed(h, "button", "quiet");
		html_attr(h, "type", "submit");
		html_text(h, "Log out");
		html_close(h);
		html_close(h);
	}
	html_close(h);
}

void
page_begin(struct html *h, const char *title, bool inside, bool live)
{
	html_doctype(h);
	html_open(h, "html");
	html_attr(h, "lang", "en");
	head(h, title, live);
	html_open(h, "body");
	top(h, inside);
	html_open(h, "main");
	html_attr(h, "id", "main");
	if (live)
		html_attr(h, "data-live", "10");
}

void
page_end(struct html *h)
{
	html_close_to(h, 2); /* html, body */
	html_open(h, "footer");
	html_open(h, "p");
	html_textf(h, "postern %s", POSTERN_VERSION);
	html_close(h);
	html_close_to(h, 0);
	html_text(h, "");
	buf_char(&h->out, '\n');
}

void
page_words(struct html *h, const char *title, const char *words)
{
	page_begin(h, title, false, false);
	html_open_classed(h, "section", "card words");
	html_element(h, "h1", title);
	html_element(h, "p", words);
	html_open(h, "p");
	html_open(h, "a");
	html_attr(h, "href", "/");
	html_text(h, "To the overview");
	html_close(h);
	html_close(h);
	page_end(h);
}

void
page_login(struct html *h, bool wrong)
{
	page_begin(h, "Token", false, false);
	html_open_classed(h, "section", "card words");
	html_element(h, "h1", "This page asks for its token");
	html_open(h, "p");
	html_text(h, "On the server, as root: ");
	html_element(h, "code", "posternctl key token");
	html_close(h);
	if (wrong) {
		html_open_classed(h, "p", "wrong");
		html_attr(h, "role", "alert");
		html_attr(h, "id", "wrong");
		html_text(h, "That is not the token.");
		html_close(h);
	}
	html_open_classed(h, "form", "login");
	html_attr(h, "action", "/login");
	html_attr(h, "method", "post");
	html_open(h, "label");
	html_attr(h, "for", "token");
	html_text(h, "Token");
	html_close(h);
	html_void(h, "input");
	html_attr(h, "id", "token");
	html_attr(h, "name", "token");
	html_attr(h, "type", "password");
	html_attr(h, "autocomplete", "current-password");
	html_attr(h, "required", NULL);
	if (wrong)
		html_attr(h, "aria-describedby", "wrong");
	html_open(h, "button");
	html_attr(h, "type", "submit");
	html_text(h, "Open");
	html_close(h);
	html_close(h);
	page_end(h);
}
