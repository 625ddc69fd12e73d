/*
 * The files that go with the page as they are; made from the files of these
 * names when it is built.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_HTTP_ASSETS_H
#define MILTER_HTTP_ASSETS_H

#include <stddef.h>

struct asset {
	const unsigned char *bytes;
	size_t len;
};

extern const struct asset asset_style_css, asset_live_js, asset_icon_svg;

#endif
