//! Tests each row of the classification with its near misses, and the calls on whole messages.

mod oracle;
mod validity;

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::stream::json::{Malformed, MalformedReason};
use crate::time::UnixTime;

const LEGACY: Kind = Kind::Post { format: Format::Legacy, partial_errors: false };
const V2: Kind = Kind::Post { format: Format::V2, partial_errors: false };
const V2_PARTIAL: Kind = Kind::Post { format: Format::V2, partial_errors: true };
const ENVELOPE: Kind = Kind::Envelope { partial_errors: false };
const NO_PROBLEM: Problem =
    Problem { problem_type: None, disconnect_type: None, connection_issue: None, code: None };

const fn of_type(kind: ProblemType) -> Problem {
    Problem { problem_type: Some(kind), ..NO_PROBLEM }
}

const fn disconnect(kind: DisconnectType) -> Problem {
    Problem { disconnect_type: Some(kind), ..of_type(ProblemType::OperationalDisconnect) }
}

const fn issue(issue: ConnectionIssue) -> Problem {
    Problem { connection_issue: Some(issue), ..of_type(ProblemType::StreamingConnection) }
}

const fn compliance(event: Compliance, format: Format) -> Kind {
    Kind::Compliance { event, format }
}

/// A wire sample, its kind, its id, and the number of bytes that decide; 0 means all of them.
type Case = (&'static str, Kind, Option<u64>, usize);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Row 1
    ("[", Kind::Array, None, 0),
    (" \t\r\n[{\"id\":1}]", Kind::Array, None, 5),
    ("[1,", Kind::Array, None, 1),
    // Row 2
    ("0", Kind::Unknown, None, 0),
    (" null ", Kind::Unknown, None, 0),
    ("\"text\"", Kind::Unknown, None, 0),
    ("-1.5e+3", Kind::Unknown, None, 0),
    // Row 3
    (r#"{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}"#, Kind::ConnectionMetadata, None, 29),
    (r#"{"datacenter":"atla","timestamp":1,"type":"connection_metadata"}"#, Kind::ConnectionMetadata, None, 63),
    (r#"{"type":"connection\u005fmetadata"}"#, Kind::ConnectionMetadata, None, 34),
    (r#"{"\u0074ype":"connection_metadata"}"#, Kind::ConnectionMetadata, None, 34),
    (r#"{"title":"x","type":"connection_metadata"}"#, Kind::ConnectionMetadata, None, 41),
    (r#"{"errors":[],"type":"connection_metadata"}"#, Kind::ConnectionMetadata, None, 0),
    (r#"{"errors":[],"type":"connection_metadata","data":1,"x":{}}"#, Kind::ConnectionMetadata, None, 51),
    (r#"{"type":"connection_metadat"}"#, Kind::Unknown, None, 0),
    (r#"{"type":"Connection_metadata"}"#, Kind::Unknown, None, 0),
    (r#"{"type":["connection_metadata"]}"#, Kind::Unknown, None, 0),
    (r#"{"type":"x","type":"connection_metadata"}"#, Kind::Unknown, None, 0),
    (r#"{"x":{"type":"connection_metadata"}}"#, Kind::Unknown, None, 0),
    (r#"{"x":"\"type\":\"connection_metadata\""}"#, Kind::Unknown, None, 0),
    // Row 4
    (r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","detail":"This stream has been disconnected upstream for operational reasons.","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#,
        Kind::StreamError(disconnect(DisconnectType::UpstreamOperationalDisconnect)), None, 0),
    (r#"{"errors":[{"type":"https:\/\/api.twitter.com\/2\/problems\/operational-disconnect","disconnect_type":"Operational\u0044isconnect"}]}"#,
        Kind::StreamError(disconnect(DisconnectType::OperationalDisconnect)), None, 0),
    (r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#, Kind::StreamError(Problem { code: Some(88), ..NO_PROBLEM }), None, 0),
    (r#"{"errors":[{"title":"UsageCapExceeded","type":"about:blank"}]}"#, Kind::StreamError(of_type(ProblemType::UsageCapped)), None, 0),
    (r#"{"errors":[{"code":"88"}]}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"errors":[{"code":4294967296}]}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"errors":[]}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"errors":[],"data":null}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"data":null,"errors":["x",[{"code":1}]]}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"errors":[{"type":"x/conflict"},{"type":"x/operational-disconnect","disconnect_type":"SlowReader"},{"disconnect_type":"InternalError"}]}"#,
        Kind::StreamError(disconnect(DisconnectType::SlowReader)), None, 0),
    (r#"{"errors":[{"type":"x/conflict"},{"type":"x/rule-cap"}]}"#, Kind::StreamError(of_type(ProblemType::Conflict)), None, 0),
    (r#"{"errors":[{"disconnect_type":7},{"connection_issue":"TooManyConnections","type":"streaming-connection"}]}"#,
        Kind::StreamError(issue(ConnectionIssue::TooManyConnections)), None, 0),
    (r#"{"errors":[{"disconnect_type":"New","disconnect_type":"SlowReader"}]}"#,
        Kind::StreamError(Problem { disconnect_type: Some(DisconnectType::Other), ..NO_PROBLEM }), None, 0),
    (r#"{"errors":[{"message":"..","parameters":{"type":["0"]}}],"title":"Invalid Request","type":"https://api.twitter.com/2/problems/invalid-request"}"#,
        Kind::StreamError(of_type(ProblemType::InvalidRequest)), None, 0),
    (r#"{"title":"UsageCapExceeded","errors":[{"code":88}],"type":"about:blank"}"#,
        Kind::StreamError(Problem { code: Some(88), ..of_type(ProblemType::UsageCapped) }), None, 0),
    (r#"{"errors":[{"type":"x/conflict"}],"title":"t","connection_issue":"New","type":"about:blank"}"#,
        Kind::StreamError(Problem { connection_issue: Some(ConnectionIssue::Other), ..of_type(ProblemType::Conflict) }), None, 0),
    (r#"{"errors":[],"disconnect":{"code":1},"delete":0,"id":1,"text":"x"}"#, Kind::StreamError(NO_PROBLEM), None, 0),
    (r#"{"errors":{"disconnect_type":"SlowReader"}}"#, Kind::Unknown, None, 0),
    (r#"{"errors":null,"errors":[]}"#, Kind::Unknown, None, 0),
    (r#"{"errors":[],"data":[]}"#, Kind::Unknown, None, 0),
    (r#"{"data":"","errors":[]}"#, Kind::Unknown, None, 0),
    // Row 5
    (r#"{"data":{"id":"1234567890","text":"Look!"},"matching_rules":[{"id":"7","tag":"cats"}]}"#, V2, Some(1_234_567_890), 26),
    (r#"{"data":{"author_id":"9","text":"\"id\":\"1\"","x":{"id":"3"},"id":"2"}}"#, V2, Some(2), 70),
    (r#"{"includes":{"users":[{"id":"1"}]},"data":{"id":"2"#, Kind::Malformed(Malformed { at: 50, reason: MalformedReason::End }), None, 0),
    (r#"{"includes":{"users":[{"id":"1"}]},"data":{"id":"2"}}"#, V2, Some(2), 51),
    (r#"{"errors":[{"title":"Not Found Error"}],"data":{"id":"2"}}"#, V2_PARTIAL, Some(2), 56),
    (r#"{"data":{"id":"2"},"errors":[{"disconnect_type":"SlowReader"}]}"#, V2, Some(2), 17),
    (r#"{"errors":null,"data":{"id":"2"}}"#, V2, Some(2), 31),
    (r#"{"data":{"id":2}}"#, V2, Some(2), 16),
    (r#"{"data":{"id":"x","id":"2"}}"#, V2, None, 17),
    (r#"{"data":{"id":null}}"#, V2, None, 19),
    (r#"{"data":{"\u0069d":"\u0031\u0032"}}"#, V2, Some(12), 33),
    (r#"{"data":{}}"#, ENVELOPE, None, 10),
    (r#"{"data":{"text":"x"},"id":1}"#, ENVELOPE, None, 20),
    (r#"{"errors":[],"data":{}}"#, Kind::Envelope { partial_errors: true }, None, 22),
    (r#"{"id":1,"data":{"id":"2"}}"#, V2, Some(2), 24),
    (r#"{"title":"x","type":"about:blank","data":{"id":"2"}}"#, V2, Some(2), 50),
    (r#"{"data":null,"data":{"id":"2"}}"#, Kind::Unknown, None, 0),
    (r#"{"data":[{"id":"2"}]}"#, Kind::Unknown, None, 0),
    // Row 5, compliance
    (r#"{"data":{"delete":{"tweet":{"id":"1265324480517361664","author_id":"2244994945"}}}}"#, compliance(Compliance::Delete, Format::V2), None, 18),
    (r#"{"data":{"withheld":{"tweet":{"id":"1"},"withheld_in_countries":["us"]}}}"#, compliance(Compliance::Withheld, Format::V2), None, 72),
    (r#"{"data":{"withheld":{"country_codes":["XX"]},"id":"5","text":"x"}}"#, V2, Some(5), 53),
    (r#"{"data":{"user_profile_modification":{}}}"#, compliance(Compliance::UserProfileModification, Format::V2), None, 37),
    (r#"{"data":{"public_tweet_notice":{}}}"#, compliance(Compliance::PublicTweetNotice, Format::V2), None, 31),
    (r#"{"data":{"public_tweet_unviewable":{}}}"#, compliance(Compliance::PublicTweetUnviewable, Format::V2), None, 35),
    (r#"{"data":{"drop":{}}}"#, compliance(Compliance::Drop, Format::V2), None, 16),
    (r#"{"data":{"undrop":{}}}"#, compliance(Compliance::Undrop, Format::V2), None, 18),
    (r#"{"data":{"tweet_edit":{}}}"#, compliance(Compliance::TweetEdit, Format::V2), None, 22),
    (r#"{"data":{"status_withheld":{}}}"#, ENVELOPE, None, 30),
    (r#"{"data":{"x":1,"delete":{}}}"#, ENVELOPE, None, 27),
    // Row 6
    (r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#,
        Kind::Problem(issue(ConnectionIssue::TooManyConnections)), None, 0),
    (r#"{"type":"https://x/labs/1/problems/streaming-connection","title":"","data":null,"connection_issue":"ProvisioningSubscription"}"#,
        Kind::Problem(issue(ConnectionIssue::ProvisioningSubscription)), None, 0),
    (r#"{"account_id":1,"title":"UsageCapExceeded","period":"Monthly","type":"https://api.twitter.com/2/problems/usage-capped"}"#,
        Kind::Problem(of_type(ProblemType::UsageCapped)), None, 0),
    (r#"{"title":"UsageCapExceeded","type":"about:blank"}"#, Kind::Problem(of_type(ProblemType::UsageCapped)), None, 0),
    (r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#, Kind::Problem(of_type(ProblemType::AboutBlank)), None, 0),
    (r#"{"title":"x","type":"https://x/about:blank"}"#, Kind::Problem(of_type(ProblemType::Other)), None, 0),
    (r#"{"title":"x","type":"https://x/usage-capped/"}"#, Kind::Problem(of_type(ProblemType::Other)), None, 0),
    (r#"{"title":"x","type":"https://x/more-usage-capped"}"#, Kind::Problem(of_type(ProblemType::Other)), None, 0),
    (r#"{"title":"x","type":"https://x/p","delete":1,"disconnect":{}}"#, Kind::Problem(of_type(ProblemType::Other)), None, 0),
    (r#"{"title":"x","type":"x:/operational-disconnect","disconnect_type":"SlowReader","code":88,"connection_limit":"1"}"#,
        Kind::Problem(Problem { code: Some(88), ..disconnect(DisconnectType::SlowReader) }), None, 0),
    (r#"{"title":"x","type":"usage-capped"}"#, Kind::Unknown, None, 0),
    (r#"{"title":"x","type":":a"}"#, Kind::Unknown, None, 0),
    (r#"{"title":"x","type":"1a:b"}"#, Kind::Unknown, None, 0),
    (r#"{"title":"x","type":"h2+a-b.c:d"}"#, Kind::Problem(of_type(ProblemType::Other)), None, 0),
    (r#"{"title":"x","type":null}"#, Kind::Unknown, None, 0),
    (r#"{"type":"about:blank"}"#, Kind::Unknown, None, 0),
    (r#"{"title":"x","type":"about:blank","data":[]}"#, Kind::Unknown, None, 0),
    // Row 7
    (r#"{"disconnect":{"code":4,"stream_name":"","reason":""}}"#, Kind::Disconnect { code: Some(4) }, None, 24),
    (r#"{"disconnect":{"x":{"code":1},"reason":"","code":"4"}}"#, Kind::Disconnect { code: None }, None, 52),
    (r#"{"disconnect":{}}"#, Kind::Disconnect { code: None }, None, 16),
    (r#"{"disconnect":{"code":4294967296}}"#, Kind::Disconnect { code: None }, None, 33),
    (r#"{"disconnect":4}"#, Kind::Unknown, None, 0),
    (r#"{"disconnect":null,"disconnect":{"code":4}}"#, Kind::Unknown, None, 0),
    (r#"{"errors":[],"warning":{},"disconnect":{"code":4,"x":[]},"data":0}"#, Kind::Disconnect { code: Some(4) }, None, 66),
    // Row 8
    (r#"{"error":{"message":"Forced Disconnect: Too many connections.","sent":"2017-01-11T18:12:52+00:00"}}"#, Kind::System(System::Error), None, 0),
    (r#"{"warn":{}}"#, Kind::System(System::Warn), None, 0),
    (r#"{ "info" : {"message":"Replay Request Completed"} } "#, Kind::System(System::Info), None, 0),
    (r#"{"error":{},"error":1}"#, Kind::System(System::Error), None, 0),
    (r#"{"error":1,"error":{}}"#, Kind::Unknown, None, 0),
    (r#"{"error":"x"}"#, Kind::Unknown, None, 0),
    (r#"{"error":{},"x":1}"#, Kind::Unknown, None, 0),
    (r#"{"x":1,"error":{}}"#, Kind::Unknown, None, 0),
    (r#"{"error":{},"warn":{}}"#, Kind::Unknown, None, 0),
    (r#"{"error":{},"data":null}"#, Kind::Unknown, None, 0),
    (r#"{"error":{},"code":1}"#, Kind::Unknown, None, 0),
    (r#"{"id":1,"info":{},"text":""}"#, LEGACY, Some(1), 0),
    // Row 9
    (r#"{"warning":{"code":"FALLING_BEHIND","percent_full":60}}"#, Kind::Warning, None, 12),
    (r#"{"warning":"x"}"#, Kind::Unknown, None, 0),
    (r#"{"warning":[],"warning":{}}"#, Kind::Unknown, None, 0),
    // Row 10
    (r#"{"limit":{"track":1234,"x":[]}}"#, Kind::Limit { track: Some(1234) }, None, 23),
    (r#"{"limit":{"x":{"track":1},"track":null}}"#, Kind::Limit { track: None }, None, 39),
    (r#"{"limit":{}}"#, Kind::Unknown, None, 0),
    (r#"{"limit":{"Track":1}}"#, Kind::Unknown, None, 0),
    (r#"{"limit":{},"limit":{"track":1}}"#, Kind::Unknown, None, 0),
    (r#"{"limit":1}"#, Kind::Unknown, None, 0),
    // Row 11
    (r#"{"delete":{"status":{"id":1234,"id_str":"1234","user_id":3}}}"#, compliance(Compliance::Delete, Format::Legacy), None, 10),
    (r#"{"scrub_geo":{}}"#, compliance(Compliance::ScrubGeo, Format::Legacy), None, 13),
    (r#"{"status_withheld":{}}"#, compliance(Compliance::StatusWithheld, Format::Legacy), None, 19),
    (r#"{"user_withheld":{}}"#, compliance(Compliance::UserWithheld, Format::Legacy), None, 17),
    (r#"{"drop":{}}"#, compliance(Compliance::Drop, Format::Legacy), None, 8),
    (r#"{"undrop":{}}"#, compliance(Compliance::Undrop, Format::Legacy), None, 10),
    (r#"{"user_delete":{}}"#, compliance(Compliance::UserDelete, Format::Legacy), None, 15),
    (r#"{"user_undelete":{}}"#, compliance(Compliance::UserUndelete, Format::Legacy), None, 17),
    (r#"{"user_protect":{}}"#, compliance(Compliance::UserProtect, Format::Legacy), None, 16),
    (r#"{"user_unprotect":{}}"#, compliance(Compliance::UserUnprotect, Format::Legacy), None, 18),
    (r#"{"user_suspend":{}}"#, compliance(Compliance::UserSuspend, Format::Legacy), None, 16),
    (r#"{"user_unsuspend":{}}"#, compliance(Compliance::UserUnsuspend, Format::Legacy), None, 18),
    (r#"{"tweet_edit":{}}"#, compliance(Compliance::TweetEdit, Format::Legacy), None, 14),
    (r#"{"dele\u0074e":{}}"#, compliance(Compliance::Delete, Format::Legacy), None, 15),
    (r#"{"errors":[],"delete":{},"drop":{},"data":0}"#, compliance(Compliance::Delete, Format::Legacy), None, 0),
    (r#"{"withheld":{}}"#, Kind::Unknown, None, 0),
    (r#"{"deleted":{}}"#, Kind::Unknown, None, 0),
    (r#"{"x":["delete"],"y":{"delete":{}}}"#, Kind::Unknown, None, 0),
    // Row 12
    (r#"{"friends":[1,2]}"#, Kind::UserStream, None, 11),
    (r#"{"friends_str":["1"]}"#, Kind::UserStream, None, 15),
    (r#"{"control":{"control_uri":"/1.1/site/c/01"}}"#, Kind::UserStream, None, 11),
    (r#"{"for_user":1888,"message":{}}"#, Kind::UserStream, None, 12),
    (r#"{"event":"user_update","created_at":"","id":1}"#, Kind::UserStream, None, 9),
    (r#"{"direct_message":{"id":1,"text":""}}"#, Kind::UserStream, None, 18),
    (r#"{"direct_messages":{}}"#, Kind::Unknown, None, 0),
    // Row 13
    (r#"{"created_at":"Wed Oct 10 20:19:24 +0000 2018","id":1050118621198921728,"id_str":"1050118621198921728","text":""#, LEGACY, Some(1_050_118_621_198_921_728), 102),
    (r#"{"id":1050118621198921700,"id_str":"1050118621198921728","text":"x"}"#, LEGACY, Some(1_050_118_621_198_921_728), 64),
    (r#"{"id_str":"20","full_text":"#, LEGACY, Some(20), 0),
    (r#"{"user":{"id":6253282,"id_str":"6253282"},"id_str":"20"}"#, LEGACY, Some(20), 55),
    (r#"{"text":"x","id_str":"18446744073709551615"}"#, LEGACY, Some(u64::MAX), 43),
    (r#"{"text":"x","id":18446744073709551616}"#, LEGACY, None, 0),
    (r#"{"text":"x","id":10765432100123456789}"#, LEGACY, Some(10_765_432_100_123_456_789), 0),
    // A number that may be rounded is not trusted alone.
    (r#"{"text":"x","id":1050118621198921700,"id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 67),
    (r#"{"text":"x","id":1050118621198921700 , "id_str" : "1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 71),
    (r#"{"text":"x","id":1.0501186211989217e+18,"id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 70),
    (r#"{"text":"x","id":10501186211989217E2,"id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 67),
    (r#"{"text":"x","id":1050118621198921700.0,"id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 69),
    (r#"{"text":"x","id":1050118621198921700,"user":{"id_str":"7"},"x":"\"id_str\":","id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 107),
    (r#"{"id":1050118621198921700,"text":"x","id_str":"1050118621198921728","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_728), 67),
    (r#"{"id":1050118621198921700,"text":"x","limit":{"track":1},"delete":{},"id_str":"1050118621198921728"}"#, LEGACY, Some(1_050_118_621_198_921_728), 99),
    (r#"{"text":"x","id":1050118621198921700,"id_str":"105011862119892172\u0038"}"#, LEGACY, Some(1_050_118_621_198_921_728), 72),
    (r#"{"text":"x","id":1050118621198921700,"\u0069d_str":"1050118621198921728"}"#, LEGACY, Some(1_050_118_621_198_921_728), 72),
    (r#"{"text":"x","id":1050118621198921700,"id_str":"20","x":[]}"#, LEGACY, Some(20), 50),
    (r#"{"text":"x","id":1050118621198921700,"id_str":"105011862119892170x","x":[]}"#, LEGACY, Some(1_050_118_621_198_921_700), 67),
    (r#"{"text":"x","id":1050118621198921700,"id_str":null,"id_str":"20"}"#, LEGACY, Some(1_050_118_621_198_921_700), 51),
    (r#"{"text":"x","id":1050118621198921700,"id_str":"99999999999999999999","id_str":"20"}"#, LEGACY, Some(1_050_118_621_198_921_700), 68),
    (r#"{"id_str":"20","id":1050118621198921700,"text":"x"}"#, LEGACY, Some(20), 47),
    (r#"{"text":"x","id":1050118621198921700,"id":7,"id_str":"20"}"#, LEGACY, Some(20), 57),
    (r#"{"id":7,"id":1050118621198921700,"text":"x","id_str":"20"}"#, LEGACY, Some(7), 40),
    // Up to 15 digits are exact, up to 2^53.
    (r#"{"text":"x","id":999999999999999,"id_str":"999999999999998"}"#, LEGACY, Some(999_999_999_999_999), 33),
    (r#"{"text":"x","id":9007199254740992,"id_str":"9007199254740993"}"#, LEGACY, Some(9_007_199_254_740_993), 61),
    (r#"{"id":7,"id_str":"7x","text":"x"}"#, LEGACY, Some(7), 29),
    (r#"{"id":7,"id_str":"","text":"x"}"#, LEGACY, Some(7), 27),
    (r#"{"id":7,"id_str":8,"text":"x"}"#, LEGACY, Some(8), 26),
    (r#"{"id":7,"id":8,"text":"x"}"#, LEGACY, Some(7), 22),
    (r#"{"id_str":"7","id_str":"8","text":"x"}"#, LEGACY, Some(7), 34),
    (r#"{"id":"7","text":"x"}"#, LEGACY, Some(7), 17),
    (r#"{"id":"7","text":"x","id_str":"8"}"#, LEGACY, Some(7), 17),
    (r#"{"id":"7x","text":"x"}"#, LEGACY, None, 18),
    (r#"{"id":-7,"text":"x"}"#, LEGACY, None, 0),
    (r#"{"id":7.0,"text":"x"}"#, LEGACY, None, 0),
    (r#"{"id":7e0,"text":"x"}"#, LEGACY, None, 0),
    (r#"{"id":null,"text":"x"}"#, LEGACY, None, 0),
    (r#"{"id_str":"\u0032\u0030","text":"x"}"#, LEGACY, Some(20), 32),
    (r#"{"\u0069d":20,"te\u0078t":"x"}"#, LEGACY, Some(20), 26),
    (r#"{"id":1,"text":"x","errors":[{"disconnect_type":"SlowReader"}]}"#, LEGACY, Some(1), 15),
    (r#"{"type":"foo","id":1,"text":"x"}"#, LEGACY, Some(1), 0),
    (r#"{"type":"foo","id":1,"text":"x","id_str":"2"}"#, LEGACY, Some(2), 0),
    (r#"{"errors":null,"id":1,"text":"x"}"#, LEGACY, Some(1), 0),
    (r#"{"id":1,"title":"x","text":"x"}"#, LEGACY, Some(1), 0),
    (r#"{"id":1,"title":"x","text":"x","disconnect":{}}"#, Kind::Disconnect { code: None }, None, 46),
    (r#"{"code":1,"disconnect_type":"","connection_issue":"","id":1,"text":"x"}"#, LEGACY, Some(1), 67),
    (r#"{"id":1}"#, Kind::Unknown, None, 0),
    (r#"{"text":"x","user":{"id":1}}"#, Kind::Unknown, None, 0),
    (r#"{"ID":1,"text":"x"}"#, Kind::Unknown, None, 0),
    (r#"{"id":1,"Text":"x"}"#, Kind::Unknown, None, 0),
    (r#"{"user_id":1,"id_st":"1","text":"x"}"#, Kind::Unknown, None, 0),
    (r#"{"x":"\\\",\"id\":1","text":"x"}"#, Kind::Unknown, None, 0),
    // Row 14
    ("{}", Kind::Unknown, None, 0),
    (r#"{"code":32,"message":"x"}"#, Kind::Unknown, None, 0),
];

#[test]
fn every_rule_matches_and_its_near_misses_do_not() {
    for &(wire, kind, id, read) in CASES {
        let class = classify(wire.as_bytes());
        assert_eq!((class.kind, class.post_id), (kind, id.map(PostId::new)), "{wire}");
        assert_eq!(class.bytes_read, if read == 0 { wire.len() } else { read }, "{wire}");
    }
}

#[test]
fn classification_does_not_change_with_later_bytes() {
    for &(wire, _, _, _) in CASES {
        let whole = classify(wire.as_bytes());
        let early = whole.bytes_read < wire.trim_end().len();
        for cut in 0..wire.len() {
            let class = classify(&wire.as_bytes()[..cut]);
            if matches!(class.kind, Kind::Malformed(Malformed { reason: MalformedReason::End, at }) if at == cut)
            {
                assert!(!early || cut < whole.bytes_read, "{wire} cut at {cut} is too short");
            } else if wire.starts_with('{') || early {
                assert_eq!((class.kind, class.post_id), (whole.kind, whole.post_id), "{wire} cut at {cut}");
            }
        }
        // The bytes read give the same result, regardless of the bytes after them.
        for tail in ["", "\0", "}", "]", ",\"errors\":[]}", "9", " ", "\"", "\\"] {
            let other = [&wire.as_bytes()[..whole.bytes_read], tail.as_bytes()].concat();
            assert!(!early || classify(&other) == whole, "{wire} with {tail}");
        }
    }
}

#[test]
fn scanned_bytes_must_be_valid_json() {
    for (wire, at, reason) in [
        ("", 0, MalformedReason::End),
        (" \r\n", 3, MalformedReason::End),
        ("\u{feff}{}", 0, MalformedReason::Byte),
        ("{", 1, MalformedReason::End),
        ("}", 0, MalformedReason::Byte),
        ("hello", 0, MalformedReason::Byte),
        ("<html>", 0, MalformedReason::Byte),
        ("\0", 0, MalformedReason::Byte),
        ("{}x", 2, MalformedReason::Trailing),
        ("{} {}", 3, MalformedReason::Trailing),
        ("1 2", 2, MalformedReason::Trailing),
        ("{,\"a\":1}", 1, MalformedReason::Byte),
        ("{\"a\":1,}", 7, MalformedReason::Byte),
        ("{\"a\" 1}", 5, MalformedReason::Byte),
        ("{\"a\":}", 5, MalformedReason::Byte),
        ("{\"a\":1 \"b\":2}", 7, MalformedReason::Byte),
        ("{\"a\":1]", 6, MalformedReason::Byte),
        ("{a:1}", 1, MalformedReason::Byte),
        ("{\"a\":[1}}", 7, MalformedReason::Byte),
        ("{\"a\":[1,]}", 8, MalformedReason::Byte),
        ("{\"a\":[,1]}", 6, MalformedReason::Byte),
        ("{\"a\":{\"b\"}}", 9, MalformedReason::Byte),
        ("{\"a\":{\"b\":1,}}", 12, MalformedReason::Byte),
        ("{\"a\":\u{a0}1}", 5, MalformedReason::Byte),
        ("{\"a\":\x0b1}", 5, MalformedReason::Byte),
        ("{\"a\":01}", 6, MalformedReason::Number),
        ("{\"a\":-01}", 7, MalformedReason::Number),
        ("{\"a\":+1}", 5, MalformedReason::Number),
        ("{\"a\":.5}", 5, MalformedReason::Number),
        ("{\"a\":1.}", 7, MalformedReason::Number),
        ("{\"a\":1.e1}", 7, MalformedReason::Number),
        ("{\"a\":1e}", 7, MalformedReason::Number),
        ("{\"a\":1e+}", 8, MalformedReason::Number),
        ("{\"a\":-}", 6, MalformedReason::Number),
        ("{\"a\":0x1}", 6, MalformedReason::Byte),
        ("{\"text\":\"x\",\"id\":12x}", 19, MalformedReason::Byte),
        ("{\"text\":\"x\",\"id\":01}", 18, MalformedReason::Number),
        ("{\"text\":\"x\",\"id\":12", 19, MalformedReason::End),
        ("{\"text\":\"x\",\"id\":-12", 20, MalformedReason::End),
        ("{\"errors\":[],\"warning\":{},\"data\":1", 34, MalformedReason::End),
        ("{\"errors\":[],\"warning\":{},\"data\":1x}", 34, MalformedReason::Byte),
        ("{\"a\":nul}", 8, MalformedReason::Literal),
        ("{\"a\":nulL}", 8, MalformedReason::Literal),
        ("{\"a\":tr", 7, MalformedReason::End),
        ("{\"a\":True}", 5, MalformedReason::Byte),
        ("{\"a\":falsey}", 10, MalformedReason::Byte),
        ("{\"a\":NaN}", 5, MalformedReason::Byte),
        ("{\"a\":\"\n\"}", 6, MalformedReason::Control),
        ("{\"a\":\"123456789\x1f\"}", 15, MalformedReason::Control),
        ("{\"a\":\"\\x\"}", 7, MalformedReason::Escape),
        ("{\"a\":\"\\u12g4\"}", 10, MalformedReason::Escape),
        ("{\"a\":\"\\u12", 10, MalformedReason::End),
        ("{\"a\":\"\\", 7, MalformedReason::End),
        ("{\"a\":'x'}", 5, MalformedReason::Byte),
        ("{\"a\":1}//", 7, MalformedReason::Trailing),
    ] {
        let class = classify(wire.as_bytes());
        assert_eq!(class.kind, Kind::Malformed(Malformed { at, reason }), "{wire:?}");
        assert_eq!(class.bytes_read, wire.len().min(at + 1), "{wire:?}");
        assert_eq!(validate(wire.as_bytes()), Err(Malformed { at, reason }), "{wire:?}");
    }
    // The reader of a field validates UTF-8; bytes that were not read are not validated.
    let class = classify(b"{\"x\":\"\xFF\",\"id\":1,\"text\":\xFF");
    assert_eq!((class.kind, class.post_id), (LEGACY, Some(PostId::new(1))));
}

#[test]
fn post_is_recognized_with_its_keys_in_any_order() {
    // A short legacy Post with decoys.
    let members = [
        r#""created_at":"Wed Oct 10 20:19:24 +0000 2018""#,
        r#""id":1050118621198921728"#,
        r#""id_str":"1050118621198921728""#,
        r#""text":"{\"id\":1,\"errors\":[]}""#,
        r#""user":{"id":6253282,"errors":[],"delete":{}}"#,
        r#""entities":{"urls":[{"type":"connection_metadata"}]}"#,
    ];
    for order in 0..720 {
        let (mut left, mut order) = (members.to_vec(), order);
        let mut picked = Vec::new();
        while !left.is_empty() {
            picked.push(left.remove(order % left.len()));
            order /= left.len() + 1;
        }
        let text = format!("{{{}}}", picked.join(","));
        let class = classify(text.as_bytes());
        assert_eq!(
            (class.kind, class.post_id),
            (LEGACY, Some(PostId::new(1_050_118_621_198_921_728))),
            "{text}"
        );
    }
}

#[test]
fn deep_nesting_is_unknown_and_never_panics() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        // The object around the value is one of the 128.
        for (depth, kind) in [(127, LEGACY), (128, Kind::Unknown), (100_000, Kind::Unknown)] {
            let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(classify(format!(r#"{{"x":{inner},"id":1,"text":""}}"#).as_bytes()).kind, kind);
            // The kind is decided before the nested value, so the value is not read.
            assert_eq!(classify(format!(r#"{{"id":1,"text":{inner}}}"#).as_bytes()).kind, LEGACY);
            // Containers that were read before the value are closed.
            for (closed, shallow) in
                [(r#""limit":{}"#, LEGACY), (r#""errors":[]"#, Kind::StreamError(NO_PROBLEM))]
            {
                let after = format!(r#"{{{closed},"x":{inner},"id":1,"text":""}}"#);
                assert_eq!(classify(after.as_bytes()).kind, if depth == 127 { shallow } else { kind });
            }
            let nested = format!(r#"{{"errors":[{{"x":{inner}}}]}}"#);
            assert_eq!(classify(nested.as_bytes()).kind, Kind::Unknown, "{depth}");
            let data = format!(r#"{{"data":{{"x":{inner},"id":"1"}}}}"#);
            assert_eq!(classify(data.as_bytes()).kind, Kind::Unknown, "{depth}");
        }
        let unclosed = open.repeat(100_000);
        assert!(!classify(unclosed.as_bytes()).is_post());
        assert_eq!(validate(unclosed.as_bytes()).unwrap_err().reason, MalformedReason::TooDeep);
        for (depth, good) in [(128, true), (129, false)] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(validate(text.as_bytes()).is_ok(), good, "{depth}");
            let empty = format!("{}[]{}", open.repeat(depth - 1), close.repeat(depth - 1));
            assert_eq!(validate(empty.as_bytes()).is_ok(), good, "{depth}");
        }
    }
}

#[test]
fn every_problem_name_is_recognized() {
    let types = [
        ("operational-disconnect", ProblemType::OperationalDisconnect),
        ("streaming-connection", ProblemType::StreamingConnection),
        ("client-disconnected", ProblemType::ClientDisconnected),
        ("usage-capped", ProblemType::UsageCapped),
        ("rate-limit-exceeded", ProblemType::RateLimitExceeded),
        ("client-forbidden", ProblemType::ClientForbidden),
        ("unsupported-authentication", ProblemType::UnsupportedAuthentication),
        ("oauth1-permissions", ProblemType::Oauth1Permissions),
        ("invalid-request", ProblemType::InvalidRequest),
        ("invalid-rules", ProblemType::InvalidRules),
        ("duplicate-rules", ProblemType::DuplicateRules),
        ("rule-cap", ProblemType::RuleCap),
        ("noncompliant-rules", ProblemType::NoncompliantRules),
        ("conflict", ProblemType::Conflict),
        ("resource-not-found", ProblemType::ResourceNotFound),
        ("resource-unavailable", ProblemType::ResourceUnavailable),
        ("not-authorized-for-resource", ProblemType::NotAuthorizedForResource),
        ("not-authorized-for-field", ProblemType::NotAuthorizedForField),
        ("disallowed-resource", ProblemType::DisallowedResource),
        ("internal-error", ProblemType::InternalError),
        ("field-unauthorized", ProblemType::FieldUnauthorized),
        ("field-hydration-failure", ProblemType::FieldHydrationFailure),
        ("new", ProblemType::Other),
        ("", ProblemType::Other),
    ];
    for prefix in ["https://api.twitter.com/2/problems/", "https://api.x.com/2/problems/", "https:\\/\\/x\\/"]
    {
        for (word, kind) in types {
            let text = format!(r#"{{"title":"x","type":"{prefix}{word}"}}"#);
            assert_eq!(classify(text.as_bytes()).kind, Kind::Problem(of_type(kind)), "{text}");
        }
    }
    // A long segment is not truncated to a known one.
    let text = format!(r#"{{"title":"x","type":"https://x/conflict{}"}}"#, "t".repeat(100));
    assert_eq!(classify(text.as_bytes()).kind, Kind::Problem(of_type(ProblemType::Other)));
    for (word, kind) in [
        ("OperationalDisconnect", DisconnectType::OperationalDisconnect),
        ("UpstreamOperationalDisconnect", DisconnectType::UpstreamOperationalDisconnect),
        ("UpstreamUncleanDisconnect", DisconnectType::UpstreamUncleanDisconnect),
        ("ForceDisconnect", DisconnectType::ForceDisconnect),
        ("SlowReader", DisconnectType::SlowReader),
        ("InternalError", DisconnectType::InternalError),
        ("ClientApplicationStateDegraded", DisconnectType::ClientApplicationStateDegraded),
        ("InvalidRules", DisconnectType::InvalidRules),
        ("PackageUpgraded", DisconnectType::PackageUpgraded),
        ("PackageDowngraded", DisconnectType::PackageDowngraded),
        ("slowReader", DisconnectType::Other),
    ] {
        let text =
            format!(r#"{{"errors":[{{"type":"operational-disconnect","disconnect_type":"{word}"}}]}}"#);
        assert_eq!(classify(text.as_bytes()).kind, Kind::StreamError(disconnect(kind)));
    }
    for (word, kind) in [
        ("TooManyConnections", ConnectionIssue::TooManyConnections),
        ("ProvisioningSubscription", ConnectionIssue::ProvisioningSubscription),
        ("RuleConfigurationIssue", ConnectionIssue::RuleConfigurationIssue),
        ("RulesInvalidIssue", ConnectionIssue::RulesInvalidIssue),
        ("New", ConnectionIssue::Other),
    ] {
        let text = format!(r#"{{"title":"","type":"x:/streaming-connection","connection_issue":"{word}"}}"#);
        assert_eq!(classify(text.as_bytes()).kind, Kind::Problem(issue(kind)));
    }
}

#[test]
fn connection_metadata_is_read_only_when_complete() {
    let parse =
        |text: &'static str| ConnectionMetadata::parse(text.as_bytes()).map(|m| (m.datacenter, m.timestamp));
    let time = |millis| Some(UnixTime::from_millis(millis));
    for (text, want) in [
        (
            r#"{"type":"connection_metadata","datacenter":"atla","timestamp":5}"#,
            Some((Some("atla"), time(5))),
        ),
        (
            r#" {"timestamp":5,"datacenter":"atla","type":"connection_metadata"} "#,
            Some((Some("atla"), time(5))),
        ),
        (r#"{"type":"connection_metadata"}"#, Some((None, None))),
        (r#"{"type":"connection_metadata","datacenter":1,"timestamp":"5"}"#, Some((None, None))),
        (
            r#"{"type":"connection_metadata","datacenter":"\u0061","datacenter":"b"}"#,
            Some((Some("\\u0061"), None)),
        ),
        (r#"{"type":"connection_metadata","datacenter":"atla""#, None),
        (r#"{"type":"connection_metadata"} x"#, None),
        (r#"{"type":"x","datacenter":"atla"}"#, None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(parse(text), want, "{text}");
    }
}

#[test]
fn snowflake_ids_hold_their_creation_time() {
    assert_eq!(PostId::new(29_700_859_246).created_at(), None);
    let first = PostId::new(29_700_859_247).created_at();
    assert_eq!(first, Some(UnixTime::from_millis(1_288_834_974_657 + 7_081)));
    assert_eq!(
        PostId::new(u64::MAX).created_at(),
        Some(UnixTime::from_millis((1 << 42) - 1 + 1_288_834_974_657))
    );
    assert_eq!(PostId::new(20).to_string(), "20");
}

/// Returns the elements as text, and an error as its position and reason.
fn listed(wire: &[u8]) -> Vec<String> {
    let mut array = elements(wire);
    let list: Vec<_> = array
        .by_ref()
        .map(|element| match element {
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(error) => format!("{:?}@{}", error.reason, error.at),
        })
        .collect();
    assert!(array.next().is_none());
    list
}

#[test]
fn elements_are_exact_and_end_at_the_first_error() {
    let cases: &[(&str, &[&str])] = &[
        ("[]", &[]),
        (" [ ] ", &[]),
        ("[1]", &["1"]),
        (" [ 1 , \"a,]\" ,{\"b\" : [ ] }\t,null\r\n] ", &["1", "\"a,]\"", "{\"b\" : [ ] }", "null"]),
        ("[[1,2],[]]", &["[1,2]", "[]"]),
        ("", &["End@0"]),
        ("{}", &["Byte@0"]),
        ("[", &["End@1"]),
        ("[1", &["End@2"]),
        ("[1,", &["1", "End@3"]),
        ("[1,]", &["1", "Byte@3"]),
        ("[,1]", &["Byte@1"]),
        ("[1 2]", &["Byte@3"]),
        ("[1}", &["Byte@2"]),
        ("[12x]", &["Byte@3"]),
        ("[1,{\"a\"},2]", &["1", "Byte@7"]),
        ("[1]x", &["1", "Trailing@3"]),
        ("[1]]", &["1", "Trailing@3"]),
    ];
    for (wire, want) in cases {
        assert_eq!(&listed(wire.as_bytes()), want, "{wire}");
        // A truncated array returns fewer of the same elements, and then an unexpected end of
        // input.
        for cut in 0..wire.len() {
            let mut list = listed(&wire.as_bytes()[..cut]);
            let Some(last) = list.pop() else { continue };
            assert!(want.iter().zip(&list).all(|(want, got)| want == got), "{wire} cut at {cut}");
            assert!(
                last == format!("End@{cut}") || want.contains(&last.as_str()),
                "{wire} cut at {cut}: {last}"
            );
        }
    }
    let deep = format!("[{}]", "[".repeat(128));
    assert_eq!(listed(deep.as_bytes()), ["TooDeep@128"]);
}

#[test]
fn errors_display_their_reason_and_offset() {
    let error = validate(b"{\"a\":01}").unwrap_err();
    assert_eq!(error.to_string(), "malformed JSON at byte 6: invalid number");
    assert!(core::mem::size_of::<Classification>() <= 64);
}
