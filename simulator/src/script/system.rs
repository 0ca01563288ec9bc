//! System messages of all three API families of X that can occur in a stream.
//!
//! The disconnect messages of the v2 API follow the two recorded ones; X's API description contains
//! only the names of the others. The texts of PowerTrack and of the API of 2012 are from their
//! pages.

macro_rules! disconnect {
    ($type:literal, $detail:literal) => {
        concat!(
            r#"{"errors":[{"title":"operational-disconnect","disconnect_type":""#,
            $type,
            r#"","detail":""#,
            $detail,
            r#"","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#
        )
    };
}

/// The announcement of a disconnect in X's pages.
pub(crate) const UPSTREAM_OPERATIONAL: &str = disconnect!(
    "UpstreamOperationalDisconnect",
    "This stream has been disconnected upstream for operational reasons."
);

/// PowerTrack's message to the newest of too many connections.
pub(crate) const GNIP_TOO_MANY: &str = r#"{"error":{"message":"Forced Disconnect: Too many connections. (Allowed Connections = 2)","sent":"2026-01-05T10:00:00+00:00"}}"#;

/// The last message to a client that reads too slowly.
pub(crate) const SLOW_READER: &str = disconnect!(
    "SlowReader",
    "This stream has been disconnected because your client was unable to keep up with us."
);

/// The last message to the oldest of too many connections.
pub(crate) const FORCE_DISCONNECT: &str = disconnect!(
    "ForceDisconnect",
    "This stream has been disconnected because your client was unable to keep up with us."
);

/// The message that ends a recovery of PowerTrack.
pub(crate) const RECOVERY_COMPLETED: &str =
    r#"{"info":{"message":"Recovery Request Completed","sent":"2026-01-05T10:00:00+00:00"}}"#;

/// The last message to a connection that a request to the connections API ends.
pub(crate) const OPERATIONAL: &str =
    disconnect!("OperationalDisconnect", "This stream has been disconnected for operational reasons.");

/// Names and messages.
pub(crate) const ALL: &[(&str, &str)] = &[
    // v2.
    ("operational-disconnect", OPERATIONAL),
    ("upstream-operational-disconnect", UPSTREAM_OPERATIONAL),
    (
        "upstream-unclean-disconnect",
        disconnect!("UpstreamUncleanDisconnect", "This stream has been disconnected upstream."),
    ),
    ("force-disconnect", FORCE_DISCONNECT),
    ("slow-reader", SLOW_READER),
    (
        "internal-error",
        disconnect!("InternalError", "This stream has been disconnected by an internal error."),
    ),
    (
        "client-application-state-degraded",
        disconnect!("ClientApplicationStateDegraded", "The state of the client application has changed."),
    ),
    ("invalid-rules", disconnect!("InvalidRules", "The rules of this stream are no longer valid.")),
    ("package-upgraded", disconnect!("PackageUpgraded", "The package of this account has changed.")),
    ("package-downgraded", disconnect!("PackageDowngraded", "The package of this account has changed.")),
    ("unheard-of-disconnect", disconnect!("SolarFlare", "This type of disconnect is not documented.")),
    ("too-many-connections", crate::problems::TOO_MANY_CONNECTIONS),
    ("usage-capped", crate::problems::USAGE_CAPPED),
    (
        "client-disconnected",
        r#"{"errors":[{"title":"client-disconnected","detail":"Your client has gone away.","type":"https://api.x.com/2/problems/client-disconnected"}]}"#,
    ),
    (
        "partial-error",
        r#"{"data":{"edit_history_tweet_ids":["1346889436626259968"],"id":"1346889436626259968","text":"hello"},"errors":[{"resource_type":"tweet","resource_id":"456","parameter":"referenced_tweets.id","value":"456","title":"Not Found Error","detail":"Could not find tweet with referenced_tweets.id: [456].","type":"https://api.x.com/2/problems/resource-not-found"}]}"#,
    ),
    (
        "v2-delete",
        r#"{"data":{"delete":{"tweet":{"id":"1265324480517361664","author_id":"2244994945"},"event_at":"2021-07-06T18:40:40.000Z"}}}"#,
    ),
    // Powerstream.
    (
        "connection-metadata",
        r#"{"type":"connection_metadata","datacenter":"pdxa","timestamp":1762557264155}"#,
    ),
    // PowerTrack.
    ("gnip-forced-disconnect", GNIP_TOO_MANY),
    (
        "gnip-full-buffer",
        r#"{"error":{"message":"Force closing connection to this stream because it reached the maximum allowed backup (buffer size is 5000).","sent":"2026-01-05T10:00:00+00:00"}}"#,
    ),
    (
        "gnip-operational",
        r#"{"error":{"message":"X is closing for operational reasons","sent":"2026-01-05T10:00:00+00:00"}}"#,
    ),
    (
        "gnip-warn",
        r#"{"warn":{"message":"The queue of this connection is filling up","sent":"2026-01-05T10:00:00+00:00"}}"#,
    ),
    ("gnip-recovery-completed", RECOVERY_COMPLETED),
    (
        "gnip-replay-completed",
        r#"{"info":{"message":"Replay Request Completed","sent":"2026-01-05T10:00:00+00:00","activity_count":8874}}"#,
    ),
    (
        "gnip-replay-failed",
        r#"{"info":{"message":"Replay Request Failed to Complete","sent":"2026-01-05T10:00:00+00:00","unprocessed_range":{"fromDate":"2026-01-05T00:00:00+00:00","toDate":"2026-01-05T00:01:00+00:00"},"activity_count":1822}}"#,
    ),
    // The API of 2012.
    ("v1-disconnect", r#"{"disconnect":{"code":4,"stream_name":"simulator","reason":"stall"}}"#),
    ("v1-token-revoked", r#"{"disconnect":{"code":6,"stream_name":"simulator","reason":"token revoked"}}"#),
    (
        "v1-stall-warning",
        r#"{"warning":{"code":"FALLING_BEHIND","message":"Your connection is falling behind and messages are being queued for delivery to you. Your queue is now over 60% full. You will be disconnected when the queue is full.","percent_full":60}}"#,
    ),
    ("v1-limit", r#"{"limit":{"track":1234}}"#),
    ("v1-delete", r#"{"delete":{"status":{"id":1234,"id_str":"1234","user_id":3,"user_id_str":"3"}}}"#),
    (
        "v1-scrub-geo",
        r#"{"scrub_geo":{"user_id":14090452,"user_id_str":"14090452","up_to_status_id":23260136625,"up_to_status_id_str":"23260136625"}}"#,
    ),
    (
        "v1-status-withheld",
        r#"{"status_withheld":{"id":1234567890,"user_id":123456,"withheld_in_countries":["DE","AR"]}}"#,
    ),
    ("v1-user-withheld", r#"{"user_withheld":{"id":123456,"withheld_in_countries":["DE","AR"]}}"#),
    ("v1-friends", r#"{"friends":[1,2]}"#),
];

/// Returns the message with this name.
pub(crate) fn message(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(message, _)| *message == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_one_line_of_json() {
        for (name, text) in ALL {
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            assert!(json.is_object() && !text.contains(['\r', '\n']), "{name}");
        }
        // X's pages print it with 237 bytes.
        assert_eq!(UPSTREAM_OPERATIONAL.len(), 237);
    }
}
