/* From wire to decision: reads a stream, matches each Post against rules, and acts on the matches.
 *
 *     rules BASE_URL [CA_FILE] [MAX_POSTS] [RULES]
 *
 * The token is in X_BEARER_TOKEN. Prints the time from the receipt of a Post to its decision. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <powerstream.hpp>
#include <vector>

namespace ps = powerstream;

static void require(const ps::Status &status) {
    if (status) return;
    std::fprintf(stderr, "%s\n", std::string(status.text()).c_str());
    std::exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    auto config = ps::Config::create();
    require(config->base_url(argc > 1 ? argv[1] : "https://api.x.com"));
    if (const char *token = std::getenv("X_BEARER_TOKEN")) require(config->token(token));
    if (argc > 2 && *argv[2]) {
        std::ifstream file(argv[2], std::ios::binary);
        require(config->ca_pem(std::string(std::istreambuf_iterator<char>(file), {})));
    }
    unsigned long most = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000;
    unsigned long count = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 1000;

    /* The first rules match many Posts, the others few. A trader has tickers here. */
    auto rules = ps::RuleSet::create();
    for (const char *rule : {"lang:en", "has:hashtags", "has:links", "rain OR sun"}) require(rules->insert(rule).status());
    while (rules->size() < count)
        require(rules->insert("word" + std::to_string(rules->size()) + " lang:en -is:retweet").status());

    auto stream = ps::Stream::open(*config);
    require(stream.status());
    std::vector<std::uint64_t> took;
    std::uint64_t acted = 0;
    while (took.size() < most) {
        auto event = stream->next();
        if (!event) {
            std::fprintf(stderr, "%s\n", std::string(event.status().text()).c_str());
            return EXIT_FAILURE;
        }
        if (!event->post_id()) continue;
        std::uint64_t received = ps::now_ns();
        ps::Matches matches = rules->match(event->bytes());
        /* The decision: here a count, elsewhere an order. */
        acted += matches.size() > 0;
        took.push_back(ps::now_ns() - received);
    }
    std::sort(took.begin(), took.end());
    std::printf("%lu Posts, %lu rules, %llu decisions; from receipt to decision: p50 %.1f us, p99 %.1f us\n", most,
                static_cast<unsigned long>(rules->size()), static_cast<unsigned long long>(acted),
                static_cast<double>(took[took.size() / 2]) / 1e3,
                static_cast<double>(took[took.size() * 99 / 100]) / 1e3);
}
