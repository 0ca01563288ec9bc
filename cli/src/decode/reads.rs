//! The input, in slices of at most N bytes.

use std::io::{self, Read};

/// Reads in blocks and returns slices, so that a small N does not cause more system calls.
pub(super) struct Reads<'a> {
    input: &'a mut dyn Read,
    size: usize,
    /// A whole number of slices, so that a file is cut exactly every N bytes.
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Reads<'a> {
    /// Creates a reader that returns `input` in slices of at most `size` bytes, at least 1.
    pub(super) fn new(input: &'a mut dyn Read, size: usize) -> Self {
        let size = size.max(1);
        let slices = (65_536 / size).max(1);
        Self { input, size, block: vec![0; size * slices], start: 0, end: 0 }
    }

    /// Returns true if [`Self::next`] has to read, and so may wait.
    pub(super) const fn would_read(&self) -> bool {
        self.start == self.end
    }

    /// Returns the next slice, which is empty at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        if self.would_read() {
            self.start = 0;
            self.end = 0;
            self.end = loop {
                match self.input.read(&mut self.block) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
        }
        let start = self.start;
        self.start = self.end.min(start + self.size);
        Ok(&self.block[start..self.start])
    }
}
