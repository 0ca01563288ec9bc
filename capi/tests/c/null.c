/* Every function that takes a pointer, with null for all of them: an error, an empty result, or no
 * effect. Then the functions that take more than a handle, with a handle and null for the rest. */
#include <stdio.h>
#include <stdlib.h>

#include <powerstream.h>

static int failures;

static void expect(bool is_true, const char *text, int line) {
    if (is_true) return;
    fprintf(stderr, "null.c:%d: %s\n", line, text);
    failures++;
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)
#define NULL_OF(call) EXPECT((call) == PS_STATUS_NULL)
#define OK(call) EXPECT((call) == PS_STATUS_OK)

static void only_null(void) {
    NULL_OF(ps_backoff_new(NULL, 0, NULL));
    ps_backoff_free(NULL);
    NULL_OF(ps_backoff_next(NULL, 0, NULL, NULL));
    NULL_OF(ps_backoff_reset(NULL));

    NULL_OF(ps_checkpoint_write(NULL, 0, 0, NULL, 1, NULL, 1, NULL));

    NULL_OF(ps_chunked_new(NULL));
    ps_chunked_free(NULL);
    EXPECT(ps_chunked_last_error(NULL).len == 0);
    NULL_OF(ps_chunked_decode(NULL, NULL, 1, NULL, NULL));

    NULL_OF(ps_classify(NULL, 1, NULL));

    NULL_OF(ps_config_new(NULL));
    ps_config_free(NULL);
    EXPECT(ps_config_last_error(NULL).len == 0);
    NULL_OF(ps_config_set_token(NULL, NULL, 1));
    NULL_OF(ps_config_set_base_url(NULL, NULL, 1));
    NULL_OF(ps_config_set_host(NULL, NULL, 1));
    NULL_OF(ps_config_set_endpoint(NULL, NULL, 1));
    NULL_OF(ps_config_set_partition(NULL, 0));
    NULL_OF(ps_config_set_local_dc_only(NULL, false));
    NULL_OF(ps_config_add_query(NULL, NULL, 1, NULL, 1));
    NULL_OF(ps_config_set_user_agent(NULL, NULL, 1));
    NULL_OF(ps_config_set_backfill(NULL, false));
    NULL_OF(ps_config_set_recovery(NULL, false));
    NULL_OF(ps_config_set_keep_duplicates(NULL, false));
    NULL_OF(ps_config_set_busy_poll(NULL, false));
    NULL_OF(ps_config_set_limit(NULL, 0, 1));
    NULL_OF(ps_config_set_timeout(NULL, 0, 0));
    NULL_OF(ps_config_set_backoff(NULL, 0, 0, 0));
    NULL_OF(ps_config_set_jitter_percent(NULL, 0));
    NULL_OF(ps_config_set_seed(NULL, 0));
    NULL_OF(ps_config_set_ca_pem(NULL, NULL, 1));
    NULL_OF(ps_config_set_proxy(NULL, NULL, 1));
    NULL_OF(ps_config_set_local_address(NULL, NULL, 1));
    NULL_OF(ps_config_set_checkpoint(NULL, NULL, 1));
    NULL_OF(ps_config_check(NULL));
    NULL_OF(ps_config_target(NULL, NULL, NULL, NULL));
    NULL_OF(ps_config_allows(NULL, NULL, 1, NULL));

    NULL_OF(ps_dedup_new(1, 0, 0, NULL));
    ps_dedup_free(NULL);
    NULL_OF(ps_dedup_insert(NULL, 0, 0, NULL));
    EXPECT(!ps_dedup_contains(NULL, 0, 0));

    NULL_OF(ps_link_new(NULL, 0, 0, NULL));
    ps_link_free(NULL);
    EXPECT(ps_link_last_error(NULL).len == 0);
    NULL_OF(ps_link_next(NULL, 0, NULL));
    EXPECT(ps_link_step(NULL).kind == PS_STEP_KIND_NONE);
    NULL_OF(ps_link_connected(NULL, 0, 0));
    EXPECT(ps_link_transmit(NULL).len == 0);
    NULL_OF(ps_link_transmitted(NULL, 1));
    EXPECT(ps_link_read_buffer(NULL).len == 0);
    NULL_OF(ps_link_received(NULL, 1, 0));
    NULL_OF(ps_link_eof(NULL, 0));
    NULL_OF(ps_link_os_error(NULL, 0, 0));
    NULL_OF(ps_link_transport_error(NULL, 0, 0, 0));
    NULL_OF(ps_link_closed(NULL, 0));
    NULL_OF(ps_link_set_peer_address(NULL, NULL, 1));
    NULL_OF(ps_link_shutdown(NULL));
    NULL_OF(ps_link_covered_until(NULL, NULL));

    NULL_OF(ps_monitor_read(NULL, NULL, 1, NULL));
    NULL_OF(ps_monitor_lag(NULL, 0, NULL));
    ps_monitor_free(NULL);

    NULL_OF(ps_post_id(NULL, 1, NULL));
    NULL_OF(ps_post_text(NULL, 1, NULL));
    NULL_OF(ps_post_author(NULL, 1, NULL));
    NULL_OF(ps_post_created_at(NULL, 1, NULL));
    NULL_OF(ps_post_lang(NULL, 1, NULL));
    NULL_OF(ps_post_value(NULL, 1, NULL, 1, NULL));

    NULL_OF(ps_value_text(NULL, NULL, 1, NULL));
    NULL_OF(ps_value_u64(NULL, NULL));
    NULL_OF(ps_value_f64(NULL, NULL));

    NULL_OF(ps_rules_new(NULL, NULL));
    ps_rules_free(NULL);
    EXPECT(ps_rules_last_error(NULL).len == 0);
    NULL_OF(ps_rules_list(NULL, NULL));
    NULL_OF(ps_rules_add(NULL, NULL, 1));
    NULL_OF(ps_rules_delete(NULL, NULL, 1));
    NULL_OF(ps_rules_result(NULL, 1, NULL));
    EXPECT(!ps_rules_is_outcome_unknown(NULL));
    NULL_OF(ps_rules_shutdown_handle(NULL, NULL));

    NULL_OF(ps_ruleset_new(NULL, 1, NULL));
    ps_ruleset_free(NULL);
    EXPECT(ps_ruleset_last_error(NULL).len == 0);
    NULL_OF(ps_ruleset_check(NULL, NULL, 1));
    NULL_OF(ps_ruleset_insert(NULL, NULL, 1, NULL));
    NULL_OF(ps_ruleset_remove(NULL, 0));
    EXPECT(ps_ruleset_get(NULL, 0).len == 0);
    EXPECT(ps_ruleset_len(NULL) == 0);
    NULL_OF(ps_ruleset_match(NULL, NULL, 1, NULL, NULL));

    NULL_OF(ps_session_new(NULL, 0, 0, NULL));
    ps_session_free(NULL);
    EXPECT(ps_session_last_error(NULL).len == 0);
    EXPECT(ps_session_poll(NULL).kind == PS_STEP_KIND_NONE);
    EXPECT(ps_session_transmit(NULL).len == 0);
    NULL_OF(ps_session_decode(NULL, NULL, 1, 0, NULL, NULL));
    NULL_OF(ps_session_connected(NULL, 0));
    NULL_OF(ps_session_written(NULL, 1, 0));
    NULL_OF(ps_session_backlog(NULL, 0));
    NULL_OF(ps_session_resume(NULL, 0));
    NULL_OF(ps_session_eof(NULL, 0));
    NULL_OF(ps_session_os_error(NULL, 0, 0));
    NULL_OF(ps_session_tls_error(NULL, NULL, 0, 0));
    NULL_OF(ps_session_transport_error(NULL, 0, 0, 0));
    NULL_OF(ps_session_timeout(NULL, 0));
    NULL_OF(ps_session_closed(NULL, 0));
    NULL_OF(ps_session_set_wall_clock(NULL, 0, 0));
    NULL_OF(ps_session_set_peer_address(NULL, NULL, 1));
    NULL_OF(ps_session_shutdown(NULL));
    EXPECT(!ps_session_is_streaming(NULL));
    NULL_OF(ps_session_covered_until(NULL, NULL));
    EXPECT(ps_session_bytes_received(NULL) == 0);

    NULL_OF(ps_shutdown_now(NULL));
    ps_shutdown_free(NULL);

    NULL_OF(ps_stream_new(NULL, NULL));
    NULL_OF(ps_stream_new_merged(NULL, 1, false, NULL));
    ps_stream_free(NULL);
    EXPECT(ps_stream_last_error(NULL).len == 0);
    NULL_OF(ps_stream_next(NULL, 0, NULL));
    NULL_OF(ps_stream_start_reader(NULL, 1, 0, NULL));
    NULL_OF(ps_stream_shutdown_handle(NULL, NULL));
    NULL_OF(ps_stream_monitor(NULL, 1, NULL));
    NULL_OF(ps_stream_checkpoint(NULL, 0, NULL, 1, NULL));

    NULL_OF(ps_tls_new(NULL, NULL));
    ps_tls_free(NULL);
    EXPECT(ps_tls_last_error(NULL).len == 0);
    EXPECT(!ps_tls_is_handshaking(NULL));
    EXPECT(!ps_tls_has_backlog(NULL));
    EXPECT(ps_tls_transmit(NULL).len == 0);
    NULL_OF(ps_tls_transmitted(NULL, 1));
    EXPECT(ps_tls_read_buffer(NULL).len == 0);
    NULL_OF(ps_tls_received(NULL, 1));
    NULL_OF(ps_tls_eof(NULL));
    NULL_OF(ps_tls_check(NULL));
    NULL_OF(ps_tls_read(NULL, NULL, 1, NULL));
    NULL_OF(ps_tls_write(NULL, NULL, 1, NULL));
    NULL_OF(ps_tls_close(NULL));
}

static ps_config *configured(void) {
    ps_config *config;
    OK(ps_config_new(&config));
    OK(ps_config_set_base_url(config, "http://127.0.0.1:9", 18));
    return config;
}

static void handle_and_null(void) {
    ps_config *config = configured();
    ps_session *session;
    ps_link *link;
    ps_stream *stream;
    ps_rules *rules;
    ps_ruleset *ruleset;
    ps_chunked *chunked;
    ps_backoff *backoff;
    ps_dedup *dedup;
    ps_monitor *monitor;
    OK(ps_session_new(config, 0, 0, &session));
    OK(ps_link_new(config, 0, 0, &link));
    OK(ps_stream_new(config, &stream));
    OK(ps_rules_new(config, &rules));
    OK(ps_ruleset_new(NULL, 0, &ruleset));
    OK(ps_chunked_new(&chunked));
    OK(ps_backoff_new(config, 0, &backoff));
    OK(ps_dedup_new(10, 0, 0, &dedup));
    OK(ps_stream_monitor(stream, 0, &monitor));
    size_t count;

    NULL_OF(ps_backoff_new(config, 0, NULL));
    NULL_OF(ps_backoff_next(backoff, 0, NULL, NULL));
    NULL_OF(ps_checkpoint_write(config, 0, 0, NULL, 1, NULL, 0, &count));
    NULL_OF(ps_chunked_decode(chunked, NULL, 1, &count, NULL));
    NULL_OF(ps_config_set_token(config, NULL, 1));
    NULL_OF(ps_config_set_base_url(config, NULL, 1));
    NULL_OF(ps_config_set_host(config, NULL, 1));
    NULL_OF(ps_config_set_endpoint(config, NULL, 1));
    NULL_OF(ps_config_add_query(config, NULL, 1, NULL, 1));
    NULL_OF(ps_config_set_user_agent(config, NULL, 1));
    NULL_OF(ps_config_set_ca_pem(config, NULL, 1));
    NULL_OF(ps_config_set_proxy(config, NULL, 1));
    NULL_OF(ps_config_set_local_address(config, NULL, 1));
    NULL_OF(ps_config_set_checkpoint(config, NULL, 1));
    OK(ps_config_target(config, NULL, NULL, NULL));
    NULL_OF(ps_config_allows(config, NULL, 1, NULL));
    NULL_OF(ps_dedup_insert(dedup, 1, 0, NULL));
    NULL_OF(ps_link_new(config, 0, 0, NULL));
    NULL_OF(ps_link_next(link, 0, NULL));
    NULL_OF(ps_link_set_peer_address(link, NULL, 1));
    NULL_OF(ps_link_covered_until(link, NULL));
    NULL_OF(ps_monitor_read(monitor, NULL, 1, &count));
    NULL_OF(ps_monitor_lag(monitor, 500, NULL));
    NULL_OF(ps_post_text("{}", 2, NULL));
    NULL_OF(ps_rules_new(config, NULL));
    NULL_OF(ps_rules_add(rules, NULL, 1));
    NULL_OF(ps_rules_delete(rules, NULL, 1));
    NULL_OF(ps_rules_result(rules, 0, NULL));
    NULL_OF(ps_rules_shutdown_handle(rules, NULL));
    NULL_OF(ps_ruleset_check(ruleset, NULL, 1));
    NULL_OF(ps_ruleset_insert(ruleset, NULL, 1, NULL));
    NULL_OF(ps_ruleset_match(ruleset, NULL, 1, NULL, NULL));
    NULL_OF(ps_session_new(config, 0, 0, NULL));
    NULL_OF(ps_session_decode(session, NULL, 1, 0, NULL, NULL));
    NULL_OF(ps_session_tls_error(session, NULL, 104, 0));
    NULL_OF(ps_session_set_peer_address(session, NULL, 1));
    NULL_OF(ps_session_covered_until(session, NULL));
    NULL_OF(ps_stream_new(config, NULL));
    NULL_OF(ps_stream_new_merged(&config, 1, false, NULL));
    NULL_OF(ps_stream_next(stream, 0, NULL));
    NULL_OF(ps_stream_start_reader(stream, 0, PS_OVERFLOW_WAIT, NULL));
    NULL_OF(ps_stream_shutdown_handle(stream, NULL));
    NULL_OF(ps_stream_monitor(stream, 0, NULL));
    NULL_OF(ps_stream_checkpoint(stream, 0, NULL, 0, NULL));
    NULL_OF(ps_tls_new(config, NULL));

    /* The handles are as before. */
    const ps_event *event;
    OK(ps_config_check(config));
    EXPECT(ps_link_next(link, 0, &event) == PS_STATUS_AGAIN);
    EXPECT(ps_stream_next(stream, 0, &event) < PS_STATUS_NULL);
    EXPECT(ps_session_decode(session, NULL, 0, 0, &count, &event) == PS_STATUS_AGAIN);
    ps_monitor_free(monitor);
    ps_dedup_free(dedup);
    ps_backoff_free(backoff);
    ps_chunked_free(chunked);
    ps_ruleset_free(ruleset);
    ps_rules_free(rules);
    ps_stream_free(stream);
    ps_link_free(link);
    ps_session_free(session);
    ps_config_free(config);
}

int main(void) {
    only_null();
    handle_and_null();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
