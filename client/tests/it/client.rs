//! The clients of a whole program, on a runtime in virtual time whose server answers by a script.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use powerstream_client::config::{Config, ConfigBuilder, Connections};
use powerstream_client::merged::{MergedEvent, Position};
use powerstream_client::net::tcp::{BoxFuture, Reactor};
use powerstream_client::recovery::RecoveryEvent;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::{Client, ConnectionsError, OpenError, RulesError, Runtime};
use powerstream_core::endpoint::{Endpoint, FILTERED_STREAM, POWERSTREAM};
use powerstream_core::merge::{ReplicaGroup, Topology};
use powerstream_core::session::SessionEvent;
use powerstream_core::stream::PostId;
use powerstream_core::time::UnixTime;

use crate::support::{HEAD, line, post};

/// Returns the answer to a request. The connection stays open and silent after it.
type Answers = Box<dyn FnMut(&str) -> Vec<u8> + Send>;

/// A runtime and its network.
#[derive(Clone)]
struct Net(Arc<Mutex<World>>);

struct World {
    base: std::time::Instant,
    millis: u64,
    answers: Answers,
    requests: Vec<String>,
    /// The connections that the executor was created for.
    connections: usize,
    wakers: Vec<(u64, Waker)>,
}

struct Socket {
    request: String,
    answer: Option<Vec<u8>>,
}

impl Net {
    fn new(answers: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(World {
            base: std::time::Instant::now(),
            millis: 0,
            answers: Box::new(answers),
            requests: Vec::new(),
            connections: 0,
            wakers: Vec::new(),
        })))
    }

    /// A network whose server answers once with each text, then with 503.
    fn scripted(answers: impl IntoIterator<Item = String>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
        Self::new(move |_| answers.next().unwrap_or_else(|| answer(503, "")).into_bytes())
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    fn client(&self, endpoint: Endpoint<'_>) -> Client<Self> {
        Client::new(config().endpoint(endpoint).build().unwrap()).with_runtime(self.clone())
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::scripted([])
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Runtime for Net {
    type Reactor = Self;
    type Executor = Self;
    type Task<T: Send + 'static> = T;
    type Waited<F: Future> = F::Output;

    fn executor(&self, connections: usize) -> io::Result<Self> {
        self.lock().connections = connections;
        Ok(self.clone())
    }

    fn reactor(executor: &Self, _: &ShutdownHandle) -> Self {
        executor.clone()
    }

    fn wait<F: Future>(executor: &mut Self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            while !woken.0.swap(false, Ordering::SeqCst) {
                let mut world = executor.lock();
                let next = world.wakers.iter().map(|(at, _)| *at).min().expect("the task waits for nothing");
                world.millis = world.millis.max(next);
                let wakers = std::mem::take(&mut world.wakers).into_iter();
                let (due, later): (Vec<_>, Vec<_>) = wakers.partition(|(at, _)| *at <= next);
                world.wakers = later;
                drop(world);
                due.into_iter().for_each(|(_, waker)| waker.wake());
            }
        }
    }

    fn spawn<F, T>(
        mut executor: Self,
        future: F,
        finish: impl FnOnce(F::Output, Self) -> T + Send + 'static,
    ) -> io::Result<T>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static,
    {
        let output = Self::wait(&mut executor, future);
        Ok(finish(output, executor))
    }
}

impl Reactor for Net {
    type Socket = Socket;
    type Timer = u64;

    fn now(&self) -> std::time::Instant {
        let world = self.lock();
        world.base + Duration::from_millis(world.millis)
    }

    fn connect(&self, _: SocketAddr, _: Option<SocketAddr>) -> BoxFuture<Socket> {
        Box::pin(async { Ok(Socket { request: String::new(), answer: None }) })
    }

    fn local_addr(&self, _: &Socket) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 50_000)))
    }

    fn poll_read(
        &self,
        socket: &mut Socket,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.read_now(socket, buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn read_now(&self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let request = &socket.request;
        let answer = socket.answer.get_or_insert_with(|| {
            let mut world = self.lock();
            world.requests.push(request.clone());
            (world.answers)(request)
        });
        let count = answer.len().min(buffer.len());
        buffer[..count].copy_from_slice(&answer[..count]);
        answer.drain(..count);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn poll_write(&self, socket: &mut Socket, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        socket.request.push_str(std::str::from_utf8(bytes).unwrap());
        Poll::Ready(Ok(bytes.len()))
    }

    fn set_timer(&self, timer: &mut Option<u64>, at: std::time::Instant) {
        let after = at.saturating_duration_since(self.lock().base);
        // Runtimes round up to the resolution of their timers.
        *timer = Some(u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap());
    }

    fn poll_timer(&self, timer: &mut u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.lock();
        if *timer <= world.millis {
            return Poll::Ready(());
        }
        world.wakers.push((*timer, cx.waker().clone()));
        Poll::Pending
    }
}

fn config() -> ConfigBuilder {
    Config::builder().base_url("http://127.0.0.1:80")
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Returns a page of any list of the service, with one entry.
fn page(number: usize, next: Option<&str>) -> String {
    let next = next.map(|next| format!(r#""next_token":"{next}""#)).unwrap_or_default();
    answer(200, &format!(r#"{{"data":[{{"id":"{number}","value":"a"}}],"meta":{{{next}}}}}"#))
}

/// Returns a list of so many pages.
fn pages(count: usize) -> Net {
    Net::scripted((1..=count).map(|number| page(number, (number < count).then_some(&*format!("p{number}")))))
}

#[test]
fn lists_the_connections_of_all_pages() {
    let net = pages(3);
    let mut client = net.client(FILTERED_STREAM).connections().unwrap();
    let ids: Vec<_> = client.list().unwrap().into_iter().map(|connection| connection.id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let requests = net.requests();
    let path = "GET /2/connections?endpoints=filtered_stream&max_results=100&";
    for (request, token) in requests.iter().zip([None, Some("p1"), Some("p2")]) {
        assert!(request.starts_with(path), "{request}");
        assert_eq!(request.contains("pagination_token="), token.is_some(), "{request}");
        assert!(token.is_none_or(|token| request.contains(&format!("pagination_token={token} "))));
    }
}

#[test]
fn a_list_with_too_many_pages_or_a_repeated_token_is_an_error() {
    // The first page has no token, so there is one page more than there are tokens.
    for (count, is_whole) in [(101, true), (102, false)] {
        let listed = pages(count).client(FILTERED_STREAM).connections().unwrap().list();
        assert_eq!(
            listed.as_ref().map(Vec::len),
            if is_whole { Ok(count) } else { Err(&ConnectionsError::Endless) }
        );
    }
    for (count, is_whole) in [(1_001, true), (1_002, false)] {
        let listed = pages(count).client(FILTERED_STREAM).rules().unwrap().list();
        assert_eq!(
            listed.as_ref().map(Vec::len),
            if is_whole { Ok(count) } else { Err(&RulesError::Endless) }
        );
    }
    let repeated = || Net::scripted((1..=3).map(|number| page(number, Some("p")))).client(FILTERED_STREAM);
    assert_eq!(repeated().connections().unwrap().list(), Err(ConnectionsError::Endless));
    assert_eq!(repeated().rules().unwrap().list(), Err(RulesError::Endless));
}

#[test]
fn ends_a_hundred_connections_per_request() {
    let net = Net::scripted([
        answer(200, r#"{"data":{"results":[{"uuid":"1","success":true},{"uuid":"2","success":false}]}}"#),
        answer(200, r#"{"data":{"results":[{"uuid":"101","success":true},{"uuid":"3"}]}}"#),
    ]);
    let ids: Vec<_> = (1..=101).map(|number| number.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let ended = net.client(FILTERED_STREAM).connections().unwrap().close(&ids);
    assert_eq!(ended.unwrap(), ["1", "101"]);
    let [first, second] = &net.requests()[..] else { panic!() };
    assert!(
        first.starts_with("DELETE /2/connections HTTP/1.1\r\n") && first.ends_with(r#","100"]}"#),
        "{first}"
    );
    assert!(second.ends_with(r#"{"uuids":["101"]}"#), "{second}");
}

#[test]
fn a_shutdown_ends_the_calls_of_both_clients() {
    let client = pages(1).client(FILTERED_STREAM);
    let (mut connections, mut rules) = (client.connections().unwrap(), client.rules().unwrap());
    connections.shutdown_handle().shutdown();
    rules.shutdown_handle().shutdown();
    assert!(matches!(connections.list(), Err(ConnectionsError::Exchange(_))));
    assert!(matches!(rules.list(), Err(RulesError::Exchange(_))));
}

#[test]
fn errors_of_lower_layers_are_the_source() {
    let client = Net::default().client(FILTERED_STREAM);
    let merged = client.merged(&Connections::new(Topology::Redundant)).unwrap_err();
    assert!(matches!(merged, OpenError::Merge(_)), "{merged}");
    let refused: [Box<dyn Error>; 3] = [
        Box::new(client.connections().unwrap().list().unwrap_err()),
        Box::new(client.rules().unwrap().list().unwrap_err()),
        Box::new(merged),
    ];
    for error in refused {
        assert!(error.source().is_some(), "{error}");
    }
    let not_listed = Net::default().client(POWERSTREAM).connections().unwrap_err();
    assert!(matches!(not_listed, OpenError::NotListed) && not_listed.source().is_none(), "{not_listed}");
    assert!(ConnectionsError::Endless.source().is_none() && RulesError::Endless.source().is_none());
}

#[test]
fn the_runtime_prepares_a_socket_for_each_connection_and_each_recovered_group() {
    let config = config().build().unwrap();
    let mut partitions = Connections::new(Topology::Partitioned);
    for name in ["a", "b", "c"] {
        partitions = partitions.with(name, config.clone());
    }
    for (connections, recovery, sockets) in [
        (Connections::copies(3, &config), false, 3),
        (Connections::copies(3, &config), true, 4),
        (partitions.clone(), false, 3),
        (partitions, true, 6),
    ] {
        let net = Net::default();
        net.client(POWERSTREAM).merged(&connections.recovery(recovery)).unwrap();
        assert_eq!(net.lock().connections, sockets);
    }
}

#[test]
fn a_resumed_stream_recovers_its_gap() {
    let net = Net::new(|request| {
        let mut answer = HEAD.as_bytes().to_vec();
        if request.contains("startTime") {
            answer.extend([line(&post(1)), line(&post(2)), b"0\r\n\r\n".to_vec()].concat());
        } else {
            answer.extend(line(""));
        }
        answer
    });
    let hour_ago = UnixTime::from(SystemTime::now()).saturating_sub(Duration::from_secs(3_600));
    let position = Position::new(vec![(ReplicaGroup::new(0), hour_ago)]);
    let connections = Connections::copies(1, &config().backfill(true).build().unwrap())
        .recovery(true)
        .resume_from(position, [PostId::new(1)]);
    let mut stream = net.client(POWERSTREAM).merged(&connections).unwrap();
    let mut recovered = Vec::new();
    loop {
        match stream.next() {
            Some(MergedEvent::Recovery(RecoveryEvent::Message(message))) => recovered.push(message.id()),
            Some(MergedEvent::Recovery(RecoveryEvent::Completed { recovery, posts })) => {
                assert_eq!((recovery.range.from, posts), (hour_ago, 1));
                break;
            }
            Some(MergedEvent::Recovery(RecoveryEvent::Started(_)) | MergedEvent::Gap(_)) => {}
            Some(MergedEvent::Session {
                event: SessionEvent::Connected(_) | SessionEvent::KeepAlive,
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(recovered, [Some(PostId::new(2))]);
    // A recovery has its own parameters, and no backfill.
    let [live, recovery] = &net.requests()[..] else { panic!() };
    assert!(live.contains("backfillMinutes=") && !live.contains("endTime="), "{live}");
    assert!(recovery.contains("endTime=") && !recovery.contains("backfillMinutes="), "{recovery}");
}

#[test]
fn with_backfill_a_complete_copy_follows_a_malformed_one() {
    let broken = post(2).replace(r#""a"}"#, r#""a""#);
    for backfill in [true, false] {
        let mut answers = [vec![post(1), broken.clone()], vec![post(1), post(2), post(3)]].into_iter();
        let net = Net::new(move |_| {
            let posts = answers.next().unwrap_or_default();
            let posts: Vec<u8> = posts.iter().flat_map(|post| line(post)).collect();
            [HEAD.as_bytes(), &posts, b"0\r\n\r\n"].concat()
        });
        let client = Client::new(config().backfill(backfill).build().unwrap()).with_runtime(net);
        let mut stream = client.stream().unwrap();
        let mut messages = Vec::new();
        for _ in 0..100 {
            if let Some(SessionEvent::Message(message)) = stream.next() {
                messages.push(String::from_utf8(message.bytes.to_vec()).unwrap());
            }
            if messages.last() == Some(&post(3)) {
                break;
            }
        }
        let copy = backfill.then(|| post(2));
        let wanted = [post(1), broken.clone()].into_iter().chain(copy).chain([post(3)]);
        assert_eq!(messages, wanted.collect::<Vec<_>>());
    }
}
