//! The configuration of both levels.

use std::ffi::{c_char, c_void};
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::mem::take;
use std::net::IpAddr;
use std::time::Duration;

use powerstream_client::config::{Config, ConfigBuilder, Token};
use powerstream_client::merged::Position;
use powerstream_client::proxy::Proxy;
use powerstream_client::recovery::Recovery;
use powerstream_core::checkpoint::{Checkpoint, stream_key};
use powerstream_core::endpoint::Endpoint;
use powerstream_core::http::{Origin, Scheme};
use powerstream_core::stream::PostId;
use powerstream_tls::{Connector, TlsConfig};

use crate::backoff::failure_class;
use crate::border::{
    Failure, Handle, LastError, Outcome, bytes, free, give, guard, infallible, last_error, ps_bytes, put,
    text, with,
};
use crate::status::ps_status;

/// The settings of sessions, streams and rule clients. Copied by the function that uses them, so a
/// configuration may be changed or freed afterwards.
pub struct ps_config {
    builder: ConfigBuilder,
    /// The result of the builder, until a setting changes.
    built: Option<Config>,
    trust: Trust,
    /// The connector of the last TLS connection: its connections resume TLS sessions.
    connector: Option<Connector>,
    pub(crate) recovery: bool,
    pub(crate) busy_poll: bool,
    checkpoint: Option<OwnedCheckpoint>,
    error: LastError,
}

/// The trust roots.
enum Trust {
    Platform,
    Explicit(TlsConfig),
}

/// A decoded checkpoint.
pub(crate) struct OwnedCheckpoint {
    stream: u64,
    pub(crate) position: Position,
    pub(crate) ids: Vec<PostId>,
}

impl Handle for ps_config {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

fn invalid(error: impl Display) -> Failure {
    Failure::new(ps_status::Config, error)
}

impl ps_config {
    fn change(&mut self, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) {
        (self.built, self.connector) = (None, None);
        self.builder = change(take(&mut self.builder));
    }

    /// Returns the checked configuration.
    pub(crate) fn build(&mut self) -> Outcome<&Config> {
        if self.built.is_none() {
            self.built = Some(self.builder.clone().build().map_err(invalid)?);
        }
        self.built.as_ref().ok_or_else(|| ps_status::Config.into())
    }

    pub(crate) fn tls(&self) -> Outcome<TlsConfig> {
        match &self.trust {
            Trust::Explicit(tls) => Ok(tls.clone()),
            #[cfg(feature = "platform-roots")]
            Trust::Platform => TlsConfig::platform().map_err(|error| Failure::new(ps_status::Tls, error)),
            #[cfg(not(feature = "platform-roots"))]
            Trust::Platform => Err(Failure::new(
                ps_status::Tls,
                "this library was built without the platform's roots: call ps_config_set_ca_pem",
            )),
        }
    }

    /// Returns the trust roots that were set, or `None` for the platform's.
    pub(crate) const fn explicit_trust(&self) -> Option<&TlsConfig> {
        match &self.trust {
            Trust::Explicit(tls) => Some(tls),
            Trust::Platform => None,
        }
    }

    /// Returns the connector of the configured origin. It is kept, because making one reads
    /// certificates.
    pub(crate) fn connector(&mut self) -> Outcome<Connector> {
        if let Some(connector) = &self.connector {
            return Ok(connector.clone());
        }
        let scheme = self.build()?.origin().scheme();
        if scheme == Scheme::Http {
            return Err(Failure::new(ps_status::State, "the base URL is http://, which needs no TLS"));
        }
        let tls = self.tls()?;
        let connector =
            tls.connector(&self.build()?.origin()).map_err(|error| Failure::new(ps_status::Tls, error))?;
        Ok(self.connector.insert(connector).clone())
    }

    /// Returns the seed that was set, or one from the system's randomness.
    pub(crate) fn seed(&mut self) -> Outcome<u64> {
        Ok(self.build()?.seed().unwrap_or_else(|| RandomState::new().hash_one(())))
    }

    pub(crate) fn key(&mut self) -> Outcome<u64> {
        let config = self.build()?;
        let origin = config.origin();
        let scheme = if origin.scheme() == Scheme::Http { "http" } else { "https" };
        let session = config.session();
        let target = if session.local_dc_only { "?localDcOnly" } else { "" };
        let target = format!("{}{target}", session.endpoint.path);
        Ok(stream_key(&format!("{scheme}://{}", origin.authority()), &target))
    }

    /// Returns the checkpoint to continue at, if one was set and belongs to this stream.
    pub(crate) fn checkpoint(&mut self) -> Outcome<Option<&OwnedCheckpoint>> {
        let key = self.key()?;
        match &self.checkpoint {
            Some(checkpoint) if checkpoint.stream != key => {
                Err(Failure::new(ps_status::Checkpoint, "the checkpoint belongs to another stream"))
            }
            checkpoint => Ok(checkpoint.as_ref()),
        }
    }
}

/// Creates a configuration for Powerstream at `https://api.x.com`, without a token. Free it with
/// `ps_config_free`.
///
/// Settings are checked together by the function that uses the configuration. A setter checks what
/// it can check alone.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_new(config: *mut *mut ps_config) -> ps_status {
    // SAFETY: the caller passes a place for the handle.
    guard(|| unsafe {
        give(config, || {
            Ok(ps_config {
                builder: Config::builder(),
                built: None,
                trust: Trust::Platform,
                connector: None,
                recovery: false,
                busy_poll: false,
                checkpoint: None,
                error: LastError::default(),
            })
        })
    })
}

/// Frees a configuration. The token in it is wiped once no session or stream uses it. Null is
/// allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_free(config: *mut ps_config) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(config) }
}

/// Returns what the last failed call on the configuration met, also one of a function that takes
/// the configuration, such as `ps_session_new`. Valid until the next call with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_last_error(config: *mut ps_config) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(config) }
}

/// Sets the bearer token: visible ASCII, with at most one line end after it. Wipe your own copy.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`. The error text never quotes the
/// token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_token(
    config: *mut ps_config,
    token: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let token = Token::new(bytes(token.cast(), len)?).map_err(invalid)?;
            config.change(|builder| builder.token(token));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets scheme, host and port of the server. Default: `https://api.x.com`. Plain `http://` is
/// allowed for this machine only.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_base_url(
    config: *mut ps_config,
    url: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let url = text(url, len)?;
            Origin::parse(url).map_err(invalid)?;
            config.change(|builder| builder.base_url(url));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the `Host` field, if it differs from the base URL's: behind a tunnel on this machine.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_host(
    config: *mut ps_config,
    host: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let host = text(host, len)?;
            config.change(|builder| builder.host(host));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the endpoint by its name: `powerstream` (default), `filtered-stream`, `sample`, `sample10`,
/// `firehose`, `firehose-en`, `firehose-ja`, `firehose-ko` or `firehose-pt`; or by a path that
/// starts with `/`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG` for an unknown
/// name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_endpoint(
    config: *mut ps_config,
    endpoint: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let name = text(endpoint, len)?;
            let endpoint = match name.strip_prefix('/') {
                Some(_) => Endpoint::custom(name),
                None => Endpoint::named(name).ok_or_else(|| invalid("there is no endpoint of this name"))?,
            };
            config.change(|builder| builder.endpoint(endpoint));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the partition, counted from 1. Required if the endpoint has partitions.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_partition(config: *mut ps_config, partition: u8) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.change(|builder| builder.partition(partition))) }
}

/// Requests only the Posts of the connected datacenter, which arrive first. Default: false.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_local_dc_only(config: *mut ps_config, on: bool) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.change(|builder| builder.local_dc_only(on))) }
}

/// Adds a query parameter, such as the fields of a version 2 stream. Pass name and value unencoded.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_add_query(
    config: *mut ps_config,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, and readable bytes of these lengths.
    unsafe {
        with(config, |config| {
            let (name, value) = (text(name, name_len)?, text(value, value_len)?);
            config.change(|builder| builder.query(name, value));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets name and version of your program, which X asks for. Default: those of this library.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_user_agent(
    config: *mut ps_config,
    user_agent: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let user_agent = text(user_agent, len)?;
            config.change(|builder| builder.user_agent(user_agent));
            Ok(ps_status::Ok)
        })
    }
}

/// Requests backfill of the last minutes after a gap. X must have granted it to the app. Default:
/// false. Backfill repeats Posts: the client level removes the duplicates, a session does not.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_backfill(config: *mut ps_config, on: bool) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.change(|builder| builder.backfill(on))) }
}

/// Recovers gaps of a merged stream that backfill cannot close, from the last 24 hours. X must have
/// granted it to the app. Default: false. Only for `ps_stream_new`.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_recovery(config: *mut ps_config, on: bool) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.recovery = on) }
}

/// Delivers a Post as often as the service sends it. Default: false. Only for `ps_stream_new`; a
/// session always does.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_keep_duplicates(config: *mut ps_config, on: bool) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.change(|builder| builder.keep_duplicates(on))) }
}

/// Polls the socket in a loop instead of sleeping. Uses a whole processor. Default: false. Only for
/// `ps_stream_new`.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_busy_poll(config: *mut ps_config, on: bool) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.busy_poll = on) }
}

/// The limits that `ps_config_set_limit` sets. None accumulates over a connection.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_limit {
    /// The longest message in bytes, 1 to 2^30. A longer one is skipped and reported. Default:
    /// 1 MiB. A session allocates so much when it is created.
    MessageBytes = 0,
    /// The longest response head in bytes.
    HeadBytes = 1,
    /// The most fields of a response head.
    HeadFields = 2,
    /// The longest chunk-size line in bytes.
    SizeLineBytes = 3,
    /// The longest trailer section in bytes.
    TrailerBytes = 4,
    /// The most fields of the trailer section.
    TrailerFields = 5,
}

/// Sets a `ps_limit`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_limit(config: *mut ps_config, limit: u32, value: usize) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(config, |config| {
            let short = u32::try_from(value);
            match (limit, short) {
                (0, _) => config.change(|builder| builder.message_bytes_max(value)),
                (1, _) => config.change(|builder| builder.head_limits(|head| head.bytes_max = value)),
                (2, _) => config.change(|builder| builder.head_limits(|head| head.fields_max = value)),
                (3, Ok(value)) => {
                    config.change(|builder| builder.chunk_limits(|chunk| chunk.size_line_bytes_max = value))
                }
                (4, Ok(value)) => {
                    config.change(|builder| builder.chunk_limits(|chunk| chunk.trailer_bytes_max = value));
                }
                (5, Ok(value)) => {
                    config.change(|builder| builder.chunk_limits(|chunk| chunk.trailer_fields_max = value))
                }
                _ => return Err(ps_status::Argument.into()),
            }
            Ok(ps_status::Ok)
        })
    }
}

/// The timeouts that `ps_config_set_timeout` sets.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_timeout {
    /// Resolving, connecting, and the proxy and TLS handshakes together. Default: 10 s.
    Connect = 0,
    /// From the connection to the end of the response head. Default: 15 s.
    Head = 1,
    /// The idle timeout: the longest time without content bytes. Default: 25 s.
    Idle = 2,
    /// From the first byte of a message to its last. Default: 60 s.
    Message = 3,
    /// From an announced disconnect to the close. Default: 5 s.
    Disconnect = 4,
}

/// Sets a `ps_timeout`, in nanoseconds; not 0.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_timeout(config: *mut ps_config, timeout: u32, ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(config, |config| {
            if timeout > 4 || ns == 0 {
                return Err(ps_status::Argument.into());
            }
            let length = Duration::from_nanos(ns);
            config.change(|builder| {
                builder.timeouts(|timeouts| match timeout {
                    0 => timeouts.connect = length,
                    1 => timeouts.head = length,
                    2 => timeouts.idle = length,
                    3 => timeouts.message = length,
                    _ => timeouts.disconnect = length,
                })
            });
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the schedule of a `ps_failure_class`: its first wait and its ceiling. The defaults are the
/// schedules that X asks for.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_backoff(
    config: *mut ps_config,
    failure_class: u32,
    first_ns: u64,
    ceiling_ns: u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(config, |config| {
            let class = self::failure_class(failure_class)?;
            config.change(|builder| {
                builder.backoff(|backoff| {
                    use powerstream_core::backoff::FailureClass;
                    let schedule = match class {
                        FailureClass::Network => &mut backoff.network,
                        FailureClass::Http => &mut backoff.http,
                        FailureClass::RateLimit => &mut backoff.rate_limit,
                    };
                    schedule.first = Duration::from_nanos(first_ns);
                    schedule.ceiling = Duration::from_nanos(ceiling_ns);
                })
            });
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the most jitter, in percent of a wait. Default: 25. Values above 100 count as 100.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_jitter_percent(config: *mut ps_config, percent: u8) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        infallible(config, |config| {
            config.change(|builder| builder.backoff(|backoff| backoff.jitter_percent = percent));
        })
    }
}

/// Sets the seed of the jitter, to make a run repeatable. Default: the system's randomness.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_seed(config: *mut ps_config, seed: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(config, |config| config.change(|builder| builder.seed(seed))) }
}

/// Trusts only the CAs in `pem`. Default: the CAs of the operating system.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_TLS` if a certificate is missing or
/// invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_ca_pem(
    config: *mut ps_config,
    pem: *const c_void,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let tls = TlsConfig::only_ca_pem(bytes(pem, len)?)
                .map_err(|error| Failure::new(ps_status::Tls, error))?;
            (config.trust, config.connector) = (Trust::Explicit(tls), None);
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the HTTP proxy, such as `http://user:password@proxy:3128`. Default: none; the environment
/// is not read. Only for `ps_stream_new` and `ps_rules_new`: a session's driver connects itself.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_proxy(
    config: *mut ps_config,
    url: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let proxy = Proxy::parse(text(url, len)?).map_err(invalid)?;
            config.change(|builder| builder.proxy(proxy));
            Ok(ps_status::Ok)
        })
    }
}

/// Sets the local IP address to connect from, to choose a network interface. Not for sessions.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_local_address(
    config: *mut ps_config,
    address: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let address: IpAddr = text(address, len)?.parse().map_err(invalid)?;
            config.change(|builder| builder.local_address(address));
            Ok(ps_status::Ok)
        })
    }
}

/// Continues a stream at a checkpoint of an earlier process. A checkpoint of another stream makes
/// the function fail that uses the configuration. `ps_stream_new` also drops the Posts that the
/// checkpoint names. With `len` 0, the stream begins anew.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CHECKPOINT` if the bytes are damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_set_checkpoint(
    config: *mut ps_config,
    checkpoint: *const c_void,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(config, |config| {
            let bytes = bytes(checkpoint, len)?;
            config.checkpoint = None;
            if bytes.is_empty() {
                return Ok(ps_status::Ok);
            }
            let read =
                Checkpoint::decode(bytes).map_err(|error| Failure::new(ps_status::Checkpoint, error))?;
            let mut position = Position::new(read.covered_until().collect());
            position.missing = read.missing().map(|(group, range)| Recovery::new(group, range)).collect();
            let mut ids: Vec<_> = read.ids().collect();
            // The dedup window forgets the first ones first.
            ids.reverse();
            config.checkpoint = Some(OwnedCheckpoint { stream: read.stream(), position, ids });
            Ok(ps_status::Ok)
        })
    }
}

/// Checks all settings together.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`: `ps_config_last_error` names
/// the first invalid setting and how to fix it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_check(config: *mut ps_config) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { with(config, |config| config.build().map(|_| ps_status::Ok)) }
}

/// Returns where a session connects: the host without brackets, the port, and whether the
/// connection uses TLS. `host` is valid until the next call with the configuration. Each `out`
/// pointer may be null.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_target(
    config: *mut ps_config,
    host: *mut ps_bytes,
    port: *mut u16,
    is_tls: *mut bool,
) -> ps_status {
    // SAFETY: the caller passes a live handle and places for the results.
    unsafe {
        with(config, |config| {
            let origin = config.build()?.origin();
            put(host, ps_bytes::new(origin.host().as_bytes()));
            put(port, origin.port());
            put(is_tls, origin.scheme() == Scheme::Https);
            Ok(ps_status::Ok)
        })
    }
}

/// Returns in `allowed` whether a session may connect to this IP address. Plain `http://` is
/// allowed to this machine only, whatever the host's name resolves to, because the token is sent.
/// Check each resolved address before you connect.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_CONFIG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_config_allows(
    config: *mut ps_config,
    address: *const c_char,
    len: usize,
    allowed: *mut bool,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and a place for the result.
    unsafe {
        with(config, |config| {
            let address: IpAddr = text(address, len)?.parse().map_err(invalid)?;
            put(allowed, config.build()?.origin().allows(address));
            Ok(ps_status::Ok)
        })
    }
}
