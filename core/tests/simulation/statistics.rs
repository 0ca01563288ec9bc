//! The figures of runs.

use std::fmt;

use crate::faults::{Fault, KINDS};

/// Nanoseconds of a year of 365.25 days.
const YEAR: f64 = 365.25 * 86_400.0 * 1e9;

/// What runs did. Sums do not depend on the order of the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) runs: u64,
    /// Nanoseconds that sessions lived, and that they streamed.
    pub(crate) lived: u128,
    pub(crate) streamed: u128,
    pub(crate) messages: u64,
    pub(crate) posts: u64,
    pub(crate) keep_alives: u64,
    pub(crate) attempts: u64,
    pub(crate) streams: u64,
    /// Streams of a connection that had streamed before in the same process.
    pub(crate) reconnects: u64,
    pub(crate) restarts: u64,
    pub(crate) gaps: u64,
    /// Posts that were lost, all in reported gaps.
    pub(crate) lost: u64,
    pub(crate) faults: [u64; KINDS],
    /// The sum of the digests of the runs' transcripts.
    pub(crate) digest: u64,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            runs: 0,
            lived: 0,
            streamed: 0,
            messages: 0,
            posts: 0,
            keep_alives: 0,
            attempts: 0,
            streams: 0,
            reconnects: 0,
            restarts: 0,
            gaps: 0,
            lost: 0,
            faults: [0; KINDS],
            digest: 0,
        }
    }
}

impl Statistics {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.lived += other.lived;
        self.streamed += other.streamed;
        self.messages += other.messages;
        self.posts += other.posts;
        self.keep_alives += other.keep_alives;
        self.attempts += other.attempts;
        self.streams += other.streams;
        self.reconnects += other.reconnects;
        self.restarts += other.restarts;
        self.gaps += other.gaps;
        self.lost += other.lost;
        self.digest = self.digest.wrapping_add(other.digest);
        for (sum, count) in self.faults.iter_mut().zip(other.faults) {
            *sum += count;
        }
    }

    pub(crate) fn years(&self) -> f64 {
        self.lived as f64 / YEAR
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, messages, posts, keep_alives, attempts, streams, .. } = self;
        let Self { reconnects, restarts, gaps, lost, .. } = self;
        writeln!(
            f,
            "{:.2} connection-years ({:.2} streaming) in {runs} runs, digest {:016x}",
            self.years(),
            self.streamed as f64 / YEAR,
            self.digest,
        )?;
        writeln!(
            f,
            "{messages} messages ({posts} Posts), {keep_alives} keep-alives, {attempts} attempts, \
             {streams} streams, {reconnects} reconnects, {restarts} restarts"
        )?;
        writeln!(f, "{gaps} gaps reported, {lost} Posts lost, all of them in reported gaps")?;
        write!(f, "{} faults:", self.faults.iter().sum::<u64>())?;
        for (index, fault) in Fault::ALL.iter().enumerate() {
            write!(
                f,
                "{} {} {}",
                if index % 4 == 0 { "\n   " } else { ";" },
                fault.text(),
                self.faults[index]
            )?;
        }
        Ok(())
    }
}
