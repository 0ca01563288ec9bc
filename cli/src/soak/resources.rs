//! What the process holds: memory, descriptors and threads.

use std::fmt;
use std::time::{Duration, Instant};

use crate::size;

/// Threads and descriptors that the system or a library may keep.
const SLACK: usize = 4;

/// How long threads may take to end.
const SETTLES_IN: Duration = Duration::from_secs(5);

/// `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resources {
    memory: Option<u64>,
    descriptors: Option<usize>,
    threads: Option<usize>,
}

impl Resources {
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

    /// Returns what was not released. Memory is only printed: allocators keep some.
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
