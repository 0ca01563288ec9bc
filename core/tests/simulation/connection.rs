//! The service's side of one connection: what it sends, when, and which faults of the stream it
//! has.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use powerstream_core::transport_error::TransportErrorKind;

use crate::faults::{Fault, Faults, Stage};
use crate::network::{Advice, Bytes, Content, End, Expected, Path};
use crate::random::Rng;
use crate::responses;
use crate::service::{MINUTE, MS, Post, SEC, Service};
use crate::transcript::note;

/// A Post without other faults is sent after a millisecond and at most these two.
pub(crate) const LAG_MAX: u64 = 400 * MS;
pub(crate) const JITTER_MAX: u64 = 400 * MS;

/// What a connection uses of its run.
pub(crate) struct Context<'a> {
    pub(crate) service: &'a mut Service,
    pub(crate) faults: &'a mut Faults,
    pub(crate) rng: &'a mut Rng,
    /// The session's limit of a message, in bytes.
    pub(crate) limit: usize,
    pub(crate) has_date: bool,
    /// The index of the connection.
    pub(crate) line: usize,
}

/// One connection, from its request on.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) path: Path,
    pub(crate) is_chunked: bool,
    /// The most bytes of a chunk.
    chunk: usize,
    live: Option<Live>,
    drip: Option<Drip>,
    /// The server sends nothing more.
    is_over: bool,
}

/// A running stream.
#[derive(Debug)]
struct Live {
    keep_alive_every: u64,
    keep_alive_at: u64,
    /// The next Post of the service to put into `posts`.
    cursor: u64,
    /// When Posts are sent, and their index.
    posts: BinaryHeap<Reverse<(u64, u64)>>,
    began_at: u64,
    line: usize,
    lag: u64,
    jitter: u64,
    key: u64,
    fault_at: u64,
    /// When the last message that was sent in pieces ended.
    free_at: u64,
    /// Items since the last stall.
    since_stall: u32,
}

/// Bytes sent piece by piece.
#[derive(Debug)]
struct Drip {
    at: u64,
    every: u64,
    piece: Vec<u8>,
    left: u32,
    end: Option<End>,
    /// Sent after the last piece.
    tail: Bytes,
    /// The connection is reset before the Posts that wait are sent.
    resets: bool,
}

impl Connection {
    pub(crate) fn new(path: Path, rng: &mut Rng) -> Self {
        Self {
            path,
            is_chunked: true,
            chunk: rng.pick(&[1, 7, 100_000, 100_000]),
            live: None,
            drip: None,
            is_over: false,
        }
    }

    /// Starts a stream at `at`, with its head.
    pub(crate) fn stream(
        &mut self,
        at: u64,
        before: &[u8],
        backfill: u64,
        failover: bool,
        of: &mut Context<'_>,
    ) {
        self.is_chunked = !of.rng.chance(10);
        let mut head = Bytes::raw(before);
        // A length next to chunks means nothing.
        let length = if self.is_chunked && of.rng.chance(3) { "Content-Length: 5\r\n" } else { "" };
        head.wire.extend(responses::head("200 OK", self.is_chunked, &(of.date(at) + length)).bytes());
        head.events.push_back((head.wire.len(), Expected::Head));
        self.path.send(at, Content::Bytes(Box::new(head)));
        self.begin(at, backfill, failover, of);
    }

    /// Sends a head slowly, one byte at a time, and starts a stream after it.
    pub(crate) fn trickle_head(&mut self, at: u64, every: u64, of: &mut Context<'_>) {
        let head = responses::head("200 OK", true, &of.date(at));
        let mut sent_at = at;
        for (index, byte) in head.bytes().enumerate() {
            let mut bytes = Bytes::raw([byte]);
            if index + 1 == head.len() {
                bytes.events.push_back((1, Expected::Head));
            }
            self.path.send(sent_at, Content::Bytes(Box::new(bytes)));
            sent_at += every;
        }
        self.begin(sent_at, 0, false, of);
    }

    fn begin(&mut self, at: u64, backfill: u64, failover: bool, of: &mut Context<'_>) {
        let lag = if failover { of.rng.below(LAG_MAX / MS) * MS } else { 100 * MS };
        // At least every 20 s (X docs, Powerstream introduction). Longer waits are closer to the
        // idle timeout.
        let shorter = of.rng.range(4_000, 20_000);
        let keep_alive_every = of.rng.pick(&[20_000, 20_000, 20_000, shorter]) * MS;
        let now = of.service.unix(at);
        let since = now.saturating_sub((backfill * 60_000).max(25_000));
        let mut live = Live {
            keep_alive_every,
            keep_alive_at: at + keep_alive_every,
            cursor: of.service.first_from(since),
            posts: BinaryHeap::new(),
            began_at: at,
            line: of.line,
            lag,
            jitter: of.rng.pick(&[1, 50, JITTER_MAX / MS]) * MS,
            key: of.rng.next(),
            fault_at: at + of.rng.about(of.faults.stream_every),
            free_at: at,
            since_stall: 0,
        };
        // Backfill comes first: what the service had sent before.
        of.create(at);
        while live.cursor < of.service.end() {
            let post = of.service.get(live.cursor).copied();
            if let Some(post) = post.filter(|post| live.due(post, of.service) <= at) {
                if post.created + backfill * 60_000 >= now && backfill > 0 {
                    self.post(at, &post);
                }
            } else if let Some(post) = post {
                live.posts.push(Reverse((live.due(&post, of.service), live.cursor)));
            }
            live.cursor += 1;
        }
        self.live = Some(live);
    }

    pub(crate) fn send(&mut self, at: u64, bytes: Bytes) {
        self.path.send(at, Content::Bytes(Box::new(bytes)));
    }

    /// Ends the body as a close does.
    pub(crate) fn close(&mut self, at: u64, in_head: bool) {
        let why = match (in_head, self.is_chunked) {
            (true, _) => End::CutInHead,
            (_, true) => End::Cut,
            _ => End::Ended,
        };
        self.path.send(at, Content::Fin(why));
        self.is_over = true;
    }

    pub(crate) fn cut(&mut self, at: u64, rng: &mut Rng) {
        self.path.cut(at, reset_kind(rng));
        self.is_over = true;
    }

    /// Sends `piece` again and again, the first one at `at`.
    pub(crate) fn drip(&mut self, at: u64, every: u64, piece: &[u8], left: u32, end: Option<End>) {
        self.drip =
            Some(Drip { at, every, piece: piece.to_vec(), left, end, tail: Bytes::default(), resets: false });
    }

    pub(crate) fn finish(&mut self) {
        self.is_over = true;
    }

    fn message(&mut self, at: u64, content: &[u8], event: Expected) {
        let mut bytes = Bytes::default();
        bytes.push(&[content, b"\r\n"].concat(), Some(event), self.is_chunked, self.chunk);
        self.send(at, bytes);
    }

    fn post(&mut self, at: u64, post: &Post) {
        let bytes = post.json().into_bytes();
        self.message(at, &bytes.clone(), Expected::Message { bytes, is_post: true, advice: None });
    }

    /// Returns when something arrives next, if that is known up to `horizon`.
    pub(crate) fn next_arrival(&mut self, now: u64, horizon: u64, of: &mut Context<'_>) -> Option<u64> {
        loop {
            if let Some(live) = &mut self.live {
                live.schedule(of.service);
            }
            let arrival = self.path.next_at();
            // A later event may still destroy what is on its way.
            match self.next_event(of) {
                Some(at) if at <= arrival.unwrap_or(horizon).max(now) => self.advance(at, of),
                _ => return arrival,
            }
        }
    }

    fn next_event(&self, of: &Context<'_>) -> Option<u64> {
        if self.is_over {
            return None;
        }
        if let Some(drip) = &self.drip {
            return Some(drip.at);
        }
        let live = self.live.as_ref()?;
        let post = live.posts.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let faults = if of.faults.on { live.fault_at } else { u64::MAX };
        Some(live.keep_alive_at.min(post).min(of.service.next_at()).min(faults).max(live.began_at))
    }

    fn advance(&mut self, at: u64, of: &mut Context<'_>) {
        of.service.handle_sent(at);
        if let Some(mut drip) = self.drip.take() {
            let bytes = Bytes { end: drip.end, ..Bytes::raw(&drip.piece) };
            drip.left -= 1;
            drip.at += drip.every;
            let is_last = drip.left == 0;
            // Only the last piece must end the connection.
            self.path.drip(at, bytes, is_last);
            if is_last {
                let tail = std::mem::take(&mut drip.tail);
                if !tail.wire.is_empty() {
                    self.send(at, tail);
                }
                if drip.resets {
                    self.junk(at + 5 * MS, b"{\"behind\":true}");
                    self.cut(at + SEC, of.rng);
                } else if let Some(live) = &mut self.live {
                    // First come the Posts that wait behind the message.
                    live.keep_alive_at = at + live.keep_alive_every;
                    live.free_at = at;
                    live.fault_at = live.fault_at.max(at + SEC);
                }
            } else {
                self.drip = Some(drip);
            }
            return;
        }
        let Some(live) = &mut self.live else { return };
        if of.service.next_at() <= at {
            of.create(at);
            return;
        }
        if of.faults.on && live.fault_at <= at {
            live.fault_at = at + of.rng.about(of.faults.stream_every);
            if let Some(fault) = of.faults.one(Stage::Stream, of.rng) {
                note(at, 8, 3, fault as u64, format_args!("fault {}", fault.text()));
                if !self.fault(fault, at, of) {
                    of.faults.cancel(Some(fault));
                }
            }
            return;
        }
        live.since_stall += 1;
        if let Some(Reverse((due, index))) = live.posts.peek().copied().filter(|Reverse((due, _))| *due <= at)
        {
            live.posts.pop();
            live.keep_alive_at = due.max(live.free_at) + live.keep_alive_every;
            if let Some(post) = of.service.get(index).copied() {
                self.post(at, &post);
            }
        } else if live.keep_alive_at <= at {
            live.keep_alive_at = at + live.keep_alive_every;
            self.keep_alive(at);
        } else {
            live.since_stall -= 1;
        }
    }

    fn keep_alive(&mut self, at: u64) {
        // Chunks of one byte split some of them between CR and LF.
        let is_split = self.chunk == 1 && self.live.as_ref().is_some_and(|live| live.since_stall % 8 == 0);
        if self.is_chunked && !is_split {
            self.path.send(at, Content::KeepAlive);
        } else {
            self.message(at, b"", Expected::KeepAlive);
        }
    }

    fn junk(&mut self, at: u64, content: &[u8]) {
        let bytes = content.to_vec();
        self.message(at, content, Expected::Message { bytes, is_post: false, advice: None });
    }

    /// Sends content that may be longer than the limit of a message.
    fn limited(&mut self, at: u64, content: &[u8], limit: usize) {
        if content.len() > limit {
            self.message(at, content, Expected::Skipped(content.len() as u64));
        } else {
            self.junk(at, content);
        }
    }

    /// Sends the beginning of a message, up to any byte of it or of its framing.
    fn part(&mut self, at: u64, rng: &mut Rng) {
        let content = b"{\"part\":\"aaaaaaa\"}";
        let mut bytes = Bytes::default();
        let event = Expected::Message { bytes: content.to_vec(), is_post: false, advice: None };
        bytes.push(&[content, &b"\r\n"[..]].concat(), Some(event), self.is_chunked, self.chunk);
        let mut length = rng.below(bytes.wire.len() as u64 + 1) as usize;
        if !self.is_chunked && (content.len()..content.len() + 2).contains(&length) {
            // The end of a content without length would complete the message.
            length = content.len() - 1;
        }
        bytes.wire.truncate(length);
        bytes.events.retain(|(end, _)| *end <= length);
        self.send(at, bytes);
    }

    /// Returns the Post `back` Posts ago, if this connection sent it in the last ten minutes.
    fn sent(&self, back: u64, at: u64, service: &Service) -> Option<Post> {
        let post = service.get(service.end().checked_sub(back)?)?;
        let is_sent = self.live.as_ref()?.due(post, service) < at;
        (is_sent && post.created + 600_000 > service.unix(at)).then_some(*post)
    }

    /// Injects a fault. Returns false if it can have no effect now.
    fn fault(&mut self, fault: Fault, at: u64, of: &mut Context<'_>) -> bool {
        let rng = &mut *of.rng;
        let framed = |content: &[u8]| {
            let mut bytes = Bytes::default();
            bytes.push(content, None, self.is_chunked, 100_000);
            bytes
        };
        let Some(live) = &mut self.live else { return false };
        match fault {
            Fault::Coalesce => {
                for _ in 0..rng.range(2, 60) {
                    self.keep_alive(at);
                }
                self.junk(at, b"{\"coalesced\":true}");
            }
            // What a stall held must have arrived before the next one.
            Fault::Stall if live.since_stall >= 8 && !self.path.is_stalled(at) => {
                live.since_stall = 0;
                // Half of them end around the idle timeout.
                let idle = (self.path.last_at() + rng.around(25 * SEC)).saturating_sub(at);
                let length = if rng.chance(50) { rng.below(20 * SEC) } else { idle };
                of.service.hurry(at + rng.below(length + 1));
                let apart = rng.pick(&[0, 0, 1, MS, 20 * MS, 300 * MS]);
                self.path.stall(at + length, apart);
                if rng.chance(30) {
                    // The server does not notice, and sends until then.
                    let reset_at = at + length + rng.below(10 * (apart + 1));
                    self.path.cut(reset_at, reset_kind(rng));
                }
                for _ in 0..rng.below(4) {
                    self.junk(at, b"{\"held\":true}");
                }
            }
            Fault::HalfOpen => {
                self.path.kill();
                self.is_over = true;
            }
            Fault::Reset => {
                if rng.chance(50) {
                    self.part(at, rng);
                }
                let at = at + rng.below(300) * MS;
                self.cut(at, rng);
            }
            Fault::Close => self.close(at, false),
            Fault::LastChunk if self.is_chunked => {
                let mut bytes = Bytes::default();
                if rng.chance(30) {
                    // A part of a message is no message.
                    bytes.push(b"{\"part\":[1", None, true, 100);
                } else if rng.chance(40) {
                    // A message that lacks only its delimiter is whole.
                    let last = b"{\"last\":1}";
                    bytes.push(last, None, true, 100);
                    let event = Expected::Message { bytes: last.to_vec(), is_post: false, advice: None };
                    bytes.events.push_back((bytes.wire.len() + 5, event));
                }
                bytes.end_from = bytes.wire.len();
                bytes.wire.extend(rng.pick(&["0\r\n\r\n", "000;a=b\r\n\r\n", "0\r\nx: y\r\n\r\n"]).bytes());
                for (end, _) in &mut bytes.events {
                    *end = bytes.wire.len();
                }
                if rng.chance(30) {
                    // Without its last bytes, it ends nothing.
                    bytes.wire.truncate(rng.range(bytes.end_from as u64, bytes.wire.len() as u64) as usize);
                    bytes.events.clear();
                } else {
                    (bytes.end, bytes.is_certain) = (Some(End::Ended), true);
                    bytes.wire.extend(rng.pick(responses::LEFT_OVER));
                }
                self.send(at, bytes);
                self.close(at + rng.below(2) * SEC, false);
            }
            Fault::LastChunk => self.close(at, false),
            Fault::CloseInMessage => {
                self.part(at, rng);
                self.close(at + rng.below(70) * SEC, false);
            }
            Fault::EndlessLine if self.is_chunked => {
                let start: &[u8] = rng.pick(&[&b"5;a=b"[..], b"0\r\nx: y"]);
                self.send(at, Bytes::raw(start));
                let every = rng.pick(&[10 * MS, SEC, 5 * SEC]);
                self.drip(at, every, &[b'a'; 50], 5_000, Some(End::Protocol));
            }
            Fault::BrokenChunk if self.is_chunked => {
                let wire = rng.pick(responses::BROKEN_CHUNKS);
                let mut bytes = Bytes::ending(b"", End::Protocol);
                if wire.starts_with(b"2\r\n\r\n") {
                    // What is before the fault is delivered.
                    bytes.events.push_back((5, Expected::KeepAlive));
                    bytes.end_from = 5;
                } else if rng.chance(50) {
                    bytes.push(b"{\"part\":[1", None, true, self.chunk);
                    bytes.end_from = bytes.wire.len();
                }
                bytes.wire.extend(wire);
                self.send(at, bytes);
                self.is_over = true;
            }
            Fault::SmallSize if self.is_chunked => {
                let content = b"{\"id_str\":\"1724648402173460480\",\"text\":\"a\"}\r\n";
                let size = content.len() as u64 - rng.range(3, 30);
                let wire = [format!("{size:x}\r\n").as_bytes(), content, b"\r\n"].concat();
                self.send(at, Bytes::ending(wire, End::Protocol));
                self.is_over = true;
            }
            Fault::LargeSize if self.is_chunked && rng.chance(25) => {
                // All that follows belongs to the chunk, whose size has more than 32 bits.
                let mut bytes = Bytes::raw(format!("{:x}\r\n", (1_u64 << 40) + 21));
                for message in [&b"{\"large\":\"aaaaaaa\"}"[..], b"", b"2", b"", b""] {
                    let event = match message {
                        b"" => Expected::KeepAlive,
                        _ => Expected::Message { bytes: message.to_vec(), is_post: false, advice: None },
                    };
                    bytes.push(&[message, b"\r\n"].concat(), Some(event), false, 0);
                }
                self.send(at, bytes);
                self.is_over = true;
            }
            Fault::LargeSize if self.is_chunked => {
                let size = 21 + rng.pick(&[1, 2, 9]);
                let wire = format!("{size:x}\r\n{{\"large\":\"aaaaaaa\"}}\r\n\r\n2\r\n\r\n\r\n");
                self.send(at, Bytes::ending(wire, End::Any));
                self.is_over = true;
            }
            Fault::KeepAlives => {
                for _ in 0..rng.pick(&[2, 20, 2_000]) {
                    self.keep_alive(at);
                }
            }
            Fault::TrickleMessage => {
                let mut every = rng.pick(&[SEC, 7 * SEC, 24 * SEC, 25 * SEC - 1, 25 * SEC, 25 * SEC + 1]);
                let mut left = rng.range(1, 70);
                let mut begin = 0;
                if rng.chance(20) {
                    // It ends around the deadline of the message.
                    let length = rng.pick(&[MINUTE - MS, MINUTE - 1, MINUTE, MINUTE + 1, MINUTE + MS]);
                    (left, every, begin) = (4, length / 4, length % 4);
                }
                self.send(at, framed(b"{"));
                let mut whole = vec![b'{'];
                whole.extend(vec![b'x'; left as usize]);
                whole.push(b'}');
                let mut tail = Bytes::default();
                let event = Expected::Message { bytes: whole, is_post: false, advice: None };
                tail.push(b"}\r\n", Some(event), self.is_chunked, 100);
                let piece = framed_piece(self.is_chunked, b"x");
                let (at, left, resets) = (at + begin + every, left as u32, rng.chance(30));
                self.drip = Some(Drip { at, every, piece, left, end: None, tail, resets });
            }
            Fault::Oversize => {
                let limit = of.limit;
                let length = rng.pick(&[limit - 1, limit, limit + 1, 10 * limit]);
                self.limited(at, &vec![b'x'; length], limit);
            }
            Fault::EndlessMessage => {
                let piece = framed_piece(self.is_chunked, &[b'y'; 300]);
                let every = rng.pick(&[300 * MS, 999 * MS]);
                self.drip(at, every, &piece, u32::MAX, None);
            }
            Fault::Junk => {
                match rng.below(16) {
                    0 => self.limited(at, &[b'['; 100_000], of.limit),
                    1 => self.limited(at, &[b'9'; 10_000], of.limit),
                    _ => self.junk(at, rng.pick(responses::JUNK)),
                }
                if rng.chance(20) {
                    self.message(at, b"  \t", Expected::KeepAlive);
                }
            }
            Fault::System => {
                let content = rng.pick(responses::SYSTEM);
                self.junk(at, content.as_bytes());
            }
            Fault::Announced => {
                let (content, immediate, class) = rng.pick(responses::ANNOUNCED);
                let advice = Some(Advice { immediate, class });
                let bytes = content.as_bytes().to_vec();
                self.message(at, content.as_bytes(), Expected::Message { bytes, is_post: false, advice });
                match rng.below(3) {
                    0 => self.close(at + rng.pick(&[0, SEC, 5 * SEC - 1, 5 * SEC, 5 * SEC + 1]), false),
                    1 => {
                        // A Post follows, so the stream continues.
                        if let Some(post) = self.sent(1, at, of.service) {
                            self.post(at + of.rng.below(6 * SEC), &post);
                        }
                    }
                    _ => {}
                }
            }
            Fault::Duplicate => {
                let Some(post) = self.sent(rng.range(1, 20), at, of.service) else { return false };
                self.post(at, &post);
            }
            Fault::Burst if of.service.is_silent() => return false,
            Fault::Burst if rng.chance(50) => of.service.burst(at + 600 * SEC),
            Fault::Burst => of.service.pause(at + rng.range(1, 60) * MINUTE),
            _ => return false,
        }
        true
    }
}

fn reset_kind(rng: &mut Rng) -> TransportErrorKind {
    rng.pick(&[TransportErrorKind::Reset, TransportErrorKind::TimedOut, TransportErrorKind::Other])
}

fn framed_piece(is_chunked: bool, content: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes::default();
    bytes.push(content, None, is_chunked, content.len());
    bytes.wire
}

impl Live {
    /// Schedules the Posts that exist by now: any connection of the group may have created them.
    fn schedule(&mut self, service: &Service) {
        while let Some(post) = service.get(self.cursor) {
            self.posts.push(Reverse((self.due(post, service), self.cursor)));
            self.cursor += 1;
        }
    }

    /// Returns when this connection sends a Post.
    fn due(&self, post: &Post, service: &Service) -> u64 {
        let random = Rng(post.id ^ self.key).next();
        service.at(post.created) + MS + self.lag + random % self.jitter + post.straggle(self.line)
    }
}

impl Context<'_> {
    pub(crate) fn create(&mut self, until: u64) {
        let Self { service, faults, rng, .. } = self;
        let mut luck = Rng(rng.next());
        service.create(until, rng, || luck.chance(2) && faults.fires(Fault::Straggler));
    }

    /// Returns the field with the server's time.
    pub(crate) fn date(&self, at: u64) -> String {
        if !self.has_date {
            return String::new();
        }
        format!("Date: {}\r\n", responses::http_date(self.service.unix(at) / 1_000))
    }
}
