/* Two TLS sessions on one thread, in an epoll loop, without another thread.
 *
 *     epoll BASE_URL [CA_FILE] [MAX_POSTS]
 *
 * Ends after MAX_POSTS of each session. The token is in X_BEARER_TOKEN. */
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <netdb.h>
#include <netinet/tcp.h>
#include <powerstream.hpp>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ps = powerstream;

static void require(const ps::Status &status) {
    if (status) return;
    std::fprintf(stderr, "%s\n", std::string(status.text()).c_str());
    std::exit(EXIT_FAILURE);
}

struct Connection {
    ps::Config &config;
    ps::Link link;
    int epoll;
    int fd = -1;
    unsigned long posts = 0;

    /* Uses events and serves the socket until it would block. Returns the deadline. */
    std::uint64_t run() {
        for (;;) {
            while (auto event = link.next(ps::now_ns())) {
                if (event->post_id()) ++posts;
                else if ((*event)->disconnected)
                    std::fprintf(stderr, "%s\n", std::string(ps::view((*event)->disconnected->text)).c_str());
            }
            bool progress = send_all();
            ps_step step = link.step();
            switch (step.kind) {
            case PS_STEP_KIND_CONNECT: progress |= connect(); break;
            case PS_STEP_KIND_READ: progress |= receive(); break;
            case PS_STEP_KIND_CLOSE:
                ::close(fd);
                fd = -1;
                link.closed(ps::now_ns());
                continue;
            case PS_STEP_KIND_DONE: return UINT64_MAX;
            default: break;
            }
            if (!progress && ps::now_ns() < step.deadline_ns) return step.deadline_ns;
        }
    }

private:
    /* Returns true if there is a failure to handle; a call that would block is none. */
    bool failed(int error) {
        if (error == EAGAIN || error == EINTR || error == EINPROGRESS) return false;
        link.os_error(error, ps::now_ns());
        return true;
    }

    bool connect() {
        if (fd < 0) {
            ps_bytes host;
            std::uint16_t port;
            ps_config_target(config.get(), &host, &port, nullptr);
            addrinfo hints{}, *list = nullptr;
            hints.ai_socktype = SOCK_STREAM;
            /* A real loop resolves elsewhere, because this call blocks. */
            if (getaddrinfo(std::string(ps::view(host)).c_str(), std::to_string(port).c_str(), &hints, &list) != 0)
                return link.transport_error(PS_TRANSPORT_ERROR_RESOLVE, ps::now_ns()), true;
            char numeric[64];
            getnameinfo(list->ai_addr, list->ai_addrlen, numeric, sizeof numeric, nullptr, 0, NI_NUMERICHOST);
            bool allowed = false;
            ps_config_allows(config.get(), numeric, std::strlen(numeric), &allowed);
            int error = 0, on = 1;
            if (allowed) {
                fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                error = ::connect(fd, list->ai_addr, list->ai_addrlen) == 0 ? 0 : errno;
                epoll_event interest{};
                interest.events = EPOLLIN | EPOLLOUT | EPOLLET;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
            }
            freeaddrinfo(list);
            if (!allowed) return link.transport_error(PS_TRANSPORT_ERROR_NOT_ALLOWED, ps::now_ns()), true;
            if (error != 0) return failed(error);
        }
        int error = 0;
        socklen_t length = sizeof error;
        sockaddr_storage peer;
        socklen_t size = sizeof peer;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) return failed(error);
        if (getpeername(fd, reinterpret_cast<sockaddr *>(&peer), &size) != 0) return false;
        return link.connected(ps::now_ns()), true;
    }

    bool send_all() {
        while (!link.transmit().empty()) {
            ssize_t sent = send(fd, link.transmit().data(), link.transmit().size(), MSG_NOSIGNAL);
            if (sent < 0) return failed(errno);
            link.transmitted(static_cast<std::size_t>(sent));
        }
        return false;
    }

    bool receive() {
        ps_buffer buffer = link.read_buffer();
        ssize_t count = recv(fd, buffer.data, buffer.len, 0);
        if (count < 0) return failed(errno);
        if (count == 0) link.eof(ps::now_ns());
        else link.received(static_cast<std::size_t>(count), ps::now_ns());
        return true;
    }
};

int main(int argc, char **argv) {
    auto config = ps::Config::create();
    require(config->base_url(argc > 1 ? argv[1] : "https://api.x.com"));
    if (const char *token = std::getenv("X_BEARER_TOKEN")) require(config->token(token));
    if (argc > 2 && *argv[2]) {
        std::ifstream file(argv[2], std::ios::binary);
        require(config->ca_pem(std::string(std::istreambuf_iterator<char>(file), {})));
    }
    unsigned long most = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    auto one = ps::Link::create(*config), two = ps::Link::create(*config);
    require(one.status()), require(two.status());
    Connection both[] = {{*config, std::move(*one), epoll}, {*config, std::move(*two), epoll}};
    while (both[0].posts < most || both[1].posts < most) {
        std::uint64_t deadline = std::min(both[0].run(), both[1].run()), now = ps::now_ns();
        if (deadline == UINT64_MAX) return EXIT_FAILURE;
        epoll_event events[2];
        epoll_wait(epoll, events, 2, deadline <= now ? 0 : static_cast<int>((deadline - now) / 1000000 + 1));
    }
    std::printf("%lu and %lu Posts\n", both[0].posts, both[1].posts);
}
