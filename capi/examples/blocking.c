/* Reads a stream with one blocking call, and prints Posts.
 *
 *     blocking BASE_URL [CA_FILE] [MAX_POSTS]
 *
 * The token is in X_BEARER_TOKEN. `powerstream simulate --listen ADDRESS` is a server to try. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <powerstream.h>

static int failed(const char *what, ps_bytes text) {
    fprintf(stderr, "%s: %.*s\n", what, (int)text.len, text.data);
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    const char *token = getenv("X_BEARER_TOKEN"), *url = argc > 1 ? argv[1] : "https://api.x.com";
    unsigned long posts = 0, most = argc > 3 ? strtoul(argv[3], NULL, 10) : 10;
    char pem[65536];
    FILE *ca = argc > 2 && *argv[2] ? fopen(argv[2], "rb") : NULL;
    ps_config *config;
    ps_stream *stream;
    if (ps_abi_version() != PS_ABI_VERSION || ps_config_new(&config) != PS_STATUS_OK ||
        ps_config_set_base_url(config, url, strlen(url)) != PS_STATUS_OK ||
        (token && ps_config_set_token(config, token, strlen(token)) != PS_STATUS_OK) ||
        (ca && ps_config_set_ca_pem(config, pem, fread(pem, 1, sizeof pem, ca)) != PS_STATUS_OK) ||
        ps_stream_new(config, &stream) != PS_STATUS_OK)
        return failed("open", ps_config_last_error(config));
    const ps_event *event;
    while (posts < most && ps_stream_next(stream, PS_NO_TIMEOUT, &event) == PS_STATUS_OK) {
        if (event->kind == PS_EVENT_KIND_MESSAGE && event->message.has_post_id && ++posts)
            printf("%.*s\n", (int)event->bytes.len, event->bytes.data);
        else if (event->disconnected)
            failed("disconnected", event->disconnected->text);
    }
    ps_stream_free(stream);
    ps_config_free(config);
    return posts == most ? EXIT_SUCCESS : EXIT_FAILURE;
}
