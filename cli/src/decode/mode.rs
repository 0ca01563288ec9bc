//! What every way to show a response has in common.

use std::io::{self, Write};

use super::ending::{Ending, TransportError};

/// One way to show a response.
pub(super) trait Mode {
    /// Takes the next bytes of the input. No more follow a fault.
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>>;

    /// Reports a head of that status before the last one. `bytes` of it are not given to [`Self::take`].
    fn skip_head(&mut self, status: u16, bytes: u64, output: &mut dyn Write) -> io::Result<()>;

    /// Ends an input that had no fault.
    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending>;
}
