//! Response heads that a client must refuse: violations of RFC 9112 and RFC 9110, and responses of
//! other protocols.

/// Name and bytes. If the rest is valid, a chunked body with one keep-alive follows.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("two-spaces", "HTTP/1.1  200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("lower-case", "http/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("version-1.10", "HTTP/1.10 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("http-2", "HTTP/2.0 200 OK\r\n\r\n"),
    ("two-digits", "HTTP/1.1 20 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("four-digits", "HTTP/1.1 2000 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("code-099", "HTTP/1.1 099 Early\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("nul-in-reason", "HTTP/1.1 200 O\0K\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("icy", "ICY 200 OK\r\n\r\n"),
    ("ssh", "SSH-2.0-OpenSSH_9.6\r\n"),
    ("html", "<html><head><title>Welcome to this hotel</title></head></html>\r\n"),
    ("tls-alert", "\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{28}"),
    ("no-colon", "HTTP/1.1 200 OK\r\nthis is no field\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("space-before-colon", "HTTP/1.1 200 OK\r\ntransfer-encoding : chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("empty-name", "HTTP/1.1 200 OK\r\n: value\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    (
        "leading-blank",
        "HTTP/1.1 200 OK\r\n x: folded into nothing\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n",
    ),
    ("bare-cr", "HTTP/1.1 200 OK\r\nx-a: b\rx-c: d\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("nul-in-value", "HTTP/1.1 200 OK\r\nx-a: b\0c\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("wrong-end", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\rX2\r\n\r\n\r\n"),
    (
        "switching-protocols",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ),
    ("te-gzip", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("te-unknown", "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n2\r\n\r\n\r\n"),
    ("te-not-last", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n2\r\n\r\n\r\n"),
    (
        "te-twice",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n",
    ),
    ("te-parameter", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked;q=1\r\n\r\n2\r\n\r\n\r\n"),
    ("te-of-http-1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n"),
    ("lengths-differ", "HTTP/1.1 200 OK\r\ncontent-length: 20\r\ncontent-length: 30\r\n\r\n{\"id\":1}\r\n"),
    ("length-sign", "HTTP/1.1 200 OK\r\ncontent-length: +20\r\n\r\n{\"id\":1}\r\n"),
    ("length-hex", "HTTP/1.1 200 OK\r\ncontent-length: 0x14\r\n\r\n{\"id\":1}\r\n"),
    ("length-overflow", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n{\"id\":1}\r\n"),
];

/// A head of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BadHead(&'static str);

impl BadHead {
    /// Returns the names and the heads.
    pub(super) fn names() -> Vec<(&'static str, Self)> {
        ALL.iter().map(|(name, head)| (*name, Self(head))).collect()
    }

    pub(crate) fn bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}
