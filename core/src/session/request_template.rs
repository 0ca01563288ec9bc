//! The request in the session's storage: written once, copied for each attempt, and wiped when it
//! is no longer needed.
//!
//! ```text
//!   storage:  [ message, or the copy that is being sent | .. ][ template ]
//!             0                                               start
//! ```
//!
//! A session needs the request at each reconnect, but has no allocator and does not keep its
//! configuration. While a request is sent, the storage contains no response, so the copy is at the
//! start. The template and the copy contain the bearer token.

use core::time::Duration;

use super::config::{ConfigError, SessionConfig};
use crate::endpoint::QueryDialect;
use crate::http::request::{Method, Request, TargetEnd, decimal, wipe};

/// Added to the outage, because the server counts back from the arrival of the request.
const BACKFILL_MARGIN: Duration = Duration::from_secs(5);

/// The maximum backfill in minutes (X docs, recovery and redundancy).
const BACKFILL_MINUTES_MAX: u8 = 5;

/// The position of the request in the storage, and where to insert the backfill parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestTemplate {
    start: usize,
    length: usize,
    target_end: TargetEnd,
    /// The spelling of the backfill parameter; `None` if backfill is off or not supported.
    backfill: Option<QueryDialect>,
}

impl RequestTemplate {
    /// Writes the request to the end of `storage`.
    pub(super) fn new(storage: &mut [u8], config: &SessionConfig<'_>) -> Result<Self, ConfigError> {
        let needed = config.storage_bytes();
        if storage.len() < needed {
            return Err(ConfigError::Storage { needed });
        }
        let mut request = Request::new(Method::Get, config.authority(), config.endpoint.path);
        request.token = config.token;
        request.user_agent = config.user_agent;
        request.query = config.query;
        let local_dc_only: &[_] = if config.local_dc_only && config.endpoint.local_dc_only {
            &[("localDcOnly", "true")]
        } else {
            &[]
        };
        let start = config.request_start();
        let (length, target_end) =
            request.write_with(local_dc_only, &mut storage[start..needed]).map_err(ConfigError::Request)?;
        Ok(Self { start, length, target_end, backfill: config.endpoint.backfill.filter(|_| config.backfill) })
    }

    /// Returns the start of the template. The storage before it is free for responses.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// Returns the minutes of backfill after an outage: rounded up, 1 to 5. Returns 0 if there was
    /// no outage or backfill is off.
    pub(super) fn backfill_minutes(&self, outage: Option<Duration>) -> u8 {
        let (Some(outage), Some(_)) = (outage, self.backfill) else { return 0 };
        let outage = outage.saturating_add(BACKFILL_MARGIN);
        let minutes = outage.as_secs().saturating_add(u64::from(outage.subsec_nanos() > 0)).div_ceil(60);
        u8::try_from(minutes).unwrap_or(u8::MAX).clamp(1, BACKFILL_MINUTES_MAX)
    }

    /// Asks for no backfill any more.
    pub(super) const fn disable_backfill(&mut self) {
        self.backfill = None;
    }

    /// Copies the request to the start of `storage`, with a backfill parameter unless
    /// `backfill_minutes` is 0. Returns its length.
    pub(super) fn render(&self, storage: &mut [u8], backfill_minutes: u8) -> usize {
        let (front, template) = storage.split_at_mut(self.start);
        let (target, rest) = template[..self.length].split_at(self.target_end.at);
        let mut written = 0;
        let mut put = |bytes: &[u8]| {
            front[written..written + bytes.len()].copy_from_slice(bytes);
            written += bytes.len();
        };
        put(target);
        if let (Some(spelling), 1..) = (self.backfill, backfill_minutes) {
            put(if self.target_end.has_query { b"&" } else { b"?" });
            put(spelling.backfill().as_bytes());
            put(b"=");
            put(decimal(u64::from(backfill_minutes), &mut [0; 20]));
        }
        put(rest);
        written
    }

    /// Overwrites a copy of `length` bytes after use, so that no token remains where messages will
    /// be.
    pub(super) fn wipe_copy(storage: &mut [u8], length: usize) {
        wipe(&mut storage[..length]);
    }

    /// Overwrites the template, because the storage may outlive the session.
    pub(super) fn wipe(&self, storage: &mut [u8]) {
        wipe(&mut storage[self.start..]);
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::endpoint::Endpoint;
    use crate::http::origin::Origin;
    use crate::http::request::{BearerToken, RequestError};

    const TOKEN: &str = "AAAA-secret";

    fn config() -> SessionConfig<'static> {
        let mut config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        config.token = Some(BearerToken::new(TOKEN).unwrap());
        config.message_bytes_max = 100;
        config.backfill = true;
        config
    }

    fn template(config: &SessionConfig<'_>) -> (RequestTemplate, Vec<u8>) {
        let mut storage = vec![b'x'; config.storage_bytes() + 10];
        (RequestTemplate::new(&mut storage, config).unwrap(), storage)
    }

    fn holds_token(storage: &[u8]) -> bool {
        storage.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes())
    }

    fn first_line(config: &SessionConfig<'_>, backfill_minutes: u8) -> String {
        let (template, mut storage) = template(config);
        let length = template.render(&mut storage, backfill_minutes);
        assert!(storage[..length].ends_with(b"\r\n\r\n") && holds_token(&storage[..length]));
        String::from_utf8_lossy(&storage[..length]).split("\r\n").next().unwrap().into()
    }

    #[test]
    fn inserts_the_backfill_parameter_after_the_target() {
        let mut config = config();
        assert_eq!(first_line(&config, 0), "GET /2/powerstream HTTP/1.1");
        assert_eq!(first_line(&config, 5), "GET /2/powerstream?backfillMinutes=5 HTTP/1.1");
        config.local_dc_only = true;
        config.query = &[("a", "b")];
        assert_eq!(
            first_line(&config, 1),
            "GET /2/powerstream?a=b&localDcOnly=true&backfillMinutes=1 HTTP/1.1"
        );
        config.backfill = false;
        assert_eq!(first_line(&config, 1), "GET /2/powerstream?a=b&localDcOnly=true HTTP/1.1");
    }

    #[test]
    fn renders_the_same_request_at_each_attempt() {
        let (template, mut storage) = template(&config());
        let length = template.render(&mut storage, 3);
        let first = storage[..length].to_vec();
        RequestTemplate::wipe_copy(&mut storage, length);
        assert_eq!(template.render(&mut storage, 3), length);
        assert_eq!(storage[..length], first);
    }

    #[test]
    fn adds_5_s_to_the_outage_and_rounds_up_to_minutes() {
        let (template, _) = template(&config());
        let minutes = |millis| template.backfill_minutes(Some(Duration::from_millis(millis)));
        assert_eq!([minutes(0), minutes(55_000), minutes(55_001)], [1, 1, 2]);
        assert_eq!([minutes(235_000), minutes(235_001), minutes(u64::MAX)], [4, 5, 5]);
        assert_eq!(template.backfill_minutes(Some(Duration::MAX)), 5);
        assert_eq!(template.backfill_minutes(None), 0);
    }

    #[test]
    fn requests_no_backfill_if_it_is_off_or_unsupported() {
        let mut off = config();
        off.backfill = false;
        let mut without = config();
        without.endpoint = Endpoint { backfill: None, ..without.endpoint };
        for config in [off, without] {
            assert_eq!(template(&config).0.backfill_minutes(Some(Duration::from_secs(100))), 0);
        }
    }

    #[test]
    fn wipes_the_token_from_the_copy_and_from_the_template() {
        let (template, mut storage) = template(&config());
        let length = template.render(&mut storage, 0);
        RequestTemplate::wipe_copy(&mut storage, length);
        assert!(!holds_token(&storage[..template.start()]));
        assert!(holds_token(&storage));
        template.wipe(&mut storage);
        assert!(!holds_token(&storage));
    }

    #[test]
    fn storage_has_room_for_long_parts_of_the_request_and_little_more() {
        let part = "a".repeat(6_000);
        let (path, escaped) = (["/", &part].concat(), "%".repeat(6_000));
        let mut config = config();
        config.host = Some(&part);
        config.endpoint = Endpoint { path: &path, ..config.endpoint };
        config.user_agent = &part;
        let query = [(&*escaped, &*escaped)];
        config.query = &query;
        let (template, _) = template(&config);
        let spare = config.storage_bytes() - template.start - template.length;
        // A token of full length and a backfill parameter need the rest.
        assert!(spare <= 5_120, "{spare}");
    }

    #[test]
    fn rejects_short_storage_and_invalid_requests() {
        let mut config = config();
        let needed = config.storage_bytes();
        let error = RequestTemplate::new(&mut vec![0; needed - 1], &config).unwrap_err();
        assert_eq!(error, ConfigError::Storage { needed });
        config.user_agent = "a\r\nb";
        let error = RequestTemplate::new(&mut vec![0; config.storage_bytes()], &config).unwrap_err();
        assert_eq!(error, ConfigError::Request(RequestError::UserAgent));
    }
}
