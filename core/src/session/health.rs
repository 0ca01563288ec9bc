//! Determines when a stream counts as healthy.

use core::time::Duration;

use crate::time::Instant;

/// The time after the head from which a message or a keep-alive makes the stream healthy.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(20);

/// The health of one stream. A stream that became healthy stays so.
///
/// A stream that ends soon after its head and a burst of Posts is not healthy. Only a message or a
/// keep-alive completed at least [`HEALTHY_AFTER`] after the head makes it healthy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    head_at: Instant,
    /// Bytes of complete messages and keep-alives received so far.
    content: u64,
    is_healthy: bool,
}

impl Health {
    /// Creates the health of a stream whose head arrived at `now`.
    pub(super) const fn new(now: Instant) -> Self {
        Self { head_at: now, content: 0, is_healthy: false }
    }

    /// Returns true if the stream is healthy.
    pub(super) const fn is_healthy(&self) -> bool {
        self.is_healthy
    }

    /// Updates the number of bytes of complete messages and keep-alives received up to `now`.
    /// Returns true if this makes the stream healthy.
    pub(super) fn handle_content(&mut self, content: u64, now: Instant) -> bool {
        let has_grown = content > self.content;
        self.content = content;
        let becomes_healthy =
            !self.is_healthy && has_grown && now.saturating_since(self.head_at) >= HEALTHY_AFTER;
        self.is_healthy |= becomes_healthy;
        becomes_healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn content_makes_a_stream_healthy_from_20_s_after_its_head_on() {
        let mut health = Health::new(at(5_000));
        assert!(!health.handle_content(1_000, at(24_999)));
        assert!(!health.is_healthy());
        assert!(health.handle_content(1_001, at(25_000)));
        assert!(health.is_healthy());
    }

    #[test]
    fn becomes_healthy_once_and_stays_so() {
        let mut health = Health::new(at(0));
        assert!(health.handle_content(1, at(30_000)));
        assert!(!health.handle_content(2, at(31_000)));
        assert!(!health.handle_content(2, at(0)));
        assert!(health.is_healthy());
    }

    #[test]
    fn framing_bytes_do_not_make_a_stream_healthy() {
        let mut health = Health::new(at(0));
        assert!(!health.handle_content(0, at(60_000)));
        assert!(!health.handle_content(700, at(1_000)));
        // Chunk sizes and trailers do not change the number, however late they arrive.
        assert!(!health.handle_content(700, at(60_000)));
        assert!(health.handle_content(701, at(61_000)));
    }

    #[test]
    fn clock_going_backwards_makes_no_stream_healthy() {
        let mut health = Health::new(at(50_000));
        assert!(!health.handle_content(1, at(0)));
        assert!(!health.is_healthy());
    }
}
