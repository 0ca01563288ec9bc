//! What the process holds: memory, descriptors and threads.

use std::fmt;
use std::time::{Duration, Instant};

use crate::size;

/// Threads and descriptors that the system or a library may keep.
const SLACK: usize = 4;

/// How long threads may take to end.
const SETTLES_IN: Duration = Duration::from_secs(5);

/// A shorter run cannot tell growth from the rounds that happen to run.
const GROWS_IN: Duration = Duration::from_secs(5 * 60);

/// How much the resident size may grow: the larger of this and a half.
///
/// Allocators keep memory until enough rounds have needed it, more of it with more rounds at the
/// same time. From the first third to the end, runs of 30 minutes with four rounds at the same time
/// grew by 3 to 15 MiB, from 160 MiB. A run of six minutes with eight grew by 35 MiB, from 203 MiB.
const GROWTH_MAX: u64 = 64 << 20;

/// `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resources {
    memory: Option<u64>,
    descriptors: Option<usize>,
    threads: Option<usize>,
}

impl Resources {
    /// Returns the resident size in bytes.
    pub(super) const fn memory(&self) -> Option<u64> {
        self.memory
    }

    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Self {
        let count = |path: &str| std::fs::read_dir(path).ok().map(Iterator::count);
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        let memory = pages.map(|pages| pages * rustix::param::page_size() as u64);
        Self { memory, descriptors: count("/proc/self/fd"), threads: count("/proc/self/task") }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Self {
        Self { memory: None, descriptors: None, threads: None }
    }

    /// Returns what is held once nothing is released any more.
    pub(super) fn settled(before: &Self) -> Self {
        let started = Instant::now();
        loop {
            let now = Self::now();
            if now.leak_since(before).is_none() || started.elapsed() > SETTLES_IN {
                return now;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns what was not released. Allocators keep memory, so [`MemoryLog`] judges that.
    pub(super) fn leak_since(&self, before: &Self) -> Option<String> {
        let grown = |name: &str, now: Option<usize>, before: Option<usize>| {
            let (now, before) = (now?, before?);
            (now > before + SLACK).then(|| format!("{name} are not released: {before} before, {now} after"))
        };
        grown("descriptors", self.descriptors, before.descriptors)
            .or_else(|| grown("threads", self.threads, before.threads))
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(memory), Some(descriptors), Some(threads)) = (self.memory, self.descriptors, self.threads)
        else {
            return f.write_str("resources unknown");
        };
        write!(f, "{}, {descriptors} descriptors, {threads} threads", size::shown(memory))
    }
}

/// The resident size in the course of a run.
#[derive(Debug, Default)]
pub(super) struct MemoryLog {
    samples: Vec<(Duration, u64)>,
}

impl MemoryLog {
    /// Records the resident size at a time since the start. Call it only while all rounds run.
    pub(super) fn record(&mut self, at: Duration, memory: Option<u64>) {
        self.samples.extend(memory.map(|memory| (at, memory)));
    }

    /// Returns that the resident size grew too much after the first third of a run of this length.
    ///
    /// The size depends on the rounds that run, so this compares medians: of the sixth of the run
    /// that follows the first third, and of the last sixth.
    pub(super) fn growth(&self, length: Duration) -> Option<String> {
        if length < GROWS_IN {
            return None;
        }
        let median = |from: Duration, to: Duration| {
            let within = self.samples.iter().filter(|(at, _)| (from..=to).contains(at));
            let mut sizes: Vec<u64> = within.map(|(_, memory)| *memory).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len() / 2).copied()
        };
        let before = median(length / 3, length / 2)?;
        let after = median(length / 6 * 5, length)?;
        (after > before + GROWTH_MAX.max(before / 2)).then(|| {
            let (before, after) = (size::shown(before), size::shown(after));
            format!("memory grows: {before} resident after a third of the run, {after} at its end")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Returns the growth of a run with a sample every ten seconds.
    fn growth(seconds: u64, memory: impl Fn(u64) -> u64) -> Option<String> {
        let mut log = MemoryLog::default();
        for at in (0..=seconds).step_by(10) {
            log.record(Duration::from_secs(at), Some(memory(at)));
        }
        log.growth(Duration::from_secs(seconds))
    }

    #[test]
    fn memory_that_grows_after_the_first_third_is_a_violation() {
        // Half a MiB a second.
        let text = growth(600, |at| 100 * MIB + at * MIB / 2).unwrap();
        assert_eq!(text, "memory grows: 225 MiB resident after a third of the run, 375 MiB at its end");
    }

    #[test]
    fn memory_may_grow_by_64_mib_or_a_half() {
        let step = |from: u64, by: u64| growth(600, |at| from + if at > 400 { by } else { 0 });
        assert_eq!(step(100 * MIB, 64 * MIB), None);
        assert!(step(100 * MIB, 64 * MIB + 1).is_some());
        assert_eq!(step(200 * MIB, 100 * MIB), None);
        assert!(step(200 * MIB, 100 * MIB + 1).is_some());
    }

    #[test]
    fn memory_may_grow_at_the_start_peak_for_a_while_and_grow_in_a_short_run() {
        assert_eq!(growth(600, |at| at.min(200) * MIB), None);
        assert_eq!(growth(600, |at| if at % 60 == 0 { 900 * MIB } else { 100 * MIB }), None);
        assert_eq!(growth(290, |at| at * 10 * MIB), None);
        assert_eq!(growth(0, |_| MIB), None);
        assert!(growth(300, |at| at * 10 * MIB).is_some());
        let mut unknown = MemoryLog::default();
        unknown.record(Duration::from_secs(600), None);
        assert_eq!(unknown.growth(Duration::from_secs(600)), None);
    }
}
