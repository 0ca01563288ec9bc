//! What every way to show a response has in common.

use std::io::{self, Write};

use super::ending::{Ending, TransportError};

/// One way to show a response.
pub(super) trait Mode {
    /// Takes the next bytes of the input. No more follow a fault.
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>>;

    /// Ends an input that had no fault.
    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending>;
}
