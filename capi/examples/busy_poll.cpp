/* Polls a plain socket in a loop on one processor, with the kernel's receive timestamps
 * (SO_TIMESTAMPNS), and prints a histogram of the time from the kernel's receipt of a Post to its
 * delivery. Linux.
 *
 *     busy_poll BASE_URL [PROCESSOR] [MAX_POSTS]
 *
 * The base URL is http:// on this machine, for example of a tunnel that ends TLS. The session lends
 * each message from the buffer of the read, without a copy. */
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <powerstream.hpp>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ps = powerstream;

static void require(const ps::Status &status) {
    if (status) return;
    std::fprintf(stderr, "%s\n", std::string(status.text()).c_str());
    std::exit(EXIT_FAILURE);
}

static std::uint64_t nanoseconds(const timespec &time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000000u + static_cast<std::uint64_t>(time.tv_nsec);
}

/* Receives without waiting. `kernel_ns` gets when the kernel received the last segment, or 0. */
static ssize_t receive(int fd, char *buffer, std::size_t length, std::uint64_t &kernel_ns) {
    alignas(cmsghdr) char control[256];
    iovec part{buffer, length};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    kernel_ns = 0;
    if (count <= 0) return count;
    for (cmsghdr *one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec time;
        std::memcpy(&time, CMSG_DATA(one), sizeof time);
        kernel_ns = nanoseconds(time);
    }
    return count;
}

/* Connects to the first address that is allowed and answers, and reports it. Returns the socket. */
static int connect_socket(ps::Config &config, ps::Session &session) {
    ps_bytes host;
    std::uint16_t port = 0;
    ps_config_target(config.get(), &host, &port, nullptr);
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    std::string name(ps::view(host)), service = std::to_string(port);
    if (getaddrinfo(name.c_str(), service.c_str(), &hints, &list) != 0) {
        session.transport_error(PS_TRANSPORT_ERROR_RESOLVE, ps::now_ns());
        return -1;
    }
    int fd = -1, error = 0, on = 1;
    for (addrinfo *one = list; one != nullptr && fd < 0; one = one->ai_next) {
        char text[64];
        bool allowed = false;
        getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
        if (ps_config_allows(config.get(), text, std::strlen(text), &allowed), !allowed) continue;
        fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        if (connect(fd, one->ai_addr, one->ai_addrlen) == 0) break;
        error = errno;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd >= 0) session.connected(ps::now_ns());
    else if (error != 0) session.os_error(error, ps::now_ns());
    else session.transport_error(PS_TRANSPORT_ERROR_NOT_ALLOWED, ps::now_ns());
    return fd;
}

int main(int argc, char **argv) {
    auto config = ps::Config::create();
    require(config->base_url(argc > 1 ? argv[1] : "http://127.0.0.1:8080"));
    const char *token = std::getenv("X_BEARER_TOKEN");
    require(config->token(token != nullptr ? token : "any"));
    cpu_set_t processor;
    CPU_ZERO(&processor);
    CPU_SET(argc > 2 ? std::atoi(argv[2]) : 0, &processor);
    if (sched_setaffinity(0, sizeof processor, &processor) != 0) std::perror("sched_setaffinity");
    unsigned long most = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000, posts = 0;
    auto session = ps::Session::create(*config);
    require(session.status());

    std::array<unsigned long, 32> histogram{}; /* By powers of two, in microseconds. */
    static char buffer[65536];
    int fd = -1;
    while (posts < most) {
        std::uint64_t now = ps::now_ns(), kernel_ns = 0;
        ps_step step = session->poll();
        std::string_view input;
        switch (step.kind) {
        case PS_STEP_KIND_CONNECT: fd = connect_socket(*config, *session); break;
        case PS_STEP_KIND_WRITE: {
            ssize_t sent = send(fd, session->transmit().data(), session->transmit().size(), MSG_NOSIGNAL);
            if (sent >= 0) session->written(static_cast<std::size_t>(sent), now);
            else session->os_error(errno, now);
            break;
        }
        case PS_STEP_KIND_READ: {
            session->resume(now);
            ssize_t count;
            do count = receive(fd, buffer, sizeof buffer, kernel_ns); /* The loop that polls. */
            while (count < 0 && errno == EAGAIN && ps::now_ns() < step.deadline_ns);
            now = ps::now_ns();
            if (count > 0) input = std::string_view(buffer, static_cast<std::size_t>(count));
            else if (count == 0) session->eof(now);
            else if (errno == EAGAIN) session->timeout(now);
            else session->os_error(errno, now);
            break;
        }
        case PS_STEP_KIND_CLOSE:
            if (fd >= 0) close(fd);
            session->closed(now);
            break;
        case PS_STEP_KIND_DONE: return EXIT_FAILURE;
        default: session->timeout(now);
        }
        bool filled = input.size() == sizeof buffer;
        while (auto event = session->decode(input, now)) {
            if (!event->post_id()) continue;
            ++posts;
            timespec wall;
            clock_gettime(CLOCK_REALTIME, &wall);
            if (kernel_ns == 0 || nanoseconds(wall) < kernel_ns) continue;
            std::size_t bucket = 0;
            for (std::uint64_t us = (nanoseconds(wall) - kernel_ns) / 1000; us > 0; us /= 2) ++bucket;
            ++histogram[std::min(bucket, histogram.size() - 1)];
        }
        if (filled) session->backlog(now);
    }
    std::printf("%lu Posts; from the kernel's receipt to delivery:\n", posts);
    for (std::size_t bucket = 0; bucket < histogram.size(); ++bucket)
        if (histogram[bucket] > 0) std::printf("  below %8llu us  %lu\n", 1ull << bucket, histogram[bucket]);
}
