//! Tests TCP on a reactor in virtual time with a scripted network. A task is polled only if its
//! last waker was called, so that a missing wake-up shows as a stuck task.

use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::pin::pin;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Wake, Waker};

use powerstream_core::buffered::Buffered;
use powerstream_core::driver::Driver;
use powerstream_core::http::Origin;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};

use super::*;
use crate::shutdown::ShutdownHandle;

/// The result of an operation, and how long it takes. `None`: it never ends.
type Fate<T> = Option<(u64, Result<T, io::ErrorKind>)>;

/// The bytes that a socket receives, and when. No bytes mean the end.
type Input = VecDeque<(u64, Result<Vec<u8>, io::ErrorKind>)>;

#[derive(Clone)]
struct Net(Arc<Mutex<World>>);

struct World {
    base: std::time::Instant,
    millis: u64,
    log: Vec<String>,
    lookups: VecDeque<Fate<Vec<SocketAddr>>>,
    connects: BTreeMap<SocketAddr, Fate<Input>>,
    local: SocketAddr,
    /// Whether writes are accepted.
    writable: bool,
    /// If true, the runtime does not notice that bytes are available.
    is_blind: bool,
    open: usize,
    timers_set: usize,
    wakers: Vec<(u64, Waker)>,
}

impl Net {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(World {
            base: std::time::Instant::now(),
            millis: 0,
            log: Vec::new(),
            lookups: VecDeque::new(),
            connects: BTreeMap::new(),
            local: address("127.0.0.1:50000"),
            writable: true,
            is_blind: false,
            open: 0,
            timers_set: 0,
            wakers: Vec::new(),
        })))
    }

    /// Returns the time, and the number of open sockets.
    fn state(&self) -> (u64, usize) {
        let world = self.lock();
        (world.millis, world.open)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn answers(self, address: &str, fate: Fate<Input>) -> Self {
        self.lock().connects.insert(self::address(address), fate);
        self
    }

    fn finds(self, fate: Fate<&[&str]>) -> Self {
        let found = |texts: &[&str]| texts.iter().map(|text| address(text)).collect();
        self.lock().lookups.push_back(fate.map(|(after, result)| (after, result.map(found))));
        self
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().log)
    }

    /// Advances the time until something wakes the task.
    fn advance(&self, woken: &Woken) {
        while !woken.0.swap(false, Ordering::SeqCst) {
            let mut world = self.lock();
            let next = world.wakers.iter().map(|(at, _)| *at).min().expect("the task waits for nothing");
            world.millis = world.millis.max(next);
            let now = world.millis;
            let due = world.wakers.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>();
            drop(world);
            due.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    /// Polls a future to its end, with another waker each time.
    fn block_on<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        loop {
            let woken = Arc::new(Woken::default());
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken)))) {
                return value;
            }
            self.advance(&woken);
        }
    }
}

impl World {
    /// Returns true if `at` has passed. Otherwise the waker is called then.
    fn poll(&mut self, at: u64, cx: &Context<'_>) -> Poll<()> {
        if at <= self.millis {
            return Poll::Ready(());
        }
        self.wakers.push((at, cx.waker().clone()));
        Poll::Pending
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An operation with a scripted result.
struct Fated<T> {
    net: Net,
    fate: Fate<T>,
    is_met: bool,
    name: String,
}

impl<T: Unpin> Future for Fated<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some((at, _)) = &self.fate else { return Poll::Pending };
        ready!(self.net.lock().poll(*at, cx));
        let (_, result) = self.fate.take().unwrap();
        self.is_met = true;
        Poll::Ready(result.map_err(io::Error::from))
    }
}

impl<T> Drop for Fated<T> {
    fn drop(&mut self) {
        if !self.is_met {
            let mut world = self.net.lock();
            let line = format!("{} dropped {}", world.millis, self.name);
            world.log.push(line);
        }
    }
}

struct Line {
    net: Net,
    input: Input,
    is_eof: bool,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.net.lock().open -= 1;
    }
}

#[derive(Default)]
struct Alarm {
    at: u64,
}

impl Reactor for Net {
    type Socket = Line;
    type Timer = Alarm;

    fn now(&self) -> std::time::Instant {
        let world = self.lock();
        world.base + Duration::from_millis(world.millis)
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_millis(1_700_000_000_000 + self.lock().millis)
    }

    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        let mut world = self.lock();
        let now = world.millis;
        world.log.push(format!("{now} resolve {host}:{port}"));
        let fate = world.lookups.pop_front().expect("an unexpected lookup");
        let fate = fate.map(|(after, result)| (now + after, result));
        Box::pin(Fated { net: self.clone(), fate, is_met: false, name: "lookup".to_string() })
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Line> {
        let mut world = self.lock();
        let now = world.millis;
        let from = local.map(|local| format!(" from {local}")).unwrap_or_default();
        world.log.push(format!("{now} connect {address}{from}"));
        let fate = world.connects.get(&address).expect("an unexpected address").clone();
        let fate = fate.map(|(after, result)| (now + after, result));
        let net = self.clone();
        let connecting = Fated { net: self.clone(), fate, is_met: false, name: address.to_string() };
        Box::pin(async move {
            let mut input = connecting.await?;
            let mut world = net.lock();
            world.open += 1;
            let now = world.millis;
            drop(world);
            input.iter_mut().for_each(|(after, _)| *after += now);
            Ok(Line { net, input, is_eof: false })
        })
    }

    fn local_addr(&self, _: &Line) -> io::Result<SocketAddr> {
        Ok(self.lock().local)
    }

    fn poll_read(
        &self,
        socket: &mut Line,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.lock().is_blind {
            return Poll::Pending;
        }
        let Some((at, _)) = socket.input.front() else { return Poll::Pending };
        ready!(self.lock().poll(*at, cx));
        Poll::Ready(self.read_now(socket, buffer))
    }

    fn read_now(&self, socket: &mut Line, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.lock().millis;
        match socket.input.pop_front_if(|(at, _)| *at <= now) {
            Some((_, bytes)) => {
                let bytes = bytes?;
                assert!(!socket.is_eof, "a read behind the end");
                socket.is_eof = bytes.is_empty();
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_write(&self, _: &mut Line, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut world = self.lock();
        let line = format!("{} write {}", world.millis, if bytes.is_empty() { "nothing" } else { "some" });
        if !world.writable {
            return Poll::Pending;
        }
        world.log.push(line);
        // In single bytes.
        Poll::Ready(Ok(bytes.len().div_ceil(2)))
    }

    fn set_timer(&self, timer: &mut Option<Alarm>, at: std::time::Instant) {
        let mut world = self.lock();
        world.timers_set += 1;
        let after = at.saturating_duration_since(world.base);
        // Runtimes round up to the resolution of their timers.
        timer.get_or_insert_default().at = u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap();
    }

    fn poll_timer(&self, timer: &mut Alarm, cx: &mut Context<'_>) -> Poll<()> {
        self.lock().poll(timer.at, cx)
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_millis(millis))
}

const fn refused<T>(after: u64) -> Fate<T> {
    Some((after, Err(io::ErrorKind::ConnectionRefused)))
}

fn accepted(after: u64, input: &[(u64, &[u8])]) -> Fate<Input> {
    Some((after, Ok(input.iter().map(|(after, bytes)| (*after, Ok(bytes.to_vec()))).collect())))
}

fn tcp(net: &Net, url: &str) -> Tcp<Net> {
    Tcp::new(net.clone(), Route::to_origin(&Origin::parse(url).unwrap()), ShutdownHandle::new().listen())
}

fn connect(net: &Net, tcp: &mut Tcp<Net>, until: u64) -> Result<Option<()>, TransportErrorKind> {
    net.block_on(|cx| tcp.poll_connect(cx, at(until))).map_err(|fault| fault.kind)
}

#[test]
fn tries_each_address_for_its_share_of_the_time() {
    let net = Net::new()
        .finds(Some((1_000, Ok(&["192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.2:443"]))))
        .answers("192.0.2.1:443", None)
        .answers("[2001:db8::1]:443", refused(10))
        .answers("192.0.2.2:443", accepted(20, &[]));
    let mut tcp = tcp(&net, "https://api.x.com");
    assert_eq!(connect(&net, &mut tcp, 10_000), Ok(Some(())));
    assert_eq!(
        net.log(),
        [
            "0 resolve api.x.com:443",
            "1000 connect 192.0.2.1:443",
            "4000 dropped 192.0.2.1:443",
            "4000 connect [2001:db8::1]:443",
            "4010 connect 192.0.2.2:443",
        ]
    );
    assert_eq!(net.state(), (4_030, 1));
    assert_eq!(tcp.peer_addr(), Some(address("192.0.2.2:443")));
    assert_eq!(tcp.unix_now(), UnixTime::from_millis(1_700_000_004_030));
}

#[test]
fn reports_the_last_error_when_no_address_connects() {
    let cases: [(Fate<&[&str]>, &str, TransportErrorKind); 6] = [
        (Some((0, Ok(&["127.0.0.1:80", "[::1]:80"]))), "http://localhost", TransportErrorKind::Refused),
        (
            Some((5, Ok(&["127.0.0.1:80", "127.0.0.9:80"]))),
            "http://localhost",
            TransportErrorKind::Unreachable,
        ),
        (Some((5, Ok(&[]))), "http://localhost", TransportErrorKind::NoAddress),
        (Some((5, Ok(&["192.0.2.1:80"]))), "http://localhost", TransportErrorKind::NotLoopback),
        (Some((5, Err(io::ErrorKind::Other))), "http://localhost", TransportErrorKind::Resolve),
        // A literal address is not resolved.
        (None, "http://127.0.0.1", TransportErrorKind::Refused),
    ];
    for (fate, url, kind) in cases {
        let net = Net::new()
            .answers("127.0.0.1:80", refused(1))
            .answers("[::1]:80", refused(1))
            .answers("127.0.0.9:80", Some((1, Err(io::ErrorKind::HostUnreachable))));
        let net = if fate.is_some() { net.finds(fate) } else { net };
        assert_eq!(connect(&net, &mut tcp(&net, url), 1_000), Err(kind), "{url} {kind:?}");
        assert!(net.lock().millis < 20);
    }
}

#[test]
fn refuses_a_socket_connected_to_itself() {
    let net = Net::new().answers("127.0.0.1:50000", accepted(1, &[]));
    assert_eq!(
        connect(&net, &mut tcp(&net, "http://127.0.0.1:50000"), 1_000),
        Err(TransportErrorKind::Refused)
    );
    assert_eq!(net.lock().open, 0);
}

#[test]
fn binds_the_socket_to_the_local_address() {
    let net = Net::new().answers("127.0.0.1:80", accepted(1, &[]));
    let route = Route::to_origin(&Origin::parse("http://localhost").unwrap())
        .via_address(Some(address("127.0.0.1:80")))
        .from_local(Some("127.0.0.2".parse().unwrap()));
    let mut tcp = Tcp::new(net.clone(), route, ShutdownHandle::new().listen());
    assert_eq!(connect(&net, &mut tcp, 1_000), Ok(Some(())));
    assert_eq!(net.log(), ["0 connect 127.0.0.1:80 from 127.0.0.2:0"]);
}

#[test]
fn the_deadline_ends_an_attempt_and_a_close_drops_it() {
    let net = Net::new().answers("127.0.0.1:80", None);
    let mut tcp = tcp(&net, "http://127.0.0.1");
    assert_eq!(connect(&net, &mut tcp, 700), Ok(None));
    assert_eq!(net.lock().millis, 700);
    // Another poll continues the same attempt.
    assert_eq!(connect(&net, &mut tcp, 700), Ok(None));
    net.block_on(|cx| tcp.poll_close(cx));
    assert_eq!(net.log(), ["0 connect 127.0.0.1:80", "700 dropped 127.0.0.1:80"]);
}

#[test]
fn resolves_once_per_connect_and_ignores_a_stale_answer() {
    // The first answer arrives during the second attempt and is used. The second arrives during a
    // wait and is ignored.
    let net = Net::new()
        .finds(Some((150, Ok(&["127.0.0.1:80"]))))
        .finds(Some((150, Ok(&["127.0.0.2:80"]))))
        .finds(Some((50, Ok(&["127.0.0.3:80"]))))
        .answers("127.0.0.1:80", refused(0))
        .answers("127.0.0.3:80", refused(0));
    let mut tcp = tcp(&net, "http://localhost");
    for (until, sleep, result) in [
        (100, 110, Ok(None)),
        (200, 210, Err(TransportErrorKind::Refused)),
        (300, 400, Ok(None)),
        (500, 500, Err(TransportErrorKind::Refused)),
    ] {
        assert_eq!(connect(&net, &mut tcp, until), result, "{until}");
        net.block_on(|cx| tcp.poll_close(cx));
        net.block_on(|cx| tcp.poll_sleep(cx, at(sleep)));
    }
    assert_eq!(
        net.log(),
        [
            "0 resolve localhost:80",
            "150 connect 127.0.0.1:80",
            "210 resolve localhost:80",
            "400 resolve localhost:80",
            "450 connect 127.0.0.3:80",
        ]
    );
}

#[test]
fn sets_one_timer_for_many_moving_deadlines() {
    let input: Vec<(u64, &[u8])> = (1..=1_000).map(|nth| (nth * 10, &b"x"[..])).collect();
    let net = Net::new().answers("127.0.0.1:80", accepted(0, &input));
    let mut tcp = tcp(&net, "http://127.0.0.1");
    connect(&net, &mut tcp, 10_000).unwrap();
    net.lock().timers_set = 0;
    let mut buffer = [0; 16];
    for nth in 0..1_000 {
        let read = net.block_on(|cx| tcp.poll_read(cx, &mut buffer, at(nth * 10 + 2_000)));
        assert_eq!(read, Ok(Some(1)));
    }
    // No bytes from 10 s to 12 s.
    let read = net.block_on(|cx| tcp.poll_read(cx, &mut buffer, at(12_000)));
    assert_eq!((read, net.lock().millis), (Ok(None), 12_000));
    let set = net.lock().timers_set;
    assert!(set <= 8, "{set}");
    // The same deadline again.
    for _ in 0..3 {
        assert!(net.block_on(|cx| Poll::Ready(tcp.poll_sleep(cx, at(20_000)))).is_pending());
    }
    let set_again = net.lock().timers_set;
    assert_eq!(set_again, set + 1);
    // A deadline earlier than the timer.
    net.block_on(|cx| tcp.poll_sleep(cx, at(20_000)));
    assert!(net.block_on(|cx| Poll::Ready(tcp.poll_sleep(cx, at(90_000)))).is_pending());
    net.block_on(|cx| tcp.poll_sleep(cx, at(20_001)));
    assert_eq!(net.lock().millis, 20_001);
    // A deadline in the past, and one that never passes: the timer has a limit.
    net.block_on(|cx| tcp.poll_sleep(cx, at(0)));
    assert!(net.block_on(|cx| Poll::Ready(tcp.poll_sleep(cx, Instant::from_nanos(u64::MAX)))).is_pending());
    assert_eq!(tcp.armed, Some(at(20_001 + 24 * 60 * 60 * 1_000)));
}

#[test]
fn reads_available_input_at_the_deadline_before_the_runtime_notices_it() {
    let net = Net::new().answers("127.0.0.1:80", accepted(0, &[(50, b"late"), (300, b"")]));
    let mut tcp = tcp(&net, "http://127.0.0.1");
    connect(&net, &mut tcp, 1_000).unwrap();
    net.lock().is_blind = true;
    let mut buffer = [0; 16];
    let mut read = |until| net.block_on(|cx| tcp.poll_read(cx, &mut buffer, at(until)));
    assert_eq!(read(100), Ok(Some(4)));
    assert_eq!(read(200), Ok(None));
    assert_eq!(read(300), Ok(Some(0)));
}

#[test]
fn yields_to_other_tasks_during_a_flood() {
    let input = [(0, &b"x"[..])].repeat(100);
    let net = Net::new().answers("127.0.0.1:80", accepted(0, &input));
    let mut tcp = tcp(&net, "http://127.0.0.1");
    connect(&net, &mut tcp, 1_000).unwrap();
    let mut turns = Vec::new();
    let mut row = 0;
    for _ in 0..100 {
        let read = net.block_on(|cx| {
            let read = tcp.poll_read(cx, &mut [0; 16], at(1_000));
            if read.is_pending() {
                turns.push(std::mem::take(&mut row));
            }
            row += 1;
            read
        });
        assert_eq!(read, Ok(Some(1)));
    }
    assert_eq!((turns.len(), turns[0]), (12, READS_IN_A_ROW), "{turns:?}");
    assert_eq!(net.lock().millis, 0);
}

#[test]
fn reports_errors_unless_it_was_shut_down() {
    let cases = [
        (Err(io::ErrorKind::ConnectionReset), Err(TransportErrorKind::Reset), Ok(None)),
        (Err(io::ErrorKind::Interrupted), Ok(None), Ok(None)),
        (Err(io::ErrorKind::Other), Err(TransportErrorKind::Other), Ok(None)),
        // After a shutdown, the end of input is ignored like an error. Bytes are still returned.
        (Ok(vec![]), Ok(Some(0)), Ok(None)),
        (Ok(vec![1, 2]), Ok(Some(2)), Ok(Some(2))),
    ];
    for (input, running, shut_down) in cases {
        for (stopped, want) in [(false, running), (true, shut_down)] {
            let shown = format!("{input:?}");
            let input = Some((0, Ok(VecDeque::from([(0, input.clone())]))));
            let net = Net::new().answers("127.0.0.1:80", input);
            let mut tcp = tcp(&net, "http://127.0.0.1");
            connect(&net, &mut tcp, 1_000).unwrap();
            if stopped {
                tcp.stop().handle().shutdown();
            }
            let read = net.block_on(|cx| tcp.poll_read(cx, &mut [0; 16], at(1_000)));
            assert_eq!(read.map_err(|fault| fault.kind), want, "{shown}");
        }
    }
    let mut tcp = tcp(&Net::new(), "http://127.0.0.1");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(tcp.poll_read(&mut cx, &mut [0], at(0)), Poll::Ready(Err(_))));
    assert!(matches!(tcp.poll_write(&mut cx, &[0], at(0)), Poll::Ready(Err(_))));
}

#[test]
fn a_shutdown_wakes_every_wait() {
    let net =
        || Net::new().finds(None).answers("127.0.0.1:80", None).answers("127.0.0.2:80", accepted(0, &[]));
    type Wait = fn(&mut Tcp<Net>, &mut Context<'_>) -> Poll<()>;
    let waits: [(&str, Wait); 5] = [
        ("http://localhost", |tcp, cx| tcp.poll_connect(cx, at(9_000)).map(|end| assert_eq!(end, Ok(None)))),
        ("http://127.0.0.1", |tcp, cx| tcp.poll_connect(cx, at(9_000)).map(|end| assert_eq!(end, Ok(None)))),
        ("http://127.0.0.2", |tcp, cx| {
            tcp.poll_read(cx, &mut [0], at(9_000)).map(|end| assert_eq!(end, Ok(None)))
        }),
        ("http://127.0.0.2", |tcp, cx| {
            tcp.poll_write(cx, &[0], at(9_000)).map(|end| assert_eq!(end, Ok(None)))
        }),
        ("http://127.0.0.2", |tcp, cx| tcp.poll_sleep(cx, at(9_000))),
    ];
    for (url, wait) in waits {
        let net = net();
        let mut tcp = tcp(&net, url);
        if url.ends_with('2') {
            connect(&net, &mut tcp, 9_000).unwrap();
        }
        net.lock().writable = false;
        let shutdown = tcp.stop().handle();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(wait(&mut tcp, &mut Context::from_waker(&waker)).is_pending());
        shutdown.shutdown();
        assert!(woken.0.load(Ordering::SeqCst), "{url}");
        assert!(wait(&mut tcp, &mut Context::from_waker(&waker)).is_ready(), "{url}");
        assert_eq!(net.lock().millis, 0);
    }
}

/// Runs a whole session, and drops each future whenever it pends. The events are the same, and no
/// operation is repeated.
#[test]
fn futures_dropped_at_every_await_lose_nothing() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let stream: [(u64, &[u8]); 6] = [
        (5, head),
        (9, b"a\r\n{\"id\":"),
        (20, b"1}\r\n\r\na\r\n{\"id\":2}"),
        (30, b"\r\n\r\n2\r\n\r\n"),
        (40, b"\r\n0\r\n\r\n"),
        (50, b""),
    ];
    let run = |drops: bool| {
        let net = Net::new()
            .finds(Some((7, Ok(&["127.0.0.1:80", "127.0.0.2:80"]))))
            .finds(Some((7, Ok(&["127.0.0.1:80", "127.0.0.2:80"]))))
            .finds(Some((7, Err(io::ErrorKind::Other))))
            .answers("127.0.0.1:80", None)
            .answers("127.0.0.2:80", accepted(3, &stream));
        let config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        let tcp = tcp(&net, "http://localhost");
        let session =
            Session::new(vec![0; config.storage_bytes()], &config, 1, tcp.now(), tcp.unix_now()).unwrap();
        let mut driven = Driver::new(Buffered::new(session, vec![0; 64]), tcp);
        let mut events = Vec::new();
        let mut disconnects = 0;
        while disconnects < 3 {
            let mut record = |event: Option<SessionEvent<'_>>| {
                disconnects += u32::from(matches!(event, Some(SessionEvent::Disconnected(_))));
                format!("{} {:?}", net.lock().millis, event.unwrap())
            };
            let event = if drops {
                net.block_on(|cx| pin!(driven.next()).poll(cx).map(&mut record))
            } else {
                let mut next = pin!(driven.next());
                let woken = Arc::new(Woken::default());
                let waker = Waker::from(Arc::clone(&woken));
                let mut cx = Context::from_waker(&waker);
                loop {
                    if let Poll::Ready(event) = next.as_mut().poll(&mut cx) {
                        break record(event);
                    }
                    net.advance(&woken);
                }
            };
            events.push(event);
        }
        assert_eq!(net.lock().open, 0);
        (events, net.log())
    };
    let (events, log) = run(true);
    assert_eq!((events.clone(), log.clone()), run(false));
    // Two streams of a head, two messages, a keep-alive and an end, then the lookup that fails.
    assert_eq!(events.len(), 2 * 5 + 1, "{events:#?}");
    assert_eq!(log.iter().filter(|line| line.contains("connect 127.0.0.2")).count(), 2, "{log:#?}");
}
