//! Compares what the server sent with what the client read, delivered and reported as missing.
//! Pure: it neither waits nor connects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::line_decoder::Line;

/// One connection: the lines that the server sent, that the client read and that it delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// The lines that the server wrote completely.
    pub(crate) sent: Vec<SentLine>,
    /// The lines whose ends the client's reads returned.
    pub(crate) read: Vec<Line>,
    /// The lines that the client delivered. Not used for a merged stream.
    pub(crate) delivered: Vec<Line>,
    /// The connection ended in a way that loses nothing that was sent before.
    pub(crate) is_orderly: bool,
}

/// A line as the server wrote it.
#[derive(Clone, Debug)]
pub(crate) struct SentLine {
    pub(crate) line: Line,
    pub(crate) post: Option<u64>,
    pub(crate) at: UnixTime,
}

/// A half-open time range in which, by the client's report, Posts may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportedGap {
    pub(crate) from: UnixTime,
    pub(crate) to: UnixTime,
}

impl From<TimeRange> for ReportedGap {
    fn from(range: TimeRange) -> Self {
        Self { from: range.from, to: range.to }
    }
}

pub(crate) const END_OF_TIME: UnixTime = UnixTime::from_millis(u64::MAX);

/// Everything that was recorded of one client, from its first connection to its last.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// The connections, in order.
    pub(crate) streams: Vec<Stream>,
    /// The ids of all Posts since the client's first stream began, in the order of the group.
    pub(crate) due: Vec<u64>,
    /// The gaps that the client reported.
    pub(crate) gaps: Vec<ReportedGap>,
    /// For a merged stream: the ids of the Posts, in order of delivery.
    pub(crate) merged: Option<Vec<u64>>,
}

/// The result of a ledger without violations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Delivered Posts, each counted once.
    pub(crate) delivered: usize,
    /// Missing Posts, all of them in reported gaps.
    pub(crate) missing: usize,
}

/// The first rule that a ledger breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The client read a line that the server did not send at this position.
    NotSent { stream: usize, line: usize },
    /// The client did not read an orderly stream to its end.
    Unread { stream: usize, sent: usize, read: usize },
    /// From this line on, the delivered lines differ from the lines read.
    Undelivered { stream: usize, line: usize, read: usize, delivered: usize },
    /// A merged stream did not deliver a Post that a connection read.
    UndeliveredPost { stream: usize, id: u64 },
    /// A merged stream delivered a Post twice.
    Duplicate { id: u64 },
    /// A Post was delivered that no connection read.
    NeverRead { id: u64 },
    /// A Post is missing, and no reported gap covers the time at which it was sent.
    SilentLoss { id: u64, at: UnixTime },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |id| PostId::new(id).created_at().unwrap_or_default().as_millis();
        match *self {
            Self::NotSent { stream, line } => {
                write!(f, "stream {stream}: line {line} was read, but not sent")
            }
            Self::Unread { stream, sent, read } => {
                write!(f, "stream {stream}: of {sent} lines {read} were read")
            }
            Self::Undelivered { stream, line, read, delivered } => write!(
                f,
                "stream {stream}: line {line} of {read} that were read is not what was delivered; {delivered} were"
            ),
            Self::UndeliveredPost { stream, id } => {
                write!(f, "Post {id} of {} was read on stream {stream}, and not delivered", when(id))
            }
            Self::Duplicate { id } => write!(f, "Post {id} was delivered twice"),
            Self::NeverRead { id } => write!(f, "Post {id} was delivered and never read"),
            Self::SilentLoss { id, at } => write!(
                f,
                "Post {id} of {} is missing, sent at {}, and no reported gap covers that time",
                when(id),
                at.as_millis()
            ),
        }
    }
}

impl Ledger {
    /// Checks that everything read was delivered, in order and once per connection, and that each
    /// other missing Post is in a reported gap.
    pub(crate) fn check(&self) -> Result<Totals, Violation> {
        for (number, stream) in self.streams.iter().enumerate() {
            stream.check_reads(number)?;
        }
        let delivered = match &self.merged {
            Some(ids) => self.check_merged(ids)?,
            None => {
                for (number, stream) in self.streams.iter().enumerate() {
                    stream.check_deliveries(number)?;
                }
                self.streams.iter().flat_map(Stream::posts_read).collect()
            }
        };
        let missing = self.check_missing(&delivered)?;
        Ok(Totals { delivered: delivered.len(), missing })
    }

    /// Returns true if some connection read the Post.
    pub(crate) fn is_delivered(&self, id: u64) -> bool {
        self.streams.iter().any(|stream| stream.posts_read().any(|read| read == id))
    }

    /// Checks that each Post which some connection read was delivered exactly once, and no other.
    fn check_merged(&self, ids: &[u64]) -> Result<BTreeSet<u64>, Violation> {
        let mut delivered = BTreeSet::new();
        if let Some(&id) = ids.iter().find(|id| !delivered.insert(**id)) {
            return Err(Violation::Duplicate { id });
        }
        let mut read = BTreeSet::new();
        for (stream, id) in
            (0..).zip(&self.streams).flat_map(|(n, stream)| stream.posts_read().map(move |id| (n, id)))
        {
            if !delivered.contains(&id) {
                return Err(Violation::UndeliveredPost { stream, id });
            }
            read.insert(id);
        }
        match delivered.iter().find(|id| !read.contains(id)) {
            Some(&id) => Err(Violation::NeverRead { id }),
            None => Ok(delivered),
        }
    }

    /// Returns how many Posts are missing; all of them are in reported gaps.
    fn check_missing(&self, delivered: &BTreeSet<u64>) -> Result<usize, Violation> {
        let mut sent: BTreeMap<u64, Vec<UnixTime>> = BTreeMap::new();
        for (id, at) in
            self.streams.iter().flat_map(|stream| &stream.sent).filter_map(|sent| Some((sent.post?, sent.at)))
        {
            sent.entry(id).or_default().push(at);
        }
        let is_reported = |at: UnixTime| self.gaps.iter().any(|gap| gap.from <= at && at < gap.to);
        let mut missing = 0;
        // A busy server sends late, but in order: a Post that it never sent would have been sent
        // after those before it.
        let mut not_before = UnixTime::default();
        for &id in &self.due {
            let times = sent.get(&id).map(Vec::as_slice).unwrap_or_default();
            not_before = times.iter().copied().min().map_or(not_before, |first| first.max(not_before));
            if delivered.contains(&id) {
                continue;
            }
            missing += 1;
            let created = PostId::new(id).created_at().unwrap_or_default();
            let would_be = [created.max(not_before)];
            let times = if times.is_empty() { &would_be } else { times };
            if let Some(&at) = times.iter().find(|at| !is_reported(**at)) {
                return Err(Violation::SilentLoss { id, at });
            }
        }
        Ok(missing)
    }
}

impl Stream {
    fn check_reads(&self, stream: usize) -> Result<(), Violation> {
        let (sent, read) = (self.sent.len(), self.read.len());
        if let Some(line) =
            (0..read).find(|line| self.sent.get(*line).map(|sent| &sent.line) != self.read.get(*line))
        {
            return Err(Violation::NotSent { stream, line });
        }
        if self.is_orderly && read < sent { Err(Violation::Unread { stream, sent, read }) } else { Ok(()) }
    }

    fn check_deliveries(&self, stream: usize) -> Result<(), Violation> {
        let (read, delivered) = (self.read.len(), self.delivered.len());
        let differs = |line: &usize| self.read.get(*line) != self.delivered.get(*line);
        match (0..read.max(delivered)).find(differs) {
            Some(line) => Err(Violation::Undelivered { stream, line, read, delivered }),
            None => Ok(()),
        }
    }

    /// Returns the Posts among the lines read. Lines over the limit were skipped and reported.
    fn posts_read(&self) -> impl Iterator<Item = u64> + '_ {
        self.sent.iter().take(self.read.len()).filter_map(|sent| sent.post)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Post of this millisecond.
    fn id(ms: u64) -> u64 {
        (ms - 1_288_834_974_657) << 22
    }

    fn line(ms: u64) -> Line {
        Line::new(ms.to_string().as_bytes())
    }

    const START: u64 = 1_700_000_000_000;

    /// A Post each 10 ms from `START` on. The first stream is sent 0 to 29 and read up to 24, the
    /// second one, reset in its head, is sent 30 and 31, the third is sent those from 40 on.
    fn ledger() -> Ledger {
        let sent = |nths: std::ops::Range<u64>| {
            let sent = |nth| {
                let ms = START + nth * 10;
                SentLine { line: line(ms), post: Some(id(ms)), at: UnixTime::from_millis(ms + 1) }
            };
            nths.map(sent).collect::<Vec<_>>()
        };
        let stream = |nths: std::ops::Range<u64>, received: usize| {
            let sent = sent(nths);
            let read: Vec<_> = sent[..received].iter().map(|sent| sent.line.clone()).collect();
            Stream { sent, delivered: read.clone(), read, is_orderly: false }
        };
        let gap = |from, to| ReportedGap {
            from: UnixTime::from_millis(START + from),
            to: UnixTime::from_millis(START + to),
        };
        Ledger {
            streams: vec![stream(0..30, 25), stream(30..32, 0), stream(40..60, 20)],
            due: (0..70).map(|nth| id(START + nth * 10)).collect(),
            gaps: vec![gap(245, 399), ReportedGap { to: END_OF_TIME, ..gap(595, 0) }],
            merged: None,
        }
    }

    fn merged() -> Ledger {
        let mut ledger = ledger();
        // A copy of the first stream, of which the client read more.
        let mut copy = ledger.streams[0].clone();
        copy.read = copy.sent.iter().map(|sent| sent.line.clone()).collect();
        ledger.merged = Some((0..30).chain(40..60).map(|nth| id(START + nth * 10)).collect());
        ledger.streams.push(copy);
        ledger
    }

    #[test]
    fn accepts_a_ledger_without_violations() {
        assert_eq!(ledger().check(), Ok(Totals { delivered: 45, missing: 25 }));
        assert_eq!(merged().check(), Ok(Totals { delivered: 50, missing: 20 }));
    }

    #[test]
    fn detects_a_missing_a_repeated_and_a_reordered_delivery() {
        let undelivered =
            |line, delivered| Err(Violation::Undelivered { stream: 0, line, read: 25, delivered });
        let check = |change: fn(&mut Vec<Line>)| {
            let mut ledger = ledger();
            change(&mut ledger.streams[0].delivered);
            ledger.check()
        };
        for (nth, change) in [
            (0, (|lines| drop(lines.remove(0))) as fn(&mut Vec<Line>)),
            (7, |lines| drop(lines.remove(7))),
            (24, |lines| drop(lines.pop())),
        ] {
            assert_eq!(check(change), undelivered(nth, 24));
        }
        assert_eq!(check(|lines| lines.insert(7, lines[7].clone())), undelivered(8, 26));
        assert_eq!(check(|lines| lines.push(lines[24].clone())), undelivered(25, 26));
        assert_eq!(check(|lines| lines.swap(7, 8)), undelivered(7, 25));
        assert_eq!(check(|lines| lines[7] = Line::TooLong(13)), undelivered(7, 25));
    }

    #[test]
    fn detects_a_missing_and_a_repeated_post_of_a_merged_stream() {
        let check = |change: fn(&mut Vec<u64>)| {
            let mut ledger = merged();
            ledger.merged.as_mut().map(change);
            ledger.check()
        };
        // Only the copy read it.
        assert_eq!(
            check(|ids| ids.retain(|one| *one != id(START + 270))),
            Err(Violation::UndeliveredPost { stream: 3, id: id(START + 270) })
        );
        assert_eq!(check(|ids| ids.push(ids[3])), Err(Violation::Duplicate { id: id(START + 30) }));
        assert_eq!(check(|ids| ids.push(5)), Err(Violation::NeverRead { id: 5 }));
    }

    #[test]
    fn detects_a_line_that_the_server_did_not_send() {
        let mut invented = ledger();
        invented.streams[2].read[3] = line(1);
        assert_eq!(invented.check(), Err(Violation::NotSent { stream: 2, line: 3 }));
        let mut invented = ledger();
        invented.streams[2].read.push(line(1));
        assert_eq!(invented.check(), Err(Violation::NotSent { stream: 2, line: 20 }));
    }

    #[test]
    fn detects_an_orderly_stream_that_was_not_read_to_its_end() {
        let mut unread = ledger();
        unread.streams[0].is_orderly = true;
        assert_eq!(unread.check(), Err(Violation::Unread { stream: 0, sent: 30, read: 25 }));
        unread.streams[0].is_orderly = false;
        unread.streams[2].is_orderly = true;
        assert!(unread.check().is_ok());
    }

    #[test]
    fn detects_a_gap_that_is_too_short() {
        let check = |change: fn(&mut Vec<ReportedGap>)| {
            let mut ledger = ledger();
            change(&mut ledger.gaps);
            ledger.check()
        };
        let lost = |nth: u64, after| {
            Err(Violation::SilentLoss {
                id: id(START + nth * 10),
                at: UnixTime::from_millis(START + nth * 10 + after),
            })
        };
        // These were sent a millisecond after their creation; a Post that was not sent counts from
        // its creation.
        assert!(check(|gaps| gaps[0].from = UnixTime::from_millis(START + 251)).is_ok());
        assert_eq!(check(|gaps| gaps[0].from = UnixTime::from_millis(START + 252)), lost(25, 1));
        assert_eq!(check(|gaps| gaps[0].from = UnixTime::from_millis(START + 290)), lost(25, 1));
        assert!(check(|gaps| gaps[0].to = UnixTime::from_millis(START + 391)).is_ok());
        assert_eq!(check(|gaps| gaps[0].to = UnixTime::from_millis(START + 390)), lost(39, 0));
        assert_eq!(check(|gaps| gaps[0].to = UnixTime::from_millis(START + 310)), lost(31, 1));
        assert_eq!(check(|gaps| gaps[1].from = UnixTime::from_millis(START + 601)), lost(60, 0));
        assert_eq!(check(Vec::clear), lost(25, 1));
        assert_eq!(check(|gaps| gaps.truncate(1)), lost(60, 0));
    }

    #[test]
    fn counts_an_unsent_post_of_a_late_server_as_later_than_the_sent_ones() {
        let mut late = ledger();
        // Each Post is sent 200 ms after its creation.
        for sent in late.streams.iter_mut().flat_map(|stream| &mut stream.sent) {
            sent.at = sent.at.saturating_add(core::time::Duration::from_millis(200));
        }
        late.gaps[0] =
            ReportedGap { from: UnixTime::from_millis(START + 445), to: UnixTime::from_millis(START + 599) };
        late.gaps[1].from = UnixTime::from_millis(START + 791);
        assert_eq!(late.check(), Ok(Totals { delivered: 45, missing: 25 }));
        late.gaps[0].from = UnixTime::from_millis(START + 455);
        assert!(matches!(late.check(), Err(Violation::SilentLoss { .. })));
    }
}
