/* usage: authres_cli ID
 *
 * A line of hexadecimal digits is the value of an Authentication-Results field;
 * a line comes back: 1 if it could be taken for that of ID, 0 if not, and
 * whether it is clear whose it is.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/mail/authres.h"

/* In place; the octets that there are. */
static size_t
decode(char *line)
{
	size_t n = 0;
	unsigned octet;

	while (sscanf(line + 2 * n, "%2x", &octet) == 1)
		line[n++] = (char)octet;
	return n;
}

int
main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;

	if (argc != 2)
		return 64;
	while (getline(&line, &room, stdin) > 0) {
		struct authres_head head;
		struct arena a;
		size_t len = decode(line);
		bool claims;

		arena_init(&a);
		if (authres_look(&a, line, len, &head) != 0 ||
		    authres_claims(&a, line, len, authres_id(&a, argv[1]),
			&claims) != 0)
			return 71;
		printf("%d %d\n", claims, head.clear);
		arena_fini(&a);
	}
	free(line);
	return 0;
}
