//! How the service answers a request: with a stream, a refusal, or a fault.

use super::line::Line;
use crate::connection::{Connection, Context};
use crate::faults::Fault;
use crate::invariants::Phase;
use crate::network::{Bytes, Content, End, Expected};
use crate::responses;
use crate::service::{MINUTE, MS, SEC};

impl Line {
    /// Sends the response to a request that arrives at `at`.
    pub(super) fn respond(
        &mut self,
        connection: &mut Connection,
        at: u64,
        backfill: u64,
        fault: Option<Fault>,
        of: &mut Context<'_>,
    ) {
        // A fault of the response does not replace a storm or flapping that still runs.
        let cancel = |of: &mut Context<'_>| of.faults.cancel(fault.filter(|fault| fault.is_of_response()));
        let Phase::Requesting { since } = self.model.phase else { panic!("I17: a request out of turn") };
        if let Some((status, _)) = self.storm.filter(|(_, until)| at < *until) {
            cancel(of);
            return refuse(connection, at, status, of);
        }
        self.storm = None;
        if let Some((kind, _)) = self.flap.filter(|(_, until)| at < *until) {
            cancel(of);
            return flap(connection, at, kind, of);
        }
        self.flap = None;
        let lasting = matches!(fault, Some(Fault::Storm | Fault::Flapping));
        match fault.filter(|_| of.faults.on || !lasting) {
            Some(Fault::HeadStall) => {
                // It arrives around the deadline.
                let at = at.max(since + of.rng.around(15 * SEC) - connection.path.latency());
                connection.stream(at, b"", backfill, false, of);
            }
            Some(Fault::ResetInHead) => {
                send_head_part(connection, at, of);
                let at = at + of.rng.below(16) * SEC;
                connection.cut(at, of.rng);
            }
            Some(Fault::CloseInHead) => {
                send_head_part(connection, at, of);
                connection.close(at + of.rng.below(16) * SEC, true);
            }
            Some(Fault::Interim) => {
                let one: &[u8] = of.rng.pick(&[
                    &b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..],
                    b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
                ]);
                let count = of.rng.range(1, 17) as usize;
                connection.stream(at, &one.repeat(count), backfill, false, of);
            }
            Some(Fault::InterimFlood) => {
                let flood = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(of.rng.range(17, 40) as usize);
                connection.send(at, Bytes::ending(flood, End::Protocol));
                connection.finish();
            }
            Some(Fault::Refusal) => {
                let status = of.rng.pick(&[429, 429, 420, 408, 500, 503, 504, 700]);
                refuse(connection, at, status, of);
            }
            Some(Fault::FinalRefusal) => {
                let status = of.rng.pick(&[401, 403, 404, 409, 301]);
                refuse(connection, at, status, of);
            }
            Some(Fault::EndlessDocument) => {
                let head = responses::head("503 Down", true, &of.date(at));
                let end = Some(End::Refused(503, 0));
                let bytes = Bytes { end, end_from: head.len() - 1, ..Bytes::raw(head) };
                connection.send(at, bytes);
                let every = of.rng.pick(&[100 * MS, SEC]);
                connection.drip(at, every, b"a\r\neeeeeeeeee\r\n", u32::MAX, end);
            }
            Some(Fault::Storm) => {
                let status = of.rng.pick(&[429, 503]);
                self.storm = Some((status, at + of.rng.range(1, 240) * MINUTE));
                refuse(connection, at, status, of);
            }
            Some(Fault::Flapping) => {
                let kind = of.rng.below(7);
                self.flap = Some((kind, at + of.rng.range(1, 240) * MINUTE));
                flap(connection, at, kind, of);
            }
            Some(Fault::EndlessHead) => {
                let (start, piece): (&[u8], &[u8]) = of.rng.pick(&[
                    (&b"HTTP/1.1 200 "[..], &b"OKOKOKOKOK"[..]),
                    (b"HTTP/1.1 200 OK\r\nX: ", b"aaaaaaaaaa"),
                    (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
                ]);
                connection.send(at, Bytes::raw(start));
                let every = of.rng.pick(&[MS, SEC]);
                connection.drip(at, every, &piece.repeat(20), u32::MAX, Some(End::Protocol));
            }
            Some(Fault::TrickleHead) => {
                let every = of.rng.pick(&[10 * MS, 100 * MS, SEC, 14 * SEC]);
                connection.trickle_head(at, every, of);
            }
            Some(Fault::BrokenHead) => {
                let head = of.rng.pick(responses::BROKEN_HEADS);
                connection.send(at, Bytes::ending(head, End::Protocol));
                connection.finish();
            }
            Some(Fault::Coding) => {
                let coding = of.rng.pick(responses::CODINGS);
                let head = responses::head("200 OK", true, &format!("Content-Encoding: {coding}\r\n"));
                connection.send(at, Bytes::ending(head, End::Protocol));
                connection.finish();
            }
            Some(Fault::BackfillRefused) if backfill > 0 => {
                let status = of.rng.pick(&[400, 403]);
                refuse(connection, at, status, of);
            }
            Some(Fault::Failover) => connection.stream(at, b"", backfill, true, of),
            _ => {
                cancel(of);
                connection.stream(at, b"", backfill, false, of);
            }
        }
    }
}

/// Sends a refusal.
fn refuse(connection: &mut Connection, at: u64, status: u16, of: &mut Context<'_>) {
    let now = of.service.unix(at) / 1_000;
    let refusal = responses::refusal(status, now, &of.date(at), of.rng);
    let end = End::Refused(refusal.status, refusal.wait);
    let end_from = refusal.head.len() - 1;
    let mut wire = [refusal.head.as_bytes(), &refusal.body].concat();
    if refusal.body.is_empty() || of.rng.chance(70) {
        connection.send(at, Bytes { end_from, ..Bytes::ending(wire, end) });
        return connection.finish();
    }
    // The document stops before its end.
    wire.truncate(refusal.head.len() + of.rng.below(refusal.body.len() as u64) as usize);
    connection.send(at, Bytes { end_from, end: Some(end), ..Bytes::raw(wire) });
    let ends_at = at + of.rng.around(15 * SEC);
    match of.rng.below(3) {
        0 => connection.finish(),
        1 => connection.close(ends_at, false),
        _ => connection.cut(ends_at, of.rng),
    }
}

/// Sends a head up to any byte before its last one.
fn send_head_part(connection: &mut Connection, at: u64, of: &mut Context<'_>) {
    let head = responses::head("200 OK", true, &of.date(at));
    let length = of.rng.below(head.len() as u64) as usize;
    connection.send(at, Bytes::raw(&head.as_bytes()[..length]));
}

/// Starts a stream and ends it soon.
fn flap(connection: &mut Connection, at: u64, kind: u64, of: &mut Context<'_>) {
    if kind == 0 {
        return connection.close(at, true);
    }
    let mut bytes = Bytes::default();
    // A content of known length, which is complete or cut.
    let content = b"\r\n{\"length\":1}\r\n";
    let missing = if kind == 6 { 1 + of.rng.below(30) } else { 0 };
    let length = content.len() as u64 + missing;
    let (length, is_chunked) = match kind {
        5 | 6 => (format!("Content-Length: {length}\r\n"), false),
        _ => (String::new(), true),
    };
    bytes.wire.extend(responses::head("200 OK", is_chunked, &(of.date(at) + &length)).bytes());
    bytes.events.push_back((bytes.wire.len(), Expected::Head));
    match kind {
        5 | 6 => {
            connection.is_chunked = false;
            bytes.push(b"\r\n", Some(Expected::KeepAlive), false, 0);
            let message = b"{\"length\":1}".to_vec();
            let event = Expected::Message { bytes: message, is_post: false, advice: None };
            bytes.push(&content[2..], Some(event), false, 0);
            if kind == 6 {
                connection.send(at, bytes);
                connection.path.send(at + of.rng.pick(&[0, MS, 19 * SEC]), Content::Fin(End::Cut));
            } else {
                (bytes.end, bytes.end_from, bytes.is_certain) =
                    (Some(End::Ended), bytes.wire.len() - 1, true);
                bytes.wire.extend(of.rng.pick(responses::LEFT_OVER));
                connection.send(at, bytes);
            }
            return connection.finish();
        }
        2 => bytes.push(b"\r\n", Some(Expected::KeepAlive), true, 2),
        3 => {
            let text = responses::SYSTEM[0];
            let content = format!("{text}\r\n");
            let event = Expected::Message { bytes: text.as_bytes().to_vec(), is_post: false, advice: None };
            bytes.push(content.as_bytes(), Some(event), true, 1_000);
        }
        _ => {}
    }
    connection.send(at, bytes);
    if kind == 4 {
        connection.cut(at + 19 * SEC, of.rng);
    } else {
        connection.close(at + of.rng.pick(&[0, MS, 19 * SEC]), false);
    }
}
