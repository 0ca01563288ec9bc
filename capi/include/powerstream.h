/*
 * Powerstream for C and C++: X's stream of Posts.
 *
 * Two levels:
 *   ps_session, ps_tls   The protocol without I/O, for your own event loop. Messages are lent
 *                        without a copy; nothing is allocated for a message; no thread is started.
 *   ps_stream, ps_rules  A client that connects by itself and blocks the calling thread, with a
 *                        timeout.
 *
 * For every function:
 *   Ownership    A handle from a _new function belongs to the caller, who frees it by the _free
 *                function.
 *   Null         Answered by PS_STATUS_NULL, except where a function documents another answer. A
 *                pointer with a length may be null if the length is 0.
 *   Text, data   Always with a length, never ended by NUL.
 *   Views        ps_bytes, ps_event and what they point to belong to the library or lie in the
 *                caller's input. They are valid until the next call that may change the handle,
 *                unless the function says otherwise. Functions that take a const handle change
 *                nothing.
 *   Threads      One thread at a time uses a handle. A handle may move between threads. Functions
 *                that allow more say so.
 *   Errors       A status of 16 or more. ps_status_text says what it means. The _last_error
 *                function of the handle has a text about the last failure, which later successes
 *                keep.
 *   Bugs         PS_STATUS_PANIC: a bug of the library. Only free the handle then.
 *   Numbers      Enumerations may get new numbers in later versions: a switch needs a default.
 *   Times        _ns: nanoseconds; points in time are on the caller's monotonic clock. _ms: Unix
 *                milliseconds.
 *
 * Generated from the Rust sources by cbindgen. MIT or Apache-2.0.
 */


#ifndef POWERSTREAM_H
#define POWERSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A timeout that never passes.
 */
#define PS_NO_TIMEOUT UINT64_MAX

/**
 * The version of the interface that this header describes. A library fits if
 * `ps_abi_version()` returns the same number.
 *
 * It changes if a function, a structure or a number changes its meaning. Additions do not change
 * it: new functions, new numbers in an enumeration, and new members at the end of a structure that
 * only the library creates.
 */
#define PS_ABI_VERSION 1

/**
 * The result of a call. 0 to 15 are no errors.
 */
enum ps_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    PS_STATUS_OK = 0,
    /**
     * There is nothing now: more input is needed.
     */
    PS_STATUS_AGAIN = 1,
    /**
     * The stream, the connection or the body has ended. There will be nothing more.
     */
    PS_STATUS_END = 2,
    /**
     * The timeout passed first.
     */
    PS_STATUS_TIMED_OUT = 3,
    /**
     * The value is absent.
     */
    PS_STATUS_ABSENT = 4,
    /**
     * A pointer is null.
     */
    PS_STATUS_NULL = 16,
    /**
     * An argument is out of range.
     */
    PS_STATUS_ARGUMENT = 17,
    /**
     * A text is not UTF-8.
     */
    PS_STATUS_UTF8 = 18,
    /**
     * The configuration is invalid.
     */
    PS_STATUS_CONFIG = 19,
    /**
     * The handle is in a state that does not allow the call.
     */
    PS_STATUS_STATE = 20,
    /**
     * The caller's buffer is too short.
     */
    PS_STATUS_SPACE = 21,
    /**
     * TLS failed.
     */
    PS_STATUS_TLS = 22,
    /**
     * The peer violated the protocol.
     */
    PS_STATUS_PROTOCOL = 23,
    /**
     * The bytes are no checkpoint, or that of another stream.
     */
    PS_STATUS_CHECKPOINT = 24,
    /**
     * The rule is invalid.
     */
    PS_STATUS_RULE = 25,
    /**
     * The service refused the request, or sent no usable answer.
     */
    PS_STATUS_SERVICE = 26,
    /**
     * The operating system refused a resource.
     */
    PS_STATUS_SYSTEM = 27,
    /**
     * A bug of this library. Only the handle's `_free` function may be called.
     */
    PS_STATUS_PANIC = 31,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_status ps_status;
#else
typedef int32_t ps_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The kinds of messages. The service adds kinds without notice.
 */
enum ps_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * JSON of an unknown kind. A normal result.
     */
    PS_KIND_UNKNOWN = 0,
    /**
     * A Post.
     */
    PS_KIND_POST = 1,
    /**
     * An object with `data` that is no Post.
     */
    PS_KIND_ENVELOPE = 2,
    /**
     * An array of messages.
     */
    PS_KIND_ARRAY = 3,
    /**
     * The datacenter that serves the connection.
     */
    PS_KIND_CONNECTION_METADATA = 4,
    /**
     * Errors of the stream. The service is about to close.
     */
    PS_KIND_STREAM_ERROR = 5,
    /**
     * A problem object.
     */
    PS_KIND_PROBLEM = 6,
    /**
     * A message of the service about the connection: error, warn or info.
     */
    PS_KIND_SYSTEM = 7,
    /**
     * The service is about to close (version 1.1).
     */
    PS_KIND_DISCONNECT = 8,
    /**
     * The client reads too slowly (version 1.1).
     */
    PS_KIND_WARNING = 9,
    /**
     * Posts were held back (version 1.1).
     */
    PS_KIND_LIMIT = 10,
    /**
     * A deletion, withholding or edit. Applications that store Posts must honor it.
     */
    PS_KIND_COMPLIANCE = 11,
    /**
     * A message of the former user streams.
     */
    PS_KIND_USER_STREAM = 12,
    /**
     * Not JSON, as far as it was read.
     */
    PS_KIND_MALFORMED = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_kind ps_kind;
#else
typedef uint32_t ps_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The formats of Posts.
 */
enum ps_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The message is no Post.
     */
    PS_FORMAT_NONE = 0,
    /**
     * Powerstream and PowerTrack: the object is the Post.
     */
    PS_FORMAT_LEGACY = 1,
    /**
     * API version 2: the Post is in `data`.
     */
    PS_FORMAT_V2 = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_format ps_format;
#else
typedef uint32_t ps_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The kinds of events.
 */
enum ps_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A message: `bytes`, `message` and `origin`.
     */
    PS_EVENT_KIND_MESSAGE = 1,
    /**
     * A keep-alive.
     */
    PS_EVENT_KIND_KEEP_ALIVE = 2,
    /**
     * A stream has begun: `connected`, and `gap` if there was an earlier stream.
     */
    PS_EVENT_KIND_CONNECTED = 3,
    /**
     * A connection ended, or could not be established: `disconnected`. The next attempt is
     * scheduled.
     */
    PS_EVENT_KIND_DISCONNECTED = 4,
    /**
     * The server sent something other than a stream: `refused`; `bytes` is its document.
     * `DISCONNECTED` or `GAVE_UP` follows.
     */
    PS_EVENT_KIND_REFUSED = 5,
    /**
     * The session is over, because a retry cannot resolve the failure: `disconnected`.
     */
    PS_EVENT_KIND_GAVE_UP = 6,
    /**
     * The first live Post after a gap arrived: `gap`, with the end that this Post proves.
     */
    PS_EVENT_KIND_RESUMED = 7,
    /**
     * The reader or the network path is late: `late`. Reported once for each episode.
     */
    PS_EVENT_KIND_LATE = 8,
    /**
     * A message over the limit was skipped: `count` is its number of bytes.
     */
    PS_EVENT_KIND_SKIPPED = 9,
    /**
     * Client level, merged: a group lost its last connection: `gap`, with only its start.
     */
    PS_EVENT_KIND_INTERRUPTED = 10,
    /**
     * Client level, merged: a time range whose Posts no connection delivered: `gap`.
     */
    PS_EVENT_KIND_GAP = 11,
    /**
     * Client level, with a reader thread: the queue was full, and dropped `count` messages here.
     */
    PS_EVENT_KIND_DROPPED = 12,
    /**
     * Client level: a gap is being recovered: `gap`.
     */
    PS_EVENT_KIND_RECOVERY_STARTED = 13,
    /**
     * Client level: a gap was recovered: `gap`; `count` is the number of its new Posts.
     */
    PS_EVENT_KIND_RECOVERY_COMPLETED = 14,
    /**
     * Client level: a gap will not be recovered, so its Posts are lost: `gap`. `count` Posts of it
     * were delivered nevertheless.
     */
    PS_EVENT_KIND_RECOVERY_LOST = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_event_kind ps_event_kind;
#else
typedef uint32_t ps_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a message was requested.
 */
enum ps_origin
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * By a stream, as the service sent it.
     */
    PS_ORIGIN_LIVE = 0,
    /**
     * By a stream whose backfill is not complete. Some of its Posts may be live.
     */
    PS_ORIGIN_BACKFILL = 1,
    /**
     * By a recovery of a time range.
     */
    PS_ORIGIN_RECOVERY = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_origin ps_origin;
#else
typedef uint32_t ps_origin;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a connection ended.
 */
enum ps_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The transport failed.
     */
    PS_REASON_TRANSPORT = 1,
    /**
     * A deadline passed.
     */
    PS_REASON_TIMEOUT = 2,
    /**
     * The peer violated HTTP.
     */
    PS_REASON_PROTOCOL = 3,
    /**
     * The server sent something other than a stream.
     */
    PS_REASON_REFUSED = 4,
    /**
     * The server ended the stream with a complete body.
     */
    PS_REASON_ENDED = 5,
    /**
     * The server closed the connection before the end of the body.
     */
    PS_REASON_CUT = 6,
    /**
     * The server closed the connection before the end of the response head.
     */
    PS_REASON_CUT_IN_HEAD = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_reason ps_reason;
#else
typedef uint32_t ps_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a response that is not a stream means.
 */
enum ps_refusal
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The reason is no refusal.
     */
    PS_REFUSAL_NONE = 0,
    /**
     * 401: the token is missing, wrong or revoked.
     */
    PS_REFUSAL_UNAUTHORIZED = 1,
    /**
     * 403: the app may not use this endpoint.
     */
    PS_REFUSAL_FORBIDDEN = 2,
    /**
     * 409: the stream needs at least one rule.
     */
    PS_REFUSAL_NO_RULES = 3,
    /**
     * The active rules are invalid.
     */
    PS_REFUSAL_INVALID_RULES = 4,
    /**
     * 429: too many connections.
     */
    PS_REFUSAL_CONNECTION_LIMIT = 5,
    /**
     * 429: the requests of the rate-limit window are used up.
     */
    PS_REFUSAL_WINDOW_LIMIT = 6,
    /**
     * 429 without a specific reason.
     */
    PS_REFUSAL_RATE_LIMIT = 7,
    /**
     * 429: the plan's volume of Posts is used up.
     */
    PS_REFUSAL_USAGE_CAP = 8,
    /**
     * 503: a change of the subscription is being provisioned.
     */
    PS_REFUSAL_PROVISIONING = 9,
    /**
     * 3xx: redirects are not followed, because the token would be sent along.
     */
    PS_REFUSAL_REDIRECT = 10,
    /**
     * Another 4xx, which a retry cannot resolve.
     */
    PS_REFUSAL_REQUEST = 11,
    /**
     * An error of the server.
     */
    PS_REFUSAL_SERVER = 12,
    /**
     * A meaning that a later version of the protocol core added.
     */
    PS_REFUSAL_OTHER = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_refusal ps_refusal;
#else
typedef uint32_t ps_refusal;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Failures of a transport. `ps_session_transport_error` takes the numbers up to 8; an event may
 * have any.
 */
enum ps_transport_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Any failure; the error number identifies it.
     */
    PS_TRANSPORT_ERROR_OTHER = 0,
    /**
     * The host's name could not be resolved.
     */
    PS_TRANSPORT_ERROR_RESOLVE = 1,
    /**
     * The name resolved to no address.
     */
    PS_TRANSPORT_ERROR_NO_ADDRESS = 2,
    /**
     * The name resolved only to addresses that `ps_config_allows` forbids.
     */
    PS_TRANSPORT_ERROR_NOT_ALLOWED = 3,
    /**
     * The peer refused the connection.
     */
    PS_TRANSPORT_ERROR_REFUSED = 4,
    /**
     * The host could not be reached.
     */
    PS_TRANSPORT_ERROR_UNREACHABLE = 5,
    /**
     * The peer reset the connection.
     */
    PS_TRANSPORT_ERROR_RESET = 6,
    /**
     * The operating system's timeout expired.
     */
    PS_TRANSPORT_ERROR_TIMED_OUT = 7,
    /**
     * The TLS handshake did not complete before the deadline of the connect, although TCP was
     * connected.
     */
    PS_TRANSPORT_ERROR_HANDSHAKE_TIMED_OUT = 8,
    /**
     * TLS failed in another way: see the text of the event.
     */
    PS_TRANSPORT_ERROR_TLS = 9,
    /**
     * The proxy refused or failed.
     */
    PS_TRANSPORT_ERROR_PROXY = 10,
    /**
     * This machine refused: the local address, a firewall, or a limit of sockets or memory.
     */
    PS_TRANSPORT_ERROR_LOCAL = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_transport_error ps_transport_error;
#else
typedef uint32_t ps_transport_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a session asks for.
 */
enum ps_step_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The handle is null.
     */
    PS_STEP_KIND_NONE = 0,
    /**
     * Resolve the host, check the address by `ps_config_allows`, connect, and complete the TLS
     * handshake. Then call `ps_session_set_wall_clock` and `ps_session_connected`. If it fails,
     * call `ps_session_os_error`, `ps_session_tls_error` or `ps_session_transport_error`. At
     * the deadline, call `ps_session_timeout`.
     */
    PS_STEP_KIND_CONNECT = 1,
    /**
     * Send `ps_session_transmit`, and call `ps_session_written`.
     */
    PS_STEP_KIND_WRITE = 2,
    /**
     * Read, and call `ps_session_decode` until it returns `PS_STATUS_AGAIN`. Call
     * `ps_session_backlog` if the read filled its buffer.
     *
     * Read before you look at the clock. If there is no input and the deadline has passed, call
     * `ps_session_timeout`. If there is no input before it, call `ps_session_resume`, and wait.
     */
    PS_STEP_KIND_READ = 3,
    /**
     * Wait until the deadline, then call `ps_session_timeout`.
     */
    PS_STEP_KIND_SLEEP = 4,
    /**
     * Close the connection, open or in progress, and call `ps_session_closed`.
     */
    PS_STEP_KIND_CLOSE = 5,
    /**
     * An event is pending: call `ps_session_decode`, without input if there is none.
     */
    PS_STEP_KIND_EVENT = 6,
    /**
     * The session has ended.
     */
    PS_STEP_KIND_DONE = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_step_kind ps_step_kind;
#else
typedef uint32_t ps_step_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The kinds of JSON values.
 */
enum ps_value_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * null
     */
    PS_VALUE_KIND_NULL = 0,
    /**
     * true or false
     */
    PS_VALUE_KIND_BOOL = 1,
    /**
     * A number.
     */
    PS_VALUE_KIND_NUMBER = 2,
    /**
     * A string.
     */
    PS_VALUE_KIND_STRING = 3,
    /**
     * An array.
     */
    PS_VALUE_KIND_ARRAY = 4,
    /**
     * An object.
     */
    PS_VALUE_KIND_OBJECT = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_value_kind ps_value_kind;
#else
typedef uint32_t ps_value_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What became of a rule of the request.
 */
enum ps_rule_fate
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The rule exists: the result of a list.
     */
    PS_RULE_FATE_LISTED = 0,
    /**
     * The rule was added.
     */
    PS_RULE_FATE_CREATED = 1,
    /**
     * A rule of that value already existed. Its tag was not changed.
     */
    PS_RULE_FATE_DUPLICATE = 2,
    /**
     * The service refused the rule: `text` has its messages.
     */
    PS_RULE_FATE_INVALID = 3,
    /**
     * The rule was not added, because of another one or because there would be too many.
     */
    PS_RULE_FATE_NOT_CREATED = 4,
    /**
     * The rule was deleted.
     */
    PS_RULE_FATE_DELETED = 5,
    /**
     * The rule was not deleted, usually because it does not exist.
     */
    PS_RULE_FATE_NOT_DELETED = 6,
    /**
     * The answer does not mention the rule. List the rules to find out.
     */
    PS_RULE_FATE_UNKNOWN = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_rule_fate ps_rule_fate;
#else
typedef uint32_t ps_rule_fate;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The failure classes; each has a schedule.
 */
enum ps_failure_class
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * TCP, DNS, timeouts, incomplete TLS handshakes: from 250 ms, linear, to 16 s.
     */
    PS_FAILURE_CLASS_NETWORK = 0,
    /**
     * HTTP and certificate errors: from 5 s, doubled, to 320 s.
     */
    PS_FAILURE_CLASS_HTTP = 1,
    /**
     * Status 429: from 60 s, doubled, to 900 s.
     */
    PS_FAILURE_CLASS_RATE_LIMIT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_failure_class ps_failure_class;
#else
typedef uint32_t ps_failure_class;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The limits that `ps_config_set_limit` sets. None accumulates over a connection.
 */
enum ps_limit
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The longest message in bytes, 1 to 2^30. A longer one is skipped and reported. Default:
     * 1 MiB. A session allocates so much when it is created.
     */
    PS_LIMIT_MESSAGE_BYTES = 0,
    /**
     * The longest response head in bytes.
     */
    PS_LIMIT_HEAD_BYTES = 1,
    /**
     * The most fields of a response head.
     */
    PS_LIMIT_HEAD_FIELDS = 2,
    /**
     * The longest chunk-size line in bytes.
     */
    PS_LIMIT_SIZE_LINE_BYTES = 3,
    /**
     * The longest trailer section in bytes.
     */
    PS_LIMIT_TRAILER_BYTES = 4,
    /**
     * The most fields of the trailer section.
     */
    PS_LIMIT_TRAILER_FIELDS = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_limit ps_limit;
#else
typedef uint32_t ps_limit;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a full queue does, for `ps_stream_start_reader`.
 */
enum ps_overflow
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The reader waits. The queue drops nothing, but the server disconnects slow readers.
     */
    PS_OVERFLOW_WAIT = 0,
    /**
     * Drops the oldest messages.
     */
    PS_OVERFLOW_DROP_OLDEST = 1,
    /**
     * Drops the new message.
     */
    PS_OVERFLOW_DROP_NEWEST = 2,
    /**
     * Ends the stream.
     */
    PS_OVERFLOW_END = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_overflow ps_overflow;
#else
typedef uint32_t ps_overflow;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The timeouts that `ps_config_set_timeout` sets.
 */
enum ps_timeout
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Resolving, connecting, and the proxy and TLS handshakes together. Default: 10 s.
     */
    PS_TIMEOUT_CONNECT = 0,
    /**
     * From the connection to the end of the response head. Default: 15 s.
     */
    PS_TIMEOUT_HEAD = 1,
    /**
     * The idle timeout: the longest time without content bytes. Default: 25 s.
     */
    PS_TIMEOUT_IDLE = 2,
    /**
     * From the first byte of a message to its last. Default: 60 s.
     */
    PS_TIMEOUT_MESSAGE = 3,
    /**
     * From an announced disconnect to the close. Default: 5 s.
     */
    PS_TIMEOUT_DISCONNECT = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ps_timeout ps_timeout;
#else
typedef uint32_t ps_timeout;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The waits before reconnects, with jitter.
 */
typedef struct ps_backoff ps_backoff;

/**
 * A decoder of the chunked transfer coding (RFC 9112, section 7.1). It copies nothing.
 */
typedef struct ps_chunked ps_chunked;

/**
 * The settings of sessions, streams and rule clients. Copied by the function that uses them, so a
 * configuration may be changed or freed afterwards.
 */
typedef struct ps_config ps_config;

/**
 * A bounded window of Post ids that recognizes duplicates exactly.
 */
typedef struct ps_dedup ps_dedup;

/**
 * One stream with its TLS, for an event loop: `ps_session` and `ps_tls` in one. The caller
 * connects sockets and moves bytes.
 *
 * 1. Call `ps_link_next` until it returns `PS_STATUS_AGAIN`, and use its events.
 * 2. Send `ps_link_transmit`, if it is not empty, and report it by `ps_link_transmitted`.
 * 3. Perform `ps_link_step`, and begin again when the socket is ready or its deadline has passed.
 *    - `PS_STEP_KIND_CONNECT`: resolve the host, check the address by `ps_config_allows`, and
 *      connect. Then call `ps_link_connected`.
 *    - `PS_STEP_KIND_READ`: receive into `ps_link_read_buffer`, and call `ps_link_received` or
 *      `ps_link_eof`. If there is no input, wait.
 *    - `PS_STEP_KIND_SLEEP`: wait.
 *    - `PS_STEP_KIND_CLOSE`: close the socket, open or in progress, and call `ps_link_closed`.
 *
 * A failed system call is reported by `ps_link_os_error`. The plaintext is copied once into the
 * read buffer, and messages are lent from there.
 */
typedef struct ps_link ps_link;

/**
 * The counters of a connection. Any number of threads may read it while another reads the stream.
 */
typedef struct ps_monitor ps_monitor;

/**
 * Lists, adds and deletes the rules of an app. Each call blocks the calling thread, and takes one
 * request of the small budget: 50 in 24 hours on Powerstream. Nothing is retried.
 */
typedef struct ps_rules ps_rules;

/**
 * Rules that are matched together.
 */
typedef struct ps_ruleset ps_ruleset;

/**
 * One stream that reconnects by itself. It does no I/O: the caller performs its steps.
 *
 * Times are nanoseconds of the caller's monotonic clock, whose start does not matter. Unix times
 * are milliseconds.
 */
typedef struct ps_session ps_session;

/**
 * Ends a stream or a rule client from any thread. Several threads may use it at the same time.
 */
typedef struct ps_shutdown ps_shutdown;

/**
 * A stream that connects and reconnects by itself, removes duplicates, and blocks the calling
 * thread while it waits. It starts no thread, except by `ps_stream_start_reader`.
 */
typedef struct ps_stream ps_stream;

/**
 * The TLS state of one connection. Create one after each TCP connect.
 *
 * 1. Send the bytes of `ps_tls_transmit`, and report them with `ps_tls_transmitted`.
 * 2. Receive into `ps_tls_read_buffer`, and report the count with `ps_tls_received`, or the end
 *    with `ps_tls_eof`.
 * 3. Call `ps_tls_read` until it returns `PS_STATUS_AGAIN`.
 * 4. Once `ps_tls_is_handshaking` returns false, pass plaintext to `ps_tls_write`. Call
 *    `ps_tls_close` at the end, and send what `ps_tls_transmit` then returns.
 */
typedef struct ps_tls ps_tls;

/**
 * Bytes that belong to the library or to the caller. They are not terminated by NUL.
 *
 * The function that returns a view says how long it is valid. An empty view may have a null
 * pointer.
 */
typedef struct ps_bytes {
    /**
     * The first byte.
     */
    const char *data;
    /**
     * The number of bytes.
     */
    size_t len;
} ps_bytes;

/**
 * What a message is, and the id of a Post.
 */
typedef struct ps_class {
    /**
     * The kind of the message.
     */
    ps_kind kind;
    /**
     * The format, if the message is a Post.
     */
    ps_format format;
    /**
     * The id of the Post, if `has_post_id`; otherwise 0.
     */
    uint64_t post_id;
    /**
     * True if the message is a Post with an id.
     */
    bool has_post_id;
    /**
     * True if `errors` came before the data of a version 2 message: parts of it are missing.
     */
    bool partial_errors;
} ps_class;

/**
 * A stream has begun.
 */
typedef struct ps_connected {
    /**
     * The status of the response.
     */
    uint16_t status;
    /**
     * True if the body is chunked, as X's streams are.
     */
    bool is_chunked;
    /**
     * The minutes of backfill that the request asked for; 0 for none.
     */
    uint8_t backfill_minutes;
    /**
     * The datacenter that responds; empty if the response does not name it.
     */
    struct ps_bytes datacenter;
    /**
     * The address of the server, if the driver set it; empty otherwise.
     */
    struct ps_bytes peer_address;
    /**
     * The earliest time that the server's clock may have shown, in Unix milliseconds.
     */
    uint64_t server_earliest_ms;
    /**
     * The latest time that the server's clock may have shown, in Unix milliseconds.
     */
    uint64_t server_latest_ms;
} ps_connected;

/**
 * A time range in which Posts may be missing. Times are Unix milliseconds of the server's clock.
 */
typedef struct ps_gap {
    /**
     * Posts created before this time were delivered, or were within an earlier gap.
     */
    uint64_t from_ms;
    /**
     * Posts created from this time on are delivered by the new stream. 0 if it is not known yet.
     */
    uint64_t to_ms;
    /**
     * The id of the newest live Post delivered before the gap; 0 if unknown.
     */
    uint64_t newest_before;
    /**
     * The id of the first live Post after the gap; 0 if it has not arrived.
     */
    uint64_t first_after;
    /**
     * Merged: the replica group whose Posts are missing.
     */
    uint32_t group;
    /**
     * The minutes of backfill that the new stream asked for. Backfill may deliver this part of the
     * gap.
     */
    uint32_t backfill_minutes;
    /**
     * The start of the part that a recovery must request, because backfill does not deliver it.
     */
    uint64_t recovery_from_ms;
    /**
     * The end of that part. 0 if there is no such part.
     */
    uint64_t recovery_to_ms;
} ps_gap;

/**
 * A connection ended, or could not be established.
 */
typedef struct ps_disconnected {
    /**
     * Why.
     */
    ps_reason reason;
    /**
     * The meaning of the refusal, if the reason is one.
     */
    ps_refusal refusal;
    /**
     * A stable name of the reason for programs, such as `timeout_silence` or `cut`.
     */
    struct ps_bytes code;
    /**
     * A sentence for people.
     */
    struct ps_bytes text;
    /**
     * True if the server announced this disconnect earlier in the stream, by a message of the kind
     * `announced`.
     */
    bool was_announced;
    /**
     * See `was_announced`.
     */
    ps_kind announced;
    /**
     * True if the next attempt is scheduled. False in `GAVE_UP`.
     */
    bool will_retry;
    /**
     * True if the backoff schedule has reached its ceiling: alert an operator.
     */
    bool at_ceiling;
    /**
     * True if the server sent a reset time too far ahead, which was ignored.
     */
    bool reset_ignored;
    /**
     * True if the server refused backfill. The session asks for none any more.
     */
    bool backfill_refused;
    /**
     * True if `gap_from_ms` is set: there was a stream before.
     */
    bool has_gap;
    /**
     * The wait before the next attempt; 0 for an immediate reconnect.
     */
    uint64_t delay_ns;
    /**
     * When the next attempt starts, on the caller's monotonic clock.
     */
    uint64_t retry_at_ns;
    /**
     * Since when Posts may be missing, in Unix milliseconds of the server's clock.
     */
    uint64_t gap_from_ms;
    /**
     * The number of bytes received that were not part of a complete message.
     */
    uint64_t undelivered;
    /**
     * The address that was connected or tried last, if the driver set it.
     */
    struct ps_bytes peer_address;
    /**
     * What failed, if the reason is `PS_REASON_TRANSPORT`; otherwise `PS_TRANSPORT_ERROR_OTHER`.
     */
    ps_transport_error transport_error;
    /**
     * The operating system's error number (`errno`); 0 if there is none.
     */
    int32_t os_error;
} ps_disconnected;

/**
 * The server sent something other than a stream.
 */
typedef struct ps_refused {
    /**
     * The status of the response.
     */
    uint16_t status;
    /**
     * What it means.
     */
    ps_refusal refusal;
    /**
     * A sentence for people.
     */
    struct ps_bytes text;
} ps_refused;

/**
 * The reader or the network path is late.
 */
typedef struct ps_late {
    /**
     * True if the program did not read for so long; false if Posts lagged so much more than usual.
     */
    bool is_reader;
    /**
     * By how much.
     */
    uint64_t by_ns;
} ps_late;

/**
 * An event. The library creates it. It and everything it points to are valid until the next call
 * that may change the handle. Members that the kind of the event does not name are empty, 0 or
 * null.
 */
typedef struct ps_event {
    /**
     * The kind of the event.
     */
    ps_event_kind kind;
    /**
     * How the message was requested.
     */
    ps_origin origin;
    /**
     * The bytes of the message as received, without its delimiter; or the document of a refusal.
     * Text of the server: escape it before display.
     */
    struct ps_bytes bytes;
    /**
     * What the message is.
     */
    struct ps_class message;
    /**
     * Client level: the index of the connection, from 0.
     */
    uint32_t connection;
    /**
     * The number that the kind names.
     */
    uint64_t count;
    /**
     * See `PS_EVENT_KIND_CONNECTED`.
     */
    const struct ps_connected *connected;
    /**
     * See the kinds that name it.
     */
    const struct ps_gap *gap;
    /**
     * See `PS_EVENT_KIND_DISCONNECTED` and `PS_EVENT_KIND_GAVE_UP`.
     */
    const struct ps_disconnected *disconnected;
    /**
     * See `PS_EVENT_KIND_REFUSED`.
     */
    const struct ps_refused *refused;
    /**
     * See `PS_EVENT_KIND_LATE`.
     */
    const struct ps_late *late;
} ps_event;

/**
 * The next step of a session.
 */
typedef struct ps_step {
    /**
     * What to do.
     */
    ps_step_kind kind;
    /**
     * The deadline of a connect, write or read, or the end of a sleep; 0 for other steps.
     */
    uint64_t deadline_ns;
} ps_step;

/**
 * Bytes of the library that the caller may write to.
 */
typedef struct ps_buffer {
    /**
     * The first byte.
     */
    void *data;
    /**
     * The number of bytes.
     */
    size_t len;
} ps_buffer;

/**
 * A counter.
 */
typedef struct ps_counter {
    /**
     * Its name, such as `posts`, `keep_alives` or `disconnects`. Valid forever.
     */
    struct ps_bytes name;
    /**
     * What it counts of that name: the reason of a disconnect or the kind of a refusal; empty for
     * other counters. Valid forever.
     */
    struct ps_bytes label;
    /**
     * Its value.
     */
    uint64_t value;
} ps_counter;

/**
 * A JSON value of a message. Its views lie in the message.
 */
typedef struct ps_value {
    /**
     * The kind of the value.
     */
    ps_value_kind kind;
    /**
     * True if `text` has JSON escapes: `ps_value_text` decodes them.
     */
    bool is_escaped;
    /**
     * The value as it is written, strings with their quotes.
     */
    struct ps_bytes json;
    /**
     * A string's content, still escaped; empty for other kinds.
     */
    struct ps_bytes text;
} ps_value;

/**
 * The author of a Post.
 */
typedef struct ps_author {
    /**
     * The id; 0 if absent.
     */
    uint64_t id;
    /**
     * The name after the @; of the kind `PS_VALUE_KIND_NULL` if absent.
     */
    struct ps_value screen_name;
    /**
     * The display name.
     */
    struct ps_value name;
} ps_author;

/**
 * A rule to add or to delete.
 */
typedef struct ps_new_rule {
    /**
     * The text of the rule, UTF-8.
     */
    struct ps_bytes value;
    /**
     * Its tag; empty for none.
     */
    struct ps_bytes tag;
} ps_new_rule;

/**
 * A rule of a result. The library fills the caller's structure.
 */
typedef struct ps_rule {
    /**
     * What became of it.
     */
    ps_rule_fate fate;
    /**
     * The id; empty if the service does not give it, as on Powerstream.
     */
    struct ps_bytes id;
    /**
     * The text of the rule.
     */
    struct ps_bytes value;
    /**
     * The tag; empty for none.
     */
    struct ps_bytes tag;
    /**
     * The service's messages about it.
     */
    struct ps_bytes text;
} ps_rule;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates the schedules of a configuration, at their start. The same seed gives the same jitter.
 * Free them with `ps_backoff_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG` if the configuration is invalid.
 */
ps_status ps_backoff_new(struct ps_config *config, uint64_t seed, struct ps_backoff **backoff);

/**
 * Frees the schedules. Null is allowed.
 */
void ps_backoff_free(struct ps_backoff *backoff);

/**
 * Counts a failure of a `ps_failure_class`, and returns the wait in `delay_ns`. `at_ceiling` gets
 * true once the schedule has reached its ceiling; it may be null.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` for an unknown class.
 */
ps_status ps_backoff_next(struct ps_backoff *backoff,
                          uint32_t failure_class,
                          uint64_t *delay_ns,
                          bool *at_ceiling);

/**
 * Resets all schedules. Call it after a healthy stream.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_backoff_reset(struct ps_backoff *backoff);

/**
 * Writes a checkpoint of a session to the caller's buffer. The stream is that of the
 * configuration. `covered_until_ms` is that of `ps_session_covered_until`. `post_ids` are the
 * Posts delivered last, the newest first; those that do not fit are left out.
 *
 * `written` gets the number of bytes. A buffer of 64 + 10 × `count` bytes always fits.
 * `ps_config_set_checkpoint` takes the bytes. A stream of the client level has
 * `ps_stream_checkpoint`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, or `PS_STATUS_SPACE` if the buffer
 * has less than 64 bytes.
 */
ps_status ps_checkpoint_write(struct ps_config *config,
                              uint64_t covered_until_ms,
                              uint64_t taken_at_ms,
                              const uint64_t *post_ids,
                              size_t count,
                              void *buffer,
                              size_t len,
                              size_t *written);

/**
 * Creates a decoder. Free it with `ps_chunked_free`.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_chunked_new(struct ps_chunked **chunked);

/**
 * Frees a decoder. Null is allowed.
 */
void ps_chunked_free(struct ps_chunked *chunked);

/**
 * Returns what the last failed call on the decoder met. Valid until the next call on it.
 */
struct ps_bytes ps_chunked_last_error(struct ps_chunked *chunked);

/**
 * Decodes `input` up to the end of the next piece of content.
 *
 * `consumed` gets the number of bytes used. Call again with the rest of the input. `content` gets
 * the content, which lies in `input`. The input may be split anywhere.
 *
 * Returns
 * - `PS_STATUS_OK`: there is content.
 * - `PS_STATUS_AGAIN`: all input is consumed, and has no further content.
 * - `PS_STATUS_END`: the body is complete. The rest of the input belongs to no body.
 * - `PS_STATUS_PROTOCOL`: the coding is invalid; every later call returns the same.
 * - `PS_STATUS_NULL`.
 */
ps_status ps_chunked_decode(struct ps_chunked *chunked,
                            const void *input,
                            size_t len,
                            size_t *consumed,
                            struct ps_bytes *content);

/**
 * Classifies a message. Reads no further than necessary, about 70 bytes of a Post. UTF-8 is not
 * checked. Any thread.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_classify(const void *message, size_t len, struct ps_class *what);

/**
 * Creates a configuration for Powerstream at `https://api.x.com`, without a token. Free it with
 * `ps_config_free`.
 *
 * Settings are checked together by the function that uses the configuration. A setter checks what
 * it can check alone.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_new(struct ps_config **config);

/**
 * Frees a configuration. The token in it is wiped once no session or stream uses it. Null is
 * allowed.
 */
void ps_config_free(struct ps_config *config);

/**
 * Returns what the last failed call on the configuration met, also one of a function that takes
 * the configuration, such as `ps_session_new`. Valid until the next call with it.
 */
struct ps_bytes ps_config_last_error(struct ps_config *config);

/**
 * Sets the bearer token: visible ASCII, with at most one line end after it. Wipe your own copy.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`. The error text never quotes the
 * token.
 */
ps_status ps_config_set_token(struct ps_config *config, const char *token, size_t len);

/**
 * Sets scheme, host and port of the server. Default: `https://api.x.com`. Plain `http://` is
 * allowed for this machine only.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
 */
ps_status ps_config_set_base_url(struct ps_config *config, const char *url, size_t len);

/**
 * Sets the `Host` field, if it differs from the base URL's: behind a tunnel on this machine.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
 */
ps_status ps_config_set_host(struct ps_config *config, const char *host, size_t len);

/**
 * Sets the endpoint by its name: `powerstream` (default), `filtered-stream`, `sample`, `sample10`,
 * `firehose`, `firehose-en`, `firehose-ja`, `firehose-ko` or `firehose-pt`; or by a path that
 * starts with `/`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG` for an unknown
 * name.
 */
ps_status ps_config_set_endpoint(struct ps_config *config, const char *endpoint, size_t len);

/**
 * Sets the partition, counted from 1. Required if the endpoint has partitions.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_partition(struct ps_config *config, uint8_t partition);

/**
 * Requests only the Posts of the connected datacenter, which arrive first. Default: false.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_local_dc_only(struct ps_config *config, bool on);

/**
 * Adds a query parameter, such as the fields of a version 2 stream. Pass name and value unencoded.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
 */
ps_status ps_config_add_query(struct ps_config *config,
                              const char *name,
                              size_t name_len,
                              const char *value,
                              size_t value_len);

/**
 * Sets name and version of your program, which X asks for. Default: those of this library.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
 */
ps_status ps_config_set_user_agent(struct ps_config *config, const char *user_agent, size_t len);

/**
 * Requests backfill of the last minutes after a gap. X must have granted it to the app. Default:
 * false. Backfill repeats Posts: the client level removes the duplicates, a session does not.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_backfill(struct ps_config *config, bool on);

/**
 * Recovers gaps of a merged stream that backfill cannot close, from the last 24 hours. X must have
 * granted it to the app. Default: false. Only for `ps_stream_new`.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_recovery(struct ps_config *config, bool on);

/**
 * Delivers a Post as often as the service sends it. Default: false. Only for `ps_stream_new`; a
 * session always does.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_keep_duplicates(struct ps_config *config, bool on);

/**
 * Polls the socket in a loop instead of sleeping. Uses a whole processor. Default: false. Only for
 * `ps_stream_new`.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_busy_poll(struct ps_config *config, bool on);

/**
 * Sets a `ps_limit`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_config_set_limit(struct ps_config *config, uint32_t limit, size_t value);

/**
 * Sets a `ps_timeout`, in nanoseconds; not 0.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_config_set_timeout(struct ps_config *config, uint32_t timeout, uint64_t ns);

/**
 * Sets the schedule of a `ps_failure_class`: its first wait and its ceiling. The defaults are the
 * schedules that X asks for.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_config_set_backoff(struct ps_config *config,
                                uint32_t failure_class,
                                uint64_t first_ns,
                                uint64_t ceiling_ns);

/**
 * Sets the most jitter, in percent of a wait. Default: 25. Values above 100 count as 100.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_jitter_percent(struct ps_config *config, uint8_t percent);

/**
 * Sets the seed of the jitter, to make a run repeatable. Default: the system's randomness.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_config_set_seed(struct ps_config *config, uint64_t seed);

/**
 * Trusts only the CAs in `pem`. Default: the CAs of the operating system.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_TLS` if a certificate is missing or
 * invalid.
 */
ps_status ps_config_set_ca_pem(struct ps_config *config, const void *pem, size_t len);

/**
 * Sets the HTTP proxy, such as `http://user:password@proxy:3128`. Default: none; the environment
 * is not read. Only for `ps_stream_new` and `ps_rules_new`: a session's driver connects itself.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
 */
ps_status ps_config_set_proxy(struct ps_config *config, const char *url, size_t len);

/**
 * Sets the local IP address to connect from, to choose a network interface. Not for sessions.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
 */
ps_status ps_config_set_local_address(struct ps_config *config, const char *address, size_t len);

/**
 * Continues a stream at a checkpoint of an earlier process. A checkpoint of another stream makes
 * the function fail that uses the configuration. `ps_stream_new` also drops the Posts that the
 * checkpoint names. With `len` 0, the stream begins anew.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CHECKPOINT` if the bytes are damaged.
 */
ps_status ps_config_set_checkpoint(struct ps_config *config, const void *checkpoint, size_t len);

/**
 * Checks all settings together.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`: `ps_config_last_error` names
 * the first invalid setting and how to fix it.
 */
ps_status ps_config_check(struct ps_config *config);

/**
 * Returns where a session connects: the host without brackets, the port, and whether the
 * connection uses TLS. `host` is valid until the next call with the configuration. Each `out`
 * pointer may be null.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`.
 */
ps_status ps_config_target(struct ps_config *config,
                           struct ps_bytes *host,
                           uint16_t *port,
                           bool *is_tls);

/**
 * Returns in `allowed` whether a session may connect to this IP address. Plain `http://` is
 * allowed to this machine only, whatever the host's name resolves to, because the token is sent.
 * Check each resolved address before you connect.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
 */
ps_status ps_config_allows(struct ps_config *config,
                           const char *address,
                           size_t len,
                           bool *allowed);

/**
 * Creates a window of `posts` ids, 1 to 2^30; 0 is the default, 1,048,576. An id is also forgotten
 * at the age `age_max_ns`; 0 is no such limit. `seed` should be a number that an attacker does not
 * know. The window allocates its memory here, about 40 bytes for each id. Free it with
 * `ps_dedup_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_dedup_new(size_t posts, uint64_t age_max_ns, uint64_t seed, struct ps_dedup **dedup);

/**
 * Frees a window. Null is allowed.
 */
void ps_dedup_free(struct ps_dedup *dedup);

/**
 * Inserts an id. `is_new` gets true if it was not in the window; it is a duplicate otherwise.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_dedup_insert(struct ps_dedup *dedup, uint64_t post_id, uint64_t now_ns, bool *is_new);

/**
 * Returns true if the id is in the window. False for a null handle.
 */
bool ps_dedup_contains(const struct ps_dedup *dedup, uint64_t post_id, uint64_t now_ns);

/**
 * Creates a link that connects at its first steps. `now_ns` and `unix_ms` are the same moment on
 * both clocks. The configuration is used as by `ps_session_new` and `ps_tls_new`. Free it with
 * `ps_link_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_CHECKPOINT`, or
 * `PS_STATUS_TLS`. `ps_config_last_error` has the text.
 */
ps_status ps_link_new(struct ps_config *config,
                      uint64_t now_ns,
                      uint64_t unix_ms,
                      struct ps_link **link);

/**
 * Frees a link, in any state. Close the socket yourself. Null is allowed.
 */
void ps_link_free(struct ps_link *link);

/**
 * Returns what the last failed call met. Valid until the next call.
 */
struct ps_bytes ps_link_last_error(struct ps_link *link);

/**
 * Returns the next event. It and everything it points to are valid until the next call that
 * changes the link. On a plain connection, nothing is allocated for a message.
 *
 * Returns `PS_STATUS_OK` with an event, `PS_STATUS_AGAIN` when the socket is to be served, see
 * `ps_link_step`, `PS_STATUS_END` when the session has ended, or `PS_STATUS_NULL`.
 */
ps_status ps_link_next(struct ps_link *link, uint64_t now_ns, const struct ps_event **event);

/**
 * Returns what to do after `ps_link_next` returned `PS_STATUS_AGAIN`: connect, read, sleep or
 * close, with the deadline by which `ps_link_next` must be called again, whatever happens.
 * `PS_STEP_KIND_EVENT` means that `ps_link_next` is due, `PS_STEP_KIND_NONE` that the handle is
 * null.
 */
struct ps_step ps_link_step(const struct ps_link *link);

/**
 * Reports that the socket is connected. The TLS handshake follows by itself. `now_ns` and
 * `unix_ms` are the same moment on both clocks.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_link_connected(struct ps_link *link, uint64_t now_ns, uint64_t unix_ms);

/**
 * Returns the bytes to send; empty if there are none. Valid until the next call that changes the
 * link. They may contain the token: never log them.
 */
struct ps_bytes ps_link_transmit(const struct ps_link *link);

/**
 * Reports that the first `count` bytes of `ps_link_transmit` were sent.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
 */
ps_status ps_link_transmitted(struct ps_link *link, size_t count);

/**
 * Returns the buffer to receive into. Valid until the next call that changes the link. Empty if
 * bytes of the last receive are unread: call `ps_link_next` first.
 */
struct ps_buffer ps_link_read_buffer(struct ps_link *link);

/**
 * Reports that `count` bytes were received into `ps_link_read_buffer` at `now_ns`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_ARGUMENT` if the buffer is shorter, or
 * `PS_STATUS_STATE` if bytes of the last receive are unread.
 */
ps_status ps_link_received(struct ps_link *link, size_t count, uint64_t now_ns);

/**
 * Reports that the peer closed the connection.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_link_eof(struct ps_link *link, uint64_t now_ns);

/**
 * Reports that a system call on the socket failed with this error number (`errno`).
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_link_os_error(struct ps_link *link, int32_t os_error, uint64_t now_ns);

/**
 * Reports that the transport failed: a `ps_transport_error`, with the operating system's error
 * number, or 0.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_link_transport_error(struct ps_link *link,
                                  uint32_t error,
                                  int32_t os_error,
                                  uint64_t now_ns);

/**
 * Reports that the socket is closed.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_link_closed(struct ps_link *link, uint64_t now_ns);

/**
 * Sets the address of the connection, as `ps_session_set_peer_address`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_link_set_peer_address(struct ps_link *link, const char *address, size_t len);

/**
 * Ends the session: continue until `ps_link_next` returns `PS_STATUS_END`, or free the link.
 * The messages in the bytes that were received are still delivered.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_link_shutdown(struct ps_link *link);

/**
 * Returns the time before which every Post created has been delivered, as
 * `ps_session_covered_until`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first stream.
 */
ps_status ps_link_covered_until(const struct ps_link *link, uint64_t *covered_until_ms);

/**
 * Reads all counters into the caller's array. `count` gets their number, even if the array is
 * shorter; 64 are enough now.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_SPACE` if the array is too short: the
 * first ones are written.
 */
ps_status ps_monitor_read(const struct ps_monitor *monitor,
                          struct ps_counter *counters,
                          size_t capacity,
                          size_t *count);

/**
 * Returns an upper bound of the estimated time from creation to receipt, for `per_mille` of 1,000
 * live Posts: 500 is the median, 990 the 99th percentile.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first Post.
 */
ps_status ps_monitor_lag(const struct ps_monitor *monitor, uint16_t per_mille, uint64_t *lag_ns);

/**
 * Frees the handle. The stream continues. Null is allowed.
 */
void ps_monitor_free(struct ps_monitor *monitor);

/**
 * Returns the id of the Post in a message. `message.post_id` of an event has it already.
 *
 * Like all `ps_post_` functions: takes a message of either format; allocates nothing; reads up to
 * the field, at most once through the message; any thread.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
 */
ps_status ps_post_id(const void *message, size_t len, uint64_t *id);

/**
 * Returns the complete text of a Post. `&`, `<` and `>` are written as HTML entities. See
 * `ps_value_text`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
 */
ps_status ps_post_text(const void *message, size_t len, struct ps_value *text);

/**
 * Returns the author of a Post. Version 2: from `includes.users`, which may lack the author.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
 */
ps_status ps_post_author(const void *message, size_t len, struct ps_author *author);

/**
 * Returns when a Post was created, in Unix milliseconds, from its id.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT`, also for ids from before
 * November 2010.
 */
ps_status ps_post_created_at(const void *message, size_t len, uint64_t *created_at_ms);

/**
 * Returns the code of a Post's language; `und` if the service found none.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
 */
ps_status ps_post_lang(const void *message, size_t len, struct ps_value *lang);

/**
 * Returns the value at a path in a message: keys separated by dots, such as
 * `user.followers_count`, at most 16. The path starts at the object of the whole message, so in
 * version 2 with `data`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or
 * `PS_STATUS_ARGUMENT` for a longer path.
 */
ps_status ps_post_value(const void *message,
                        size_t len,
                        const char *path,
                        size_t path_len,
                        struct ps_value *value);

/**
 * Decodes the JSON escapes of a string. Without escapes, `decoded` lies in the message, and the
 * buffer may be null. With escapes, the text is written to `buffer`: `value->text.len` bytes
 * always fit. Invalid UTF-8 becomes U+FFFD, if the string has escapes.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_SPACE`, or `PS_STATUS_ARGUMENT` if the
 * value is no string.
 */
ps_status ps_value_text(const struct ps_value *value,
                        char *buffer,
                        size_t len,
                        struct ps_bytes *decoded);

/**
 * Returns a number that is no fraction and not negative, or an id written as a string.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if the value is no such number.
 */
ps_status ps_value_u64(const struct ps_value *value, uint64_t *number);

/**
 * Returns a number as a double.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if the value is no number.
 */
ps_status ps_value_f64(const struct ps_value *value, double *number);

/**
 * Creates a rule client for the stream of the configuration, without connecting. Free it with
 * `ps_rules_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, also if the stream has no rules,
 * `PS_STATUS_TLS`, or `PS_STATUS_SYSTEM`. `ps_config_last_error` has the text.
 */
ps_status ps_rules_new(struct ps_config *config, struct ps_rules **rules);

/**
 * Frees a rule client. Null is allowed.
 */
void ps_rules_free(struct ps_rules *rules);

/**
 * Returns what the last failed call met. Valid until the next call.
 */
struct ps_bytes ps_rules_last_error(struct ps_rules *rules);

/**
 * Lists all rules. `ps_rules_result` returns them; `count` gets their number and may be null.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_SERVICE`.
 */
ps_status ps_rules_list(struct ps_rules *rules, size_t *count);

/**
 * Adds 1 to 100 rules in one request. `ps_rules_result` returns the fate of each, in the order of
 * the request. The refusal of single rules is no error.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_SERVICE` if the whole
 * request failed: see `ps_rules_is_outcome_unknown`.
 */
ps_status ps_rules_add(struct ps_rules *rules, const struct ps_new_rule *list, size_t count);

/**
 * Deletes 1 to 100 rules by their values, in one request. `ps_rules_result` returns the fate of
 * each. Rules that do not exist are no error.
 *
 * Returns as `ps_rules_add`.
 */
ps_status ps_rules_delete(struct ps_rules *rules, const struct ps_new_rule *list, size_t count);

/**
 * Returns a rule of the last result, counted from 0. Its views are valid until the next call that
 * changes the handle.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_END` if there are no more.
 */
ps_status ps_rules_result(const struct ps_rules *rules, size_t index, struct ps_rule *rule);

/**
 * Returns true if the service may have acted on the last request that failed. Then list the rules
 * before you repeat the request. False for null.
 */
bool ps_rules_is_outcome_unknown(const struct ps_rules *rules);

/**
 * Creates a handle that ends the current call and all later ones, from any thread. Free it with
 * `ps_shutdown_free`.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_rules_shutdown_handle(struct ps_rules *rules, struct ps_shutdown **shutdown);

/**
 * Creates an empty set of rules in the language of a profile: `powerstream` (also with length 0),
 * `powertrack`, `filtered_stream`, `filtered_stream_ppu` or `filtered_stream_embedding`. Free it
 * with `ps_ruleset_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT` for an
 * unknown profile.
 */
ps_status ps_ruleset_new(const char *profile, size_t len, struct ps_ruleset **ruleset);

/**
 * Frees a set. Null is allowed.
 */
void ps_ruleset_free(struct ps_ruleset *ruleset);

/**
 * Returns what the last failed call met; for an invalid rule, all its errors. Valid until the next
 * call.
 */
struct ps_bytes ps_ruleset_last_error(struct ps_ruleset *ruleset);

/**
 * Checks a rule without adding it.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_RULE`: then
 * `ps_ruleset_last_error` has one line for each error.
 */
ps_status ps_ruleset_check(struct ps_ruleset *ruleset, const char *rule, size_t len);

/**
 * Adds a rule. `key` gets the number that names it in this set; keys ascend.
 *
 * Returns as `ps_ruleset_check`.
 */
ps_status ps_ruleset_insert(struct ps_ruleset *ruleset,
                            const char *rule,
                            size_t len,
                            uint64_t *key);

/**
 * Removes a rule.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if there is no such rule.
 */
ps_status ps_ruleset_remove(struct ps_ruleset *ruleset, uint64_t key);

/**
 * Returns the text of a rule; empty if there is no such rule. Valid until the next call that
 * changes the set.
 */
struct ps_bytes ps_ruleset_get(const struct ps_ruleset *ruleset, uint64_t key);

/**
 * Returns the number of rules. 0 for null.
 */
size_t ps_ruleset_len(const struct ps_ruleset *ruleset);

/**
 * Matches the Post of a message. `keys` gets the keys of the rules that it matches, ascending, and
 * `count` their number. The array is valid until the next call that changes the set. A message
 * that is no Post matches nothing; of an array, only the first element is matched. Memory is
 * allocated only until the set has seen Posts of the usual size.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_ruleset_match(struct ps_ruleset *ruleset,
                           const void *message,
                           size_t len,
                           const uint64_t **keys,
                           size_t *count);

/**
 * Creates a session that connects at its first steps. `now_ns` and `unix_ms` are the same moment
 * on both clocks. Allocates all memory that the session needs. Free it with `ps_session_free`.
 *
 * If the configuration has a checkpoint, the session continues there: its first stream reports the
 * gap since.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, or `PS_STATUS_CHECKPOINT`.
 * `ps_config_last_error` has the text.
 */
ps_status ps_session_new(struct ps_config *config,
                         uint64_t now_ns,
                         uint64_t unix_ms,
                         struct ps_session **session);

/**
 * Frees a session, in any state. The token in its memory is wiped. Null is allowed.
 */
void ps_session_free(struct ps_session *session);

/**
 * Returns what the last failed call met. Valid until the next call.
 */
struct ps_bytes ps_session_last_error(struct ps_session *session);

/**
 * Returns the next step. Asking again changes nothing. `PS_STEP_KIND_NONE` for null.
 */
struct ps_step ps_session_poll(const struct ps_session *session);

/**
 * Returns the request's unsent bytes; empty in other steps than `PS_STEP_KIND_WRITE`. They contain
 * the token: never log them. Valid until the next call that changes the session.
 */
struct ps_bytes ps_session_transmit(const struct ps_session *session);

/**
 * Finds the next event in `input`, which was read at `now_ns`, and lends it.
 *
 * `consumed` gets the number of bytes used. Call again with the rest of the input, and the same
 * `now_ns`, until the result is `PS_STATUS_AGAIN`; then all input is consumed. Without input, pass
 * null and 0. Call nothing else of the session between these calls, except getters and
 * `ps_session_shutdown`.
 *
 * The event, and everything it points to, is valid until the next call that changes the session. A
 * message that lies in one piece of `input` is lent from there without a copy, so keep `input`
 * unchanged as long as you use the event. Nothing is allocated for a message.
 *
 * Returns `PS_STATUS_OK` with an event, `PS_STATUS_AGAIN` with null in `event`, or
 * `PS_STATUS_NULL`.
 */
ps_status ps_session_decode(struct ps_session *session,
                            const void *input,
                            size_t len,
                            uint64_t now_ns,
                            size_t *consumed,
                            const struct ps_event **event);

/**
 * Reports that the transport is connected; over TLS, that the handshake is complete.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_connected(struct ps_session *session, uint64_t now_ns);

/**
 * Reports that `count` bytes of `ps_session_transmit` were sent.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
 */
ps_status ps_session_written(struct ps_session *session, size_t count, uint64_t now_ns);

/**
 * Reports that the read at `now_ns` filled its buffer, or that more input waits: see
 * `ps_tls_has_backlog`. Without this call, gaps may be reported too short.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_backlog(struct ps_session *session, uint64_t now_ns);

/**
 * Reports that the program waits for input again. The time since the last input was spent on its
 * events, so it does not count toward the timeouts.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_resume(struct ps_session *session, uint64_t now_ns);

/**
 * Reports that the peer closed the transport, after all input was decoded.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_eof(struct ps_session *session, uint64_t now_ns);

/**
 * Reports that a system call on the socket failed with this error number (`errno`).
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_os_error(struct ps_session *session, int32_t os_error, uint64_t now_ns);

/**
 * Reports that TLS failed, or that a system call failed during TLS. The failure is that of `tls`,
 * or else `os_error`, which may be 0. Call it before you free `tls`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_STATE` if neither has failed.
 */
ps_status ps_session_tls_error(struct ps_session *session,
                               const struct ps_tls *tls,
                               int32_t os_error,
                               uint64_t now_ns);

/**
 * Reports that the transport failed: a `ps_transport_error`, with the operating system's error
 * number, or 0.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_session_transport_error(struct ps_session *session,
                                     uint32_t error,
                                     int32_t os_error,
                                     uint64_t now_ns);

/**
 * Reports the time. Does nothing before the deadline of the step.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_timeout(struct ps_session *session, uint64_t now_ns);

/**
 * Reports that the transport is closed.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_closed(struct ps_session *session, uint64_t now_ns);

/**
 * Sets the wall clock: it reads `unix_ms` at `now_ns`. Call it at each connect. Read `now_ns`
 * first.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_set_wall_clock(struct ps_session *session, uint64_t now_ns, uint64_t unix_ms);

/**
 * Sets the address that the transport connected to or tried, such as `192.0.2.1:443`, for later
 * events. Optional; empty for none. Call it before `ps_session_connected` and `ps_session_closed`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT`.
 */
ps_status ps_session_set_peer_address(struct ps_session *session, const char *address, size_t len);

/**
 * Ends the session: closes the connection and does not reconnect. Pending events are still
 * delivered. Perform the steps until `PS_STEP_KIND_DONE`, or free the session.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_session_shutdown(struct ps_session *session);

/**
 * Returns true from the head of a stream until its connection is closed. False for null.
 */
bool ps_session_is_streaming(const struct ps_session *session);

/**
 * Returns the time before which every Post created has been delivered, or reported as missing, in
 * Unix milliseconds of the server's clock. It is what a checkpoint stores.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first stream.
 */
ps_status ps_session_covered_until(const struct ps_session *session, uint64_t *covered_until_ms);

/**
 * Returns the number of bytes received on the current connection. 0 for null.
 */
uint64_t ps_session_bytes_received(const struct ps_session *session);

/**
 * Ends the stream. A call that waits returns: first the messages that were already read, then
 * `PS_STATUS_END`. Any thread, but no signal handler. Calling it again has no effect.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_shutdown_now(const struct ps_shutdown *shutdown);

/**
 * Frees the handle. The stream continues. Null is allowed.
 */
void ps_shutdown_free(struct ps_shutdown *shutdown);

/**
 * Returns the name of a status, such as `timed_out`; empty for a number that is no status. Valid
 * forever. Any thread.
 */
struct ps_bytes ps_status_name(int32_t status);

/**
 * Returns a sentence about a status; empty for a number that is no status. Valid forever. Any
 * thread. The `_last_error` function of the handle says more.
 */
struct ps_bytes ps_status_text(int32_t status);

/**
 * Opens a stream of one connection. It connects at the first `ps_stream_next`. Free it with
 * `ps_stream_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_TLS`,
 * `PS_STATUS_SYSTEM`, or `PS_STATUS_STATE` if the configuration has a checkpoint or recovery,
 * which need `ps_stream_new_merged`. `ps_config_last_error` has the text.
 */
ps_status ps_stream_new(struct ps_config *config, struct ps_stream **stream);

/**
 * Opens several connections, 1 to 32, as one stream: each Post once, from the connection that
 * delivers it first. Trust roots, checkpoint, recovery and busy polling are those of the first
 * configuration.
 *
 * With `partitioned` false, each connection carries all Posts. With true, each carries different
 * Posts (`local_dc_only`, partitions), and all are needed.
 *
 * Returns as `ps_stream_new`, or `PS_STATUS_CHECKPOINT` for a checkpoint of another stream. The
 * text is in the last error of the configuration that failed, or of the first.
 */
ps_status ps_stream_new_merged(struct ps_config *const *configs,
                               size_t count,
                               bool partitioned,
                               struct ps_stream **stream);

/**
 * Closes the connections and frees the stream. Ends and joins the reader thread, if there is one.
 * Null is allowed.
 */
void ps_stream_free(struct ps_stream *stream);

/**
 * Returns what the last failed call met. Valid until the next call.
 */
struct ps_bytes ps_stream_last_error(struct ps_stream *stream);

/**
 * Waits for the next event and lends it. It connects, waits and reads on the calling thread, for
 * at most `timeout_ns`. `PS_NO_TIMEOUT` is no limit. With 0 it does not wait: it does what is
 * possible at once, and returns an event if there is one. A timeout loses nothing.
 *
 * The event, and everything it points to, is valid until the next call that changes the stream.
 * Without a reader thread, a message is lent without a copy if it lies in one read and one chunk.
 *
 * Returns
 * - `PS_STATUS_OK`: there is an event.
 * - `PS_STATUS_TIMED_OUT`
 * - `PS_STATUS_END`: the stream gave up or was shut down. There will be no more events.
 * - `PS_STATUS_NULL`, or `PS_STATUS_STATE` after a failed `ps_stream_start_reader`.
 */
ps_status ps_stream_next(struct ps_stream *stream,
                         uint64_t timeout_ns,
                         const struct ps_event **event);

/**
 * Starts a thread that reads the stream into a queue, and returns a file descriptor that is
 * readable when an event is ready. For an event loop: wait until `fd` is readable, then call
 * `ps_stream_next` with timeout 0 until it returns `PS_STATUS_TIMED_OUT` or `PS_STATUS_END`. Do
 * not read from `fd`. It belongs to the stream.
 *
 * The queue holds at most `messages_max` messages (0: 8,192) and 32 MiB. `overflow` is a
 * `ps_overflow`. Each message is copied once, into memory allocated for it. Unix only.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_ARGUMENT`, `PS_STATUS_STATE` if there is a
 * reader, or `PS_STATUS_SYSTEM`.
 */
ps_status ps_stream_start_reader(struct ps_stream *stream,
                                 size_t messages_max,
                                 uint32_t overflow,
                                 int32_t *fd);

/**
 * Creates a handle that ends the stream from any thread, also while `ps_stream_next` waits. Free
 * it with `ps_shutdown_free`, before or after the stream.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_stream_shutdown_handle(struct ps_stream *stream, struct ps_shutdown **shutdown);

/**
 * Creates a handle to the counters of a connection, counted from 0, that any thread may read. Free
 * it with `ps_monitor_free`, before or after the stream.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there is no such
 * connection.
 */
ps_status ps_stream_monitor(struct ps_stream *stream,
                            size_t connection,
                            struct ps_monitor **monitor);

/**
 * Writes a checkpoint of a merged stream to the caller's buffer: what another process needs to
 * continue it, by `ps_config_set_checkpoint`. Call it when the events before are safe, since a
 * restart does not deliver them again. `unix_ms` is the wall clock.
 *
 * `written` gets the number of bytes. The ids of the Posts delivered last take up to 10 bytes
 * each; those that do not fit are left out, and may be delivered again. 64 KiB are a good length.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_SPACE` for a buffer of less than 64 bytes
 * and 10 for each connection, `PS_STATUS_ABSENT` while the position is not known, or
 * `PS_STATUS_STATE` for a stream that is not merged or has a reader.
 */
ps_status ps_stream_checkpoint(struct ps_stream *stream,
                               uint64_t unix_ms,
                               void *buffer,
                               size_t len,
                               size_t *written);

/**
 * Creates the TLS state of a new connection to the host of the configuration. The configuration
 * remembers TLS sessions, so that later connections resume them. Free it with `ps_tls_free`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_STATE` if the base URL
 * is `http://`, or `PS_STATUS_TLS`. `ps_config_last_error` has the text.
 */
ps_status ps_tls_new(struct ps_config *config, struct ps_tls **tls);

/**
 * Frees the TLS state. Null is allowed.
 */
void ps_tls_free(struct ps_tls *tls);

/**
 * Returns what the last failed call met. Valid until the next call.
 */
struct ps_bytes ps_tls_last_error(struct ps_tls *tls);

/**
 * Returns true until the handshake is complete. False for null.
 */
bool ps_tls_is_handshaking(const struct ps_tls *tls);

/**
 * Returns true if unread input is buffered, or may wait in the socket. After the events of a read,
 * call `ps_session_backlog` then.
 */
bool ps_tls_has_backlog(const struct ps_tls *tls);

/**
 * Returns the ciphertext to send; empty if there is none. Valid until the next call that changes
 * the handle.
 */
struct ps_bytes ps_tls_transmit(const struct ps_tls *tls);

/**
 * Reports that the first `count` bytes of `ps_tls_transmit` were sent.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
 */
ps_status ps_tls_transmitted(struct ps_tls *tls, size_t count);

/**
 * Returns the buffer to receive ciphertext into. Valid until the next call that changes the
 * handle.
 */
struct ps_buffer ps_tls_read_buffer(struct ps_tls *tls);

/**
 * Reports that `count` bytes were received into `ps_tls_read_buffer`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if the buffer is shorter.
 */
ps_status ps_tls_received(struct ps_tls *tls, size_t count);

/**
 * Reports that the peer closed the transport. Complete records can still be read.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_tls_eof(struct ps_tls *tls);

/**
 * Returns whether TLS failed: `PS_STATUS_TLS`, with the text in `ps_tls_last_error`. Check it in
 * the handshake, after each `ps_tls_received` and `ps_tls_eof`. An alert for the peer may wait in
 * `ps_tls_transmit`.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_TLS`, or `PS_STATUS_NULL`.
 */
ps_status ps_tls_check(struct ps_tls *tls);

/**
 * Reads plaintext of at most one record into the caller's buffer. 16 KiB hold a whole record.
 *
 * Returns
 * - `PS_STATUS_OK`: `count` is the number of bytes, at least 1.
 * - `PS_STATUS_AGAIN`: more ciphertext is needed.
 * - `PS_STATUS_END`: the peer ended the connection.
 * - `PS_STATUS_TLS`: TLS failed. Pass it to `ps_session_tls_error`.
 * - `PS_STATUS_ARGUMENT` if `len` is 0, or `PS_STATUS_NULL`.
 */
ps_status ps_tls_read(struct ps_tls *tls, void *buffer, size_t len, size_t *count);

/**
 * Encrypts at most one record of the plaintext. `accepted` gets the number of bytes used: 0 in the
 * handshake, after `ps_tls_close`, and while `ps_tls_transmit` has unsent bytes.
 *
 * Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_TLS`.
 */
ps_status ps_tls_write(struct ps_tls *tls, const void *plaintext, size_t len, size_t *accepted);

/**
 * Queues `close_notify`. Send what `ps_tls_transmit` then returns, but do not wait long for it.
 *
 * Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
 */
ps_status ps_tls_close(struct ps_tls *tls);

/**
 * Returns the version of the interface of the linked library. Compare it with `PS_ABI_VERSION` at
 * start. Any thread.
 */
uint32_t ps_abi_version(void);

/**
 * Returns the version of the library, such as `0.1.0`. Valid forever. Any thread.
 */
struct ps_bytes ps_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* POWERSTREAM_H */
