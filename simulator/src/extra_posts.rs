//! Posts that a scenario generates, in addition to those of the feed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::generator::Generator;
use crate::rng::Rng;
use crate::time;

/// A separate generator, so that these Posts do not change the feed.
pub(crate) struct ExtraPosts(Mutex<Generator>);

impl ExtraPosts {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Generator::new(seed ^ 0x0bad_5eed)))
    }

    /// Generates a Post dated now. Returns its id and its bytes.
    pub(crate) fn current(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let id = self.lock().post(unix_ms, &mut post);
        (id, post)
    }

    /// Generates a Post with another date. Returns its id and its bytes.
    pub(crate) fn skewed(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let generator = self.lock();
        let id = time::snowflake(unix_ms, Rng::new(unix_ms).next());
        generator.nth(-1, id, &mut post);
        (id, post)
    }

    /// Generates a Post of the given size in bytes. Returns its id and its bytes.
    pub(crate) fn padded(&self, unix_ms: u64, bytes: usize) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(bytes);
        let id = self.lock().padded_post(unix_ms, bytes, &mut post);
        (id, post)
    }

    fn lock(&self) -> MutexGuard<'_, Generator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
