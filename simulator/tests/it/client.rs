//! A simple client that panics on everything unexpected.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use powerstream_simulator::{Config, Generator, Simulator, Source};

/// A socket, or TLS over one.
pub(crate) trait Transport: Read + Write {
    /// Closes a socket with a reset.
    fn reset(self: Box<Self>) {}
}

impl Transport for TcpStream {
    fn reset(self: Box<Self>) {
        socket2::SockRef::from(&*self).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl<C, T> Transport for rustls::StreamOwned<C, T>
where
    rustls::StreamOwned<C, T>: Read + Write,
    T: Read + Write,
    C: std::ops::DerefMut,
{
}

pub(crate) struct Client {
    stream: Box<dyn Transport>,
    raw: Vec<u8>,
    /// The number of decoded bytes of `raw`.
    at: usize,
    body: Vec<u8>,
    pub(crate) head: String,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) keep_alives: usize,
    pub(crate) chunks: Vec<usize>,
    pub(crate) end: Option<Ended>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    LastChunk,
    /// FIN without the last chunk. Over TLS, a FIN after `close_notify`.
    Eof,
    /// FIN without `close_notify`.
    BareFin,
    Reset,
    BadChunk,
}

/// Returns a request for a stream, with any token.
pub(crate) fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nConnection: keep-alive\r\n\r\n"
    )
}

/// Connects to the simulator.
pub(crate) fn connect(simulator: &Simulator) -> TcpStream {
    let stream = TcpStream::connect(simulator.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

impl Client {
    /// Sends a request and reads the response head.
    pub(crate) fn send(simulator: &Simulator, request: &str) -> Self {
        Client::send_over(connect(simulator), request)
    }

    /// Sends a request to the datacenter with this origin, and reads the response head.
    pub(crate) fn send_to(url: &str, request: &str) -> Self {
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client::send_over(stream, request)
    }

    /// Returns the ids of the received Posts.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.messages.iter().filter_map(|message| id(message)).collect()
    }

    /// Sends a request over an open connection, and reads the response head.
    pub(crate) fn send_over(mut stream: impl Transport + 'static, request: &str) -> Self {
        stream.write_all(request.as_bytes()).unwrap();
        let mut client = Client {
            stream: Box::new(stream),
            raw: Vec::new(),
            at: 0,
            body: Vec::new(),
            head: String::new(),
            messages: Vec::new(),
            keep_alives: 0,
            chunks: Vec::new(),
            end: None,
        };
        loop {
            if let Some(end) = client.raw.windows(4).position(|window| window == b"\r\n\r\n") {
                client.head = String::from_utf8(client.raw[..end + 2].to_vec()).unwrap();
                client.at = end + 4;
                return client;
            }
            client.read();
            assert_eq!(client.end, None, "no head");
        }
    }

    pub(crate) fn stream(simulator: &Simulator) -> Self {
        let client = Client::send(simulator, &request("/2/powerstream"));
        assert_eq!(client.status(), 200, "{}", client.head);
        client
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        self.stream.reset();
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v)
    }

    /// Reads and decodes until `enough` returns true or the connection ends.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&Client) -> bool) -> &mut Client {
        loop {
            self.decode();
            if self.end.is_some() || enough(self) {
                return self;
            }
            self.read();
        }
    }

    pub(crate) fn read_messages(&mut self, count: usize) -> &mut Client {
        self.read_until(|client| client.messages.len() >= count);
        assert!(
            self.messages.len() >= count,
            "{} of {count}, ended with {:?}",
            self.messages.len(),
            self.end
        );
        self
    }

    pub(crate) fn read_to_end(&mut self) -> Ended {
        self.read_until(|_| false).end.unwrap()
    }

    /// Returns the bytes after the last complete chunk, or the body of a response that is not
    /// chunked.
    pub(crate) fn leftover(&self) -> &[u8] {
        &self.raw[self.at..]
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end = Some(Ended::Eof),
            Ok(len) => self.raw.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.end = Some(Ended::Reset),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.end = Some(Ended::BareFin),
            Err(error) => panic!("{error}"),
        }
    }

    fn decode(&mut self) {
        if self.header("transfer-encoding").is_none() {
            return;
        }
        while let Some(line) = self.raw[self.at..].windows(2).position(|window| window == b"\r\n") {
            let size = &self.raw[self.at..self.at + line];
            let hex = !size.is_empty() && size.len() <= 16 && size.iter().all(u8::is_ascii_hexdigit);
            if !hex {
                self.end = Some(Ended::BadChunk);
                break;
            }
            let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
            let data = self.at + line + 2;
            if self.raw.len() < data + size + 2 {
                break;
            }
            assert_eq!(&self.raw[data + size..data + size + 2], b"\r\n");
            self.at = data + size + 2;
            if size == 0 {
                self.end = Some(Ended::LastChunk);
                break;
            }
            self.chunks.push(size);
            self.body.extend_from_slice(&self.raw[data..data + size]);
        }
        let mut from = 0;
        while let Some(end) = self.body[from..].windows(2).position(|window| window == b"\r\n") {
            match end {
                0 => self.keep_alives += 1,
                _ => self.messages.push(self.body[from..from + end].to_vec()),
            }
            from += end + 2;
        }
        self.body.drain(..from);
    }
}

/// Returns the id of a Post, in either format.
pub(crate) fn id(message: &[u8]) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_slice(message).ok()?;
    let id = json.get("id_str").or_else(|| json["data"].get("id"))?;
    id.as_str()?.parse().ok()
}

/// Returns generated Posts as a file, one per line.
pub(crate) fn file(posts: usize) -> Source {
    let mut generator = Generator::new(99);
    let mut lines = Vec::new();
    for n in 0..posts {
        generator.post(1_790_000_000_000 + n as u64, &mut lines);
        lines.push(b'\n');
    }
    Source::from_ndjson(&lines).unwrap()
}

pub(crate) fn lines(source: &Source) -> Vec<Vec<u8>> {
    match source {
        Source::File(posts) => posts.iter().map(|post| post.bytes().to_vec()).collect(),
        _ => panic!("no file"),
    }
}

pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Simulator {
    Simulator::start(config(change)).unwrap()
}

/// Runs `check` on every case, four at a time, because most cases wait without using the CPU.
pub(crate) fn each_of<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    for batch in cases.chunks(4) {
        std::thread::scope(|scope| {
            for case in batch {
                scope.spawn(|| check(case));
            }
        });
    }
}
