/* Every function in use and in wrong use, without a network: for valgrind.
 *
 *     life [MESSAGES [BASE_URL]]
 *
 * Feeds sessions from memory: MESSAGES messages with reconnects between them, a shutdown in every
 * state, and calls with wrong lengths and out of order. With BASE_URL, reads a stream of the
 * simulator, too. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <powerstream.h>

#define SECOND 1000000000u

static int line_of_failure;

static void expect(bool is_true, int line) {
    if (!is_true && !line_of_failure) {
        line_of_failure = line;
        fprintf(stderr, "life.c:%d: not as expected\n", line);
    }
}
#define EXPECT(condition) expect((condition), __LINE__)
#define OK(call) expect((call) == PS_STATUS_OK, __LINE__)
#define IS(status, call) expect((call) == (status), __LINE__)

static const char HEAD[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

static uint64_t now = SECOND;
static const uint64_t UNIX_MS = 1700000000000u;

static ps_config *configured(void) {
    ps_config *config;
    OK(ps_config_new(&config));
    OK(ps_config_set_base_url(config, "http://127.0.0.1:9", 18));
    OK(ps_config_set_token(config, "AAAA", 4));
    OK(ps_config_set_limit(config, PS_LIMIT_MESSAGE_BYTES, 4096));
    OK(ps_config_set_seed(config, 1));
    return config;
}

/* Passes input to the session, in pieces. Returns the number of messages. */
static unsigned long feed(ps_session *session, const char *input, size_t length, size_t piece) {
    unsigned long messages = 0;
    while (length > 0) {
        size_t part = length < piece ? length : piece, rest = part;
        const char *at = input;
        const ps_event *event;
        size_t consumed;
        while (ps_session_decode(session, at, rest, now, &consumed, &event) == PS_STATUS_OK) {
            if (event->kind == PS_EVENT_KIND_MESSAGE) {
                ps_value text;
                char buffer[64];
                ps_bytes decoded;
                EXPECT(event->message.has_post_id && event->bytes.len > 0 && event->disconnected == NULL);
                OK(ps_post_text(event->bytes.data, event->bytes.len, &text));
                OK(ps_value_text(&text, buffer, sizeof buffer, &decoded));
                EXPECT(decoded.len == 5 && memcmp(decoded.data, "a\n\xc3\xa9!", 5) == 0);
                messages++;
            }
            at += consumed;
            rest -= consumed;
        }
        EXPECT(consumed == rest && event == NULL);
        input += part;
        length -= part;
        now += 1000;
    }
    return messages;
}

/* Performs steps until the session is in the step: the connect, the request and the head. */
static void advance(ps_session *session, ps_step_kind until) {
    for (int steps = 0; steps < 20 && ps_session_poll(session).kind != until; steps++) {
        ps_step step = ps_session_poll(session);
        const ps_event *event;
        size_t consumed;
        switch (step.kind) {
        case PS_STEP_KIND_SLEEP:
            if (step.deadline_ns > now) now = step.deadline_ns;
            OK(ps_session_timeout(session, now));
            break;
        case PS_STEP_KIND_CONNECT:
            OK(ps_session_set_wall_clock(session, now, UNIX_MS));
            OK(ps_session_connected(session, now));
            break;
        case PS_STEP_KIND_WRITE: OK(ps_session_written(session, ps_session_transmit(session).len, now)); break;
        case PS_STEP_KIND_READ: feed(session, HEAD, sizeof HEAD - 1, 7); return;
        case PS_STEP_KIND_CLOSE: OK(ps_session_closed(session, now)); break;
        default: ps_session_decode(session, NULL, 0, now, &consumed, &event); break;
        }
    }
}

static void messages_and_reconnects(unsigned long most) {
    ps_config *config = configured();
    ps_session *session;
    OK(ps_session_new(config, now, UNIX_MS, &session));
    ps_config_free(config);
    unsigned long messages = 0, streams = 0;
    while (messages < most) {
        advance(session, PS_STEP_KIND_READ);
        if (!ps_session_is_streaming(session)) feed(session, HEAD, sizeof HEAD - 1, 1 + streams % 50);
        EXPECT(ps_session_is_streaming(session));
        for (int at = 0; at < 500 && messages < most; at++) {
            char post[128], chunk[160];
            int length = snprintf(post, sizeof post,
                                  "{\"id_str\":\"17246484021734%05lu\",\"text\":\"a\\n\\u00e9!\",\"n\":%lu}\r\n",
                                  messages, messages);
            int size = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)length, post);
            unsigned long found = feed(session, chunk, (size_t)size, 1 + (messages * 7) % 200);
            EXPECT(found == 1);
            messages++;
        }
        switch (streams++ % 4) {
        case 0: OK(ps_session_eof(session, now)); break;
        case 1: OK(ps_session_os_error(session, 104, now)); break;
        case 2: feed(session, "zz\r\n", 4, 4); break;
        default: feed(session, "0\r\n\r\n", 5, 5); break;
        }
        uint64_t covered = 0;
        OK(ps_session_covered_until(session, &covered));
        const ps_event *event = NULL;
        size_t consumed;
        IS(PS_STEP_KIND_CLOSE, ps_session_poll(session).kind);
        OK(ps_session_closed(session, now));
        OK(ps_session_decode(session, NULL, 0, now, &consumed, &event));
        EXPECT(event && event->disconnected && event->disconnected->text.len > 0);
        now += 30u * SECOND;
    }
    ps_session_free(session);
    printf("%lu messages over %lu streams\n", messages, streams);
}

static void shutdown_in_every_state(void) {
    static const ps_step_kind STATES[] = {PS_STEP_KIND_SLEEP, PS_STEP_KIND_CONNECT, PS_STEP_KIND_WRITE,
                                          PS_STEP_KIND_READ,  PS_STEP_KIND_CLOSE,   PS_STEP_KIND_EVENT};
    for (size_t at = 0; at < sizeof STATES / sizeof *STATES; at++) {
        for (int is_freed = 0; is_freed < 2; is_freed++) {
            ps_config *config = configured();
            ps_session *session;
            OK(ps_session_new(config, now, UNIX_MS, &session));
            ps_step_kind until = STATES[at];
            bool ends = until == PS_STEP_KIND_CLOSE || until == PS_STEP_KIND_EVENT;
            advance(session, ends ? PS_STEP_KIND_READ : until);
            if (ends) {
                feed(session, HEAD, sizeof HEAD - 1, 100);
                OK(ps_session_eof(session, now));
            }
            if (until == PS_STEP_KIND_EVENT) OK(ps_session_closed(session, now));
            IS(until, ps_session_poll(session).kind);
            if (!is_freed) {
                OK(ps_session_shutdown(session));
                for (int steps = 0; steps < 10 && ps_session_poll(session).kind != PS_STEP_KIND_DONE; steps++) {
                    const ps_event *event;
                    size_t consumed;
                    if (ps_session_poll(session).kind == PS_STEP_KIND_CLOSE) OK(ps_session_closed(session, now));
                    else ps_session_decode(session, NULL, 0, now, &consumed, &event);
                }
                IS(PS_STEP_KIND_DONE, ps_session_poll(session).kind);
            }
            ps_session_free(session);
            ps_config_free(config);
        }
    }
}

static void link_over_memory(void) {
    ps_config *config = configured();
    ps_link *link;
    const ps_event *event;
    OK(ps_link_new(config, now, UNIX_MS, &link));
    ps_config_free(config);
    IS(PS_STATUS_AGAIN, ps_link_next(link, now, &event));
    IS(PS_STEP_KIND_CONNECT, ps_link_step(link).kind);
    OK(ps_link_set_peer_address(link, "127.0.0.1:9", 11));
    OK(ps_link_connected(link, now, UNIX_MS));
    IS(PS_STATUS_AGAIN, ps_link_next(link, now, &event));
    EXPECT(ps_link_transmit(link).len > 50);
    IS(PS_STATUS_ARGUMENT, ps_link_transmitted(link, 100000));
    OK(ps_link_transmitted(link, 10));
    OK(ps_link_transmitted(link, ps_link_transmit(link).len));
    EXPECT(ps_link_transmit(link).len == 0);
    ps_buffer buffer = ps_link_read_buffer(link);
    EXPECT(buffer.len >= 16384);
    memcpy(buffer.data, HEAD, sizeof HEAD - 1);
    IS(PS_STATUS_ARGUMENT, ps_link_received(link, buffer.len + 1, now));
    OK(ps_link_received(link, sizeof HEAD - 1, now));
    EXPECT(ps_link_read_buffer(link).len == 0);
    IS(PS_STATUS_STATE, ps_link_received(link, 1, now));
    OK(ps_link_next(link, now, &event));
    EXPECT(event->connected && event->connected->status == 200 && event->connected->peer_address.len == 11);
    IS(PS_STATUS_AGAIN, ps_link_next(link, now, &event));
    OK(ps_link_os_error(link, 104, now));
    IS(PS_STATUS_AGAIN, ps_link_next(link, now, &event));
    IS(PS_STEP_KIND_CLOSE, ps_link_step(link).kind);
    OK(ps_link_closed(link, now));
    OK(ps_link_next(link, now, &event));
    EXPECT(event->disconnected && event->disconnected->reason == PS_REASON_TRANSPORT);
    OK(ps_link_shutdown(link));
    IS(PS_STATUS_END, ps_link_next(link, now, &event));
    IS(PS_STEP_KIND_DONE, ps_link_step(link).kind);
    ps_link_free(link);
}

static void parts_alone(void) {
    ps_chunked *chunked;
    ps_bytes content;
    size_t consumed;
    OK(ps_chunked_new(&chunked));
    OK(ps_chunked_decode(chunked, "5\r\nhello\r\n", 10, &consumed, &content));
    EXPECT(consumed == 8 && content.len == 5);
    IS(PS_STATUS_AGAIN, ps_chunked_decode(chunked, "\r\n", 2, &consumed, &content));
    IS(PS_STATUS_PROTOCOL, ps_chunked_decode(chunked, "x", 1, &consumed, &content));
    EXPECT(ps_chunked_last_error(chunked).len > 0);
    ps_chunked_free(chunked);

    ps_config *config = configured();
    ps_backoff *backoff;
    uint64_t delay;
    bool at_ceiling;
    OK(ps_config_set_jitter_percent(config, 0));
    OK(ps_backoff_new(config, 1, &backoff));
    OK(ps_backoff_next(backoff, PS_FAILURE_CLASS_NETWORK, &delay, &at_ceiling));
    EXPECT(delay == 250000000u && !at_ceiling);
    IS(PS_STATUS_ARGUMENT, ps_backoff_next(backoff, 9, &delay, NULL));
    OK(ps_backoff_reset(backoff));
    ps_backoff_free(backoff);

    unsigned char saved[64];
    char kept[512];
    uint64_t ids[] = {1724648402173460480u, 20};
    size_t written;
    IS(PS_STATUS_SPACE, ps_checkpoint_write(config, UNIX_MS, UNIX_MS, ids, 2, saved, 63, &written));
    OK(ps_checkpoint_write(config, UNIX_MS, UNIX_MS, ids, 2, kept, sizeof kept, &written));
    IS(PS_STATUS_CHECKPOINT, ps_config_set_checkpoint(config, kept, written - 1));
    OK(ps_config_set_checkpoint(config, kept, written));
    ps_session *session;
    OK(ps_session_new(config, now, UNIX_MS, &session));
    uint64_t covered;
    OK(ps_session_covered_until(session, &covered));
    EXPECT(covered <= UNIX_MS);
    ps_session_free(session);
    OK(ps_config_set_endpoint(config, "/2/other", 8));
    IS(PS_STATUS_CHECKPOINT, ps_session_new(config, now, UNIX_MS, &session));
    EXPECT(session == NULL && ps_config_last_error(config).len > 0);
    ps_config_free(config);

    ps_dedup *dedup;
    bool is_new;
    IS(PS_STATUS_ARGUMENT, ps_dedup_new((size_t)1 << 31, 0, 1, &dedup));
    OK(ps_dedup_new(100, 0, 1, &dedup));
    OK(ps_dedup_insert(dedup, 7, now, &is_new));
    EXPECT(is_new && ps_dedup_contains(dedup, 7, now) && !ps_dedup_contains(dedup, 8, now));
    OK(ps_dedup_insert(dedup, 7, now, &is_new));
    EXPECT(!is_new);
    ps_dedup_free(dedup);

    static const char POST[] = "{\"id_str\":\"1724648402173460480\",\"text\":\"gulls\",\"lang\":\"en\","
                               "\"user\":{\"id_str\":\"12\",\"screen_name\":\"shore\",\"followers_count\":7}}";
    ps_class what;
    ps_value value;
    ps_author author;
    ps_bytes text;
    uint64_t number;
    double real;
    OK(ps_classify(POST, sizeof POST - 1, &what));
    EXPECT(what.kind == PS_KIND_POST && what.format == PS_FORMAT_LEGACY && what.has_post_id);
    OK(ps_post_id(POST, sizeof POST - 1, &number));
    OK(ps_post_created_at(POST, sizeof POST - 1, &number));
    OK(ps_post_lang(POST, sizeof POST - 1, &value));
    OK(ps_value_text(&value, NULL, 0, &text));
    EXPECT(text.len == 2 && memcmp(text.data, "en", 2) == 0);
    OK(ps_post_author(POST, sizeof POST - 1, &author));
    EXPECT(author.id == 12 && author.screen_name.text.len == 5 && author.name.kind == PS_VALUE_KIND_NULL);
    OK(ps_post_value(POST, sizeof POST - 1, "user.followers_count", 20, &value));
    OK(ps_value_u64(&value, &number));
    OK(ps_value_f64(&value, &real));
    EXPECT(number == 7 && real == 7.0);
    IS(PS_STATUS_ARGUMENT, ps_value_text(&value, NULL, 0, &text));
    IS(PS_STATUS_ABSENT, ps_post_value(POST, sizeof POST - 1, "user.none", 9, &value));
    IS(PS_STATUS_ARGUMENT, ps_post_value(POST, sizeof POST - 1, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", 33, &value));

    ps_ruleset *rules;
    uint64_t key;
    const uint64_t *keys;
    size_t count;
    IS(PS_STATUS_ARGUMENT, ps_ruleset_new("none", 4, &rules));
    OK(ps_ruleset_new(NULL, 0, &rules));
    IS(PS_STATUS_RULE, ps_ruleset_insert(rules, "gull OR", 7, &key));
    EXPECT(ps_ruleset_last_error(rules).len > 0);
    IS(PS_STATUS_UTF8, ps_ruleset_check(rules, "\xff", 1));
    OK(ps_ruleset_insert(rules, "gulls lang:en", 13, &key));
    OK(ps_ruleset_match(rules, POST, sizeof POST - 1, &keys, &count));
    EXPECT(count == 1 && keys[0] == key && ps_ruleset_get(rules, key).len == 13 && ps_ruleset_len(rules) == 1);
    OK(ps_ruleset_remove(rules, key));
    IS(PS_STATUS_ABSENT, ps_ruleset_remove(rules, key));
    ps_ruleset_free(rules);
}

/* The request has the settings. */
static void settings(void) {
    ps_config *config = configured();
    ps_session *session;
    ps_link *link;
    OK(ps_config_add_query(config, "a", 1, "b c", 3));
    OK(ps_config_set_user_agent(config, "gull/1", 6));
    OK(ps_config_set_busy_poll(config, false));
    OK(ps_config_check(config));
    OK(ps_session_new(config, now, UNIX_MS, &session));
    advance(session, PS_STEP_KIND_WRITE);
    char request[1024];
    ps_bytes out = ps_session_transmit(session);
    EXPECT(out.len < sizeof request);
    memcpy(request, out.data, out.len);
    request[out.len] = 0;
    EXPECT(strstr(request, "a=b%20c") && strstr(request, "gull/1") && ps_session_bytes_received(session) == 0);
    OK(ps_session_written(session, out.len, now));
    feed(session, HEAD, sizeof HEAD - 1, 7);
    EXPECT(ps_session_bytes_received(session) == sizeof HEAD - 1);
    ps_session_free(session);
    /* A shutdown before the connect. */
    OK(ps_link_new(config, now, UNIX_MS, &link));
    OK(ps_link_shutdown(link));
    const ps_event *event;
    IS(PS_STATUS_END, ps_link_next(link, now, &event));
    ps_link_free(link);
    ps_config_free(config);
}

static void wrong_use(void) {
    ps_config *config = configured();
    ps_session *session;
    ps_tls *tls;
    ps_stream *stream;
    const ps_event *event;
    size_t consumed;
    IS(PS_STATUS_NULL, ps_config_new(NULL));
    IS(PS_STATUS_NULL, ps_config_set_token(NULL, "a", 1));
    IS(PS_STATUS_NULL, ps_config_set_token(config, NULL, 1));
    IS(PS_STATUS_CONFIG, ps_config_set_token(config, "a b", 3));
    IS(PS_STATUS_CONFIG, ps_config_set_base_url(config, "ftp://x", 7));
    IS(PS_STATUS_CONFIG, ps_config_set_base_url(config, "http://192.0.2.1", 16));
    IS(PS_STATUS_UTF8, ps_config_set_host(config, "\xff", 1));
    IS(PS_STATUS_ARGUMENT, ps_config_set_limit(config, 99, 1));
    IS(PS_STATUS_ARGUMENT, ps_config_set_timeout(config, PS_TIMEOUT_IDLE, 0));
    IS(PS_STATUS_ARGUMENT, ps_config_set_backoff(config, 3, 1, 1));
    IS(PS_STATUS_TLS, ps_config_set_ca_pem(config, "no", 2));
    IS(PS_STATUS_CONFIG, ps_config_set_endpoint(config, "none", 4));
    IS(PS_STATUS_STATE, ps_tls_new(config, &tls));
    EXPECT(tls == NULL);
    IS(PS_STATUS_NULL, ps_session_new(NULL, now, UNIX_MS, &session));
    IS(PS_STATUS_NULL, ps_session_new(config, now, UNIX_MS, NULL));
    OK(ps_config_set_partition(config, 3));
    IS(PS_STATUS_CONFIG, ps_session_new(config, now, UNIX_MS, &session));
    EXPECT(session == NULL && ps_config_last_error(config).len > 0);
    ps_config_free(config);
    config = configured();
    OK(ps_session_new(config, now, UNIX_MS, &session));
    IS(PS_STATUS_NULL, ps_session_decode(NULL, "x", 1, now, &consumed, &event));
    IS(PS_STATUS_NULL, ps_session_decode(session, NULL, 1, now, &consumed, &event));
    IS(PS_STATUS_NULL, ps_session_decode(session, "x", 1, now, NULL, &event));
    IS(PS_STATUS_NULL, ps_session_decode(session, "x", 1, now, &consumed, NULL));
    IS(PS_STATUS_ARGUMENT, ps_session_decode(session, "x", SIZE_MAX, now, &consumed, &event));
    IS(PS_STATUS_ARGUMENT, ps_session_written(session, 1, now));
    EXPECT(ps_session_last_error(session).len == ps_status_text(PS_STATUS_ARGUMENT).len);
    IS(PS_STATUS_ARGUMENT, ps_session_transport_error(session, 77, 0, now));
    IS(PS_STATUS_ARGUMENT, ps_session_set_peer_address(session, "here", 4));
    IS(PS_STATUS_ABSENT, ps_session_covered_until(session, &(uint64_t){0}));
    IS(PS_STATUS_AGAIN, ps_session_decode(session, "before a connection", 19, now, &consumed, &event));
    /* Reports that do not belong to the step change nothing. */
    OK(ps_session_eof(session, now));
    OK(ps_session_closed(session, now));
    OK(ps_session_connected(session, now));
    OK(ps_session_resume(session, now));
    OK(ps_session_os_error(session, 5, now));
    IS(PS_STEP_KIND_SLEEP, ps_session_poll(session).kind);
    IS(PS_STEP_KIND_NONE, ps_session_poll(NULL).kind);
    EXPECT(ps_session_transmit(NULL).len == 0 && !ps_session_is_streaming(NULL));
    IS(PS_STATUS_NULL, ps_session_tls_error(session, NULL, 0, now));
    ps_session_free(session);
    OK(ps_stream_new(config, &stream));
    IS(PS_STATUS_NULL, ps_stream_next(stream, 0, NULL));
    int32_t fd;
    IS(PS_STATUS_ARGUMENT, ps_stream_start_reader(stream, 0, 9, &fd));
    IS(PS_STATUS_STATE, ps_stream_checkpoint(stream, 0, NULL, 0, &consumed));
    ps_monitor *monitor;
    IS(PS_STATUS_ARGUMENT, ps_stream_monitor(stream, 1, &monitor));
    ps_stream_free(stream);
    IS(PS_STATUS_ARGUMENT, ps_stream_new_merged(NULL, 0, false, &stream));
    ps_config_free(config);
    ps_config_free(NULL), ps_session_free(NULL), ps_tls_free(NULL), ps_link_free(NULL), ps_stream_free(NULL);
    ps_chunked_free(NULL), ps_backoff_free(NULL), ps_dedup_free(NULL), ps_rules_free(NULL), ps_ruleset_free(NULL);
    ps_shutdown_free(NULL), ps_monitor_free(NULL);
    EXPECT(ps_status_name(PS_STATUS_TIMED_OUT).len == 9 && ps_status_name(99).len == 0);
    EXPECT(ps_abi_version() == PS_ABI_VERSION && ps_version().len >= 5);
}

/* Reads a stream of the simulator: single, merged, with a reader thread, and its rules. */
static void streams(const char *url) {
    for (int mode = 0; mode < 3; mode++) {
        ps_config *config = configured();
        ps_stream *stream;
        ps_shutdown *shutdown;
        ps_monitor *monitor;
        const ps_event *event;
        OK(ps_config_set_base_url(config, url, strlen(url)));
        ps_config *both[] = {config, config};
        if (mode == 1) OK(ps_stream_new_merged(both, 2, false, &stream));
        else OK(ps_stream_new(config, &stream));
        OK(ps_stream_shutdown_handle(stream, &shutdown));
        OK(ps_stream_monitor(stream, 0, &monitor));
        int32_t fd = -1;
        if (mode == 2) {
            OK(ps_stream_start_reader(stream, 100, PS_OVERFLOW_WAIT, &fd));
            IS(PS_STATUS_STATE, ps_stream_start_reader(stream, 100, PS_OVERFLOW_WAIT, &fd));
        }
        unsigned long posts = 0;
        while (posts < 200) {
            ps_status status = ps_stream_next(stream, 10000000, &event);
            if (status == PS_STATUS_OK) posts += event->message.has_post_id;
            else if (status != PS_STATUS_TIMED_OUT) break;
        }
        EXPECT(posts == 200);
        char saved[4096];
        size_t length = 0;
        if (mode == 1) {
            OK(ps_stream_checkpoint(stream, UNIX_MS, saved, sizeof saved, &length));
            OK(ps_config_set_checkpoint(config, saved, length));
        }
        OK(ps_shutdown_now(shutdown));
        ps_status status;
        while ((status = ps_stream_next(stream, PS_NO_TIMEOUT, &event)) == PS_STATUS_OK) {}
        IS(PS_STATUS_END, status);
        IS(PS_STATUS_END, ps_stream_next(stream, 0, &event));
        ps_stream_free(stream);
        ps_counter counters[64];
        size_t count;
        uint64_t lag;
        OK(ps_monitor_read(monitor, counters, 64, &count));
        IS(PS_STATUS_SPACE, ps_monitor_read(monitor, counters, 1, &count));
        EXPECT(counters[0].value == 1);
        OK(ps_monitor_lag(monitor, 500, &lag));
        ps_monitor_free(monitor);
        ps_shutdown_free(shutdown);
        if (mode == 1) {
            IS(PS_STATUS_STATE, ps_stream_new(config, &stream));
            OK(ps_stream_new_merged(both, 1, false, &stream));
            ps_stream_free(stream);
        }
        ps_config_free(config);
    }
    ps_config *config = configured();
    ps_rules *rules;
    size_t count;
    ps_rule rule;
    ps_new_rule list[] = {{{"gull", 4}, {"birds", 5}}, {{"gull OR", 7}, {NULL, 0}}};
    OK(ps_config_set_base_url(config, url, strlen(url)));
    OK(ps_rules_new(config, &rules));
    OK(ps_rules_add(rules, list, 1));
    OK(ps_rules_result(rules, 0, &rule));
    EXPECT(rule.fate == PS_RULE_FATE_CREATED && rule.value.len == 4 && rule.tag.len == 5);
    IS(PS_STATUS_END, ps_rules_result(rules, 1, &rule));
    OK(ps_rules_list(rules, &count));
    EXPECT(count == 1);
    OK(ps_rules_delete(rules, list, 1));
    OK(ps_rules_result(rules, 0, &rule));
    EXPECT(rule.fate == PS_RULE_FATE_DELETED);
    IS(PS_STATUS_SERVICE, ps_rules_add(rules, list, 0));
    EXPECT(ps_rules_last_error(rules).len > 0 && !ps_rules_is_outcome_unknown(rules));
    ps_shutdown *shutdown;
    OK(ps_rules_shutdown_handle(rules, &shutdown));
    OK(ps_shutdown_now(shutdown));
    OK(ps_shutdown_now(shutdown));
    IS(PS_STATUS_SERVICE, ps_rules_list(rules, &count));
    ps_rules_free(rules);
    IS(PS_STATUS_OK, ps_shutdown_now(shutdown));
    ps_shutdown_free(shutdown);
    ps_config_free(config);
    printf("streams and rules of %s\n", url);
}

static char **arguments;

static void *run(void *unused) {
    (void)unused;
    messages_and_reconnects(arguments[1] ? strtoul(arguments[1], NULL, 10) : 10000);
    shutdown_in_every_state();
    link_over_memory();
    parts_alone();
    settings();
    wrong_use();
    if (arguments[1] && arguments[2]) streams(arguments[2]);
    return NULL;
}

/* In a thread, because Rust's standard library keeps 48 bytes of the main thread until the process
 * ends. */
int main(int argc, char **argv) {
    (void)argc;
    pthread_t thread;
    arguments = argv;
    if (pthread_create(&thread, NULL, run, NULL) != 0) return EXIT_FAILURE;
    pthread_join(thread, NULL);
    return line_of_failure ? EXIT_FAILURE : EXIT_SUCCESS;
}
