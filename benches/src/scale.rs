//! Many connections on one thread: the loop of the epoll example, and what each connection costs.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::{Events, Token};
use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::Origin;
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::Instant;
use powerstream_tls::MaybeTls;
use powerstream_workload::posts::Random;

use crate::charts::{Chart, Scale};
use crate::loopback::{Receiver, Target, What};
use crate::measure::{median, ratio};
use crate::options::Options;
use crate::report::{Section, Table, figure};
use crate::server::{Order, Server, allow_many_files};

#[path = "../../examples/epoll_loop/src/tcp.rs"]
mod tcp;

use tcp::Tcp;

/// How often deadlines are checked. They are at least seconds away.
const TICK: Duration = Duration::from_millis(100);

struct Connection {
    driver: Driver<Vec<u8>, Vec<u8>, MaybeTls<Tcp>>,
    /// The deadline of the pending call.
    until: Rc<Cell<Option<Instant>>>,
}

/// Connections on one thread, with the transport of the example `epoll_loop`. Unlike the loop of
/// the example, which is for two connections, this one polls only those that have input.
pub(crate) struct Epoll {
    poll: mio::Poll,
    events: Events,
    connections: Vec<Connection>,
}

impl Epoll {
    /// Connects, one connection after the other.
    pub(crate) fn new(target: &Target, count: usize) -> Self {
        let url = format!("http{}://{}", if target.pem.is_some() { "s" } else { "" }, target.addr);
        let origin = Origin::parse(&url).expect("an origin");
        let connector = target.tls().for_origin(&origin).expect("a name");
        let config = SessionConfig::new(origin);
        let poll = mio::Poll::new().expect("epoll");
        let mut epoll = Self { poll, events: Events::with_capacity(1_024), connections: Vec::new() };
        for index in 0..count {
            let until = Rc::new(Cell::new(None));
            let tcp = Tcp {
                address: target.addr,
                registry: epoll.poll.registry().try_clone().expect("a file"),
                token: Token(index),
                socket: None,
                until: Rc::clone(&until),
                base: std::time::Instant::now(),
            };
            let storage = vec![0; config.storage_bytes()];
            let session = Session::new(storage, &config, index as u64, tcp.now(), tcp.unix_now());
            let buffered = Buffered::new(session.expect("a session"), vec![0; READ_BYTES]);
            let driver = Driver::new(buffered, MaybeTls::new(tcp, connector.clone()));
            epoll.connections.push(Connection { driver, until });
            epoll.run_from(index, |event| !matches!(event, SessionEvent::Connected(_)));
        }
        epoll
    }

    /// Delivers events until `each` returns false.
    pub(crate) fn run(&mut self, each: impl FnMut(&SessionEvent<'_>) -> bool) {
        self.run_from(0, each);
    }

    /// The same for the connections from this one on.
    fn run_from(&mut self, first: usize, mut each: impl FnMut(&SessionEvent<'_>) -> bool) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut ready: Vec<usize> = (first..self.connections.len()).collect();
        loop {
            for index in ready.drain(..) {
                let driver = &mut self.connections[index].driver;
                while let Poll::Ready(event) = driver.poll_next(&mut cx) {
                    if !each(&event.expect("more events")) {
                        return;
                    }
                }
            }
            match self.poll.poll(&mut self.events, Some(TICK)) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => panic!("epoll: {error}"),
                _ => ready.extend(self.events.iter().map(|event| event.token().0)),
            }
            if ready.is_empty() {
                let is_due = |(index, connection): (usize, &Connection)| {
                    let until = connection.until.get()?;
                    (connection.driver.io().now() >= until).then_some(index)
                };
                ready.extend(self.connections.iter().enumerate().filter_map(is_due));
            }
        }
    }
}

/// Returns the resident memory of this process in bytes.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN);
    pages * rustix::param::page_size() as f64
}

const CHILD: &str = "--memory";

/// Prints the resident bytes of a connection, and does not return, if the arguments say so.
///
/// # Panics
/// If the arguments are malformed.
pub fn measure_if_child() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, addr, connections, posts] = &arguments[..] else { return };
    if flag == CHILD {
        allow_many_files();
        let number = |text: &String| text.parse::<usize>().expect("a number");
        let target = Target { addr: addr.parse().expect("an address"), pem: None };
        let before = resident();
        let mut epoll = Epoll::new(&target, number(connections));
        let mut receiver = Receiver::new(number(posts), What::Throughput, || 0);
        epoll.run(|event| receiver.event(event));
        println!("{}", (resident() - before) / number(connections) as f64);
        std::process::exit(0);
    }
}

/// Returns the resident bytes of a connection. A process of its own measures them: in this one, the
/// allocator reuses memory of earlier measurements, which is resident already.
fn memory(server: &mut Server, order: Order) -> f64 {
    server.order(order);
    let numbers = [order.connections, order.posts].map(|number| number.to_string());
    let child = Command::new(std::env::current_exe().expect("the path of this program"))
        .args([CHILD, &server.addr.to_string()])
        .args(numbers)
        .output()
        .expect("a process");
    String::from_utf8_lossy(&child.stdout).trim().parse().expect("the bytes of a connection")
}

/// Measures 1, 10, 100 and 1,000 connections.
///
/// # Panics
/// If Posts are lost.
#[must_use]
pub fn run(options: &Options) -> Section {
    allow_many_files();
    let mut server = Server::start();
    let target = Target { addr: server.addr, pem: None };
    let counts = options.pick(&[1, 10][..], &[1, 10, 100, 1_000], &[1, 10, 100, 1_000]);
    let mut cpu = vec![Vec::new(); counts.len()];
    let mut random = Random::new(5);
    let mut turns: Vec<_> = (0..counts.len()).collect();
    let posts = options.pick(2_000, 10_000, 20_000);
    let order = |connections| Order { is_tls: false, connections, rate: 20_000, posts };
    for _ in 0..options.pick(1, 3, 9) {
        random.shuffle(&mut turns);
        for &index in &turns {
            let connections = counts[index];
            server.order(order(connections));
            let client = || {
                if let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.get(1).copied()) {
                    core_affinity::set_for_current(core);
                }
                let mut epoll = Epoll::new(&target, connections);
                let mut receiver = Receiver::new(posts, What::Throughput, options.allocations);
                epoll.run(|event| receiver.event(event));
                receiver.cost().cpu_micros
            };
            let micros = std::thread::scope(|scope| scope.spawn(client).join().expect("the client's thread"));
            cpu[index].push(micros);
        }
    }
    let mut table = Table::new(
        "All connections together receive 20,000 Posts a second, in turn. Resident memory contains the read \
         buffer of 16 KiB, and was taken in a new process when every connection had received Posts.",
        &["connections", "CPU µs a Post", "ratio to one connection", "resident KiB a connection"],
    );
    let mut points = Vec::new();
    for (index, &connections) in counts.iter().enumerate() {
        let micros = median(cpu[index].clone());
        points.push((connections as f64, micros));
        table.rows.push(vec![
            figure(connections as f64).split('.').next().unwrap_or_default().to_owned(),
            figure(micros),
            format!("{:.2}", ratio(&cpu[index], &cpu[0])),
            match connections {
                1 => "-".to_owned(),
                _ => figure(memory(&mut server, order(connections)) / 1_024.0),
            },
        ]);
    }
    Section {
        heading: "Many connections",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench scale",
        about: "All connections share one thread. It uses the transport of the example `epoll_loop`, and visits only\n\
                connections that have input. Each connection may receive messages of 1 MiB, but none does.",
        tables: vec![table],
        charts: vec![Chart {
            file: "connections",
            title: "CPU time a Post against the number of connections".to_owned(),
            x: "connections on one thread",
            y: "CPU µs a Post",
            scale: Scale::Log,
            log_y: false,
            series: vec![("epoll".to_owned(), points)],
        }],
    }
}
