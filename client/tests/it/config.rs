//! The owned configuration: what it produces, what it refuses, and that it never displays secrets.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use powerstream_client::config::{
    Config, ConfigBuilder, Connections, InvalidConfig, MESSAGE_BYTES_MOST, Token, TokenError,
};
use powerstream_client::net::dial::Route;
use powerstream_client::proxy::Proxy;
use powerstream_core::dedup::{POSTS_MAX, WindowConfig, WindowError};
use powerstream_core::endpoint::{self, Endpoint};
use powerstream_core::http::{BearerToken, Credentials, Origin, OriginError, RequestError};
use powerstream_core::liveness::TimeoutKind;
use powerstream_core::session::Session;
use powerstream_core::time::{Instant, UnixTime};

const SECRET: &str = "AAAA%3Dvery-secret";

fn token() -> Token {
    Token::new(SECRET).unwrap()
}

/// Returns the request that a session of this configuration sends first.
fn request(config: &Config) -> String {
    let session = config.session();
    let mut session = Session::new(
        vec![0; session.storage_bytes()],
        &session,
        1,
        Instant::ZERO,
        UnixTime::from_seconds(1_700_000_000),
    )
    .unwrap();
    session.handle_timeout(Instant::ZERO);
    session.handle_connected(Instant::ZERO);
    String::from_utf8(session.transmit().to_vec()).unwrap()
}

fn target(builder: ConfigBuilder) -> String {
    let request = request(&builder.build().unwrap());
    request.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn checks_and_trims_a_token_and_never_shows_it() {
    for good in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
        let token = Token::new(good).unwrap();
        assert_eq!(format!("{token:?} {:?}", token.bearer()), "Token(..) BearerToken(..)");
        let request = request(&Config::new(token));
        assert!(request.contains(&format!("\r\nAuthorization: Bearer {SECRET}\r\n")), "{request}");
    }
}

/// Returns true if a type implements a trait: the inherent constant hides that of the blanket
/// implementation, if its bound holds.
macro_rules! implements {
    ($type:ty, $bound:path) => {{
        #[allow(dead_code)]
        trait Otherwise {
            const IMPLEMENTS: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Of<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?Sized + $bound> Of<T> {
            const IMPLEMENTS: bool = true;
        }
        <Of<$type>>::IMPLEMENTS
    }};
}

/// Secrets must not get into texts or files by mistake.
#[test]
fn types_that_hold_secrets_cannot_be_displayed_dereferenced_or_serialized() {
    assert!(implements!(String, std::fmt::Display) && implements!(String, std::ops::Deref));
    assert!(implements!(String, serde::Serialize));
    macro_rules! check {
        ($($type:ty)*) => { $(
            assert!(!implements!($type, std::fmt::Display), stringify!($type));
            assert!(!implements!($type, std::ops::Deref), stringify!($type));
            assert!(!implements!($type, serde::Serialize), stringify!($type));
        )* };
    }
    check!(Token BearerToken<'static> Credentials<'static> Proxy Config);
}

#[test]
fn refuses_text_that_cannot_be_a_token_and_says_why() {
    for (bad, error) in [
        ("", TokenError::Empty),
        ("\n", TokenError::Empty),
        (" \t ", TokenError::Empty),
        ("s3cr3t\ns3cr3t", TokenError::Lines),
        ("API_KEY=s3cr3t\r\nX=s3cr3t\n", TokenError::Lines),
        ("s3cr3t\n\n", TokenError::Blank),
        ("s3cr3t\r", TokenError::Blank),
        (" s3cr3t", TokenError::Blank),
        ("s3cr3t\t", TokenError::Blank),
        ("s3 cr3t", TokenError::Blank),
        ("\"s3cr3t\"", TokenError::Quotes),
        ("'s3cr3t'\n", TokenError::Quotes),
        (" 's3cr3t' ", TokenError::Quotes),
        ("`s3cr3t`", TokenError::Quotes),
        ("s3cr3t\"", TokenError::Quotes),
        ("\u{201c}s3cr3t\u{201d}", TokenError::Quotes),
        ("\u{ab}s3cr3t\u{bb}", TokenError::Quotes),
        ("\"Bearer s3cr3t\"", TokenError::Quotes),
        ("Bearer s3cr3t", TokenError::Scheme),
        (" bearer\ts3cr3t", TokenError::Scheme),
        ("BEARER: s3cr3t", TokenError::Scheme),
        ("Bearer", TokenError::Scheme),
        ("Authorization: Bearer s3cr3t", TokenError::Scheme),
        ("$X_BEARER_TOKEN", TokenError::Placeholder),
        ("${s3cr3t}", TokenError::Placeholder),
        ("%X_BEARER_TOKEN%", TokenError::Placeholder),
        ("%x%", TokenError::Placeholder),
        ("<s3cr3t>", TokenError::Placeholder),
        ("{{s3cr3t}}", TokenError::Placeholder),
        ("[s3cr3t]", TokenError::Placeholder),
        ("YOUR_TOKEN", TokenError::Placeholder),
        ("your-bearer-token", TokenError::Placeholder),
        ("x_bearer_token", TokenError::Placeholder),
        ("xxxxxxxx", TokenError::Placeholder),
        ("...", TokenError::Placeholder),
        ("s3cr3t\u{e4}", TokenError::Characters),
        ("\u{feff}s3cr3t", TokenError::Characters),
        ("s3cr3t\0", TokenError::Characters),
        (&"s3".repeat(2_049), TokenError::Characters),
    ] {
        let found = Token::new(bad).unwrap_err();
        assert_eq!(found, error, "{bad:?}");
        assert!(!format!("{found} {found:?}").contains("s3"));
    }
    assert_eq!(Token::new(b"s3\xffcr3t").unwrap_err(), TokenError::Characters);
    // Characters that tokens have, or may have.
    for good in [
        "AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid%2BULvsea4JtiGRiSDSJSI%3DEUifiRBkKG5E2XzMDjRfl76ZC9Ub0wnz4XsNiRVBChTYbJcE3F",
        "bearer-of-news",
        "Bearers3cr3t",
        "yours",
        "your",
        "a%3D",
        "%",
        "%%",
        "it's",
        "t",
        "any",
        "token",
        "xylophone",
        "~_-.+/=",
        &"s".repeat(4_096),
    ] {
        assert!(Token::new(good).is_ok(), "{good}");
    }
}

fn window(posts: usize) -> WindowConfig {
    let mut window = WindowConfig::default();
    window.posts = posts;
    window
}

#[test]
fn removes_duplicates_unless_they_are_kept() {
    let config = Config::builder().dedup_window(window(7));
    assert_eq!(config.clone().build().unwrap().dedup_window().map(|window| window.posts), Some(7));
    assert_eq!(config.keep_duplicates(true).build().unwrap().dedup_window(), None);
    assert_eq!(Config::new(token()).dedup_window(), Some(&WindowConfig::default()));
    let connections = Connections::copies(2, &Config::new(token()));
    assert!(!connections.keeps_duplicates() && !connections.recovers());
    assert!(connections.clone().keep_duplicates(true).keeps_duplicates());
    assert!(connections.recovery(true).recovers());
}

#[test]
fn the_defaults_are_those_of_x() {
    let config = Config::new(token());
    let built = Config::builder().token(token()).build().unwrap();
    for config in [&config, &built] {
        assert_eq!(config.origin(), Origin::parse("https://api.x.com").unwrap());
        assert_eq!(config.endpoint(), endpoint::POWERSTREAM);
        assert_eq!((config.seed(), config.proxy()), (None, None));
        assert!(config.token().is_some());
        assert_eq!(config.route(), Route::to_origin(&config.origin()));
        assert!(request(config).starts_with("GET /2/powerstream HTTP/1.1\r\nHost: api.x.com\r\n"));
    }
    let without_token = Config::builder().build().unwrap();
    assert!(without_token.token().is_none() && !request(&without_token).contains("Authorization"));
    let buffered = config.open(1, Instant::ZERO, UnixTime::default()).unwrap();
    assert!(!buffered.session().is_streaming());
}

#[test]
fn passes_every_option_to_the_session() {
    let config = Config::builder()
        .token(token())
        .base_url("http://[::1]:8080/")
        .host("api.x.com")
        .local_dc_only(true)
        .query("a b", "c&d")
        .user_agent("example/1")
        .backfill(true)
        .message_bytes_max(5_000)
        .head_limits(|head| head.fields_max = 5)
        .chunk_limits(|chunk| chunk.trailer_fields_max = 6)
        .timeouts(|timeouts| timeouts.head = Duration::from_secs(7))
        .backoff(|backoff| backoff.jitter_percent = 8)
        .seed(9)
        .build()
        .unwrap();
    let session = config.session();
    assert_eq!((session.message_bytes_max, session.head.fields_max), (5_000, 5));
    assert_eq!((session.chunk.trailer_fields_max, session.timeouts.head.as_secs()), (6, 7));
    assert_eq!((session.backoff.jitter_percent, config.seed(), session.backfill), (8, Some(9), true));
    assert_eq!(
        request(&config),
        format!(
            "GET /2/powerstream?a%20b=c%26d&localDcOnly=true HTTP/1.1\r\nHost: api.x.com\r\n\
             Authorization: Bearer {SECRET}\r\nUser-Agent: example/1\r\nAccept: application/json\r\n\
             Accept-Encoding: identity\r\nConnection: keep-alive\r\n\r\n"
        )
    );
    assert_eq!((config.route().host(), config.route().port()), ("::1", 8080));
    // A builder made from a configuration builds the same configuration.
    assert_eq!(request(&config.to_builder().build().unwrap()), request(&config));
}

#[test]
fn targets_may_have_a_partition_and_a_query() {
    let builder = Config::builder;
    assert_eq!(
        target(builder().endpoint(endpoint::FIREHOSE).partition(20)),
        "/2/tweets/firehose/stream?partition=20"
    );
    assert_eq!(
        target(builder().endpoint(endpoint::SAMPLE).query("expansions", "author_id")),
        "/2/tweets/sample/stream?expansions=author_id"
    );
    let path = String::from("/mine?a=b");
    assert_eq!(
        target(builder().endpoint(Endpoint::custom(&path)).query("backfill_minutes", "1")),
        "/mine?a=b&backfill_minutes=1"
    );
    // An endpoint without partitions has no setting for them.
    assert_eq!(target(builder().endpoint(Endpoint::custom("/")).query("partition", "1")), "/?partition=1");
}

#[test]
fn build_reports_each_invalid_option() {
    use InvalidConfig as I;
    let builder = || Config::builder().token(token());
    let https = || builder().target_address("10.0.0.1:443".parse().unwrap());
    let plain = || builder().base_url("http://localhost:1");
    let proxy = || Proxy::parse("http://p:1").unwrap();
    let ipv6 = "::1".parse().unwrap();
    let cases = [
        (builder().base_url("api.x.com"), I::BaseUrl(OriginError::Scheme)),
        (builder().base_url("http://api.x.com"), I::BaseUrl(OriginError::PlainHttp)),
        (builder().base_url("https://user:s3cr3t@api.x.com"), I::BaseUrl(OriginError::Port)),
        (builder().host("a\r\nb"), I::Request(RequestError::Host)),
        (builder().user_agent("a\r\nb"), I::Request(RequestError::UserAgent)),
        (builder().dedup_window(window(0)), I::DedupWindow(WindowError::Posts)),
        (builder().dedup_window(window(POSTS_MAX + 1)), I::DedupWindow(WindowError::Posts)),
        (builder().user_agent(""), I::Request(RequestError::UserAgent)),
        (builder().endpoint(Endpoint::custom("stream")), I::Request(RequestError::Path)),
        (builder().endpoint(Endpoint::custom("/a b")), I::Request(RequestError::Path)),
        (builder().endpoint(endpoint::SAMPLE10), I::Partition { partitions: 2 }),
        (builder().endpoint(endpoint::SAMPLE10).partition(0), I::Partition { partitions: 2 }),
        (builder().endpoint(endpoint::SAMPLE10).partition(3), I::Partition { partitions: 2 }),
        (builder().partition(1), I::NoPartitions),
        (builder().endpoint(endpoint::SAMPLE).local_dc_only(true), I::LocalDcOnly),
        (builder().endpoint(Endpoint::custom("/")).backfill(true), I::Backfill),
        (builder().query("", "x"), I::Query),
        (builder().query("localDcOnly", "true"), I::Query),
        (builder().query("backfillMinutes", "5"), I::Query),
        (builder().endpoint(endpoint::SAMPLE10).partition(1).query("partition", "2"), I::Query),
        (builder().message_bytes_max(0), I::MessageBytes),
        (builder().message_bytes_max(MESSAGE_BYTES_MOST + 1), I::MessageBytes),
        (builder().timeouts(|timeouts| timeouts.connect = Duration::ZERO), I::Timeout(TimeoutKind::Connect)),
        (builder().timeouts(|timeouts| timeouts.message = Duration::ZERO), I::Timeout(TimeoutKind::Message)),
        (plain().target_address("10.0.0.1:1".parse().unwrap()), I::TargetAddress),
        (https().local_address(ipv6), I::LocalAddress),
        (
            plain().proxy(proxy()).target_address("127.0.0.1:1".parse().unwrap()).local_address(ipv6),
            I::LocalAddress,
        ),
    ];
    for (builder, want) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error, want);
        assert!(!error.to_string().is_empty() && !error.to_string().contains("s3cr3t"));
    }
    // With a proxy, the local address applies to the connection to the proxy.
    assert!(https().local_address(ipv6).proxy(proxy()).build().is_ok());
    assert!(builder().message_bytes_max(MESSAGE_BYTES_MOST).build().is_ok());
}

#[test]
fn the_route_leads_to_the_origin_or_the_proxy() {
    let address = "192.0.2.7:8443".parse().unwrap();
    let local = "192.0.2.8".parse().unwrap();
    let direct = Config::builder().target_address(address).local_address(local);
    let config = direct.clone().build().unwrap();
    assert_eq!(
        (config.route().address(), config.route().local()),
        (Some(address), Some("192.0.2.8:0".parse().unwrap()))
    );

    let proxy = Proxy::parse("http://proxy.example:3128").unwrap();
    let proxied = direct.proxy(proxy.clone());
    let config = proxied.clone().build().unwrap();
    assert_eq!(config.proxy(), Some(&proxy));
    assert_eq!(
        (config.route().host(), config.route().port(), config.route().address()),
        ("proxy.example", 3128, None)
    );
    assert_eq!(config.route().local(), Some("192.0.2.8:0".parse().unwrap()));

    // An origin on this machine is never reached through a proxy.
    let plain = proxied.base_url("http://127.0.0.1:80").target_address("127.0.0.2:80".parse().unwrap());
    let config = plain.local_address("127.0.0.3".parse().unwrap()).build().unwrap();
    assert_eq!(config.proxy(), None);
    assert_eq!(config.route().address(), Some("127.0.0.2:80".parse().unwrap()));
}

#[test]
fn debug_text_contains_no_secret() {
    let config = Config::builder()
        .token(token())
        .proxy(Proxy::parse("http://user:hunter2@proxy.example:3128").unwrap())
        .build()
        .unwrap();
    let shown = format!("{config:?} {config:#?} {:?} {:?}", config.to_builder(), config.session());
    // Not in base64 either.
    for secret in ["secret", "AAAA", "hunter2", "dXNlcjpodW50ZXIy"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
