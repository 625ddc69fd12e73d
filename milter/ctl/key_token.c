/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/http/token.h"
#include "milter/privileges.h"
#include "posternctl.h"

#define FAILED 1

static void
print(const char *path, const struct token *t, bool json)
{
	json_t *j;

	if (!json) {
		puts(t->text);
		return;
	}
	j = json_pack("{s:o,s:o}", "token", posternctl_string(t->text), "file",
	    posternctl_string(path));
	posternctl_print(j);
	json_decref(j);
}

static int
renew_token(const char *path, const struct privileges *owner)
{
	struct errmsg msg;
	int rc = token_renew(path, owner->change ? owner->uid : (uid_t)-1,
	    owner->change ? owner->gid : (gid_t)-1, &msg);

	if (rc == 0)
		return EX_OK;
	fprintf(stderr, "posternctl: %s\n", msg.text);
	return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
}

static int
show(const char *path, bool json)
{
	struct token t = {.text = ""};
	struct errmsg msg;
	struct stat st;

	if (stat(path, &st) != 0 && errno == ENOENT) {
		fprintf(stderr,
		    "posternctl: %s: there is no token yet: postern makes it "
		    "when it starts with the keyword Http; --renew makes it "
		    "now\n",
		    path);
		return FAILED;
	}
	if (token_read(&t, path, &msg) != 0)
		return posternctl_mistake(&msg);
	print(path, &t, json);
	explicit_bzero(&t, sizeof(t));
	return EX_OK;
}

int
key_token(const struct conf *c, const struct privileges *owner, bool renew,
    bool json)
{
	struct buf path = BUF_INIT;
	int rc = EX_OK;

	token_path(c, &path);
	if (buf_text(&path) == NULL)
		rc = posternctl_no_memory();
	if (rc == EX_OK && renew)
		rc = renew_token(buf_text(&path), owner);
	if (rc == EX_OK)
		rc = show(buf_text(&path), json);
	buf_fini(&path);
	return rc;
}
