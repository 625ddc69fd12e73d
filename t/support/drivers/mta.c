/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A packet is a length of 32 bits in network order, a command octet that the
 * length counts, and data.  sendmail's libmilter/docs and mfdef.h are the
 * description of the rest.
 */
#include "t/support/drivers/mta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfdef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define PACKET_MAX (1U << 20) /* octets of a filter's packet */
#define EDITS_MAX 1024
#define EDIT_OCTETS_MAX (4U << 20) /* of all edits to a message */
#define MACROS_MAX 64
#define HELD_MAX 65536 /* octets of output held back */
#define STAGES 7       /* SMFIM_CONNECT to SMFIM_EOH */

struct macro {
	const char *name, *value;
};

struct mta {
	int fd, wait_ms;
	struct mta_options agreed;
	char *symbols[STAGES]; /* malloc'd; NULL: the defaults below */
	struct macro macros[MACROS_MAX];
	size_t nmacros;
	bool skip_body; /* SMFIR_SKIP was said in this message */
	struct buf out;
	struct buf in; /* the data of the last packet */
	struct arena arena; /* the last answer */
	struct mta_edit edits[EDITS_MAX];
	size_t nedits, edit_octets;
};

/* What each command is: the stage of its macros (mfapi.h's SMFIM_, which can't
 * be included without libmilter's prototypes; -1: none), the flags with which a
 * filter leaves it out or its reply, and Postfix's default macros. */
static const struct command {
	char code;
	int stage;
	uint32_t omit, quiet;
	const char *symbols;
} commands[] = {
    {SMFIC_CONNECT, 0, SMFIP_NOCONNECT, SMFIP_NR_CONN,
	"j {daemon_name} {daemon_addr} v _"},
    {SMFIC_HELO, 1, SMFIP_NOHELO, SMFIP_NR_HELO,
	"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"},
    {SMFIC_MAIL, 2, SMFIP_NOMAIL, SMFIP_NR_MAIL,
	"i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} "
	"{mail_mailer}"},
    {SMFIC_RCPT, 3, SMFIP_NORCPT, SMFIP_NR_RCPT,
	"i {rcpt_addr} {rcpt_host} {rcpt_mailer}"},
    {SMFIC_DATA, 4, SMFIP_NODATA, SMFIP_NR_DATA, "i"},
    {SMFIC_HEADER, -1, SMFIP_NOHDRS, SMFIP_NR_HDR, ""},
    {SMFIC_EOH, 6, SMFIP_NOEOH, SMFIP_NR_EOH, "i"},
    {SMFIC_BODY, -1, SMFIP_NOBODY, SMFIP_NR_BODY, ""},
    {SMFIC_BODYEOB, 5, 0, 0, "i"},
    {SMFIC_UNKNOWN, -1, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, ""},
    {SMFIC_ABORT, -1, 0, 0, ""},
};

static const struct word {
	char code;
	bool last; /* it ends the answer to a command */
	bool indexed;
	const char *word;
} words[] = {
    {SMFIR_CONTINUE, true, false, "continue"},
    {SMFIR_ACCEPT, true, false, "accept"},
    {SMFIR_REJECT, true, false, "reject"},
    {SMFIR_TEMPFAIL, true, false, "tempfail"},
    {SMFIR_DISCARD, true, false, "discard"},
    {SMFIR_SKIP, true, false, "skip"},
    {SMFIR_REPLYCODE, true, false, "replycode"},
    {SMFIR_CONN_FAIL, true, false, "connfail"},
    {SMFIR_SHUTDOWN, true, false, "shutdown"},
    {SMFIR_PROGRESS, false, false, "progress"},
    {SMFIR_ADDHEADER, false, false, "addheader"},
    {SMFIR_INSHEADER, false, true, "insheader"},
    {SMFIR_CHGHEADER, false, true, "chgheader"},
    {SMFIR_QUARANTINE, false, false, "quarantine"},
    {SMFIR_ADDRCPT, false, false, "addrcpt"},
    {SMFIR_ADDRCPT_PAR, false, false, "addrcpt"},
    {SMFIR_DELRCPT, false, false, "delrcpt"},
    {SMFIR_CHGFROM, false, false, "chgfrom"},
    {SMFIR_REPLBODY, false, false, "replbody"},
};

static const struct command *
command_find(char code)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (commands[i].code == code)
			return &commands[i];
	}
	return NULL;
}

static const struct word *
word_find(char code)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].code == code)
			return &words[i];
	}
	return NULL;
}

const char *
mta_word(char reply)
{
	const struct word *w = word_find(reply);

	return w == NULL ? NULL : w->word;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* where is PORT@HOST. */
static int
connect_inet(const char *where)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *ai;
	const char *at = strchr(where, '@');
	int fd = -1, on = 1;
	char port[16];

	if (at == NULL || (size_t)(at - where) >= sizeof(port)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(port, where, (size_t)(at - where));
	port[at - where] = '\0';
	if (getaddrinfo(at + 1, port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (ai = found; ai != NULL; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
			break;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int
mta_open(const char *socket, int wait_ms, struct mta **m_r)
{
	struct mta *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return ERR_NOMEM;
	errno = EINVAL;
	m->fd = -1;
	m->wait_ms = wait_ms;
	m->agreed = MTA_OFFER_PLAIN;
	arena_init(&m->arena);
	if (strncmp(socket, "unix:", 5) == 0)
		m->fd = connect_unix(socket + 5);
	else if (strncmp(socket, "local:", 6) == 0)
		m->fd = connect_unix(socket + 6);
	else if (strncmp(socket, "inet:", 5) == 0)
		m->fd = connect_inet(socket + 5);
	if (m->fd < 0) {
		mta_close(m);
		return ERR_SYSTEM;
	}
	*m_r = m;
	return 0;
}

void
mta_close(struct mta *m)
{
	int saved = errno;

	if (m == NULL)
		return;
	if (m->fd >= 0)
		close(m->fd);
	for (size_t i = 0; i < STAGES; i++)
		free(m->symbols[i]);
	buf_fini(&m->out);
	buf_fini(&m->in);
	arena_fini(&m->arena);
	free(m);
	errno = saved;
}

static int
wait_for(struct mta *m, short events)
{
	struct pollfd p = {.fd = m->fd, .events = events};
	int n;

	do
		n = poll(&p, 1, m->wait_ms);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n == 0 ? ERR_TIMEOUT : ERR_SYSTEM;
}

/* A filter that stops reading because nobody reads what it says would block us
 * for good: hence no blocking write. */
static int
flush(struct mta *m)
{
	size_t done = 0;
	ssize_t n;
	int rc;

	if (m->out.failed)
		return ERR_NOMEM;
	while (done < m->out.len) {
		n = send(m->fd, m->out.data + done, m->out.len - done,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			if ((rc = wait_for(m, POLLOUT)) != 0)
				return rc;
		} else if (errno != EINTR) {
			return ERR_SYSTEM;
		}
	}
	buf_reset(&m->out);
	return 0;
}

int
mta_raw(struct mta *m, const void *octets, size_t len)
{
	buf_add(&m->out, octets, len);
	return m->out.len >= HELD_MAX ? flush(m) : 0;
}

int
mta_packet(struct mta *m, char command, const void *data, size_t len)
{
	uint32_t n = htonl((uint32_t)len + 1);

	buf_add(&m->out, &n, sizeof(n));
	buf_char(&m->out, command);
	return mta_raw(m, data, len);
}

static int
packet_strings(
    struct mta *m, char command, const char *const *strings, size_t count)
{
	uint32_t len = 1;

	for (size_t i = 0; i < count; i++)
		len += (uint32_t)strlen(strings[i]) + 1;
	len = htonl(len);
	buf_add(&m->out, &len, sizeof(len));
	buf_char(&m->out, command);
	for (size_t i = 0; i < count; i++)
		buf_add(&m->out, strings[i], strlen(strings[i]) + 1);
	return mta_raw(m, "", 0);
}

static int
receive(struct mta *m, void *where, size_t len)
{
	size_t done = 0;
	ssize_t n;
	int rc;

	while (done < len) {
		n = recv(m->fd, (char *)where + done, len - done, MSG_DONTWAIT);
		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0) {
			errno = ECONNRESET;
			return ERR_SYSTEM;
		} else if (errno == EAGAIN) {
			if ((rc = wait_for(m, POLLIN)) != 0)
				return rc;
		} else if (errno != EINTR) {
			return ERR_SYSTEM;
		}
	}
	return 0;
}

/* The next packet: its command, and its data in m->in. */
static int
packet_read(struct mta *m, char *command_r)
{
	char chunk[4096];
	uint32_t len;
	size_t n;
	int rc;

	buf_reset(&m->in);
	if ((rc = flush(m)) != 0 || (rc = receive(m, &len, sizeof(len))) != 0)
		return rc;
	len = ntohl(len);
	if (len < 1)
		return ERR_FORMAT;
	if (len > PACKET_MAX)
		return ERR_LIMIT;
	if ((rc = receive(m, command_r, 1)) != 0)
		return rc;
	for (len--; len > 0; len -= (uint32_t)n) {
		n = len < sizeof(chunk) ? len : sizeof(chunk);
		if ((rc = receive(m, chunk, n)) != 0)
			return rc;
		buf_add(&m->in, chunk, n);
	}
	return m->in.failed ? ERR_NOMEM : 0;
}

static uint32_t
number_at(const struct mta *m, size_t at)
{
	uint32_t n;

	memcpy(&n, m->in.data + at, sizeof(n));
	return ntohl(n);
}

/* The macro lists behind the options: stage, words, NUL; again. */
static int
read_symbols(struct mta *m)
{
	size_t at = 12, end;
	uint32_t stage;

	while (at < m->in.len) {
		if (m->in.len - at < 5)
			return ERR_FORMAT;
		stage = number_at(m, at);
		at += 4;
		end = at + strnlen(m->in.data + at, m->in.len - at);
		if (end == m->in.len || stage >= STAGES)
			return ERR_FORMAT;
		free(m->symbols[stage]);
		m->symbols[stage] = strdup(m->in.data + at);
		if (m->symbols[stage] == NULL)
			return ERR_NOMEM;
		at = end + 1;
	}
	return 0;
}

int
mta_negotiate(struct mta *m, struct mta_options offer)
{
	uint32_t words_out[3] = {
	    htonl(offer.version), htonl(offer.actions), htonl(offer.steps)};
	char command;
	int rc;

	if ((rc = mta_packet(
		 m, SMFIC_OPTNEG, words_out, sizeof(words_out))) != 0 ||
	    (rc = packet_read(m, &command)) != 0)
		return rc;
	if (command != SMFIC_OPTNEG || m->in.len < sizeof(words_out))
		return ERR_FORMAT;
	m->agreed.version = number_at(m, 0);
	m->agreed.actions = number_at(m, 4);
	m->agreed.steps = number_at(m, 8);
	if ((m->agreed.actions & ~offer.actions) ||
	    (m->agreed.steps & ~offer.steps))
		return ERR_FORMAT; /* it took what was not offered */
	return read_symbols(m);
}

struct mta_options
mta_agreed(const struct mta *m)
{
	return m->agreed;
}

const char *
mta_symbols(const struct mta *m, unsigned stage)
{
	return stage < STAGES ? m->symbols[stage] : NULL;
}

int
mta_define(struct mta *m, const char *name, const char *value)
{
	size_t i = 0;

	while (i < m->nmacros && strcmp(m->macros[i].name, name) != 0)
		i++;
	if (i == MACROS_MAX)
		return ERR_LIMIT;
	m->macros[i] = (struct macro){name, value};
	if (i == m->nmacros)
		m->nmacros++;
	return 0;
}

int
mta_macros(
    struct mta *m, char command, const char *const *strings, size_t count)
{
	uint32_t len = 2;

	for (size_t i = 0; i < count; i++)
		len += (uint32_t)strlen(strings[i]) + 1;
	len = htonl(len);
	buf_add(&m->out, &len, sizeof(len));
	buf_char(&m->out, SMFIC_MACRO);
	buf_char(&m->out, command);
	for (size_t i = 0; i < count; i++)
		buf_add(&m->out, strings[i], strlen(strings[i]) + 1);
	return mta_raw(m, "", 0);
}

/* Whether a list of words separated by spaces or commas has this one. */
static bool
listed(const char *list, const char *name)
{
	size_t len = strlen(name), n;

	while (*(list += strspn(list, " ,\t")) != '\0') {
		n = strcspn(list, " ,\t");
		if (n == len && memcmp(list, name, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static int
send_macros(struct mta *m, const struct command *c)
{
	const char *strings[2 * MACROS_MAX], *list;
	size_t n = 0;

	if (c->stage < 0 || m->nmacros == 0)
		return 0;
	list = m->symbols[c->stage];
	if (list == NULL)
		list = c->symbols;
	for (size_t i = 0; i < m->nmacros; i++) {
		if (m->macros[i].value == NULL ||
		    !listed(list, m->macros[i].name))
			continue;
		strings[n++] = m->macros[i].name;
		strings[n++] = m->macros[i].value;
	}
	return n == 0 ? 0 : mta_macros(m, c->code, strings, n);
}

static int
edit_add(struct mta *m, const struct word *w)
{
	struct mta_edit *e = &m->edits[m->nedits];
	size_t at = w->indexed ? 4 : 0;
	char *data;

	m->edit_octets += m->in.len;
	if (m->nedits == EDITS_MAX || m->edit_octets > EDIT_OCTETS_MAX)
		return ERR_LIMIT;
	if (m->in.len < at)
		return ERR_FORMAT;
	/* Two NULs behind the data: a value is there even if it is not. */
	data = arena_alloc(&m->arena, m->in.len + 2);
	if (data == NULL)
		return ERR_NOMEM;
	if (m->in.len > 0)
		memcpy(data, m->in.data, m->in.len);
	e->kind = w->code;
	e->index = w->indexed ? number_at(m, 0) : 0;
	e->name = data + at;
	e->value = data + at + strlen(data + at) + 1;
	m->nedits++;
	return 0;
}

int
mta_await(struct mta *m, struct mta_answer *a_r)
{
	const struct word *w;
	char command;
	int rc;

	*a_r = (struct mta_answer){.text = ""};
	arena_reset(&m->arena);
	m->nedits = m->edit_octets = 0;
	for (;;) {
		if ((rc = packet_read(m, &command)) != 0)
			return rc;
		if ((w = word_find(command)) == NULL)
			return ERR_FORMAT;
		if (w->last)
			break;
		if (command == SMFIR_PROGRESS)
			a_r->progress++;
		else if ((rc = edit_add(m, w)) != 0)
			return rc;
	}
	a_r->reply = command;
	if (command == SMFIR_REPLYCODE)
		a_r->text = arena_memdup(
		    &m->arena, buf_text(&m->in), m->in.len);
	if (a_r->text == NULL)
		return ERR_NOMEM;
	a_r->edits = m->edits;
	a_r->nedits = m->nedits;
	return 0;
}

/* Whether the filter wants the command at all; then its macros are sent. */
static int
begin(struct mta *m, const struct command *c, struct mta_answer *a_r,
    bool *wanted_r)
{
	*a_r = (struct mta_answer){.text = ""};
	*wanted_r = !(m->agreed.steps & c->omit);
	return *wanted_r ? send_macros(m, c) : 0;
}

static int
finish(struct mta *m, const struct command *c, struct mta_answer *a_r)
{
	return m->agreed.steps & c->quiet ? 0 : mta_await(m, a_r);
}

int
mta_connect(struct mta *m, const char *name, char family, const char *address,
    unsigned port, struct mta_answer *a_r)
{
	const struct command *c = command_find(SMFIC_CONNECT);
	struct buf data = BUF_INIT;
	uint16_t p = htons((uint16_t)port);
	bool wanted;
	int rc = begin(m, c, a_r, &wanted);

	if (rc != 0 || !wanted)
		return rc;
	buf_add(&data, name, strlen(name) + 1);
	buf_char(&data, family);
	if (family != SMFIA_UNKNOWN) {
		buf_add(&data, &p, sizeof(p));
		buf_add(&data, address, strlen(address) + 1);
	}
	rc = data.failed ? ERR_NOMEM
			 : mta_packet(m, SMFIC_CONNECT, data.data, data.len);
	buf_fini(&data);
	return rc != 0 ? rc : finish(m, c, a_r);
}

int
mta_say(struct mta *m, char command, const char *const *strings, size_t count,
    struct mta_answer *a_r)
{
	const struct command *c = command_find(command);
	bool wanted;
	int rc;

	if (c == NULL)
		return ERR_NOTFOUND;
	if (command == SMFIC_MAIL)
		m->skip_body = false;
	rc = begin(m, c, a_r, &wanted);
	if (rc != 0 || !wanted)
		return rc;
	rc = packet_strings(m, command, strings, count);
	return rc != 0 ? rc : finish(m, c, a_r);
}

int
mta_header(struct mta *m, const char *name, const char *value,
    struct mta_answer *a_r)
{
	return mta_say(
	    m, SMFIC_HEADER, (const char *const[]){name, value}, 2, a_r);
}

int
mta_body(struct mta *m, const void *octets, size_t len, struct mta_answer *a_r)
{
	const struct command *c = command_find(SMFIC_BODY);
	const char *at = octets;
	bool wanted;
	size_t n;
	int rc = begin(m, c, a_r, &wanted);

	if (rc != 0 || !wanted || m->skip_body)
		return rc;
	for (; len > 0; at += n, len -= n) {
		n = len < MILTER_CHUNK_SIZE ? len : MILTER_CHUNK_SIZE;
		if ((rc = mta_packet(m, SMFIC_BODY, at, n)) != 0 ||
		    (rc = finish(m, c, a_r)) != 0)
			return rc;
		if (a_r->reply != 0 && a_r->reply != SMFIR_CONTINUE)
			break;
	}
	m->skip_body = a_r->reply == SMFIR_SKIP;
	return 0;
}

int
mta_eom(struct mta *m, struct mta_answer *a_r)
{
	m->skip_body = false;
	return mta_say(m, SMFIC_BODYEOB, NULL, 0, a_r);
}

int
mta_abort(struct mta *m)
{
	int rc = mta_packet(m, SMFIC_ABORT, NULL, 0);

	m->skip_body = false;
	return rc != 0 ? rc : flush(m);
}

int
mta_quit(struct mta *m)
{
	int rc = mta_packet(m, SMFIC_QUIT, NULL, 0);

	return rc != 0 ? rc : flush(m);
}
