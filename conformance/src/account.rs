//! What was sent, read, delivered and told to be missing, held against each other. Nothing here waits or connects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use powerstream_core::stream::message::PostId;
use powerstream_core::time::UnixTime;

use crate::lines::Line;

/// One connection over which a server sent lines, or a client read some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// What the server wrote whole.
    pub(crate) sent: Vec<Sent>,
    /// The lines whose ends the client's reads returned.
    pub(crate) read: Vec<Line>,
    /// What the client delivered; of a merged stream nobody asks.
    pub(crate) delivered: Vec<Line>,
    /// The end was one before which everything that was sent comes through.
    pub(crate) is_orderly: bool,
}

/// A line as the server wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) line: Line,
    pub(crate) post: Option<u64>,
    pub(crate) at: UnixTime,
}

/// A span, its end left out, of which the client says that Posts may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) from: UnixTime,
    pub(crate) to: UnixTime,
}

/// Until the end of time.
pub(crate) const FOR_EVER: UnixTime = UnixTime::from_millis(u64::MAX);

/// All there is to know of a client's life.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The connections, in their order.
    pub(crate) streams: Vec<Stream>,
    /// The Posts that there were since the client's first stream began, in the order of the feed.
    pub(crate) due: Vec<u64>,
    /// What the client told.
    pub(crate) absences: Vec<Absence>,
    /// Of a merged stream: the ids of the Posts, as they were delivered.
    pub(crate) merged: Option<Vec<u64>>,
}

/// What an account comes to where nothing is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Posts that were delivered, each counted once.
    pub(crate) delivered: usize,
    /// Posts that were not, all of them in spans of absence.
    pub(crate) missing: usize,
}

/// What is wrong with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A line that came over this stream is not the one that was sent in its place.
    Invented { stream: usize, line: usize },
    /// This stream was not read to its end, though nothing had been in the way.
    Unread { stream: usize, sent: usize, read: usize },
    /// What was delivered is from this line on not what was read.
    Undelivered { stream: usize, line: usize, read: usize, delivered: usize },
    /// A Post that was read is not delivered, by a merged stream.
    UndeliveredPost { stream: usize, id: u64 },
    /// A merged stream delivered it twice.
    Twice { id: u64 },
    /// A Post that was delivered, but never read.
    FromNowhere { id: u64 },
    /// A Post was sent, or would have been, at a time at which the client says that it was there.
    Lost { id: u64, at: UnixTime },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |id| PostId::new(id).created_at().unwrap_or_default().as_millis();
        match *self {
            Self::Invented { stream, line } => {
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
            Self::Twice { id } => write!(f, "Post {id} was delivered twice"),
            Self::FromNowhere { id } => write!(f, "Post {id} was delivered and never read"),
            Self::Lost { id, at } => write!(
                f,
                "Post {id} of {} is missing, sent at {}, and no span of absence is told of that time",
                when(id),
                at.as_millis()
            ),
        }
    }
}

impl Account {
    /// Whether everything that was read is delivered, in order and once per connection, and everything else that is
    /// missing was told of.
    pub(crate) fn check(&self) -> Result<Sum, Wrong> {
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
        Ok(Sum { delivered: delivered.len(), missing })
    }

    /// Whether a Post came to the client.
    pub(crate) fn is_delivered(&self, id: u64) -> bool {
        self.streams.iter().any(|stream| stream.posts_read().any(|read| read == id))
    }

    /// Each Post that any connection brought, once, and no other.
    fn check_merged(&self, ids: &[u64]) -> Result<BTreeSet<u64>, Wrong> {
        let mut delivered = BTreeSet::new();
        if let Some(&id) = ids.iter().find(|id| !delivered.insert(**id)) {
            return Err(Wrong::Twice { id });
        }
        let mut read = BTreeSet::new();
        for (stream, id) in
            (0..).zip(&self.streams).flat_map(|(n, stream)| stream.posts_read().map(move |id| (n, id)))
        {
            if !delivered.contains(&id) {
                return Err(Wrong::UndeliveredPost { stream, id });
            }
            read.insert(id);
        }
        match delivered.iter().find(|id| !read.contains(id)) {
            Some(&id) => Err(Wrong::FromNowhere { id }),
            None => Ok(delivered),
        }
    }

    /// How many are missing, all of them in spans of absence.
    fn check_missing(&self, delivered: &BTreeSet<u64>) -> Result<usize, Wrong> {
        let mut sent: BTreeMap<u64, Vec<UnixTime>> = BTreeMap::new();
        for (id, at) in
            self.streams.iter().flat_map(|stream| &stream.sent).filter_map(|sent| Some((sent.post?, sent.at)))
        {
            sent.entry(id).or_default().push(at);
        }
        let is_told =
            |at: UnixTime| self.absences.iter().any(|absence| absence.from <= at && at < absence.to);
        let mut missing = 0;
        // A server that has much to do is late with its Posts, but sends them in their order: one that was never sent would have been sent
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
            if let Some(&at) = times.iter().find(|at| !is_told(**at)) {
                return Err(Wrong::Lost { id, at });
            }
        }
        Ok(missing)
    }
}

impl Stream {
    fn check_reads(&self, stream: usize) -> Result<(), Wrong> {
        let (sent, read) = (self.sent.len(), self.read.len());
        if let Some(line) =
            (0..read).find(|line| self.sent.get(*line).map(|sent| &sent.line) != self.read.get(*line))
        {
            return Err(Wrong::Invented { stream, line });
        }
        if self.is_orderly && read < sent { Err(Wrong::Unread { stream, sent, read }) } else { Ok(()) }
    }

    fn check_deliveries(&self, stream: usize) -> Result<(), Wrong> {
        let (read, delivered) = (self.read.len(), self.delivered.len());
        let differs = |line: &usize| self.read.get(*line) != self.delivered.get(*line);
        match (0..read.max(delivered)).find(differs) {
            Some(line) => Err(Wrong::Undelivered { stream, line, read, delivered }),
            None => Ok(()),
        }
    }

    /// The Posts among the lines that were read; those over the limit were passed over, and that was told.
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

    /// A Post each 10 ms from `START` on. The first stream is sent 0 to 29 and read up to 24, the second one, reset in its head, is sent 30
    /// and 31, the third is sent those from 40 on.
    fn account() -> Account {
        let sent = |nths: std::ops::Range<u64>| {
            let sent = |nth| {
                let ms = START + nth * 10;
                Sent { line: line(ms), post: Some(id(ms)), at: UnixTime::from_millis(ms + 1) }
            };
            nths.map(sent).collect::<Vec<_>>()
        };
        let stream = |nths: std::ops::Range<u64>, came: usize| {
            let sent = sent(nths);
            let read: Vec<_> = sent[..came].iter().map(|sent| sent.line.clone()).collect();
            Stream { sent, delivered: read.clone(), read, is_orderly: false }
        };
        let absence = |from, to| Absence {
            from: UnixTime::from_millis(START + from),
            to: UnixTime::from_millis(START + to),
        };
        Account {
            streams: vec![stream(0..30, 25), stream(30..32, 0), stream(40..60, 20)],
            due: (0..70).map(|nth| id(START + nth * 10)).collect(),
            absences: vec![absence(245, 399), Absence { to: FOR_EVER, ..absence(595, 0) }],
            merged: None,
        }
    }

    fn merged() -> Account {
        let mut account = account();
        // A copy of the first, which the client read further.
        let mut copy = account.streams[0].clone();
        copy.read = copy.sent.iter().map(|sent| sent.line.clone()).collect();
        account.merged = Some((0..30).chain(40..60).map(|nth| id(START + nth * 10)).collect());
        account.streams.push(copy);
        account
    }

    #[test]
    fn a_good_account_adds_up() {
        assert_eq!(account().check(), Ok(Sum { delivered: 45, missing: 25 }));
        assert_eq!(merged().check(), Ok(Sum { delivered: 50, missing: 20 }));
    }

    #[test]
    fn a_delivery_that_is_missing_twice_there_or_out_of_order_is_found() {
        let undelivered = |line, delivered| Err(Wrong::Undelivered { stream: 0, line, read: 25, delivered });
        let check = |change: fn(&mut Vec<Line>)| {
            let mut account = account();
            change(&mut account.streams[0].delivered);
            account.check()
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
    fn a_merged_stream_has_each_post_once() {
        let check = |change: fn(&mut Vec<u64>)| {
            let mut account = merged();
            account.merged.as_mut().map(change);
            account.check()
        };
        // Only the copy brought it.
        assert_eq!(
            check(|ids| ids.retain(|one| *one != id(START + 270))),
            Err(Wrong::UndeliveredPost { stream: 3, id: id(START + 270) })
        );
        assert_eq!(check(|ids| ids.push(ids[3])), Err(Wrong::Twice { id: id(START + 30) }));
        assert_eq!(check(|ids| ids.push(5)), Err(Wrong::FromNowhere { id: 5 }));
    }

    #[test]
    fn a_line_that_nobody_sent_is_found() {
        let mut invented = account();
        invented.streams[2].read[3] = line(1);
        assert_eq!(invented.check(), Err(Wrong::Invented { stream: 2, line: 3 }));
        let mut invented = account();
        invented.streams[2].read.push(line(1));
        assert_eq!(invented.check(), Err(Wrong::Invented { stream: 2, line: 20 }));
    }

    #[test]
    fn a_stream_that_ended_in_order_is_read_to_its_end() {
        let mut unread = account();
        unread.streams[0].is_orderly = true;
        assert_eq!(unread.check(), Err(Wrong::Unread { stream: 0, sent: 30, read: 25 }));
        unread.streams[0].is_orderly = false;
        unread.streams[2].is_orderly = true;
        assert!(unread.check().is_ok());
    }

    #[test]
    fn a_gap_that_is_cut_short_is_found() {
        let check = |change: fn(&mut Vec<Absence>)| {
            let mut account = account();
            change(&mut account.absences);
            account.check()
        };
        let lost = |nth: u64, after| {
            Err(Wrong::Lost { id: id(START + nth * 10), at: UnixTime::from_millis(START + nth * 10 + after) })
        };
        // Up to here it was sent a millisecond later; what was sent to nobody counts from when it was there.
        assert!(check(|told| told[0].from = UnixTime::from_millis(START + 251)).is_ok());
        assert_eq!(check(|told| told[0].from = UnixTime::from_millis(START + 252)), lost(25, 1));
        assert_eq!(check(|told| told[0].from = UnixTime::from_millis(START + 290)), lost(25, 1));
        assert!(check(|told| told[0].to = UnixTime::from_millis(START + 391)).is_ok());
        assert_eq!(check(|told| told[0].to = UnixTime::from_millis(START + 390)), lost(39, 0));
        assert_eq!(check(|told| told[0].to = UnixTime::from_millis(START + 310)), lost(31, 1));
        assert_eq!(check(|told| told[1].from = UnixTime::from_millis(START + 601)), lost(60, 0));
        assert_eq!(check(Vec::clear), lost(25, 1));
        assert_eq!(check(|told| told.truncate(1)), lost(60, 0));
    }

    #[test]
    fn what_a_late_server_never_sent_counts_as_later_than_what_it_did() {
        let mut late = account();
        // Everything goes out 200 ms after it is there.
        for sent in late.streams.iter_mut().flat_map(|stream| &mut stream.sent) {
            sent.at = sent.at.saturating_add(core::time::Duration::from_millis(200));
        }
        late.absences[0] =
            Absence { from: UnixTime::from_millis(START + 445), to: UnixTime::from_millis(START + 599) };
        late.absences[1].from = UnixTime::from_millis(START + 791);
        assert_eq!(late.check(), Ok(Sum { delivered: 45, missing: 25 }));
        late.absences[0].from = UnixTime::from_millis(START + 455);
        assert!(matches!(late.check(), Err(Wrong::Lost { .. })));
    }
}
