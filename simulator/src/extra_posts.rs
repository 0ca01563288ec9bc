//! Posts that a scenario makes up, beside those of the feed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::generator::Generator;
use crate::rng::Rng;
use crate::time;

/// A generator of its own, so that these Posts shift none of the feed's.
pub(crate) struct ExtraPosts(Mutex<Generator>);

impl ExtraPosts {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Generator::new(seed ^ 0x0bad_5eed)))
    }

    /// Makes a Post of now: its id and its bytes.
    pub(crate) fn current(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let id = self.lock().post(unix_ms, &mut post);
        (id, post)
    }

    /// Makes a Post of another time.
    pub(crate) fn skewed(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let generator = self.lock();
        let id = time::snowflake(unix_ms, Rng::new(unix_ms).next());
        generator.nth(-1, id, &mut post);
        (id, post)
    }

    /// Makes a Post of the given size.
    pub(crate) fn padded(&self, unix_ms: u64, bytes: usize) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(bytes);
        let id = self.lock().padded_post(unix_ms, bytes, &mut post);
        (id, post)
    }

    fn lock(&self) -> MutexGuard<'_, Generator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
