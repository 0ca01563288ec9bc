//! Alerts on a day of bytes: a session decodes them, a monitor counts, and the alerts judge samples
//! of the counters.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::time::Duration;

use powerstream_core::alert::{AlertConfig, Alerts, Change, Sample};
use powerstream_core::buffered::Buffered;
use powerstream_core::monitor::Monitor;
use powerstream_core::session::{Session, Step};
use powerstream_core::time::{Instant, UnixTime};

use crate::harness::{config, line};

/// 2023-11-14 22:13:20 UTC, in milliseconds.
const START: u64 = 1_700_000_000_000;

/// The epoch of snowflakes.
const EPOCH: u64 = 1_288_834_974_657;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ndate: Tue, 14 Nov 2023 22:13:20 GMT\r\ntransfer-encoding: chunked\r\n\r\n";

const DAY: u64 = 24 * 60 * 60;

/// A stream in virtual time.
struct Stream {
    buffered: Buffered<Vec<u8>, Vec<u8>>,
    monitor: Monitor,
    alerts: Alerts,
    seconds: u64,
    begun: Vec<&'static str>,
}

impl Stream {
    /// Opens the stream, with a local clock that is ahead of the server's.
    fn open(ahead: Duration) -> Self {
        let config = config();
        let unix = UnixTime::from_millis(START).saturating_add(ahead);
        let session = Session::new(vec![0; config.storage_bytes()], &config, 1, Instant::ZERO, unix).unwrap();
        let mut buffered = Buffered::new(session, vec![0; 1 << 18]);
        buffered.handle_timeout(Instant::ZERO);
        buffered.handle_connected(Instant::ZERO);
        let length = buffered.transmit().len();
        buffered.handle_written(length, Instant::ZERO);
        let monitor = Monitor::new(Instant::ZERO, unix);
        let alerts = Alerts::new(AlertConfig::default());
        let mut stream = Self { buffered, monitor, alerts, seconds: 0, begun: Vec::new() };
        stream.read(HEAD.as_bytes());
        stream
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.seconds * 1_000_000_000)
    }

    fn read(&mut self, bytes: &[u8]) {
        let now = self.now();
        self.buffered.read_buf()[..bytes.len()].copy_from_slice(bytes);
        self.buffered.handle_read(bytes.len(), now);
        while self.buffered.poll() == Step::Event {
            let event = self.buffered.peek().unwrap();
            self.monitor.handle_event(&event, self.buffered.read_at());
            self.buffered.release();
        }
        let step = self.buffered.poll();
        assert!(matches!(step, Step::Read { .. }), "the stream ends: {step:?} at {}", self.seconds);
    }

    /// Runs for so many seconds, with Posts for each second, which are this old when they arrive. A
    /// keep-alive follows ten seconds without Posts.
    fn run(&mut self, seconds: u64, posts: impl Fn(u64) -> u64, age: impl Fn(u64) -> Duration) {
        let mut quiet = 0;
        for _ in 0..seconds {
            self.seconds += 1;
            let (mut bytes, count) = (Vec::new(), posts(self.seconds));
            for nth in 0..count {
                let created = START + self.seconds * 1_000 - age(self.seconds).as_millis() as u64;
                let mut post = String::new();
                write!(post, r#"{{"id_str":"{}","text":"a"}}"#, ((created - EPOCH) << 22) + nth).unwrap();
                bytes.extend(line(&post));
            }
            quiet = if count == 0 { quiet + 1 } else { 0 };
            if quiet % 10 == 9 {
                bytes.extend(line(""));
            }
            if !bytes.is_empty() {
                self.read(&bytes);
            }
            if self.seconds % 10 == 0 {
                self.sample();
            }
        }
    }

    fn sample(&mut self) {
        let snapshot = self.monitor.snapshot();
        let mut sample = Sample::default();
        (sample.posts, sample.month_posts) = (snapshot.posts, snapshot.month_posts);
        (sample.streams, sample.is_streaming) = (snapshot.streams, snapshot.is_streaming);
        sample.lag = snapshot.lag;
        sample.clock_offset = Duration::from_millis(snapshot.clock_offset_ms.unsigned_abs());
        self.alerts.handle_sample(&sample, self.now());
        while let Some(change) = self.alerts.poll() {
            if let Change::Begun(alert) = change {
                self.begun.push(alert.code());
            }
        }
    }
}

fn young(_: u64) -> Duration {
    Duration::from_millis(80)
}

/// Two Posts a second, with a burst of ten times that for a minute every 17 minutes, and for two
/// periods every five hours.
fn usual(second: u64) -> u64 {
    let is_burst = second % 1_020 < 60 || second % 18_000 < 600;
    if is_burst { 20 } else { 2 }
}

#[test]
fn a_day_with_bursts_of_ten_times_raises_nothing() {
    let mut stream = Stream::open(Duration::ZERO);
    stream.run(DAY, usual, young);
    assert_eq!(stream.begun, [""; 0]);
    let snapshot = stream.monitor.snapshot();
    assert!(snapshot.posts > 2 * DAY && snapshot.malformed == 0, "{}", snapshot.posts);
}

#[test]
fn each_fault_raises_exactly_its_alert() {
    let mut stream = Stream::open(Duration::ZERO);
    stream.run(2 * 3_600, usual, young);
    // Keep-alives go on.
    stream.run(1_200, |_| 0, young);
    assert!(stream.monitor.snapshot().keep_alives > 100);
    assert_eq!(stream.begun, ["volume_drop"]);

    let mut stream = Stream::open(Duration::ZERO);
    stream.run(2 * 3_600, usual, young);
    stream.alerts.handle_rules_changed(stream.now());
    stream.run(1_200, |second| 5 * usual(second), young);
    assert_eq!(stream.begun, ["volume_surge"]);

    let mut stream = Stream::open(Duration::ZERO);
    stream.run(2 * 3_600, usual, young);
    let begin = stream.seconds;
    stream.run(1_800, usual, |second| Duration::from_millis(80 + (second - begin) * 10));
    assert_eq!(stream.begun, ["falling_behind"]);

    let mut stream = Stream::open(Duration::from_secs(600));
    stream.run(2 * 3_600, usual, young);
    assert_eq!(stream.begun, ["wrong_clock"]);
}
