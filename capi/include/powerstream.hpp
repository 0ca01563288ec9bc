/*
 * Powerstream for C++17: owning handles over powerstream.h, in this header alone.
 *
 * - A handle is move-only, and frees itself.
 * - Texts and messages are std::string_view. A view is valid until the next call that may change
 *   the handle.
 * - Lengths of time are std::chrono. Points in time are std::chrono::steady_clock.
 * - No exceptions: what can fail returns Result<T> or Status. Both convert to false if they failed.
 *
 * Every class has `get()`, which returns the handle for the functions that have no method here.
 *
 * MIT or Apache-2.0.
 */
#ifndef POWERSTREAM_HPP
#define POWERSTREAM_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "powerstream.h"

namespace powerstream {

using Nanoseconds = std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;

/* Returns a view of the library's bytes. */
inline std::string_view view(ps_bytes bytes) noexcept {
    return bytes.len == 0 ? std::string_view() : std::string_view(bytes.data, bytes.len);
}

inline std::uint64_t nanoseconds(Clock::time_point time) noexcept {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<Nanoseconds>(time.time_since_epoch()).count());
}

/* Returns text for a call. */
inline ps_bytes bytes(std::string_view text) noexcept { return ps_bytes{text.data(), text.size()}; }

inline std::uint64_t now_ns() noexcept { return nanoseconds(Clock::now()); }

inline std::uint64_t unix_ms() noexcept {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

/* The result of a call without a value. */
class [[nodiscard]] Status {
public:
    Status(ps_status code) noexcept : code_(code) {}
    Status(ps_status code, ps_bytes text) : code_(code), text_(view(text)) {}

    /* True if the call succeeded, or had nothing to return: AGAIN, END, TIMED_OUT, ABSENT. */
    explicit operator bool() const noexcept { return code_ < PS_STATUS_NULL; }
    ps_status code() const noexcept { return code_; }
    std::string_view name() const noexcept { return view(ps_status_name(code_)); }
    std::string_view text() const noexcept {
        return text_.empty() ? view(ps_status_text(code_)) : std::string_view(text_);
    }
    friend bool operator==(const Status &status, ps_status code) noexcept { return status.code_ == code; }
    friend bool operator!=(const Status &status, ps_status code) noexcept { return status.code_ != code; }

private:
    ps_status code_;
    std::string text_;
};

/* A value, or the Status without one. */
template <class T> class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Status status) : content_(std::in_place_index<1>, std::move(status)) {}

    explicit operator bool() const noexcept { return content_.index() == 0; }
    bool has_value() const noexcept { return content_.index() == 0; }
    /* Only if there is a value. */
    T &operator*() noexcept { return *std::get_if<0>(&content_); }
    const T &operator*() const noexcept { return *std::get_if<0>(&content_); }
    T *operator->() noexcept { return std::get_if<0>(&content_); }
    const T *operator->() const noexcept { return std::get_if<0>(&content_); }
    /* Returns OK if there is a value. */
    Status status() const { return has_value() ? Status(PS_STATUS_OK) : *std::get_if<1>(&content_); }

private:
    std::variant<T, Status> content_;
};

namespace detail {
template <class T, void (*Free)(T *)> struct Deleter {
    void operator()(T *handle) const noexcept { Free(handle); }
};
template <class T, void (*Free)(T *)> using Handle = std::unique_ptr<T, Deleter<T, Free>>;
} // namespace detail

/* An event, borrowed from its handle. */
class Event {
public:
    explicit Event(const ps_event *event) noexcept : event_(event) {}

    ps_event_kind kind() const noexcept { return event_->kind; }
    bool is_message() const noexcept { return event_->kind == PS_EVENT_KIND_MESSAGE; }
    /* The bytes of a message, or the document of a refusal. */
    std::string_view bytes() const noexcept { return view(event_->bytes); }
    std::optional<std::uint64_t> post_id() const noexcept {
        if (!event_->message.has_post_id) {
            return std::nullopt;
        }
        return event_->message.post_id;
    }
    /* All members. */
    const ps_event *operator->() const noexcept { return event_; }
    const ps_event *get() const noexcept { return event_; }

private:
    const ps_event *event_;
};

/* The fields of a Post, parsed on demand. */
class Post {
public:
    explicit Post(std::string_view message) noexcept : message_(message) {}

    std::optional<std::uint64_t> id() const noexcept { return number(ps_post_id); }
    std::optional<std::uint64_t> created_at_ms() const noexcept { return number(ps_post_created_at); }
    /* The complete text, without JSON escapes. Lies in `buffer`, or in the message. */
    std::optional<std::string_view> text(std::string &buffer) const { return string(ps_post_text, buffer); }
    std::optional<std::string_view> lang(std::string &buffer) const { return string(ps_post_lang, buffer); }
    std::optional<ps_author> author() const noexcept {
        ps_author author;
        return ok(ps_post_author(message_.data(), message_.size(), &author)) ? std::optional(author) : std::nullopt;
    }
    /* The value at a path such as "user.followers_count". */
    std::optional<ps_value> value(std::string_view path) const noexcept {
        ps_value value;
        bool found = ok(ps_post_value(message_.data(), message_.size(), path.data(), path.size(), &value));
        return found ? std::optional(value) : std::nullopt;
    }

    /* The text of a string value, without JSON escapes. Lies in `buffer`, or in the message. */
    static std::optional<std::string_view> text(const ps_value &value, std::string &buffer) {
        if (value.is_escaped) {
            buffer.resize(value.text.len);
        }
        ps_bytes decoded;
        bool found = ok(ps_value_text(&value, buffer.empty() ? nullptr : &buffer[0], buffer.size(), &decoded));
        return found ? std::optional(view(decoded)) : std::nullopt;
    }

private:
    static bool ok(ps_status status) noexcept { return status == PS_STATUS_OK; }
    std::optional<std::uint64_t> number(ps_status (*find)(const void *, size_t, uint64_t *)) const noexcept {
        std::uint64_t found;
        return ok(find(message_.data(), message_.size(), &found)) ? std::optional(found) : std::nullopt;
    }
    std::optional<std::string_view> string(ps_status (*find)(const void *, size_t, ps_value *),
                                           std::string &buffer) const {
        ps_value found;
        return ok(find(message_.data(), message_.size(), &found)) ? text(found, buffer) : std::nullopt;
    }

    std::string_view message_;
};

/* The settings of sessions, streams and rule clients. */
class Config {
public:
    static Result<Config> create() {
        ps_config *config = nullptr;
        ps_status status = ps_config_new(&config);
        return status == PS_STATUS_OK ? Result<Config>(Config(config)) : Result<Config>(Status(status));
    }

    Status token(std::string_view token) {
        return checked(ps_config_set_token(get(), token.data(), token.size()));
    }
    Status base_url(std::string_view url) { return checked(ps_config_set_base_url(get(), url.data(), url.size())); }
    Status endpoint(std::string_view name) {
        return checked(ps_config_set_endpoint(get(), name.data(), name.size()));
    }
    Status query(std::string_view name, std::string_view value) {
        return checked(ps_config_add_query(get(), name.data(), name.size(), value.data(), value.size()));
    }
    Status user_agent(std::string_view text) {
        return checked(ps_config_set_user_agent(get(), text.data(), text.size()));
    }
    Status ca_pem(std::string_view pem) { return checked(ps_config_set_ca_pem(get(), pem.data(), pem.size())); }
    Status checkpoint(std::string_view bytes) {
        return checked(ps_config_set_checkpoint(get(), bytes.data(), bytes.size()));
    }
    Status host(std::string_view host) { return checked(ps_config_set_host(get(), host.data(), host.size())); }
    Status proxy(std::string_view url) { return checked(ps_config_set_proxy(get(), url.data(), url.size())); }
    Status local_address(std::string_view address) {
        return checked(ps_config_set_local_address(get(), address.data(), address.size()));
    }
    Status partition(std::uint8_t partition) { return checked(ps_config_set_partition(get(), partition)); }
    Status local_dc_only(bool on) { return checked(ps_config_set_local_dc_only(get(), on)); }
    Status backfill(bool on) { return checked(ps_config_set_backfill(get(), on)); }
    Status recovery(bool on) { return checked(ps_config_set_recovery(get(), on)); }
    Status keep_duplicates(bool on) { return checked(ps_config_set_keep_duplicates(get(), on)); }
    Status busy_poll(bool on) { return checked(ps_config_set_busy_poll(get(), on)); }
    Status seed(std::uint64_t seed) { return checked(ps_config_set_seed(get(), seed)); }
    Status limit(ps_limit limit, std::size_t value) { return checked(ps_config_set_limit(get(), limit, value)); }
    Status timeout(ps_timeout timeout, Nanoseconds length) {
        return checked(ps_config_set_timeout(get(), timeout, static_cast<std::uint64_t>(length.count())));
    }
    Status backoff(ps_failure_class failure_class, Nanoseconds first, Nanoseconds ceiling) {
        return checked(ps_config_set_backoff(get(), failure_class, static_cast<std::uint64_t>(first.count()),
                                             static_cast<std::uint64_t>(ceiling.count())));
    }
    Status jitter_percent(std::uint8_t percent) { return checked(ps_config_set_jitter_percent(get(), percent)); }
    Status check() { return checked(ps_config_check(get())); }
    /* Returns whether a session may connect to this IP address. */
    bool allows(std::string_view address) {
        bool allowed = false;
        return ps_config_allows(get(), address.data(), address.size(), &allowed) == PS_STATUS_OK && allowed;
    }

    ps_config *get() const noexcept { return handle_.get(); }
    /* Adds the text of the last error to a status of a function that takes the configuration. */
    Status checked(ps_status status) const {
        return status < PS_STATUS_NULL ? Status(status) : Status(status, ps_config_last_error(get()));
    }

private:
    explicit Config(ps_config *config) noexcept : handle_(config) {}
    detail::Handle<ps_config, ps_config_free> handle_;
};

class Tls;

/* One stream without I/O: the caller performs its steps. */
class Session {
public:
    static Result<Session> create(Config &config) {
        ps_session *session = nullptr;
        ps_status status = ps_session_new(config.get(), now_ns(), unix_ms(), &session);
        return status == PS_STATUS_OK ? Result<Session>(Session(session)) : Result<Session>(config.checked(status));
    }

    ps_step poll() const noexcept { return ps_session_poll(get()); }
    std::string_view transmit() const noexcept { return view(ps_session_transmit(get())); }
    /* Removes what is consumed from `input`. Call it until there is no event. */
    std::optional<Event> decode(std::string_view &input, std::uint64_t now) noexcept {
        std::size_t consumed = 0;
        const ps_event *event = nullptr;
        ps_session_decode(get(), input.data(), input.size(), now, &consumed, &event);
        input.remove_prefix(consumed);
        return event == nullptr ? std::nullopt : std::optional<Event>(event);
    }
    void connected(std::uint64_t now) noexcept {
        ps_session_set_wall_clock(get(), now, unix_ms());
        ps_session_connected(get(), now);
    }
    void written(std::size_t count, std::uint64_t now) noexcept { ps_session_written(get(), count, now); }
    void backlog(std::uint64_t now) noexcept { ps_session_backlog(get(), now); }
    void resume(std::uint64_t now) noexcept { ps_session_resume(get(), now); }
    void eof(std::uint64_t now) noexcept { ps_session_eof(get(), now); }
    void timeout(std::uint64_t now) noexcept { ps_session_timeout(get(), now); }
    void closed(std::uint64_t now) noexcept { ps_session_closed(get(), now); }
    void os_error(int error, std::uint64_t now) noexcept { ps_session_os_error(get(), error, now); }
    void transport_error(ps_transport_error error, std::uint64_t now) noexcept {
        ps_session_transport_error(get(), error, 0, now);
    }
    void tls_error(const Tls &tls, int error, std::uint64_t now) noexcept;
    void shutdown() noexcept { ps_session_shutdown(get()); }
    /* The time, in Unix milliseconds, before which every Post has been delivered or reported. */
    std::optional<std::uint64_t> covered_until_ms() const noexcept {
        std::uint64_t until = 0;
        bool is_known = ps_session_covered_until(get(), &until) == PS_STATUS_OK;
        return is_known ? std::optional(until) : std::nullopt;
    }

    ps_session *get() const noexcept { return handle_.get(); }

private:
    explicit Session(ps_session *session) noexcept : handle_(session) {}
    detail::Handle<ps_session, ps_session_free> handle_;
};

/* The TLS state of one connection. */
class Tls {
public:
    static Result<Tls> create(Config &config) {
        ps_tls *tls = nullptr;
        ps_status status = ps_tls_new(config.get(), &tls);
        return status == PS_STATUS_OK ? Result<Tls>(Tls(tls)) : Result<Tls>(config.checked(status));
    }

    bool is_handshaking() const noexcept { return ps_tls_is_handshaking(get()); }
    bool has_backlog() const noexcept { return ps_tls_has_backlog(get()); }
    std::string_view transmit() const noexcept { return view(ps_tls_transmit(get())); }
    void transmitted(std::size_t count) noexcept { ps_tls_transmitted(get(), count); }
    ps_buffer read_buffer() noexcept { return ps_tls_read_buffer(get()); }
    void received(std::size_t count) noexcept { ps_tls_received(get(), count); }
    void eof() noexcept { ps_tls_eof(get()); }
    Status check() { return checked(ps_tls_check(get())); }
    Status read(void *buffer, std::size_t length, std::size_t &count) {
        return checked(ps_tls_read(get(), buffer, length, &count));
    }
    Status write(std::string_view plaintext, std::size_t &accepted) {
        return checked(ps_tls_write(get(), plaintext.data(), plaintext.size(), &accepted));
    }
    void close() noexcept { ps_tls_close(get()); }

    ps_tls *get() const noexcept { return handle_.get(); }

private:
    explicit Tls(ps_tls *tls) noexcept : handle_(tls) {}
    Status checked(ps_status status) const {
        return status < PS_STATUS_NULL ? Status(status) : Status(status, ps_tls_last_error(get()));
    }
    detail::Handle<ps_tls, ps_tls_free> handle_;
};

inline void Session::tls_error(const Tls &tls, int error, std::uint64_t now) noexcept {
    ps_session_tls_error(get(), tls.get(), error, now);
}

/* One stream with its TLS, for an event loop: the caller connects sockets and moves bytes. */
class Link {
public:
    static Result<Link> create(Config &config) {
        ps_link *link = nullptr;
        ps_status status = ps_link_new(config.get(), now_ns(), unix_ms(), &link);
        return status == PS_STATUS_OK ? Result<Link>(Link(link)) : Result<Link>(config.checked(status));
    }

    /* Returns the next event; none when the socket is to be served. */
    std::optional<Event> next(std::uint64_t now) noexcept {
        const ps_event *event = nullptr;
        ps_link_next(get(), now, &event);
        return event == nullptr ? std::nullopt : std::optional<Event>(event);
    }
    ps_step step() const noexcept { return ps_link_step(get()); }
    void connected(std::uint64_t now) noexcept { ps_link_connected(get(), now, unix_ms()); }
    std::string_view transmit() const noexcept { return view(ps_link_transmit(get())); }
    void transmitted(std::size_t count) noexcept { ps_link_transmitted(get(), count); }
    ps_buffer read_buffer() noexcept { return ps_link_read_buffer(get()); }
    void received(std::size_t count, std::uint64_t now) noexcept { ps_link_received(get(), count, now); }
    void eof(std::uint64_t now) noexcept { ps_link_eof(get(), now); }
    void os_error(int error, std::uint64_t now) noexcept { ps_link_os_error(get(), error, now); }
    void transport_error(ps_transport_error error, std::uint64_t now) noexcept {
        ps_link_transport_error(get(), error, 0, now);
    }
    void closed(std::uint64_t now) noexcept { ps_link_closed(get(), now); }
    void shutdown() noexcept { ps_link_shutdown(get()); }
    /* The time, in Unix milliseconds, before which every Post has been delivered or reported. */
    std::optional<std::uint64_t> covered_until_ms() const noexcept {
        std::uint64_t until = 0;
        bool is_known = ps_link_covered_until(get(), &until) == PS_STATUS_OK;
        return is_known ? std::optional(until) : std::nullopt;
    }

    ps_link *get() const noexcept { return handle_.get(); }

private:
    explicit Link(ps_link *link) noexcept : handle_(link) {}
    detail::Handle<ps_link, ps_link_free> handle_;
};

/* A counter of a connection. Its texts are valid forever. */
struct Counter {
    std::string_view name;
    /* The reason of a disconnect, or the kind of a refusal; empty for other counters. */
    std::string_view label;
    std::uint64_t value;
};

/* The counters of a connection, which any thread may read. */
class Monitor {
public:
    explicit Monitor(ps_monitor *monitor) noexcept : handle_(monitor) {}

    std::vector<Counter> counters() const {
        std::vector<ps_counter> read(64);
        std::size_t count = 0;
        while (ps_monitor_read(get(), read.data(), read.size(), &count) == PS_STATUS_SPACE) {
            read.resize(count);
        }
        std::vector<Counter> counters;
        counters.reserve(count);
        for (std::size_t at = 0; at < count; ++at) {
            counters.push_back({view(read[at].name), view(read[at].label), read[at].value});
        }
        return counters;
    }
    /* Returns a counter by its name, such as "posts", and its label; none if there is none. */
    std::optional<std::uint64_t> counter(std::string_view name, std::string_view label = {}) const {
        for (const Counter &counter : counters()) {
            if (counter.name == name && counter.label == label) {
                return counter.value;
            }
        }
        return std::nullopt;
    }
    /* Returns an upper bound of the time from creation to receipt, for so many of 1,000 Posts. */
    std::optional<Nanoseconds> lag(std::uint16_t per_mille) const noexcept {
        std::uint64_t lag = 0;
        bool is_known = ps_monitor_lag(get(), per_mille, &lag) == PS_STATUS_OK;
        return is_known ? std::optional(Nanoseconds(lag)) : std::nullopt;
    }

    ps_monitor *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ps_monitor, ps_monitor_free> handle_;
};

/* Ends a stream or a rule client from any thread. */
class Shutdown {
public:
    explicit Shutdown(ps_shutdown *shutdown) noexcept : handle_(shutdown) {}
    void now() const noexcept { ps_shutdown_now(get()); }
    ps_shutdown *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ps_shutdown, ps_shutdown_free> handle_;
};

/* A stream that connects by itself and blocks the calling thread. */
class Stream {
public:
    static Result<Stream> open(Config &config) {
        ps_stream *stream = nullptr;
        ps_status status = ps_stream_new(config.get(), &stream);
        return status == PS_STATUS_OK ? Result<Stream>(Stream(stream)) : Result<Stream>(config.checked(status));
    }

    /* Opens several connections as one stream: each Post once. With `partitioned`, each connection
     * carries different Posts. Checkpoint and recovery are those of the first configuration. */
    static Result<Stream> merged(std::initializer_list<std::reference_wrapper<Config>> configs,
                                 bool partitioned = false) {
        std::vector<ps_config *> handles;
        for (Config &config : configs) {
            if (Status status = config.check(); !status) {
                return Result<Stream>(std::move(status));
            }
            handles.push_back(config.get());
        }
        ps_stream *stream = nullptr;
        ps_status status = ps_stream_new_merged(handles.data(), handles.size(), partitioned, &stream);
        if (status == PS_STATUS_OK) {
            return Result<Stream>(Stream(stream));
        }
        return Result<Stream>(handles.empty() ? Status(status) : configs.begin()->get().checked(status));
    }

    /* Waits for the next event. Without one, the status is TIMED_OUT, END or an error. */
    Result<Event> next(std::optional<Nanoseconds> timeout = std::nullopt) {
        const ps_event *event = nullptr;
        auto length = timeout ? static_cast<std::uint64_t>(timeout->count()) : PS_NO_TIMEOUT;
        ps_status status = ps_stream_next(get(), length, &event);
        return event != nullptr ? Result<Event>(Event(event)) : Result<Event>(checked(status));
    }
    /* Starts a thread that reads into a queue. The descriptor is readable if an event is ready. */
    Result<int> start_reader(std::size_t messages_max = 0, ps_overflow overflow = PS_OVERFLOW_WAIT) {
        std::int32_t fd = -1;
        ps_status status = ps_stream_start_reader(get(), messages_max, overflow, &fd);
        return status == PS_STATUS_OK ? Result<int>(fd) : Result<int>(checked(status));
    }
    /* Returns what another process needs to continue a merged stream, by `Config::checkpoint`. The
     * status is ABSENT while the position is not known. */
    Result<std::string> checkpoint(std::uint64_t taken_at_ms = unix_ms()) {
        std::string bytes(64 * 1024, '\0');
        std::size_t written = 0;
        ps_status status = ps_stream_checkpoint(get(), taken_at_ms, &bytes[0], bytes.size(), &written);
        bytes.resize(written);
        return status == PS_STATUS_OK ? Result<std::string>(std::move(bytes)) : Result<std::string>(checked(status));
    }
    /* Returns the counters of a connection, counted from 0. */
    Result<Monitor> monitor(std::size_t connection = 0) const {
        ps_monitor *monitor = nullptr;
        ps_status status = ps_stream_monitor(get(), connection, &monitor);
        return status == PS_STATUS_OK ? Result<Monitor>(Monitor(monitor)) : Result<Monitor>(checked(status));
    }
    Shutdown shutdown_handle() const noexcept {
        ps_shutdown *shutdown = nullptr;
        ps_stream_shutdown_handle(get(), &shutdown);
        return Shutdown(shutdown);
    }

    ps_stream *get() const noexcept { return handle_.get(); }

private:
    explicit Stream(ps_stream *stream) noexcept : handle_(stream) {}
    Status checked(ps_status status) const {
        return status < PS_STATUS_NULL ? Status(status) : Status(status, ps_stream_last_error(get()));
    }
    detail::Handle<ps_stream, ps_stream_free> handle_;
};

/* A rule to add or to delete. */
struct NewRule {
    std::string_view value;
    std::string_view tag = {};
};

/* A rule of a result, and what became of it. Its texts belong to the rule client. */
struct Rule {
    ps_rule_fate fate;
    std::string_view id;
    std::string_view value;
    std::string_view tag;
    /* The service's messages about it. */
    std::string_view text;
};

/* Lists, adds and deletes the rules of an app. Each call takes one request of a small budget. The
 * texts of a result are valid until the next call that changes the client. */
class Rules {
public:
    static Result<Rules> create(Config &config) {
        ps_rules *rules = nullptr;
        ps_status status = ps_rules_new(config.get(), &rules);
        return status == PS_STATUS_OK ? Result<Rules>(Rules(rules)) : Result<Rules>(config.checked(status));
    }

    Result<std::vector<Rule>> list() { return result(ps_rules_list(get(), nullptr)); }
    /* Adds 1 to 100 rules. The refusal of single rules is in their fates. */
    Result<std::vector<Rule>> add(const std::vector<NewRule> &rules) { return change(ps_rules_add, rules); }
    /* Deletes 1 to 100 rules by their values. */
    Result<std::vector<Rule>> remove(const std::vector<NewRule> &rules) { return change(ps_rules_delete, rules); }
    /* True if the service may have acted on the last request that failed. */
    bool is_outcome_unknown() const noexcept { return ps_rules_is_outcome_unknown(get()); }
    Shutdown shutdown_handle() const noexcept {
        ps_shutdown *shutdown = nullptr;
        ps_rules_shutdown_handle(get(), &shutdown);
        return Shutdown(shutdown);
    }

    ps_rules *get() const noexcept { return handle_.get(); }

private:
    explicit Rules(ps_rules *rules) noexcept : handle_(rules) {}
    Result<std::vector<Rule>> change(ps_status (*call)(ps_rules *, const ps_new_rule *, size_t),
                                     const std::vector<NewRule> &rules) {
        std::vector<ps_new_rule> list;
        for (const NewRule &rule : rules) {
            list.push_back({bytes(rule.value), bytes(rule.tag)});
        }
        return result(call(get(), list.data(), list.size()));
    }
    Result<std::vector<Rule>> result(ps_status status) {
        if (status != PS_STATUS_OK) {
            return Result<std::vector<Rule>>(Status(status, ps_rules_last_error(get())));
        }
        std::vector<Rule> rules;
        ps_rule rule;
        while (ps_rules_result(get(), rules.size(), &rule) == PS_STATUS_OK) {
            rules.push_back({rule.fate, view(rule.id), view(rule.value), view(rule.tag), view(rule.text)});
        }
        return Result<std::vector<Rule>>(std::move(rules));
    }
    detail::Handle<ps_rules, ps_rules_free> handle_;
};

/* The keys of the rules that a Post matches. Valid until the next call that changes the set. */
class Matches {
public:
    Matches(const std::uint64_t *keys, std::size_t count) noexcept : keys_(keys), count_(count) {}
    const std::uint64_t *begin() const noexcept { return keys_; }
    const std::uint64_t *end() const noexcept { return keys_ + count_; }
    std::size_t size() const noexcept { return count_; }

private:
    const std::uint64_t *keys_;
    std::size_t count_;
};

/* Rules that are matched together. */
class RuleSet {
public:
    static Result<RuleSet> create(std::string_view profile = "powerstream") {
        ps_ruleset *rules = nullptr;
        ps_status status = ps_ruleset_new(profile.data(), profile.size(), &rules);
        return status == PS_STATUS_OK ? Result<RuleSet>(RuleSet(rules)) : Result<RuleSet>(Status(status));
    }

    /* Checks a rule without adding it. The text has one line for each error. */
    Status check(std::string_view rule) {
        ps_status status = ps_ruleset_check(get(), rule.data(), rule.size());
        return status < PS_STATUS_NULL ? Status(status) : Status(status, ps_ruleset_last_error(get()));
    }
    Result<std::uint64_t> insert(std::string_view rule) {
        std::uint64_t key = 0;
        ps_status status = ps_ruleset_insert(get(), rule.data(), rule.size(), &key);
        return status == PS_STATUS_OK ? Result<std::uint64_t>(key)
                                      : Result<std::uint64_t>(Status(status, ps_ruleset_last_error(get())));
    }
    bool remove(std::uint64_t key) noexcept { return ps_ruleset_remove(get(), key) == PS_STATUS_OK; }
    std::string_view rule(std::uint64_t key) const noexcept { return view(ps_ruleset_get(get(), key)); }
    std::size_t size() const noexcept { return ps_ruleset_len(get()); }
    Matches match(std::string_view message) noexcept {
        const std::uint64_t *keys = nullptr;
        std::size_t count = 0;
        ps_ruleset_match(get(), message.data(), message.size(), &keys, &count);
        return Matches(keys, count);
    }

    ps_ruleset *get() const noexcept { return handle_.get(); }

private:
    explicit RuleSet(ps_ruleset *rules) noexcept : handle_(rules) {}
    detail::Handle<ps_ruleset, ps_ruleset_free> handle_;
};

} // namespace powerstream

#endif
