/* SPDX-License-Identifier: BSD-2-Clause */
#include "html_style.h"

#include <stdlib.h>

#include "ascii.h"
#include "html_token.h"

enum { INVALID = -1, TRANSPARENT = -2, ODD = -3 };

/* CSS Color Module Level 3, section 4.3; in the order of strcmp. */
static const struct colour {
	char name[21];
	int rgb;
} colours[] = {
    {"aliceblue", 0xf0f8ff}, {"antiquewhite", 0xfaebd7}, {"aqua", 0x00ffff},
    {"aquamarine", 0x7fffd4}, {"azure", 0xf0ffff}, {"beige", 0xf5f5dc},
    {"bisque", 0xffe4c4}, {"black", 0x000000}, {"blanchedalmond", 0xffebcd},
    {"blue", 0x0000ff}, {"blueviolet", 0x8a2be2}, {"brown", 0xa52a2a},
    {"burlywood", 0xdeb887}, {"cadetblue", 0x5f9ea0}, {"chartreuse", 0x7fff00},
    {"chocolate", 0xd2691e}, {"coral", 0xff7f50}, {"cornflowerblue", 0x6495ed},
    {"cornsilk", 0xfff8dc}, {"crimson", 0xdc143c}, {"cyan", 0x00ffff},
    {"darkblue", 0x00008b}, {"darkcyan", 0x008b8b}, {"darkgoldenrod", 0xb8860b},
    {"darkgray", 0xa9a9a9}, {"darkgreen", 0x006400}, {"darkgrey", 0xa9a9a9},
    {"darkkhaki", 0xbdb76b}, {"darkmagenta", 0x8b008b},
    {"darkolivegreen", 0x556b2f}, {"darkorange", 0xff8c00},
    {"darkorchid", 0x9932cc}, {"darkred", 0x8b0000}, {"darksalmon", 0xe9967a},
    {"darkseagreen", 0x8fbc8f}, {"darkslateblue", 0x483d8b},
    {"darkslategray", 0x2f4f4f}, {"darkslategrey", 0x2f4f4f},
    {"darkturquoise", 0x00ced1}, {"darkviolet", 0x9400d3},
    {"deeppink", 0xff1493}, {"deepskyblue", 0x00bfff}, {"dimgray", 0x696969},
    {"dimgrey", 0x696969}, {"dodgerblue", 0x1e90ff}, {"firebrick", 0xb22222},
    {"floralwhite", 0xfffaf0}, {"forestgreen", 0x228b22}, {"fuchsia", 0xff00ff},
    {"gainsboro", 0xdcdcdc}, {"ghostwhite", 0xf8f8ff}, {"gold", 0xffd700},
    {"goldenrod", 0xdaa520}, {"gray", 0x808080}, {"green", 0x008000},
    {"greenyellow", 0xadff2f}, {"grey", 0x808080}, {"honeydew", 0xf0fff0},
    {"hotpink", 0xff69b4}, {"indianred", 0xcd5c5c}, {"indigo", 0x4b0082},
    {"ivory", 0xfffff0}, {"khaki", 0xf0e68c}, {"lavender", 0xe6e6fa},
    {"lavenderblush", 0xfff0f5}, {"lawngreen", 0x7cfc00},
    {"lemonchiffon", 0xfffacd}, {"lightblue", 0xadd8e6},
    {"lightcoral", 0xf08080}, {"lightcyan", 0xe0ffff},
    {"lightgoldenrodyellow", 0xfafad2}, {"lightgray", 0xd3d3d3},
    {"lightgreen", 0x90ee90}, {"lightgrey", 0xd3d3d3}, {"lightpink", 0xffb6c1},
    {"lightsalmon", 0xffa07a}, {"lightseagreen", 0x20b2aa},
    {"lightskyblue", 0x87cefa}, {"lightslategray", 0x778899},
    {"lightslategrey", 0x778899}, {"lightsteelblue", 0xb0c4de},
    {"lightyellow", 0xffffe0}, {"lime", 0x00ff00}, {"limegreen", 0x32cd32},
    {"linen", 0xfaf0e6}, {"magenta", 0xff00ff}, {"maroon", 0x800000},
    {"mediumaquamarine", 0x66cdaa}, {"mediumblue", 0x0000cd},
    {"mediumorchid", 0xba55d3}, {"mediumpurple", 0x9370db},
    {"mediumseagreen", 0x3cb371}, {"mediumslateblue", 0x7b68ee},
    {"mediumspringgreen", 0x00fa9a}, {"mediumturquoise", 0x48d1cc},
    {"mediumvioletred", 0xc71585}, {"midnightblue", 0x191970},
    {"mintcream", 0xf5fffa}, {"mistyrose", 0xffe4e1}, {"moccasin", 0xffe4b5},
    {"navajowhite", 0xffdead}, {"navy", 0x000080}, {"oldlace", 0xfdf5e6},
    {"olive", 0x808000}, {"olivedrab", 0x6b8e23}, {"orange", 0xffa500},
    {"orangered", 0xff4500}, {"orchid", 0xda70d6}, {"palegoldenrod", 0xeee8aa},
    {"palegreen", 0x98fb98}, {"paleturquoise", 0xafeeee},
    {"palevioletred", 0xdb7093}, {"papayawhip", 0xffefd5},
    {"peachpuff", 0xffdab9}, {"peru", 0xcd853f}, {"pink", 0xffc0cb},
    {"plum", 0xdda0dd}, {"powderblue", 0xb0e0e6}, {"purple", 0x800080},
    {"red", 0xff0000}, {"rosybrown", 0xbc8f8f}, {"royalblue", 0x4169e1},
    {"saddlebrown", 0x8b4513}, {"salmon", 0xfa8072}, {"sandybrown", 0xf4a460},
    {"seagreen", 0x2e8b57}, {"seashell", 0xfff5ee}, {"sienna", 0xa0522d},
    {"silver", 0xc0c0c0}, {"skyblue", 0x87ceeb}, {"slateblue", 0x6a5acd},
    {"slategray", 0x708090}, {"slategrey", 0x708090}, {"snow", 0xfffafa},
    {"springgreen", 0x00ff7f}, {"steelblue", 0x4682b4}, {"tan", 0xd2b48c},
    {"teal", 0x008080}, {"thistle", 0xd8bfd8}, {"tomato", 0xff6347},
    {"turquoise", 0x40e0d0}, {"violet", 0xee82ee}, {"wheat", 0xf5deb3},
    {"white", 0xffffff}, {"whitesmoke", 0xf5f5f5}, {"yellow", 0xffff00},
    {"yellowgreen", 0x9acd32},
};

/* A word of an attribute, in lower case. */
struct word {
	char s[48];
	size_t len;
};

static struct word
word_of(const char *s, size_t len)
{
	struct word w = {.len = 0};

	while (len > 0 && ascii_space(*s)) {
		s++;
		len--;
	}
	while (len > 0 && ascii_space(s[len - 1]))
		len--;
	while (w.len < len && w.len < sizeof(w.s) - 1) {
		w.s[w.len] = ascii_lower(s[w.len]);
		w.len++;
	}
	return w;
}

static int
compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct colour *)row)->name);
}

/* #rgb or #rrggbb, with what SpamAssassin makes of other lengths. */
static int
hex_colour(const char *s)
{
	int digits[6], rgb = 0;
	size_t n = 0;

	for (s++; *s != '\0' && n < 6; s++)
		if (ascii_hex(*s) >= 0)
			digits[n++] = ascii_hex(*s);
	if (n == 0)
		return ODD;
	if (n < 6) {
		n = n > 3 ? 3 : n;
		while (n < 3)
			digits[n++] = 0;
		for (size_t i = 0; i < 3; i++)
			rgb = rgb << 8 | digits[i] << 4 | digits[i];
		return rgb;
	}
	for (size_t i = 0; i < 6; i++)
		rgb = rgb << 4 | digits[i];
	return rgb;
}

static int
colour_of(const char *s, size_t len)
{
	struct word w = word_of(s, len);
	const struct colour *c;

	c = bsearch(w.s, colours, sizeof(colours) / sizeof(*colours),
	    sizeof(*colours), compare);
	if (c != NULL)
		return c->rgb;
	if (w.s[0] != '#')
		return INVALID;
	for (size_t i = 0; i < w.len; i++)
		if (w.s[i] != '#' && ascii_hex(w.s[i]) < 0)
			return INVALID;
	return hex_colour(w.s);
}

/* The numbers of rgb(1, 2, 3). */
static int
rgb_colour(const char *s, size_t len)
{
	long parts[3] = {0};
	size_t n = 0;

	for (size_t i = 0; i < len && n < 3; i++) {
		if (s[i] == ',')
			n++;
		else if (ascii_digit(s[i]) && parts[n] < 1000)
			parts[n] = parts[n] * 10 + (s[i] - '0');
	}
	for (n = 0; n < 3; n++)
		parts[n] = parts[n] > 255 ? 255 : parts[n];
	return (int)(parts[0] << 16 | parts[1] << 8 | parts[2]);
}

/* The first colour among the values of the last layer of `background:`. */
static void
background(struct html_style *new, const char *s, size_t len)
{
	size_t layer = 0, depth = 0, from;

	for (size_t i = 0; i < len; i++) {
		depth += s[i] == '(';
		depth -= s[i] == ')' && depth > 0;
		if (s[i] == ',' && depth == 0)
			layer = i + 1;
	}
	for (size_t i = layer; i < len; i++) {
		int c;

		for (from = i; i < len && s[i] != ' '; i++)
			;
		if (i == from)
			continue;
		c = memchr(s + from, '(', i - from) == NULL
			? colour_of(s + from, i - from)
			: INVALID;
		if (c != INVALID) {
			new->bg = c;
			return;
		}
	}
}

static void
colour_property(int *to, const char *s, size_t len)
{
	struct word w = word_of(s, len);
	char *mark = strchr(w.s, '!');

	if (mark != NULL)
		w = word_of(w.s, (size_t)(mark - w.s));
	if (strstr(w.s, "rgb") != NULL)
		*to = rgb_colour(w.s, w.len);
	else if (ascii_is(w.s, w.len, "transparent"))
		*to = TRANSPARENT;
	else if (!ascii_is(w.s, w.len, "inherit"))
		*to = colour_of(w.s, w.len);
}

/* Is that the text, but for white space around it? */
static bool
trimmed(const char *s, size_t len, const char *word)
{
	while (len > 0 && ascii_space(*s)) {
		s++;
		len--;
	}
	while (len > 0 && ascii_space(s[len - 1]))
		len--;
	return strlen(word) == len && memcmp(s, word, len) == 0;
}

static void
property(struct html_style *new, const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	struct word name, value;
	bool exact;

	if (colon == NULL)
		return;
	name = word_of(s, (size_t)(colon - s));
	exact = trimmed(s, (size_t)(colon - s), name.s);
	len -= (size_t)(colon + 1 - s);
	s = colon + 1;
	value = word_of(s, len);
	if (value.len == 0)
		return;
	if (ascii_is(name.s, name.len, "color"))
		colour_property(&new->fg, s, len);
	else if (ascii_is(name.s, name.len, "background-color"))
		colour_property(&new->bg, s, len);
	else if (!exact) /* SpamAssassin knows the others in lower case only */
		return;
	else if (ascii_is(name.s, name.len, "background"))
		background(new, s, len);
	else if (ascii_is(name.s, name.len, "display"))
		new->no_display = ascii_is(value.s, value.len, "none");
	else if (ascii_is(name.s, name.len, "visibility"))
		new->hidden = ascii_is(value.s, value.len, "hidden");
}

static void
style(struct html_style *new, const struct html_style *parent, const char *s,
    size_t len)
{
	while (len > 0) {
		const char *semi = memchr(s, ';', len);
		size_t n = semi ? (size_t)(semi - s) : len;

		property(new, s, n);
		n += semi != NULL;
		s += n;
		len -= n;
	}
	if (new->bg == TRANSPARENT)
		new->bg = parent->bg;
	if (new->fg == TRANSPARENT)
		new->fg = new->bg;
}

/* Elements that change the style; which attributes of theirs do. */
static const struct element {
	const char *name;
	bool style, font, text;
} elements[] = {
    {"", false, false, false},
    {"body", false, false, true},
    {"font", false, true, false},
    {"table", true, false, false},
    {"tr", true, false, false},
    {"td", true, false, false},
    {"th", true, false, false},
    {"big", false, false, false},
    {"small", false, false, false},
    {"basefont", false, true, false},
    {"marquee", false, false, false},
    {"span", true, false, false},
    {"p", true, false, false},
    {"div", true, false, false},
    {"a", true, false, false},
};

/* Rows of it. */
enum {
	E_BODY = 1,
	E_FONT,
	E_TABLE,
	E_TR,
	E_TD,
	E_TH,
	E_BIG,
	E_SMALL,
	E_BASEFONT
};

static unsigned
element_of(const char *name, size_t len)
{
	for (unsigned i = 1; i < sizeof(elements) / sizeof(*elements); i++)
		if (ascii_is(name, len, elements[i].name))
			return i == E_TH ? E_TD : i;
	return 0;
}

static bool
is_open(const struct html_styles *st, unsigned element)
{
	for (size_t i = st->depth; i-- > 1;)
		if (st->stack[i].element == element)
			return true;
	return false;
}

/* A cell ends the cell before it, a row the row. */
static void
close_cells(struct html_styles *st, unsigned element)
{
	if (!is_open(st, element))
		return;
	while (st->depth > 1) {
		unsigned top = st->stack[st->depth - 1].element;

		if (top != E_FONT && top != E_TD &&
		    !(top == E_TR && element == E_TR))
			return;
		st->depth--;
	}
}

static void
font_size(const struct html_styles *st, struct html_style *new, const char *s,
    size_t len)
{
	struct word w = word_of(s, len);
	char *end;
	bool relative = w.s[0] == '+' || w.s[0] == '-';
	long n = strtol(w.s, &end, 10);

	if (end == w.s || n > 1000 || n < -1000)
		return;
	new->size = relative ? st->basefont + n : n;
}

static void
attributes(const struct html_styles *st, struct html_style *new,
    const struct element *e, struct html_tag tag)
{
	struct html_attr a;

	while (html_attr_next(&tag, &a)) {
		if (e->style && ascii_is(a.name, a.name_len, "style"))
			style(new, &st->stack[st->depth - 1], a.value,
			    a.value_len);
		else if (e->font && ascii_is(a.name, a.name_len, "size"))
			font_size(st, new, a.value, a.value_len);
		else if ((e->font && ascii_is(a.name, a.name_len, "color")) ||
			 (e->text && ascii_is(a.name, a.name_len, "text")))
			new->fg = colour_of(a.value, a.value_len);
	}
}

void
html_style_init(struct html_styles *st)
{
	st->depth = 1;
	st->basefont = 3;
	st->stack[0] = (struct html_style){
	    .fg = 0x000000, .bg = 0xffffff, .size = 3};
}

void
html_style_start(struct html_styles *st, const struct html_tag *tag)
{
	unsigned element = element_of(tag->name, tag->name_len);
	struct html_style new;

	if (element == 0)
		return;
	if (element == E_TD || element == E_TR)
		close_cells(st, element);
	if (st->depth == HTML_STYLE_DEPTH)
		return;
	new = st->stack[st->depth - 1];
	new.element = element;
	if (element == E_BIG)
		new.size++;
	else if (element == E_SMALL)
		new.size--;
	else
		attributes(st, &new, &elements[element], *tag);
	if (element == E_BASEFONT)
		st->basefont = new.size;
	else
		st->stack[st->depth++] = new;
}

void
html_style_end(struct html_styles *st, const char *name, size_t len)
{
	unsigned element = element_of(name, len);

	if (element == 0 || element == E_BODY || !is_open(st, element))
		return;
	while (st->stack[--st->depth].element != element)
		;
}

bool
html_style_invisible(const struct html_styles *st)
{
	const struct html_style *now = &st->stack[st->depth - 1];
	double r, g, b;

	if (now->fg == now->bg || now->fg == INVALID || now->bg == INVALID ||
	    now->size <= 1 || now->no_display || now->hidden)
		return true;
	if (now->fg < 0 || now->bg < 0)
		return false;
	/* Distance weighted by brightness; below 12 one can hardly read. */
	r = 0.2126 * ((now->fg >> 16) - (now->bg >> 16));
	g = 0.7152 * ((now->fg >> 8 & 0xff) - (now->bg >> 8 & 0xff));
	b = 0.0722 * ((now->fg & 0xff) - (now->bg & 0xff));
	return r * r + g * g + b * b < 12 * 12;
}
