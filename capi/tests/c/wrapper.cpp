/* The C++ wrapper against a server: every class, with success and failure.
 *
 *     wrapper BASE_URL */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <powerstream.hpp>
#include <thread>
#include <type_traits>

namespace ps = powerstream;
using namespace std::chrono_literals;

static int failures;

static void expect(bool is_true, const char *text, int line) {
    if (is_true) return;
    std::fprintf(stderr, "wrapper.cpp:%d: %s\n", line, text);
    ++failures;
}
#define EXPECT(condition) expect(static_cast<bool>(condition), #condition, __LINE__)

template <class... Handles> constexpr bool are_move_only() {
    return ((std::is_nothrow_move_constructible_v<Handles> && std::is_move_assignable_v<Handles> &&
             !std::is_copy_constructible_v<Handles> && !std::is_copy_assignable_v<Handles>)&&...);
}
static_assert(are_move_only<ps::Config, ps::Session, ps::Tls, ps::Link, ps::Stream, ps::Shutdown, ps::Monitor,
                            ps::Rules, ps::RuleSet>());

static ps::Config configured(std::string_view url) {
    auto config = ps::Config::create();
    EXPECT(config);
    EXPECT(config->base_url(url));
    EXPECT(config->token("any"));
    EXPECT(config->seed(1));
    return std::move(*config);
}

static void configs(std::string_view url) {
    ps::Config config = configured(url);
    EXPECT(config.host("stream.test") && config.endpoint("firehose") && config.partition(2));
    EXPECT(!config.local_dc_only(true) || !config.check());
    EXPECT(config.query("a", "b") && config.user_agent("test/1") && config.local_dc_only(false));
    EXPECT(config.backfill(true) && config.recovery(true) && config.keep_duplicates(false));
    EXPECT(config.busy_poll(false) && config.jitter_percent(10) && config.local_address("127.0.0.1"));
    EXPECT(config.timeout(PS_TIMEOUT_IDLE, 30s) && config.backoff(PS_FAILURE_CLASS_NETWORK, 20ms, 1s));
    EXPECT(config.limit(PS_LIMIT_MESSAGE_BYTES, 1 << 16) && config.proxy("proxy.test:3128"));
    EXPECT(config.check() && config.allows("127.0.0.1") && !config.allows("192.0.2.1"));
    ps::Status status = config.token("not a token");
    EXPECT(!status && status == PS_STATUS_CONFIG && status.name() == "config" && !status.text().empty());
    EXPECT(!config.checkpoint("x") && !config.ca_pem("x") && !config.endpoint("none"));
}

/* Reads until so many Posts were delivered. */
static std::uint64_t read_posts(ps::Stream &stream, int count) {
    std::uint64_t newest = 0;
    std::string buffer;
    while (count > 0) {
        auto event = stream.next(10s);
        EXPECT(event);
        if (!event) return newest;
        if (event->kind() == PS_EVENT_KIND_CONNECTED) EXPECT((*event)->connected->status == 200);
        if (!event->is_message() || !event->post_id()) continue;
        ps::Post post(event->bytes());
        EXPECT(post.id() == event->post_id() && post.created_at_ms() && post.lang(buffer));
        EXPECT(post.text(buffer) && post.author() && post.value("user.followers_count"));
        newest = *event->post_id();
        --count;
    }
    return newest;
}

static void single(std::string_view url) {
    ps::Config config = configured(url);
    auto stream = ps::Stream::open(config);
    EXPECT(stream);
    auto monitor = stream->monitor();
    EXPECT(monitor && !stream->monitor(1));
    EXPECT(monitor->counter("posts") == 0u && !monitor->lag(500));
    read_posts(*stream, 50);
    EXPECT(monitor->counter("posts") >= 50u && !monitor->counter("none"));
    EXPECT(monitor->counter("disconnects", "timeout") == 0u && monitor->counters().size() > 10);
    EXPECT(monitor->lag(990) > 0ns);
    EXPECT(stream->checkpoint().status() == PS_STATUS_STATE);

    /* A shutdown by another thread ends a wait without a limit. */
    ps::Shutdown shutdown = stream->shutdown_handle();
    std::atomic<bool> has_ended{false};
    std::thread other([shutdown = std::move(shutdown)] {
        std::this_thread::sleep_for(50ms);
        shutdown.now();
    });
    while (auto event = stream->next()) {}
    has_ended = true;
    other.join();
    EXPECT(has_ended && stream->next(0ns).status() == PS_STATUS_END);
}

static void with_reader(std::string_view url) {
    ps::Config config = configured(url);
    auto stream = ps::Stream::open(config);
    auto fd = stream->start_reader(100, PS_OVERFLOW_WAIT);
    EXPECT(fd && stream->start_reader().status() == PS_STATUS_STATE);
    int posts = 0;
    while (posts < 50) {
        pollfd one{*fd, POLLIN, 0};
        EXPECT(poll(&one, 1, 10000) == 1);
        while (auto event = stream->next(0ns)) posts += event->post_id().has_value();
    }
}

static void merged(std::string_view url) {
    ps::Config first = configured(url), second = configured(url);
    auto stream = ps::Stream::merged({first, second});
    EXPECT(stream && stream->monitor(1) && !stream->monitor(2));
    read_posts(*stream, 100);
    auto checkpoint = stream->checkpoint();
    EXPECT(checkpoint && checkpoint->size() >= 64);
    EXPECT(first.checkpoint(*checkpoint));
    EXPECT(ps::Stream::open(first).status() == PS_STATUS_STATE);
    auto later = ps::Stream::merged({first});
    EXPECT(later);
    read_posts(*later, 10);
    EXPECT(first.endpoint("/2/other"));
    auto other = ps::Stream::merged({first, second});
    EXPECT(!other && other.status() == PS_STATUS_CHECKPOINT && !other.status().text().empty());
    EXPECT(ps::Stream::merged({}).status() == PS_STATUS_ARGUMENT);
    EXPECT(second.partition(3));
    auto wrong = ps::Stream::merged({first, second});
    EXPECT(wrong.status() == PS_STATUS_CONFIG && wrong.status().text() != other.status().text());
}

static void rules(std::string_view url) {
    ps::Config config = configured(url);
    auto rules = ps::Rules::create(config);
    EXPECT(rules && rules->list() && rules->list()->empty());
    auto added = rules->add({{"gull", "birds"}, {"gull OR", ""}});
    EXPECT(added && added->size() == 2 && !rules->is_outcome_unknown());
    if (added) {
        EXPECT((*added)[1].fate == PS_RULE_FATE_INVALID && !(*added)[1].text.empty());
        EXPECT((*added)[0].fate == PS_RULE_FATE_NOT_CREATED && (*added)[0].value == "gull");
    }
    added = rules->add({{"gull", "birds"}});
    EXPECT(added && added->size() == 1 && (*added)[0].fate == PS_RULE_FATE_CREATED);
    auto listed = rules->list();
    EXPECT(listed && listed->size() == 1 && (*listed)[0].value == "gull" && (*listed)[0].tag == "birds");
    auto removed = rules->remove({{"gull"}});
    EXPECT(removed && removed->size() == 1 && (*removed)[0].fate == PS_RULE_FATE_DELETED);
    auto none = rules->add({});
    EXPECT(!none && none.status() == PS_STATUS_SERVICE && !none.status().text().empty());
    rules->shutdown_handle().now();
    EXPECT(!rules->list());
}

static void ruleset() {
    EXPECT(ps::RuleSet::create("none").status() == PS_STATUS_ARGUMENT);
    auto set = ps::RuleSet::create();
    EXPECT(set && set->check("gulls lang:en") && set->check("gull OR") == PS_STATUS_RULE);
    EXPECT(!set->check("gull OR").text().empty() && set->size() == 0);
    auto gulls = set->insert("gulls lang:en"), all = set->insert("lang:en"), bad = set->insert("(");
    EXPECT(gulls && all && !bad && set->size() == 2 && set->rule(*gulls) == "gulls lang:en");
    std::string_view post = R"({"id_str":"1724648402173460480","text":"gulls","lang":"en"})";
    std::vector<std::uint64_t> keys;
    for (std::uint64_t key : set->match(post)) keys.push_back(key);
    EXPECT((keys == std::vector<std::uint64_t>{*gulls, *all}));
    EXPECT(set->match("{}").size() == 0 && set->remove(*gulls) && !set->remove(*gulls));
    EXPECT(set->match(post).size() == 1);
}

/* A session and a link, fed from memory. */
static void without_io() {
    static constexpr std::string_view HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    ps::Config config = configured("http://127.0.0.1:9");
    auto session = ps::Session::create(config);
    EXPECT(session && !session->covered_until_ms() && ps::Tls::create(config).status() == PS_STATUS_STATE);
    std::uint64_t now = ps::now_ns();
    session->timeout(now);
    EXPECT(session->poll().kind == PS_STEP_KIND_CONNECT);
    session->connected(now);
    session->written(session->transmit().size(), now);
    std::string_view input = HEAD;
    auto event = session->decode(input, now);
    EXPECT(event && event->kind() == PS_EVENT_KIND_CONNECTED && input.empty());
    EXPECT(!session->decode(input, now) && session->covered_until_ms());
    session->transport_error(PS_TRANSPORT_ERROR_RESET, now);
    session->closed(now);
    event = session->decode(input, now);
    EXPECT(event && (*event)->disconnected->transport_error == PS_TRANSPORT_ERROR_RESET);
    session->shutdown();

    auto link = ps::Link::create(config);
    now = ps::now_ns();
    EXPECT(link && !link->next(now) && link->step().kind == PS_STEP_KIND_CONNECT);
    link->connected(now);
    EXPECT(!link->next(now) && !link->transmit().empty() && !link->covered_until_ms());
    link->shutdown();
    ps::Link moved = std::move(*link);
    EXPECT(moved.get() != nullptr && link->get() == nullptr && !link->next(now));

    ps::Config secure = configured("https://127.0.0.1:9");
    if (auto tls = ps::Tls::create(secure)) {
        EXPECT(tls->is_handshaking() && !tls->transmit().empty() && tls->check() && !tls->has_backlog());
        tls->transmitted(tls->transmit().size());
        std::string garbage = "HTTP/1.1 400 x\r\n";
        ps_buffer buffer = tls->read_buffer();
        EXPECT(buffer.len >= garbage.size());
        garbage.copy(static_cast<char *>(buffer.data), garbage.size());
        tls->received(garbage.size());
        EXPECT(!tls->check() && tls->check() == PS_STATUS_TLS && !tls->check().text().empty());
        session->tls_error(*tls, 0, now);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return EXIT_FAILURE;
    configs(argv[1]);
    single(argv[1]);
    with_reader(argv[1]);
    merged(argv[1]);
    rules(argv[1]);
    ruleset();
    without_io();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
