//! Copies standard input to standard output: what every program here contains.
#![forbid(unsafe_code)]

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let (mut buffer, mut stdin, mut stdout) = (vec![0; 16 << 10], std::io::stdin(), std::io::stdout());
    loop {
        let count = stdin.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stdout.write_all(&buffer[..count])?;
    }
}
