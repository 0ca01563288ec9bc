//! Whether an error document is text.

/// Returns an error document as text. Returns `None` if the document contains a NUL or is not
/// UTF-8, for example because it is compressed and the head does not say so. An incomplete
/// character at the end is left out, because a limit may have truncated the document there.
#[must_use]
pub fn document_text(document: &[u8]) -> Option<&str> {
    let text = match core::str::from_utf8(document) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            core::str::from_utf8(document.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_without_nul() {
        for (document, text) in [
            (&b""[..], Some("")),
            (b"<html>\r\n\t\x1b[2J", Some("<html>\r\n\t\x1b[2J")),
            ("caf\u{e9} \u{1f426}".as_bytes(), Some("caf\u{e9} \u{1f426}")),
            // Truncated within its last character.
            (b"caf\xc3", Some("caf")),
            (b"\xf0\x9f\x90", Some("")),
            // Latin-1, gzip, zlib, zstd, UTF-16 with and without its mark, a TLS alert.
            (b"caf\xe9 au lait", None),
            (b"\x1f\x8b\x08\0", None),
            (b"\x1f\x8b", None),
            (b"\x78\x9c\xab\x56", None),
            (b"\x28\xb5\x2f\xfd", None),
            (b"\xff\xfe<\0", None),
            (b"<\0h\0", None),
            (b"\x15\x03\x03\0\x02", None),
        ] {
            assert_eq!(document_text(document), text, "{}", document.escape_ascii());
        }
    }
}
