/* The conformance driver: prints one line for each event, for the suite to compare with the reference.
 *
 *     driver session|link|stream BASE_URL CA_FILE|- MESSAGE_BYTES_MAX IDLE_NS CONNECT_NS NETWORK_NS HTTP_NS SEED
 *
 * The token is in TOKEN. A line of a message is followed by its bytes and a line feed. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <powerstream.h>

static ps_config *config;
static int fd = -1;

static uint64_t clock_ns(clockid_t id) {
    struct timespec time;
    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}
static uint64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }
static uint64_t unix_ms(void) { return clock_ns(CLOCK_REALTIME) / 1000000u; }

static void check(ps_status status, ps_bytes text) {
    if (status < PS_STATUS_NULL) return;
    ps_bytes name = ps_status_name(status);
    fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.data, (int)text.len, text.data);
    exit(EXIT_FAILURE);
}
static void checked(ps_status status) { check(status, ps_config_last_error(config)); }

/* A number, and a text of the length before it. */
static void number(uint64_t value) { printf(" %" PRIu64, value); }
static void string(ps_bytes text) {
    printf(" %zu ", text.len);
    fwrite(text.data, 1, text.len, stdout);
}

static void print(const ps_event *event) {
    const ps_disconnected *end = event->disconnected;
    printf("%" PRIu32, (uint32_t)event->kind);
    switch (event->kind) {
    case PS_EVENT_KIND_MESSAGE:
        number(event->message.kind), number(event->message.format), number(event->message.has_post_id);
        number(event->message.post_id), string(event->bytes);
        break;
    case PS_EVENT_KIND_SKIPPED: number(event->count); break;
    case PS_EVENT_KIND_CONNECTED:
        number(event->connected->status), number(event->connected->is_chunked);
        string(event->connected->datacenter), number(event->gap != NULL);
        number(event->connected->backfill_minutes);
        break;
    case PS_EVENT_KIND_REFUSED: string(event->refused->text), string(event->bytes); break;
    case PS_EVENT_KIND_DISCONNECTED:
    case PS_EVENT_KIND_GAVE_UP:
        string(end->code), string(end->text), number(end->refusal), number(end->was_announced);
        number(end->announced), number(end->delay_ns), number(end->at_ceiling), number(end->reset_ignored);
        number(end->has_gap), number(end->undelivered);
        break;
    default: break;
    }
    putchar('\n');
    fflush(stdout);
}

/* Waits for the socket, at most until the deadline. */
static void wait_until(uint64_t deadline, short events) {
    uint64_t at = now();
    uint64_t left = deadline <= at ? 0 : (deadline - at) / 1000000u + 1;
    struct pollfd one = {fd, events, 0};
    poll(&one, fd < 0 ? 0 : 1, left > 60000 ? 60000 : (int)left);
}

/* Connects. Returns 0, an error number, or -1 for an address that is not allowed. */
static int connect_to_target(uint64_t deadline) {
    ps_bytes host;
    uint16_t port;
    char name[256], service[8], numeric[64];
    bool allowed = false;
    checked(ps_config_target(config, &host, &port, NULL));
    snprintf(name, sizeof name, "%.*s", (int)host.len, host.data);
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints, *list;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(name, service, &hints, &list) != 0) return EHOSTUNREACH;
    getnameinfo(list->ai_addr, list->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST);
    checked(ps_config_allows(config, numeric, strlen(numeric), &allowed));
    int error = 0, on = 1;
    if (allowed) {
        fd = socket(list->ai_family, SOCK_STREAM, 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd, list->ai_addr, list->ai_addrlen) != 0) error = errno;
    }
    freeaddrinfo(list);
    if (!allowed) return -1;
    if (error == EINPROGRESS) {
        socklen_t length = sizeof error;
        wait_until(deadline, POLLOUT);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
    return error;
}

static void close_socket(void) {
    if (fd >= 0) close(fd);
    fd = -1;
}

/* A session whose every step is performed here, without TLS. */
static void run_session(void) {
    static char buffer[1000];
    ps_session *session;
    checked(ps_session_new(config, now(), unix_ms(), &session));
    for (;;) {
        const char *input = buffer;
        size_t rest = 0;
        ps_step step = ps_session_poll(session);
        switch (step.kind) {
        case PS_STEP_KIND_SLEEP:
            wait_until(step.deadline_ns, 0);
            ps_session_timeout(session, now());
            break;
        case PS_STEP_KIND_CONNECT: {
            int error = connect_to_target(step.deadline_ns);
            ps_session_set_wall_clock(session, now(), unix_ms());
            if (error == 0) ps_session_connected(session, now());
            else if (error < 0) ps_session_transport_error(session, PS_TRANSPORT_ERROR_NOT_ALLOWED, 0, now());
            else ps_session_os_error(session, error, now());
            break;
        }
        case PS_STEP_KIND_WRITE: {
            ps_bytes request = ps_session_transmit(session);
            ssize_t sent = send(fd, request.data, request.len, MSG_NOSIGNAL);
            if (sent >= 0) ps_session_written(session, (size_t)sent, now());
            else ps_session_os_error(session, errno, now());
            break;
        }
        case PS_STEP_KIND_READ: {
            ps_session_resume(session, now());
            ssize_t count = recv(fd, buffer, sizeof buffer, 0);
            if (count > 0) rest = (size_t)count;
            else if (count == 0) ps_session_eof(session, now());
            else if (errno != EAGAIN) ps_session_os_error(session, errno, now());
            else if (now() < step.deadline_ns) wait_until(step.deadline_ns, POLLIN);
            else ps_session_timeout(session, now());
            break;
        }
        case PS_STEP_KIND_CLOSE:
            close_socket();
            ps_session_closed(session, now());
            break;
        case PS_STEP_KIND_DONE: ps_session_free(session); return;
        default: break;
        }
        size_t received = rest;
        uint64_t at = now();
        const ps_event *event;
        size_t consumed;
        while (ps_session_decode(session, input, rest, at, &consumed, &event) == PS_STATUS_OK) {
            print(event);
            input += consumed;
            rest -= consumed;
        }
        if (received == sizeof buffer) ps_session_backlog(session, at);
    }
}

/* A link, which has TLS. */
static void run_link(void) {
    ps_link *link;
    const ps_event *event;
    ps_status status;
    checked(ps_link_new(config, now(), unix_ms(), &link));
    for (;;) {
        while ((status = ps_link_next(link, now(), &event)) == PS_STATUS_OK) print(event);
        if (status == PS_STATUS_END) break;
        check(status, ps_link_last_error(link));
        ps_bytes out = ps_link_transmit(link);
        if (out.len > 0) {
            ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL);
            if (sent >= 0) ps_link_transmitted(link, (size_t)sent);
            else if (errno != EAGAIN) ps_link_os_error(link, errno, now());
        }
        ps_step step = ps_link_step(link);
        if (step.kind == PS_STEP_KIND_CONNECT) {
            int error = connect_to_target(step.deadline_ns);
            if (error == 0) ps_link_connected(link, now(), unix_ms());
            else if (error < 0) ps_link_transport_error(link, PS_TRANSPORT_ERROR_NOT_ALLOWED, 0, now());
            else ps_link_os_error(link, error, now());
        } else if (step.kind == PS_STEP_KIND_READ) {
            ps_buffer buffer = ps_link_read_buffer(link);
            ssize_t count = recv(fd, buffer.data, buffer.len, 0);
            if (count > 0) ps_link_received(link, (size_t)count, now());
            else if (count == 0) ps_link_eof(link, now());
            else if (errno != EAGAIN) ps_link_os_error(link, errno, now());
            else wait_until(step.deadline_ns, POLLIN);
        } else if (step.kind == PS_STEP_KIND_CLOSE) {
            close_socket();
            ps_link_closed(link, now());
        } else {
            wait_until(step.deadline_ns, 0);
        }
    }
    ps_link_free(link);
}

/* The client level. With a reader thread, its descriptor is polled. */
static void run_stream(bool with_reader) {
    ps_stream *stream;
    const ps_event *event;
    checked(ps_config_set_keep_duplicates(config, true));
    checked(ps_stream_new(config, &stream));
    if (with_reader) check(ps_stream_start_reader(stream, 0, PS_OVERFLOW_WAIT, &fd), ps_stream_last_error(stream));
    for (;;) {
        /* Short timeouts, to show that they lose nothing. */
        ps_status status = ps_stream_next(stream, with_reader ? 0 : 5000000, &event);
        check(status, ps_stream_last_error(stream));
        if (status == PS_STATUS_OK) print(event);
        else if (status == PS_STATUS_END) break;
        else if (with_reader) wait_until(UINT64_MAX, POLLIN);
    }
    ps_stream_free(stream);
}

int main(int argc, char **argv) {
    const char *token = getenv("TOKEN");
    if (argc != 10 || !token || ps_abi_version() != PS_ABI_VERSION) return EXIT_FAILURE;
    uint64_t values[6];
    for (int at = 0; at < 6; at++) values[at] = strtoull(argv[4 + at], NULL, 10);
    checked(ps_config_new(&config));
    checked(ps_config_set_base_url(config, argv[2], strlen(argv[2])));
    checked(ps_config_set_token(config, token, strlen(token)));
    checked(ps_config_set_local_dc_only(config, true));
    checked(ps_config_set_limit(config, PS_LIMIT_MESSAGE_BYTES, (size_t)values[0]));
    checked(ps_config_set_timeout(config, PS_TIMEOUT_IDLE, values[1]));
    checked(ps_config_set_timeout(config, PS_TIMEOUT_CONNECT, values[2]));
    checked(ps_config_set_backoff(config, PS_FAILURE_CLASS_NETWORK, values[3], 16000000000u));
    checked(ps_config_set_backoff(config, PS_FAILURE_CLASS_HTTP, values[4], 320000000000u));
    checked(ps_config_set_seed(config, values[5]));
    if (strcmp(argv[3], "-") != 0) {
        static char pem[65536];
        FILE *file = fopen(argv[3], "rb");
        size_t length = file ? fread(pem, 1, sizeof pem, file) : 0;
        checked(ps_config_set_ca_pem(config, pem, length));
        if (file) fclose(file);
    }
    if (strcmp(argv[1], "session") == 0) run_session();
    else if (strcmp(argv[1], "link") == 0) run_link();
    else run_stream(strcmp(argv[1], "reader") == 0);
    ps_config_free(config);
    return EXIT_SUCCESS;
}
