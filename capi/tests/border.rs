//! The border without I/O: what Miri can run.
//!
//!     cargo +nightly miri test -p powerstream-capi --test border

#![allow(clippy::unwrap_used)]

use std::ptr::{null, null_mut};

use powerstream_capi::*;

const NOW: u64 = 1_000_000_000;
const UNIX: u64 = 1_700_000_000_000;
const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const POST: &str =
    r#"{"id_str":"1724648402173460480","text":"a\u0026b","lang":"en","user":{"screen_name":"shore"}}"#;

/// Returns a configuration for a small session.
fn configured() -> *mut ps_config {
    let mut config = null_mut();
    let url = "http://127.0.0.1:9";
    // SAFETY: a place for the handle, then a live handle and readable bytes.
    unsafe {
        assert_eq!(ps_config_new(&mut config), ps_status::Ok);
        assert_eq!(ps_config_set_base_url(config, url.as_ptr().cast(), url.len()), ps_status::Ok);
        assert_eq!(ps_config_set_limit(config, ps_limit::MessageBytes as u32, 200), ps_status::Ok);
        assert_eq!(ps_config_set_seed(config, 1), ps_status::Ok);
    }
    config
}

fn text(bytes: ps_bytes) -> String {
    if bytes.len == 0 {
        return String::new();
    }
    // SAFETY: the view of a live handle, or of a live message.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.data.cast::<u8>(), bytes.len) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Decodes `input` and calls `each` for every event, while the event is valid.
fn decode(session: *mut ps_session, input: &str, mut each: impl FnMut(&ps_event)) {
    let (mut at, mut rest) = (input.as_ptr(), input.len());
    let (mut consumed, mut event) = (0, null());
    // SAFETY: a live handle, `rest` readable bytes at `at`, and places for results.
    unsafe {
        while ps_session_decode(session, at.cast(), rest, NOW, &mut consumed, &mut event) == ps_status::Ok {
            // A getter does not end the event.
            assert!(ps_session_poll(session).kind != ps_step_kind::None);
            each(&*event);
            at = at.add(consumed);
            rest -= consumed;
        }
    }
    assert!(event.is_null() && consumed == rest);
}

#[test]
fn lends_events_until_the_next_call() {
    let (config, mut session) = (configured(), null_mut());
    // SAFETY: live handles and places for results.
    unsafe {
        assert_eq!(ps_session_new(config, NOW, UNIX, &mut session), ps_status::Ok);
        ps_config_free(config);
        assert_eq!(ps_session_timeout(session, NOW), ps_status::Ok);
        assert_eq!(ps_session_set_peer_address(session, "[::1]:9".as_ptr().cast(), 7), ps_status::Ok);
        assert_eq!(ps_session_connected(session, NOW), ps_status::Ok);
        assert!(text(ps_session_transmit(session)).starts_with("GET /2/powerstream HTTP/1.1\r\n"));
        assert_eq!(ps_session_written(session, ps_session_transmit(session).len, NOW), ps_status::Ok);
    }
    let chunk = format!("{:x}\r\n{POST}\r\n\r\n{:x}\r\n{POST}", POST.len() + 2, POST.len() + 2);
    let mut log = Vec::new();
    // The second Post is cut, so it is lent from the session's storage.
    for input in [HEAD, &chunk, "\r\n\r\n2\r\n\r\n\r\n"] {
        decode(session, input, |event| {
            // SAFETY: the details of the current event are null or valid.
            let connected = unsafe { event.connected.as_ref() };
            log.push(match connected {
                Some(connected) => format!("{} {}", connected.status, text(connected.peer_address)),
                None => format!("{:?} {}", event.kind, text(event.bytes)),
            });
        });
    }
    let post = format!("Message {POST}");
    assert_eq!(log, ["200 [::1]:9", &*post, &*post, "KeepAlive "]);
    // SAFETY: a live handle.
    unsafe { assert_eq!(ps_session_os_error(session, 104, NOW), ps_status::Ok) };
    // SAFETY: a live handle.
    unsafe { assert_eq!(ps_session_closed(session, NOW), ps_status::Ok) };
    let mut reason = String::new();
    decode(session, "", |event| {
        // SAFETY: the details of the current event are null or valid.
        let end = unsafe { event.disconnected.as_ref() }.unwrap();
        reason = format!("{} {:?}", text(end.text), end.reason);
    });
    assert!(reason.ends_with("Transport"), "{reason}");
    // SAFETY: the handle is not used again.
    unsafe { ps_session_free(session) };
}

#[test]
fn moves_bytes_through_a_link() {
    let (config, mut link, mut event) = (configured(), null_mut(), null());
    // SAFETY: live handles, places for results, and a buffer of the length that the link returned.
    unsafe {
        assert_eq!(ps_link_new(config, NOW, UNIX, &mut link), ps_status::Ok);
        ps_config_free(config);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert_eq!(ps_link_step(link).kind, ps_step_kind::Connect);
        assert_eq!(ps_link_connected(link, NOW, UNIX), ps_status::Ok);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert_eq!(ps_link_transmitted(link, ps_link_transmit(link).len), ps_status::Ok);
        let response = format!("{HEAD}{:x}\r\n{POST}\r\n\r\n", POST.len() + 2);
        let buffer = ps_link_read_buffer(link);
        assert!(buffer.len > response.len());
        buffer.data.cast::<u8>().copy_from_nonoverlapping(response.as_ptr(), response.len());
        assert_eq!(ps_link_received(link, response.len(), NOW), ps_status::Ok);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Ok);
        assert_eq!((*event).kind, ps_event_kind::Connected);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Ok);
        assert_eq!(text((*event).bytes), POST);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert!(event.is_null());
        ps_link_free(link);
    }
}

#[test]
fn a_link_delivers_what_was_received_before_the_shutdown() {
    let (config, mut link, mut event) = (configured(), null_mut(), null());
    // SAFETY: live handles, places for results, and a buffer of the length that the link returned.
    unsafe {
        assert_eq!(ps_link_new(config, NOW, UNIX, &mut link), ps_status::Ok);
        ps_config_free(config);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert_eq!(ps_link_connected(link, NOW, UNIX), ps_status::Ok);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert_eq!(ps_link_transmitted(link, ps_link_transmit(link).len), ps_status::Ok);
        let response = format!("{HEAD}{:x}\r\n{POST}\r\n{POST}\r\n\r\n", 2 * (POST.len() + 2));
        let buffer = ps_link_read_buffer(link);
        buffer.data.cast::<u8>().copy_from_nonoverlapping(response.as_ptr(), response.len());
        assert_eq!(ps_link_received(link, response.len(), NOW), ps_status::Ok);
        assert_eq!(ps_link_shutdown(link), ps_status::Ok);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Ok);
        assert_eq!((*event).kind, ps_event_kind::Connected);
        for _ in 0..2 {
            assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Ok);
            assert_eq!(text((*event).bytes), POST);
        }
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::Again);
        assert_eq!(ps_link_step(link).kind, ps_step_kind::Close);
        assert_eq!(ps_link_closed(link, NOW), ps_status::Ok);
        assert_eq!(ps_link_next(link, NOW, &mut event), ps_status::End);
        ps_link_free(link);
    }
}

#[test]
fn finds_the_fields_of_a_post() {
    let (post, len) = (POST.as_ptr().cast(), POST.len());
    let mut value = ps_value { kind: ps_value_kind::Null, is_escaped: false, json: EMPTY, text: EMPTY };
    let (mut decoded, mut buffer, mut id) = (EMPTY, [0_u8; 16], 0);
    let path = "user.screen_name";
    // SAFETY: readable bytes, and places for results.
    unsafe {
        assert_eq!(ps_post_id(post, len, &mut id), ps_status::Ok);
        assert_eq!(ps_post_text(post, len, &mut value), ps_status::Ok);
        assert_eq!(text(value.json), r#""a\u0026b""#);
        assert_eq!(ps_value_text(&value, null_mut(), 0, &mut decoded), ps_status::Space);
        assert_eq!(ps_value_text(&value, buffer.as_mut_ptr().cast(), 16, &mut decoded), ps_status::Ok);
        assert_eq!((id, text(decoded).as_str()), (1_724_648_402_173_460_480, "a&b"));
        assert_eq!(ps_post_value(post, len, path.as_ptr().cast(), path.len(), &mut value), ps_status::Ok);
        assert_eq!(ps_value_text(&value, null_mut(), 0, &mut decoded), ps_status::Ok);
        assert_eq!(text(decoded), "shore");
        assert_eq!(ps_post_id("{}".as_ptr().cast(), 2, &mut id), ps_status::Absent);
        assert_eq!(ps_post_id(null(), 2, &mut id), ps_status::Null);
    }
}

const EMPTY: ps_bytes = ps_bytes { data: null(), len: 0 };

#[test]
fn matches_rules() {
    let (mut rules, mut key, mut keys, mut count) = (null_mut(), 0, null(), 0);
    let rule = "a b lang:en";
    // SAFETY: live handles, readable bytes, and places for results.
    unsafe {
        assert_eq!(ps_ruleset_new(null(), 0, &mut rules), ps_status::Ok);
        assert_eq!(ps_ruleset_insert(rules, "gull OR".as_ptr().cast(), 7, &mut key), ps_status::Rule);
        assert!(text(ps_ruleset_last_error(rules)).starts_with("E-PARSE"));
        assert_eq!(ps_ruleset_insert(rules, rule.as_ptr().cast(), rule.len(), &mut key), ps_status::Ok);
        let status = ps_ruleset_match(rules, POST.as_ptr().cast(), POST.len(), &mut keys, &mut count);
        assert_eq!((status, count, *keys), (ps_status::Ok, 1, key));
        assert_eq!(text(ps_ruleset_get(rules, key)), rule);
        ps_ruleset_free(rules);
    }
}

#[test]
fn counts_backoff_and_duplicates_and_decodes_chunks() {
    let (config, mut backoff, mut dedup, mut chunked) = (configured(), null_mut(), null_mut(), null_mut());
    let (mut delay, mut is_new, mut consumed, mut content) = (0, false, 0, EMPTY);
    // SAFETY: live handles, readable bytes, and places for results.
    unsafe {
        assert_eq!(ps_backoff_new(config, 1, &mut backoff), ps_status::Ok);
        ps_config_free(config);
        assert_eq!(ps_backoff_next(backoff, 1, &mut delay, null_mut()), ps_status::Ok);
        assert!((5_000_000_000..=6_250_000_000).contains(&delay));
        ps_backoff_free(backoff);
        assert_eq!(ps_dedup_new(2, 0, 1, &mut dedup), ps_status::Ok);
        let seen = [1, 2, 1, 3, 1].map(|id| {
            assert_eq!(ps_dedup_insert(dedup, id, NOW, &mut is_new), ps_status::Ok);
            is_new
        });
        assert_eq!(seen, [true, true, false, true, true]);
        ps_dedup_free(dedup);
        assert_eq!(ps_chunked_new(&mut chunked), ps_status::Ok);
        let wire = "5\r\nhello\r\n0\r\n\r\n";
        let mut decode = |at: usize| {
            let input = wire.as_ptr().add(at).cast();
            ps_chunked_decode(chunked, input, wire.len() - at, &mut consumed, &mut content)
        };
        assert_eq!([decode(0), decode(8)], [ps_status::Ok, ps_status::End]);
        ps_chunked_free(chunked);
    }
}
