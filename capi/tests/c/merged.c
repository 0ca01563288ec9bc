/* One process of a merged stream: prints its events, and saves a checkpoint after them.
 *
 *     merged CHECKPOINT_FILE BACKFILL RECOVERY BASE_URL..
 *
 * Continues at the checkpoint in the file, if there is one. Saves a checkpoint after every ten
 * Posts, with the number of lines printed before: no later process delivers their Posts again. Ends
 * after a byte or the end of standard input, with a last checkpoint. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <powerstream.h>

#define CONNECTIONS_MAX 8

/* The number of lines printed. */
static unsigned long lines;

static void check(ps_status status, ps_bytes text) {
    if (status < PS_STATUS_NULL) return;
    ps_bytes name = ps_status_name(status);
    fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.data, (int)text.len, text.data);
    exit(EXIT_FAILURE);
}

static ps_config *configured(const char *base_url, bool backfill, bool recovery) {
    ps_config *config;
    check(ps_config_new(&config), (ps_bytes){NULL, 0});
    ps_status statuses[] = {
        ps_config_set_base_url(config, base_url, strlen(base_url)),
        ps_config_set_token(config, "any", 3),
        ps_config_set_backfill(config, backfill),
        ps_config_set_recovery(config, recovery),
        ps_config_set_backoff(config, PS_FAILURE_CLASS_NETWORK, 20000000u, 16000000000u),
        ps_config_set_backoff(config, PS_FAILURE_CLASS_HTTP, 20000000u, 320000000000u),
    };
    for (size_t at = 0; at < sizeof statuses / sizeof *statuses; at++)
        check(statuses[at], ps_config_last_error(config));
    return config;
}

/* Sets the checkpoint in the file, if there is one. */
static void load(ps_config *config, const char *file_name) {
    static char bytes[65536];
    FILE *file = fopen(file_name, "rb");
    if (!file) return;
    unsigned long printed;
    if (fscanf(file, "%lu", &printed) != 1 || fgetc(file) != '\n') exit(EXIT_FAILURE);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    check(ps_config_set_checkpoint(config, bytes, length), ps_config_last_error(config));
}

/* Saves a checkpoint in one step: a process that is killed leaves the old or the new one. */
static void save(ps_stream *stream, const char *file_name) {
    static char bytes[65536];
    char new_name[1024];
    size_t length;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t unix_ms = (uint64_t)wall.tv_sec * 1000u + (uint64_t)wall.tv_nsec / 1000000u;
    ps_status status = ps_stream_checkpoint(stream, unix_ms, bytes, sizeof bytes, &length);
    check(status, ps_stream_last_error(stream));
    if (status == PS_STATUS_ABSENT) return;
    snprintf(new_name, sizeof new_name, "%s.new", file_name);
    FILE *file = fopen(new_name, "wb");
    if (!file || fprintf(file, "%lu\n", lines) < 0) exit(EXIT_FAILURE);
    if (fwrite(bytes, 1, length, file) != length || fclose(file) != 0) exit(EXIT_FAILURE);
    if (rename(new_name, file_name) != 0) exit(EXIT_FAILURE);
}

static void print_range(const char *name, const ps_event *event) {
    const ps_gap *gap = event->gap;
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", name, gap->from_ms, gap->to_ms, event->count);
}

static void print(const ps_event *event) {
    switch (event->kind) {
    case PS_EVENT_KIND_MESSAGE:
        if (!event->message.has_post_id) return;
        printf("post %" PRIu64 " %d %" PRIu32 "\n", event->message.post_id, (int)event->origin,
               event->connection);
        break;
    case PS_EVENT_KIND_CONNECTED: printf("connected %" PRIu32 "\n", event->connection); break;
    case PS_EVENT_KIND_DISCONNECTED: {
        bool is_recovery = event->origin == PS_ORIGIN_RECOVERY;
        printf("disconnected %" PRIu32 " %d\n", event->connection, is_recovery);
        break;
    }
    case PS_EVENT_KIND_INTERRUPTED: puts("interrupted"); break;
    case PS_EVENT_KIND_GAP:
        printf("gap %" PRIu64 " %" PRIu64 " %" PRIu32 "\n", event->gap->from_ms, event->gap->to_ms,
               event->gap->backfill_minutes);
        break;
    case PS_EVENT_KIND_RECOVERY_STARTED: print_range("started", event); break;
    case PS_EVENT_KIND_RECOVERY_COMPLETED: print_range("completed", event); break;
    case PS_EVENT_KIND_RECOVERY_LOST: print_range("lost", event); break;
    default: return;
    }
    lines++;
    fflush(stdout);
}

int main(int argc, char **argv) {
    ps_config *configs[CONNECTIONS_MAX];
    size_t count = (size_t)argc - 4;
    if (argc < 5 || count > CONNECTIONS_MAX) return EXIT_FAILURE;
    for (size_t at = 0; at < count; at++)
        configs[at] = configured(argv[4 + at], *argv[2] == '1', *argv[3] == '1');
    load(configs[0], argv[1]);
    ps_stream *stream;
    check(ps_stream_new_merged(configs, count, false, &stream), ps_config_last_error(configs[0]));
    for (size_t at = 0; at < count; at++) ps_config_free(configs[at]);
    for (unsigned long posts = 0;;) {
        const ps_event *event;
        ps_status status = ps_stream_next(stream, 5000000, &event);
        check(status, ps_stream_last_error(stream));
        if (status == PS_STATUS_END) return EXIT_FAILURE;
        if (status == PS_STATUS_OK) {
            print(event);
            if (event->message.has_post_id && ++posts % 10 == 0) save(stream, argv[1]);
        }
        struct pollfd command = {STDIN_FILENO, POLLIN, 0};
        if (poll(&command, 1, 0) > 0) break;
    }
    save(stream, argv[1]);
    ps_stream_free(stream);
    return EXIT_SUCCESS;
}
