//! HTTP clients as decoders: their transport reads from memory.

use std::fmt;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, BodyStream, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use powerstream_workload::framing::{Found, HEAD, Pass, Sink};
use powerstream_workload::wire::Wire;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::engines::Lines;

/// What a transport in memory returns: a response head after the request, then a wire per pass.
#[derive(Default)]
struct Source {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    at: usize,
    next: usize,
    /// How often to start again at the end. A client may have left the end of the last pass unread.
    laps: usize,
    waker: Option<Waker>,
}

impl Source {
    fn shared() -> Shared {
        Shared(Arc::new(Mutex::new(Self::default())))
    }

    /// Answers the request with a response head.
    fn answer(&mut self) {
        if self.bytes.is_empty() {
            self.set(HEAD, vec![HEAD.len()]);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    fn set(&mut self, bytes: &[u8], ends: Vec<usize>) {
        (self.bytes, self.ends) = (bytes.to_vec(), ends);
        (self.at, self.next, self.laps) = (0, 0, 0);
    }

    /// Sends the wire once more.
    fn start(&mut self, wire: &Wire) {
        if self.bytes != wire.bytes {
            let (mut ends, mut end) = (Vec::new(), 0);
            wire.for_each_read(usize::MAX, |read| {
                end += read.len();
                ends.push(end);
            });
            self.set(&wire.bytes, ends);
        } else {
            self.laps += 1;
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Returns the next read of at most `most` bytes, empty if everything was read.
    fn read(&mut self, most: usize) -> &[u8] {
        if self.next == self.ends.len() && self.laps > 0 {
            self.laps -= 1;
            (self.at, self.next) = (0, 0);
        }
        let Some(&end) = self.ends.get(self.next) else { return &[] };
        let from = self.at;
        self.at = end.min(from + most);
        if self.at == end {
            self.next += 1;
        }
        &self.bytes[from..self.at]
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Source>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().expect("no thread panicked")
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Read for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut source = self.lock();
        let read = source.read(buffer.remaining());
        if read.is_empty() {
            source.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(read);
        Poll::Ready(Ok(()))
    }
}

impl Write for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.lock().answer();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// hyper with a spawned connection and a spawned reader of the body.
pub(crate) struct Hyper {
    runtime: tokio::runtime::Runtime,
    source: Shared,
    /// The number of lines of a pass.
    work: UnboundedSender<usize>,
    found: UnboundedReceiver<Found>,
}

type Reader = fn(Incoming, UnboundedReceiver<usize>, UnboundedSender<Found>, Sink) -> BoxFuture;
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Hyper {
    fn new(reader: Reader, sink: Sink) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let source = Source::shared();
        let (work, orders) = unbounded_channel();
        let (sender, found) = unbounded_channel();
        let io = source.clone();
        runtime.block_on(async move {
            let (mut requests, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("a client");
            tokio::spawn(connection);
            let request = hyper::Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new());
            let response = requests.send_request(request.expect("a request")).await.expect("a response");
            // The connection ends when no request can follow.
            tokio::spawn(async move {
                reader(response.into_body(), orders, sender, sink).await;
                drop(requests);
            });
        });
        Self { runtime, source, work, found }
    }

    /// Creates the usual way to read a body: frame by frame, and a search for LF.
    pub(crate) fn frames(sink: Sink) -> Self {
        Self::new(
            |mut body, mut orders, sender, mut sink| {
                Box::pin(async move {
                    let mut lines = Lines::default();
                    while let Some(expected) = orders.recv().await {
                        let mut found = Found::default();
                        while found.lines < expected {
                            let frame = body.frame().await.expect("more").expect("a frame");
                            lines.push(frame.data_ref().expect("data"), |line| found.line(line, &mut sink));
                        }
                        let _ = sender.send(found);
                    }
                })
            },
            sink,
        )
    }

    /// Creates the way of many tutorials: `StreamReader` and `LinesCodec`.
    pub(crate) fn codec(sink: Sink) -> Self {
        Self::new(
            |body, mut orders, sender, mut sink| {
                Box::pin(async move {
                    let data = BodyStream::new(body)
                        .map_ok(|frame| frame.into_data().unwrap_or_default())
                        .map_err(std::io::Error::other);
                    let mut lines = FramedRead::new(StreamReader::new(data), LinesCodec::new());
                    while let Some(expected) = orders.recv().await {
                        let mut found = Found::default();
                        while found.lines < expected {
                            let line = lines.next().await.expect("more").expect("a line");
                            found.line(line.as_bytes(), &mut sink);
                        }
                        let _ = sender.send(found);
                    }
                })
            },
            sink,
        )
    }
}

impl Pass for Hyper {
    fn pass(&mut self, wire: &Wire) -> Found {
        self.source.lock().start(wire);
        self.work.send(wire.messages + wire.keep_alives).expect("the reader runs");
        self.runtime.block_on(self.found.recv()).expect("the reader runs")
    }
}

/// The state machine under ureq, with buffers of its caller.
pub(crate) struct UreqProto {
    call: ureq_proto::client::Call<ureq_proto::client::state::RecvBody>,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    lines: Lines,
    sink: Sink,
}

impl UreqProto {
    pub(crate) fn new(sink: Sink) -> Self {
        use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
        let request = ureq_proto::http::Request::get("http://localhost/").body(()).expect("a request");
        let mut call = Call::new(request).expect("a call").proceed();
        call.write(&mut [0; 1_024]).expect("room");
        let Ok(Some(SendRequestResult::RecvResponse(mut call))) = call.proceed() else {
            panic!("a GET without a body")
        };
        let (consumed, response) = call.try_response(HEAD, false).expect("a response");
        assert!(consumed == HEAD.len() && response.is_some());
        let Some(RecvResponseResult::RecvBody(call)) = call.proceed() else { panic!("a body follows") };
        let (input, output) = (vec![0; (64 << 10) + 64], vec![0; 64 << 10]);
        Self { call, input, filled: 0, output, lines: Lines::default(), sink }
    }
}

impl Pass for UreqProto {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self { call, input, filled, output, lines, sink } = self;
        wire.for_each_read(output.len(), |read| {
            input[*filled..*filled + read.len()].copy_from_slice(read);
            black_box(&mut *input);
            *filled += read.len();
            let mut at = 0;
            loop {
                let (used, made) = call.read(&input[at..*filled], output).expect("a well-formed body");
                lines.push(&output[..made], |line| found.line(line, sink));
                at += used;
                if used == 0 {
                    break;
                }
            }
            input.copy_within(at..*filled, 0);
            *filled -= at;
        });
        found
    }
}

/// ureq with `BufReader::read_until`.
pub(crate) struct Ureq {
    source: Shared,
    reader: std::io::BufReader<ureq::BodyReader<'static>>,
    line: Vec<u8>,
    sink: Sink,
}

impl Ureq {
    pub(crate) fn new(sink: Sink) -> Self {
        let source = Source::shared();
        let config = ureq::config::Config::builder().proxy(None).build();
        let connector = MemoryConnector(source.clone());
        let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
        let response = agent.get("http://127.0.0.1/").call().expect("a response");
        let reader = std::io::BufReader::new(response.into_body().into_reader());
        Self { source, reader, line: Vec::new(), sink }
    }
}

impl Pass for Ureq {
    fn pass(&mut self, wire: &Wire) -> Found {
        use std::io::BufRead;
        self.source.lock().start(wire);
        let mut found = Found::default();
        while found.lines < wire.messages + wire.keep_alives {
            self.line.clear();
            self.reader.read_until(b'\n', &mut self.line).expect("more");
            found.line(self.line.strip_suffix(b"\r\n").expect("CR LF"), &mut self.sink);
        }
        found
    }
}

#[derive(Debug)]
struct MemoryConnector(Shared);

impl Connector for MemoryConnector {
    type Out = MemoryTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<MemoryTransport>, ureq::Error> {
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(MemoryTransport(self.0.clone(), buffers)))
    }
}

struct MemoryTransport(Shared, LazyBuffers);

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}

impl Transport for MemoryTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.1
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.0.lock().answer();
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let buffer = self.1.input_append_buf();
        let mut source = self.0.lock();
        let read = source.read(buffer.len());
        buffer[..read.len()].copy_from_slice(read);
        let count = read.len();
        self.1.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}
