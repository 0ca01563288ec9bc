//! Costs that must not exist. Each is asserted.

use std::process::Command;
use std::time::Instant as Watch;

use powerstream_core::read_buffer::{BUFFER_BYTES, READ_BYTES, ReadBuffer};
use powerstream_core::session::Session;
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent};
use powerstream_core::time::Instant;
use powerstream_workload::framing::{HEAD, Sessions};
use powerstream_workload::posts;
use powerstream_workload::tls::{Client, Server as TlsServer, into_session};
use powerstream_workload::wire::{ReadSize, SHAPES, Wire};

use crate::loopback::Target;
use crate::options::Options;
use crate::report::{Section, Table, figure};
use crate::server::{Order, Server};

/// Checks every cost.
///
/// # Panics
/// If one is higher than it must be.
#[must_use]
pub fn run(options: &Options) -> Section {
    let mut tables = vec![state(), copies(), allocations(options)];
    tables.push(keep_alives(options));
    tables.extend(system_calls(options));
    Section {
        heading: "Costs with a limit",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench costs",
        about: "The command fails if one of these is higher than its limit. `.ci/code-size` limits the size of\n\
                programs. `.ci/instructions` limits the instructions of each path. By that it also checks that no\n\
                byte of a long message is searched at each read: a KiB of 1 MiB may take 1.1 of one of 16 KiB.",
        tables,
        charts: Vec::new(),
    }
}

/// Bytes of state, without the storage that the caller lends.
fn state() -> Table {
    let mut table = Table::new("State, without the caller's storage.", &["type", "bytes", "limit", "goal"]);
    for (name, bytes, limit, goal) in [
        ("`Connection`", size_of::<Connection<&mut [u8]>>(), 512, 512),
        ("`Session`", size_of::<Session<&mut [u8]>>(), 2_048, 2_048),
    ] {
        assert!(bytes <= limit, "{name} has {bytes} bytes of state");
        table.rows.push([name.to_owned(), bytes.to_string(), limit.to_string(), goal.to_string()].to_vec());
    }
    table
}

/// Measures which share of the messages' bytes is copied after the read. A message is lent from the
/// read buffer, or from the storage, where each of its bytes was copied once. What is left in the
/// buffer may be moved to its start.
fn copies() -> Table {
    let posts = posts::load();
    let mut table = Table::new(
        "Bytes copied after the read, as a share of the bytes of messages. The limit is 1.1 times the share \
         that is in messages split by a read or a chunk: a message may be moved first, and stored later.",
        &["chunks", "a chunk a read", "16 KiB", "1,460 B"],
    );
    for shape in &SHAPES {
        let mut row = vec![shape.title.to_owned()];
        for read in [ReadSize::Chunk, ReadSize::Bytes(16 << 10), ReadSize::Bytes(1_460)] {
            let wire = Wire::new(&posts, shape, read);
            let mut connection = Connection::new(vec![0; 1 << 20], ConnectionConfig::default());
            connection.handle_connected(Instant::ZERO);
            assert_eq!(connection.decode(HEAD, Instant::ZERO).0, HEAD.len());
            let mut buffer = ReadBuffer::new(vec![0; BUFFER_BYTES]);
            let (mut copied, mut total, mut cut) = (0, 0, 0);
            wire.for_each_read(READ_BYTES, |read| {
                let left = buffer.unread();
                let behind = buffer.scanned().as_ptr_range().end;
                let room = buffer.room();
                copied += if left == 0 || room.as_ptr() == behind { 0 } else { left };
                room[..read.len()].copy_from_slice(read);
                buffer.handle_read(read.len());
                let mut is_cut = left > 0 || connection.buffered() > 0;
                loop {
                    let (consumed, event) = connection.scan_partial(buffer.input(), Instant::ZERO);
                    buffer.consume(consumed);
                    let Some(event) = event.expect("a well-formed wire") else { break };
                    let input = buffer.scanned();
                    if let ConnectionEvent::Message(message) = connection.lend(event, input) {
                        total += message.len();
                        let is_lent = input.as_ptr_range().contains(&message.as_ptr());
                        copied += if is_lent { 0 } else { message.len() };
                        // It began in an earlier read, or a chunk ends within it.
                        is_cut |= !input[..consumed].windows(message.len()).any(|part| part == message);
                        cut += if is_cut { message.len() } else { 0 };
                    }
                    is_cut = false;
                }
                assert!(buffer.leave(), "no Post takes half of the buffer");
            });
            assert!(
                copied <= cut + cut / 10,
                "{} {read}: {copied} bytes copied, {cut} of cut messages",
                shape.name
            );
            row.push(format!("{:.0} %", 100.0 * copied as f64 / total as f64));
        }
        table.rows.push(row);
    }
    table
}

/// Allocations of a message, in steady state.
fn allocations(options: &Options) -> Table {
    let posts = posts::load();
    let mut table = Table::new("Allocations a message.", &["path", "allocations", "limit"]);
    let mut row = |path: &str, allocations: u64, limit: f64| {
        let each = allocations as f64 / posts.len() as f64;
        assert!(each <= limit, "{path}: {each} allocations a message");
        table.rows.push(vec![path.to_owned(), figure(each), figure(limit)]);
    };
    for shape in &SHAPES {
        use powerstream_workload::framing::Pass;
        let wire = Wire::new(&posts, shape, ReadSize::Bytes(1_460));
        let mut sessions = Sessions::new();
        sessions.pass(&wire);
        let before = (options.allocations)();
        sessions.pass(&wire);
        let made = (options.allocations)() - before;
        row(&format!("session, {}", shape.title.to_lowercase()), made, 0.0);
    }
    // Those of rustls: a buffer for a record that is longer than what it decrypts in place.
    let server = TlsServer::new();
    let mut client = server.client(into_session());
    let records = server.records(&mut client, &[&posts[..], &posts[..]].concat());
    let (first, second) = records.split_at(posts.len());
    first.iter().for_each(|record| {
        client.receive(record);
    });
    let before = (options.allocations)();
    let received: usize = second.iter().map(|record| client.receive(record)).sum();
    let made = (options.allocations)() - before;
    assert_eq!(received, posts.len());
    // A Post of more than 16 KiB takes two records.
    let records: usize = second.iter().map(|records| count_records(records)).sum();
    let limit = records as f64 / posts.len() as f64;
    row("session over TLS, one for each record (all of them by rustls)", made, limit);
    table
}

/// Returns the number of TLS records.
fn count_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    count
}

/// Keep-alives: the last ones of many cost what the first ones do.
fn keep_alives(options: &Options) -> Table {
    let count: u64 = options.pick(2_000_000, 10_000_000, 100_000_000);
    const PART: u64 = 1_000;
    let mut session = powerstream_workload::framing::session();
    assert_eq!(session.decode(HEAD, Instant::ZERO).0, HEAD.len());
    let keep_alive = b"2\r\n\r\n\r\n";
    let before = (options.allocations)();
    let mut parts = Vec::with_capacity((count / PART) as usize);
    for part in 0..count / PART {
        let begun = Watch::now();
        for index in 0..PART {
            // One every 20 s, which makes 63 years.
            let now = Instant::from_nanos((part * PART + index) * 20_000_000_000 % (1 << 62));
            let (consumed, event) = session.decode(keep_alive, now);
            assert!(event.is_some());
            session.decode(&keep_alive[consumed..], now);
        }
        parts.push(begun.elapsed().as_secs_f64() * 1e9 / PART as f64);
    }
    assert_eq!((options.allocations)() - before, u64::from(parts.capacity() > 0), "the list of times only");
    // The fastest of many short parts, because others are interrupted by other programs.
    let fastest = |parts: &[f64]| parts.iter().copied().fold(f64::MAX, f64::min);
    let tenth = (parts.len() / 10).max(1);
    let (first, last) = (fastest(&parts[..tenth]), fastest(&parts[parts.len() - tenth..]));
    assert!(last <= 2.0 * first, "a keep-alive costs {first} ns at first and {last} ns at last");
    let mut table = Table::new(
        format!(
            "{} keep-alives on one connection.",
            figure(count as f64).split('.').next().unwrap_or_default()
        ),
        &["keep-alives", "ns each"],
    );
    table.rows.push(vec!["the first tenth".to_owned(), figure(first)]);
    table.rows.push(vec!["the last tenth".to_owned(), figure(last)]);
    table
}

/// System calls a Post at 1,000 Posts a second, where most arrive alone. `None` without strace.
fn system_calls(options: &Options) -> Option<Table> {
    let posts = options.pick(300, 1_000, 2_000);
    if Command::new("strace").arg("-V").output().is_err() {
        println!("system calls: skipped; install strace to count them");
        return None;
    }
    let mut server = Server::start();
    let mut table = Table::new(
        "System calls a Post, at 1,000 Posts a second, including some 300 for the set-up. The command fails if \
         the calls without the set-up exceed the limit by more than a tenth.",
        &["client", "calls", "limit"],
    );
    let file = std::env::temp_dir().join(format!("powerstream-calls-{}", std::process::id()));
    // Blocking reads wait in the read. A runtime waits, reads, and finds that there is no more;
    // smol also passes the wake-up from its reactor to the task.
    for (client, limit) in
        [("blocking", 1.0), ("tokio, 1 thread", 3.0), ("smol", 8.0), ("epoll example", 3.0)]
    {
        server.order(Order { is_tls: false, connections: 1, rate: 1_000, posts });
        let target = Target { addr: server.addr, pem: None };
        let program = std::env::current_exe().expect("the path of this program");
        let status = Command::new("strace")
            .args(["-f", "-c", "-o"])
            .arg(&file)
            .arg(program)
            .args(crate::loopback::child_arguments(client, &target, posts))
            .status();
        assert!(status.is_ok_and(|status| status.success()), "strace of {client}");
        let text = std::fs::read_to_string(&file).expect("the counts");
        // % time, seconds, usecs/call, calls, errors if any, name; the last line is the total.
        let total = text.lines().rev().find(|line| line.ends_with("total")).expect("a total");
        let calls: f64 =
            total.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).expect("a number");
        // Start, connect and end need some 300 calls.
        let each = (calls - 300.0).max(0.0) / posts as f64;
        assert!(each <= limit * 1.1, "{client}: {each} system calls a Post");
        table.rows.push(vec![client.to_owned(), format!("{:.2}", calls / posts as f64), figure(limit)]);
    }
    let _ = std::fs::remove_file(&file);
    Some(table)
}
