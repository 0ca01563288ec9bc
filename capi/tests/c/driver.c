/* The conformance driver: prints the events of a stream, for the suite to compare.
 *
 *     driver session|link|stream|reader KEY=VALUE..
 *
 * The keys are those of `set`. The token is in TOKEN. A line begins with the number of the event's
 * kind; each text has its length before it. Further numbers: 0 is the end, with the covered time;
 * 100 is a new connection, with its local address; 101 is a read, with its bytes.
 *
 * Commands on standard input: `n` lets a driver with hold=1 go on after an event, `s` shuts the
 * stream down. */
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
static ps_session *session;
static ps_tls *tls;
static ps_link *the_link;
static ps_shutdown *stream_shutdown;
static int fd = -1;

/* Settings of the driver itself. */
static bool is_held, prints_reads;
static const char *local_address;

static bool has_commands = true, is_shut_down;
static unsigned long permits;

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

/* Reads one command, and waits for it. */
static void take_command(void) {
    char command;
    if (read(STDIN_FILENO, &command, 1) != 1) {
        has_commands = false;
    } else if (command == 'n') {
        permits++;
    } else {
        is_shut_down = true;
        if (session) ps_session_shutdown(session);
        if (the_link) ps_link_shutdown(the_link);
        if (stream_shutdown) ps_shutdown_now(stream_shutdown);
    }
}

/* Waits for the socket, a command, or the deadline. Returns true if the socket is ready. */
static bool wait_until(uint64_t deadline, short events) {
    uint64_t at = now();
    uint64_t left = deadline <= at ? 0 : (deadline - at) / 1000000u + 1;
    struct pollfd both[2] = {{fd, events, 0}, {has_commands ? STDIN_FILENO : -1, POLLIN, 0}};
    poll(both, 2, left > 60000 ? 60000 : (int)left);
    if (both[1].revents) take_command();
    return both[0].revents != 0;
}

/* A number, and a text with its length before it. */
static void number(uint64_t value) { printf(" %" PRIu64, value); }
static void string(const char *data, size_t length) {
    printf(" %zu ", length);
    fwrite(data, 1, length, stdout);
}
static void text(ps_bytes bytes) { string(bytes.data, bytes.len); }

static void print(const ps_event *event) {
    const ps_disconnected *end = event->disconnected;
    printf("%" PRIu32, (uint32_t)event->kind);
    switch (event->kind) {
    case PS_EVENT_KIND_MESSAGE:
        number(event->message.kind), number(event->message.format), number(event->message.has_post_id);
        number(event->message.post_id), text(event->bytes);
        break;
    case PS_EVENT_KIND_SKIPPED: number(event->count); break;
    case PS_EVENT_KIND_CONNECTED:
        number(event->connected->status), number(event->connected->is_chunked);
        text(event->connected->datacenter), number(event->connected->backfill_minutes);
        number(event->gap != NULL);
        if (event->gap) number(event->gap->from_ms), number(event->gap->to_ms);
        break;
    case PS_EVENT_KIND_RESUMED: number(event->gap->from_ms), number(event->gap->to_ms); break;
    case PS_EVENT_KIND_REFUSED:
        number(event->refused->status), text(event->refused->text), text(event->bytes);
        break;
    case PS_EVENT_KIND_DISCONNECTED:
    case PS_EVENT_KIND_GAVE_UP:
        text(end->code), text(end->text), number(end->refusal), number(end->was_announced);
        number(end->announced), number(end->delay_ns), number(end->at_ceiling);
        number(end->reset_ignored), number(end->has_gap), number(end->undelivered);
        number(end->transport_error), number(end->os_error != 0);
        break;
    default: break;
    }
    putchar('\n');
    fflush(stdout);
    while (is_held && has_commands && permits == 0) take_command();
    if (permits > 0) permits--;
}

static void print_end(bool has_covered, uint64_t covered_until_ms) {
    printf("0"), number(has_covered), number(covered_until_ms);
    putchar('\n');
    fflush(stdout);
}

static void print_read(const char *bytes, size_t length) {
    if (!prints_reads) return;
    printf("101"), string(bytes, length);
    putchar('\n');
}

static void print_connection(void) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[64], port[8], both[80];
    if (!prints_reads || getsockname(fd, (struct sockaddr *)&address, &length) != 0) return;
    getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(both, sizeof both, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    printf("100"), string(both, strlen(both));
    putchar('\n');
}

static void close_socket(void) {
    if (fd >= 0) close(fd);
    fd = -1;
}

/* Connects to one address. Returns 0 or an error number. */
static int connect_to(const struct addrinfo *one, uint64_t deadline) {
    int error = 0, on = 1;
    socklen_t length = sizeof error;
    fd = socket(one->ai_family, SOCK_STREAM, 0);
    if (fd < 0) return errno;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (local_address) {
        struct addrinfo hints, *local;
        memset(&hints, 0, sizeof hints);
        hints.ai_flags = AI_NUMERICHOST;
        if (getaddrinfo(local_address, NULL, &hints, &local) != 0) return EADDRNOTAVAIL;
        if (bind(fd, local->ai_addr, local->ai_addrlen) != 0) error = errno;
        freeaddrinfo(local);
        if (error) return error;
    }
    if (connect(fd, one->ai_addr, one->ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    while (!wait_until(deadline, POLLOUT))
        if (is_shut_down || now() >= deadline) return EINPROGRESS;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

static const int NOT_ALLOWED = -1, UNRESOLVED = -2;

/* Connects to the first address that is allowed and answers. Returns 0, an error number, or one of
 * the numbers above. EINPROGRESS if the deadline has passed, or after a shutdown. */
static int connect_to_target(uint64_t deadline) {
    ps_bytes host;
    uint16_t port;
    char name[256], service[8], numeric[64];
    checked(ps_config_target(config, &host, &port, NULL));
    snprintf(name, sizeof name, "%.*s", (int)host.len, host.data);
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints, *list;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(name, service, &hints, &list) != 0) return UNRESOLVED;
    int error = NOT_ALLOWED;
    for (struct addrinfo *one = list; one && error != 0 && error != EINPROGRESS; one = one->ai_next) {
        bool allowed = false;
        getnameinfo(one->ai_addr, one->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST);
        checked(ps_config_allows(config, numeric, strlen(numeric), &allowed));
        if (!allowed) continue;
        close_socket();
        error = connect_to(one, deadline);
    }
    freeaddrinfo(list);
    if (error == 0) print_connection();
    return error;
}

/* TLS between the socket and a session. */

/* Sends what TLS has to send, as far as the deadline allows. Returns 0 or an error number. */
static int send_tls(uint64_t deadline) {
    ps_bytes out;
    while ((out = ps_tls_transmit(tls)).len > 0) {
        ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL);
        if (sent >= 0) ps_tls_transmitted(tls, (size_t)sent);
        else if (errno != EAGAIN) return errno;
        else if (is_shut_down || now() >= deadline) return 0;
        else wait_until(deadline, POLLOUT);
    }
    return 0;
}

/* Receives ciphertext. Returns 0 or an error number. */
static int receive_tls(void) {
    ps_buffer buffer = ps_tls_read_buffer(tls);
    ssize_t count = recv(fd, buffer.data, buffer.len, 0);
    if (count < 0) return errno;
    if (count > 0) ps_tls_received(tls, (size_t)count);
    else ps_tls_eof(tls);
    return 0;
}

/* Performs the handshake. Reports a failure, and returns true if the session is connected. */
static bool handshake(uint64_t deadline) {
    checked(ps_tls_new(config, &tls));
    while (ps_tls_is_handshaking(tls)) {
        int error = send_tls(deadline);
        if (error == 0) error = receive_tls();
        if (is_shut_down) return false;
        if (error == EAGAIN) {
            if (now() >= deadline) {
                uint32_t late = PS_TRANSPORT_ERROR_HANDSHAKE_TIMED_OUT;
                ps_session_transport_error(session, late, 0, now());
                return false;
            }
            wait_until(deadline, POLLIN);
        } else if (error != 0 || ps_tls_check(tls) != PS_STATUS_OK) {
            send_tls(0); /* The alert. */
            if (error == 0 && ps_tls_last_error(tls).len == 0) exit(EXIT_FAILURE);
            ps_session_tls_error(session, tls, error, now());
            return false;
        }
    }
    return true;
}

static void session_connect(uint64_t deadline) {
    bool is_tls;
    int error = connect_to_target(deadline);
    checked(ps_config_target(config, NULL, NULL, &is_tls));
    ps_session_set_wall_clock(session, now(), unix_ms());
    if (error == EINPROGRESS) ps_session_timeout(session, now());
    else if (error == UNRESOLVED) ps_session_transport_error(session, PS_TRANSPORT_ERROR_RESOLVE, 0, now());
    else if (error < 0) ps_session_transport_error(session, PS_TRANSPORT_ERROR_NOT_ALLOWED, 0, now());
    else if (error != 0) ps_session_os_error(session, error, now());
    else if (!is_tls || handshake(deadline)) ps_session_connected(session, now());
}

static void session_write(uint64_t deadline) {
    ps_bytes request = ps_session_transmit(session);
    if (tls) {
        size_t accepted = 0;
        int error = send_tls(deadline);
        if (error == 0 && ps_tls_write(tls, request.data, request.len, &accepted) == PS_STATUS_OK)
            ps_session_written(session, accepted, now());
        if (error == 0) error = send_tls(deadline);
        if (error != 0) ps_session_tls_error(session, tls, error, now());
        return;
    }
    ssize_t sent = send(fd, request.data, request.len, MSG_NOSIGNAL);
    if (sent >= 0) ps_session_written(session, (size_t)sent, now());
    else if (errno != EAGAIN) ps_session_os_error(session, errno, now());
    else if (now() < deadline) wait_until(deadline, POLLOUT);
    else ps_session_timeout(session, now());
}

/* Reads into the buffer. Returns the number of bytes. */
static size_t session_read(char *buffer, size_t length, uint64_t deadline) {
    int error = 0;
    if (tls) {
        size_t count = 0;
        ps_status status = ps_tls_read(tls, buffer, length, &count);
        if (status == PS_STATUS_OK) return count;
        if (status == PS_STATUS_END) return ps_session_eof(session, now()), 0;
        if (status == PS_STATUS_AGAIN) {
            error = send_tls(0);
            if (error == 0) error = receive_tls();
            if (error == 0) return 0;
        }
        if (error != EAGAIN) return ps_session_tls_error(session, tls, error, now()), 0;
    } else {
        ssize_t count = recv(fd, buffer, length, 0);
        if (count > 0) return print_read(buffer, (size_t)count), (size_t)count;
        if (count == 0) return ps_session_eof(session, now()), 0;
        if (errno != EAGAIN) return ps_session_os_error(session, errno, now()), 0;
    }
    if (now() >= deadline) return ps_session_timeout(session, now()), 0;
    ps_session_resume(session, now());
    wait_until(deadline, POLLIN);
    return 0;
}

/* A session whose every step is performed here. */
static void run_session(void) {
    static char buffer[1000];
    uint64_t covered = 0;
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
        case PS_STEP_KIND_CONNECT: session_connect(step.deadline_ns); break;
        case PS_STEP_KIND_WRITE: session_write(step.deadline_ns); break;
        case PS_STEP_KIND_READ: rest = session_read(buffer, sizeof buffer, step.deadline_ns); break;
        case PS_STEP_KIND_CLOSE:
            if (tls) ps_tls_close(tls), send_tls(0);
            ps_tls_free(tls), tls = NULL;
            close_socket();
            ps_session_closed(session, now());
            break;
        case PS_STEP_KIND_DONE: {
            bool has_covered = ps_session_covered_until(session, &covered) == PS_STATUS_OK;
            ps_session_free(session), session = NULL;
            print_end(has_covered, covered);
            return;
        }
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
        if (received == sizeof buffer || (received > 0 && ps_tls_has_backlog(tls)))
            ps_session_backlog(session, at);
        if (has_commands) wait_until(0, 0);
    }
}

static void link_connect(uint64_t deadline) {
    int error = connect_to_target(deadline);
    if (error == 0) ps_link_connected(the_link, now(), unix_ms());
    else if (error == UNRESOLVED) ps_link_transport_error(the_link, PS_TRANSPORT_ERROR_RESOLVE, 0, now());
    else if (error < 0) ps_link_transport_error(the_link, PS_TRANSPORT_ERROR_NOT_ALLOWED, 0, now());
    else if (error != EINPROGRESS) ps_link_os_error(the_link, error, now());
}

/* A link, which has TLS. */
static void run_link(void) {
    const ps_event *event;
    ps_status status;
    uint64_t covered = 0;
    checked(ps_link_new(config, now(), unix_ms(), &the_link));
    for (;;) {
        while ((status = ps_link_next(the_link, now(), &event)) == PS_STATUS_OK) print(event);
        if (status == PS_STATUS_END) break;
        check(status, ps_link_last_error(the_link));
        ps_bytes out = ps_link_transmit(the_link);
        if (out.len > 0) {
            ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL);
            if (sent >= 0) ps_link_transmitted(the_link, (size_t)sent);
            else if (errno != EAGAIN) ps_link_os_error(the_link, errno, now());
        }
        ps_step step = ps_link_step(the_link);
        if (step.kind == PS_STEP_KIND_CONNECT) {
            link_connect(step.deadline_ns);
        } else if (step.kind == PS_STEP_KIND_READ) {
            ps_buffer buffer = ps_link_read_buffer(the_link);
            ssize_t count = recv(fd, buffer.data, buffer.len, 0);
            if (count > 0) print_read(buffer.data, (size_t)count);
            if (count > 0) ps_link_received(the_link, (size_t)count, now());
            else if (count == 0) ps_link_eof(the_link, now());
            else if (errno != EAGAIN) ps_link_os_error(the_link, errno, now());
            else wait_until(step.deadline_ns, POLLIN);
        } else if (step.kind == PS_STEP_KIND_CLOSE) {
            close_socket();
            ps_link_closed(the_link, now());
        } else {
            wait_until(step.deadline_ns, 0);
        }
        if (has_commands) wait_until(0, 0);
    }
    bool has_covered = ps_link_covered_until(the_link, &covered) == PS_STATUS_OK;
    ps_link_free(the_link), the_link = NULL;
    print_end(has_covered, covered);
}

/* The client level. With a reader thread, its descriptor is polled. */
static void run_stream(bool with_reader) {
    ps_stream *stream;
    const ps_event *event;
    checked(ps_stream_new(config, &stream));
    check(ps_stream_shutdown_handle(stream, &stream_shutdown), ps_stream_last_error(stream));
    if (with_reader) check(ps_stream_start_reader(stream, 0, PS_OVERFLOW_WAIT, &fd), ps_stream_last_error(stream));
    for (;;) {
        /* Short timeouts, to show that they lose nothing. */
        ps_status status = ps_stream_next(stream, with_reader ? 0 : 5000000, &event);
        check(status, ps_stream_last_error(stream));
        if (status == PS_STATUS_OK) print(event);
        else if (status == PS_STATUS_END) break;
        else if (with_reader) wait_until(UINT64_MAX, POLLIN);
        if (has_commands && !with_reader) wait_until(0, 0);
    }
    ps_stream_free(stream);
    ps_shutdown_free(stream_shutdown), stream_shutdown = NULL;
    print_end(false, 0);
}

static void set_ca(const char *file_name) {
    static char pem[65536];
    FILE *file = fopen(file_name, "rb");
    size_t length = file ? fread(pem, 1, sizeof pem, file) : 0;
    checked(ps_config_set_ca_pem(config, pem, length));
    if (file) fclose(file);
}

/* Sets FIRST,CEILING of a schedule, in nanoseconds. */
static void set_backoff(uint32_t failure_class, const char *value) {
    char *ceiling;
    uint64_t first = strtoull(value, &ceiling, 10);
    checked(ps_config_set_backoff(config, failure_class, first, strtoull(ceiling + 1, NULL, 10)));
}

static void set(const char *key, const char *value) {
    static const char *const TIMEOUTS[] = {"connect", "head", "idle", "message"};
    uint64_t count = strtoull(value, NULL, 10);
    for (uint32_t at = 0; at < 4; at++) {
        if (strcmp(key, TIMEOUTS[at]) != 0) continue;
        checked(ps_config_set_timeout(config, at, count));
        return;
    }
    if (strcmp(key, "base_url") == 0) checked(ps_config_set_base_url(config, value, strlen(value)));
    else if (strcmp(key, "ca") == 0) set_ca(value);
    else if (strcmp(key, "proxy") == 0) checked(ps_config_set_proxy(config, value, strlen(value)));
    else if (strcmp(key, "local_address") == 0) {
        checked(ps_config_set_local_address(config, value, strlen(value)));
        local_address = value;
    } else if (strcmp(key, "local_dc_only") == 0) checked(ps_config_set_local_dc_only(config, count));
    else if (strcmp(key, "keep_duplicates") == 0) checked(ps_config_set_keep_duplicates(config, count));
    else if (strcmp(key, "message_bytes_max") == 0)
        checked(ps_config_set_limit(config, PS_LIMIT_MESSAGE_BYTES, (size_t)count));
    else if (strcmp(key, "network") == 0) set_backoff(PS_FAILURE_CLASS_NETWORK, value);
    else if (strcmp(key, "http") == 0) set_backoff(PS_FAILURE_CLASS_HTTP, value);
    else if (strcmp(key, "rate_limit") == 0) set_backoff(PS_FAILURE_CLASS_RATE_LIMIT, value);
    else if (strcmp(key, "seed") == 0) checked(ps_config_set_seed(config, count));
    else if (strcmp(key, "hold") == 0) is_held = count;
    else if (strcmp(key, "reads") == 0) prints_reads = count;
    else fprintf(stderr, "no such key: %s\n", key), exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    const char *token = getenv("TOKEN");
    if (argc < 3 || !token || ps_abi_version() != PS_ABI_VERSION) return EXIT_FAILURE;
    checked(ps_config_new(&config));
    checked(ps_config_set_token(config, token, strlen(token)));
    for (int at = 2; at < argc; at++) {
        char *value = strchr(argv[at], '=');
        if (!value) return EXIT_FAILURE;
        *value = 0;
        set(argv[at], value + 1);
    }
    if (strcmp(argv[1], "session") == 0) run_session();
    else if (strcmp(argv[1], "link") == 0) run_link();
    else run_stream(strcmp(argv[1], "reader") == 0);
    ps_config_free(config);
    return EXIT_SUCCESS;
}
