/*
 * The service that answers HTTP: sockets, connections, libmicrohttpd.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The library has a thread of its own, in which all requests are answered one
 * after another; no mail thread ever waits for it, nor for a browser.  The
 * service's thread starts and stops it as the configuration has it, and ends
 * connections that are too old: the library's own time-out begins anew with
 * every octet.
 */
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/httpspec.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "site.h"
#include "token.h"

#define CONNECTIONS HTTPSPEC_CONNECTIONS
#define MEMORY 16384   /* octets of a connection: the request's header */
#define BACKLOG 128
#define SCAN_MS 250
#define RETRY_MS 5000
#define NICENESS 10
/* How old a connection may get, milliseconds; the second where more than half
 * of them are taken. */
#define AGE_MS 15000
#define AGE_CROWDED_MS 2000

struct connection {
	int fd; /* -1: none */
	int64_t since; /* clock_ms */
};

static struct {
	/* Only the service's thread uses these. */
	struct token token; /* to see whether it can be read */
	struct MHD_Daemon *daemon; /* NULL: it does not run */
	struct httpspec spec;      /* as it runs, or failed to */
	char *token_path;
	struct stat socket; /* of a local one */

	/* Of the library's thread. */
	struct site *site;

	/* Of both. */
	pthread_mutex_t lock;
	struct connection connections[CONNECTIONS];
	size_t count; /* of those */
	char failed[512]; /* why it does not run, although it should; "" */
} http = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- connections -- */

static void
note_connection(void *arg, struct MHD_Connection *c, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *mine = *context;

	(void)arg;
	pthread_mutex_lock(&http.lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED && info != NULL) {
		for (size_t i = 0; mine == NULL && i < CONNECTIONS; i++) {
			if (http.connections[i].fd < 0)
				mine = &http.connections[i];
		}
		if (mine != NULL) {
			*mine = (struct connection){
			    info->connect_fd, clock_ms()};
			http.count++;
		}
		*context = mine;
	} else if (code == MHD_CONNECTION_NOTIFY_CLOSED && mine != NULL) {
		/* Called before the descriptor is closed. */
		mine->fd = -1;
		http.count--;
	}
	pthread_mutex_unlock(&http.lock);
}

/* The library closes what is shut down here. */
static void
end_old_connections(void)
{
	int64_t now = clock_ms(), age;

	pthread_mutex_lock(&http.lock);
	age = http.count > CONNECTIONS / 2 ? AGE_CROWDED_MS : AGE_MS;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &http.connections[i];

		if (c->fd >= 0 && now - c->since >= age)
			shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&http.lock);
}

/* -- requests -- */

/* A request on its way. */
struct visit {
	char *target;
	bool known; /* its headers were read */
	struct request request;
	enum route route;
	char body[REQUEST_BODY_MAX];
	size_t len;
	bool too_long;
};

/* The request line's target as it was sent; what this returns is the visit of
 * the calls of `handle`. */
static void *
begin_visit(void *arg, const char *target, struct MHD_Connection *c)
{
	struct visit *v = calloc(1, sizeof(*v));

	(void)arg;
	(void)c;
	if (v != NULL && (v->target = strdup(target)) == NULL) {
		free(v);
		return NULL;
	}
	return v;
}

static void
end_visit(void *arg, struct MHD_Connection *c, void **context,
    enum MHD_RequestTerminationCode code)
{
	struct visit *v = *context;

	(void)arg;
	(void)c;
	(void)code;
	if (v != NULL)
		free(v->target);
	free(v);
	*context = NULL;
}

/* Nothing is decoded by the library. */
static size_t
keep(void *arg, struct MHD_Connection *c, char *text)
{
	(void)arg;
	(void)c;
	return strlen(text);
}

static enum MHD_Result
note_header(void *arg, enum MHD_ValueKind kind, const char *key,
    const char *value)
{
	struct request *r = arg;
	const struct {
		const char *name;
		const char **value;
	} all[] = {{"Host", &r->host}, {"Authorization", &r->authorization},
	    {"Cookie", &r->cookie}, {"Origin", &r->origin},
	    {"Content-Type", &r->content_type},
	    {"Content-Length", &r->length}};

	(void)kind;
	if (strcasecmp(key, "Transfer-Encoding") == 0)
		r->transfer = true;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strcasecmp(key, all[i].name) != 0)
			continue;
		r->twice = r->twice || *all[i].value != NULL;
		*all[i].value = value == NULL ? "" : value;
	}
	return MHD_YES;
}

static void
add_headers(struct MHD_Response *response, const struct answer *a)
{
	static const char *const all[][2] = {
	    {"X-Content-Type-Options", "nosniff"},
	    {"X-Frame-Options", "DENY"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cache-Control", "no-store"},
	    {"Content-Security-Policy",
		"default-src 'none'; style-src 'self'; script-src 'self'; "
		"connect-src 'self'; img-src 'self'; form-action 'self'; "
		"base-uri 'none'; frame-ancestors 'none'"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	    {"Connection", "close"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		MHD_add_response_header(response, all[i][0], all[i][1]);
	MHD_add_response_header(response, "Content-Type", a->type);
	if (a->location.len > 0)
		MHD_add_response_header(
		    response, "Location", buf_text(&a->location));
	if (a->cookie[0] != '\0')
		MHD_add_response_header(response, "Set-Cookie", a->cookie);
	if (a->status == 405)
		MHD_add_response_header(response, "Allow", "GET, HEAD, POST");
	if (a->status == 401)
		MHD_add_response_header(
		    response, "WWW-Authenticate", "Bearer realm=\"postern\"");
}

static enum MHD_Result
send_answer(struct MHD_Connection *c, struct answer *a)
{
	const struct buf *body = &a->body.out;
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    body->len, body->len == 0 ? (void *)"" : body->data,
	    MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc = MHD_NO;

	if (response != NULL) {
		add_headers(response, a);
		rc = MHD_queue_response(c, a->status, response);
		MHD_destroy_response(response);
	}
	answer_fini(a);
	return rc;
}

static enum MHD_Result
refuse(struct MHD_Connection *c, unsigned status)
{
	struct answer a = ANSWER_INIT;

	site_refuse(&a, status);
	return send_answer(c, &a);
}

/* The headers are there. */
static enum MHD_Result
begin_request(struct MHD_Connection *c, struct visit *v, const char *method,
    const char *version)
{
	struct answer a = ANSWER_INIT;

	v->known = true;
	v->request = (struct request){.method = method,
	    .target = v->target,
	    .http10 = strcmp(version, "HTTP/1.0") == 0};
	MHD_get_connection_values(
	    c, MHD_HEADER_KIND, note_header, &v->request);
	if (site_admits(http.site, &v->request, &v->route, &a))
		return MHD_YES;
	return send_answer(c, &a);
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_len, void **context)
{
	struct visit *v = *context;
	struct answer a = ANSWER_INIT;

	(void)arg;
	(void)url;
	if (v == NULL)
		return MHD_NO;
	if (!v->known)
		return begin_request(c, v, method, version);
	if (*upload_len > 0) {
		v->too_long = v->too_long ||
		    *upload_len > sizeof(v->body) - v->len;
		if (!v->too_long) {
			memcpy(v->body + v->len, upload, *upload_len);
			v->len += *upload_len;
		}
		*upload_len = 0;
		return MHD_YES;
	}
	if (v->too_long)
		return refuse(c, 413);
	site_answer(http.site, &v->request, v->route, v->body, v->len, &a);
	return send_answer(c, &a);
}

/* -- the socket -- */

/* Remove a local socket that nobody listens on.  False: errno says why not. */
static bool
remove_old(const struct httpspec *spec)
{
	const char *path = spec->address.local.sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = connect(fd, &spec->address.any, spec->len);
	if (rc == 0)
		errno = EADDRINUSE;
	close(fd);
	return rc != 0 && errno == ECONNREFUSED && unlink(path) == 0;
}

static bool
bind_socket(int fd, const struct httpspec *spec)
{
	int on = 1;

	if (spec->family == AF_UNIX)
		/* Before there is a name: it is never open to others. */
		return remove_old(spec) && fchmod(fd, 0600) == 0 &&
		    bind(fd, &spec->address.any, spec->len) == 0 &&
		    lstat(spec->address.local.sun_path, &http.socket) == 0;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, &spec->address.any, spec->len) == 0;
}

/* A socket that listens; -1: errno says why not. */
static int
listen_on(const struct httpspec *spec)
{
	int fd = socket(
	    spec->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	if (fd >= 0 && bind_socket(fd, spec) && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

/* -- start and stop -- */

static void
stop_server(void)
{
	struct stat st;

	if (http.daemon == NULL)
		return;
	MHD_stop_daemon(http.daemon);
	http.daemon = NULL;
	if (http.spec.family == AF_UNIX &&
	    lstat(http.spec.address.local.sun_path, &st) == 0 &&
	    st.st_dev == http.socket.st_dev && st.st_ino == http.socket.st_ino)
		unlink(http.spec.address.local.sun_path);
	site_free(http.site);
	http.site = NULL;
}

/* MHD_USE_ITC: else a stop wakes the library's thread by the listening socket,
 * which it does not look at while there are as many connections as may be. */
static struct MHD_Daemon *
start_daemon(int fd)
{
	/* Of this thread, and of the library's, which is made by it: where
	 * there is too little time for all, mail comes first. */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	return MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
		MHD_USE_ITC | MHD_USE_PEDANTIC_CHECKS,
	    0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(AGE_MS / 1000),
	    MHD_OPTION_NOTIFY_CONNECTION, note_connection, NULL,
	    MHD_OPTION_URI_LOG_CALLBACK, begin_visit, NULL,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep, NULL,
	    MHD_OPTION_NOTIFY_COMPLETED, end_visit, NULL, MHD_OPTION_END);
}

/* 0, or a negative ERR_ and *msg_r without the keyword. */
static int
start_server(const char *where, struct errmsg *msg_r)
{
	const struct httpspec *spec = &http.spec;
	struct request_self self = {
	    .local = spec->loopback, .any = spec->all};
	bool local = spec->family == AF_UNIX;
	int fd, rc = local ? 0 : token_make(http.token_path, msg_r);

	if (rc != 0)
		return rc;
	strcpy(self.host, spec->host);
	http.site = site_new(&self, local ? NULL : http.token_path);
	fd = http.site == NULL ? -1 : listen_on(spec);
	if (fd >= 0) {
		http.daemon = start_daemon(fd);
		if (http.daemon == NULL)
			close(fd);
	}
	if (http.daemon != NULL)
		return 0;
	errmsg_set(msg_r, "%s: %s", where, strerror(errno));
	site_free(http.site);
	http.site = NULL;
	return ERR_SYSTEM;
}

static void
say_failed(const char *why)
{
	bool again;

	pthread_mutex_lock(&http.lock);
	again = strcmp(http.failed, why) == 0;
	snprintf(http.failed, sizeof(http.failed), "%s", why);
	pthread_mutex_unlock(&http.lock);
	if (!again && why[0] != '\0')
		log_line(LOG_ERR,
		    "http: %s: there is no page, and mail goes on", why);
}

static struct trouble no_token = TROUBLE_INIT;

/* What asks for the page meanwhile is answered 503. */
static void
look_at_token(void)
{
	struct errmsg why = {.text = ""};

	if (http.daemon == NULL || http.spec.family == AF_UNIX ||
	    token_read(&http.token, http.token_path, &why) == 0)
		trouble_clear(&no_token);
	else
		trouble_set(&no_token, "HttpToken: %s", why.text);
}

/* -- the service -- */

/* Take Http and HttpToken; where they are others than before, stop. */
static void
take_conf(const struct conf *c)
{
	const struct httpspec *spec =
	    c == NULL ? NULL : conf_value(c, "Http", sizeof(*spec));
	struct httpspec none = {0};
	struct buf path = BUF_INIT;
	bool same;

	if (c != NULL)
		token_path(c, &path);
	if (spec == NULL || path.failed)
		spec = &none;
	same = httpspec_equal(spec, &http.spec) && http.token_path != NULL &&
	    strcmp(http.token_path, path.len == 0 ? "" : path.data) == 0;
	if (!same) {
		stop_server();
		http.spec = *spec;
		free(http.token_path);
		http.token_path = strdup(path.len == 0 ? "" : path.data);
	}
	buf_fini(&path);
}

static int64_t
http_tick(void)
{
	struct snapshot *snap = inforce_get();
	const struct conf *c = snap == NULL ? NULL : snap->conf;
	struct errmsg msg = {.text = ""};
	bool serves;

	take_conf(c);
	serves = http.spec.family != 0 && http.token_path != NULL;
	if (!serves)
		say_failed("");
	if (serves && http.daemon == NULL) {
		if (start_server(conf_str(c, "Http"), &msg) == 0) {
			say_failed("");
			log_line(LOG_INFO, "http: the page is at %s",
			    conf_str(c, "Http"));
		} else {
			say_failed(msg.text);
		}
	}
	snapshot_unref(snap);
	look_at_token();
	if (!serves)
		return -1;
	if (http.daemon == NULL)
		return RETRY_MS;
	end_old_connections();
	return SCAN_MS;
}

static int
http_start(void)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		http.connections[i].fd = -1;
	return 0;
}

static void
http_stop(void)
{
	stop_server();
	look_at_token();
	explicit_bzero(&http.token, sizeof(http.token));
	free(http.token_path);
	http.token_path = NULL;
	http.spec = (struct httpspec){0};
}

static void
http_problems(struct problems *p)
{
	char why[sizeof(http.failed)];

	pthread_mutex_lock(&http.lock);
	memcpy(why, http.failed, sizeof(why));
	pthread_mutex_unlock(&http.lock);
	if (why[0] != '\0')
		problems_add(p, false, "http",
		    "choose another address with Http, or stop what has it",
		    "%s", why);
	problems_add_trouble(p, false, "http",
	    "mend the file, or remove it and restart: then it is made anew",
	    &no_token);
}

const struct service service_http = {
    .name = "http",
    .thread = true,
    .start = http_start,
    .tick = http_tick,
    .stop = http_stop,
    .problems = http_problems,
    .late = "stopped while the page was being sent: no mail is concerned",
};
