//! What every way to show a response has in common.

use std::io::{self, Write};

use super::ending::{Ending, Fault};

/// One way to show a response.
pub(super) trait Mode {
    /// Takes the next bytes of the input. A fault ends it: no more are given.
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<Fault>>;

    /// The input has ended, without fault.
    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending>;
}
