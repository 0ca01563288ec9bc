//! The simulator's parser of requests: more bytes never change what fewer bytes decided, and a body
//! is the same in any pieces.

use arbitrary::Arbitrary;
use powerstream_simulator::fuzzing::{Head, RequestReader};

use crate::shared::{Reads, arbitrary};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    line: u8,
    fields: Vec<Field<'a>>,
    /// Bytes after the fields.
    rest: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Field<'a> {
    Known(u8),
    Raw(&'a [u8]),
}

const LINES: [&[u8]; 8] = [
    b"GET /2/powerstream HTTP/1.1\r\n",
    b"GET /2/powerstream?backfillMinutes=5&localDcOnly=true HTTP/1.1\r\n",
    b"GET http://localhost/2/powerstream?startTime=2022-07-12T15:10:00Z&endTime=x HTTP/1.1\r\n",
    b"GET /2/tweets/firehose/stream?partition=1&tweet.fields=id HTTP/1.1\r\n",
    b"POST /2/powerstream/rules HTTP/1.1\r\n",
    b"DELETE /2/tweets/search/stream/rules?dry_run=true HTTP/1.1\r\n",
    b"POST /simulator/trigger?a=%20&b HTTP/1.1\r\n",
    b"",
];

const FIELDS: [&[u8]; 12] = [
    b"Host: localhost\r\n",
    b"Authorization: Bearer a%2Bb\r\n",
    b"Authorization: Basic YTpi\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Origin: http://a.example\r\n",
    b"\r\n",
    b"5\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"\r\n",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let mut wire = LINES[usize::from(input.line) % LINES.len()].to_vec();
    for field in &input.fields {
        wire.extend_from_slice(match field {
            Field::Known(index) => FIELDS[usize::from(*index) % FIELDS.len()],
            Field::Raw(bytes) => bytes,
        });
    }
    wire.extend_from_slice(input.rest);
    let whole = RequestReader::read([&wire[..]]);
    if let Head::Complete { length, .. } = whole.head {
        assert!(length <= wire.len());
    }
    assert_eq!(RequestReader::read(input.reads.pieces(&wire)), whole, "{}", wire.escape_ascii());
}
