//! The trait of all output modes.

use std::io::{self, Write};

use super::ending::{Ending, TransportError};

/// An output mode: a way to render a response.
pub(super) trait Mode {
    /// Takes the next bytes of the input. It is not called again after an error.
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>>;

    /// Reports a head with that status before the last one. Its `bytes` are not passed to
    /// [`Self::take`].
    fn skip_head(&mut self, status: u16, bytes: u64, output: &mut dyn Write) -> io::Result<()>;

    /// Ends an input without errors.
    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending>;
}
