//! No Post is lost outside a reported gap by a process that is stopped and continued, while the
//! server drops it or not: SIGSTOP and SIGCONT to a child that reads, as a debugger, a job control
//! and a suspended virtual machine do.
//!
//! The child is the test binary once more, with this one test. It finds in its environment what to
//! read, and prints what came.

use std::fmt::Write as _;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use powerstream_core::time::UnixTime;
use powerstream_simulator::Simulator;

use crate::late::{Recorder, Report, TestCase, config};
use crate::ledger::ReportedGap;
use crate::parallel;

/// The child's variable: the origin, and how long to read in milliseconds.
const CHILD: &str = "POWERSTREAM_STOPPED_CHILD";

/// Starts the lines that the child prints; the test harness prints others.
const MARK: &str = "stopped: ";

/// Posts a second.
const RATE: f64 = 200.0;

/// How long the child reads before it is stopped and after it was continued.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(3);

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop {
    name: &'static str,
    length: Duration,
    /// The event that ends the connection one second after the stop.
    event: Option<&'static str>,
    /// The server ends a connection for which so many messages wait.
    queue_messages_max: Option<usize>,
    is_late: bool,
}

const STOPS: [Stop; 4] = [
    Stop {
        name: "reset",
        length: Duration::from_secs(4),
        event: Some(r#"{"do":"cut","how":"reset"}"#),
        queue_messages_max: None,
        is_late: false,
    },
    Stop {
        name: "closed",
        length: Duration::from_secs(4),
        event: Some(r#"{"do":"cut","how":"close"}"#),
        queue_messages_max: None,
        is_late: false,
    },
    // The kernels' buffers and the server's queue are full: the reader is too slow.
    Stop {
        name: "dropped as too slow",
        length: Duration::from_secs(28),
        event: None,
        queue_messages_max: Some(100),
        is_late: true,
    },
    Stop {
        name: "reset after a long stop",
        length: Duration::from_secs(35),
        event: Some(r#"{"do":"cut","how":"reset"}"#),
        queue_messages_max: None,
        is_late: false,
    },
];

/// Reads in a child that is stopped and continued. Call it from a test alone: the child runs that
/// test again.
///
/// # Panics
/// If a Post is missing that no gap reports.
pub fn check(read: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    if let Ok(given) = std::env::var(CHILD) {
        let (base_url, millis) = given.split_once(' ').unwrap();
        let recorder = Recorder::new(Duration::from_millis(millis.parse().unwrap()));
        let report = read(TestCase::new(config(base_url, 1), recorder)).whole;
        print!("\n{}", report.to_lines());
        return;
    }
    let test = std::thread::current().name().expect("a test's name").to_owned();
    parallel(&STOPS, STOPS.len(), &|stop| (stop.name, Box::new(|| stop.check(&test))));
}

impl Stop {
    fn check(&self, test: &str) {
        let mut service = powerstream_simulator::Config::default();
        service.rate = Some(RATE);
        if let Some(most) = self.queue_messages_max {
            // So many fill the kernels' buffers in some seconds.
            service.rate = Some(2.0 * RATE);
            service.queue_messages_max = most;
        }
        let rate = service.rate.unwrap();
        let simulator = Simulator::start(service).unwrap();
        let truth = simulator.ground_truth();
        let length = BEFORE + self.length + AFTER;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(CHILD, format!("{} {}", simulator.base_url(), length.as_millis()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(truth.wait(Duration::from_secs(60), |totals| totals.posts > 0), "the child did not connect");
        std::thread::sleep(BEFORE);
        signal(&child, "STOP");
        std::thread::sleep(Duration::from_secs(1));
        if let Some(event) = self.event {
            assert_eq!(simulator.trigger(None, event).unwrap(), 1);
        }
        std::thread::sleep(self.length - Duration::from_secs(1));
        signal(&child, "CONT");
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        let sum = Report::from_lines(&output).judge(&simulator, rate);
        println!("stopped for {:?}, {}: {sum:?}", self.length, self.name);
        assert_eq!(sum.outside, 0, "{sum:?}");
        assert!(sum.disconnects > 0 && sum.missed > 0, "nothing was missed: {sum:?}");
        assert!(!self.is_late || sum.late > 0, "{sum:?}");
    }
}

/// Sends a signal to the child. The signal's number differs from system to system.
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

impl Report {
    fn to_lines(&self) -> String {
        let mut lines = String::new();
        let mut line = |what: &str, values: &[u64]| {
            let values: Vec<_> = values.iter().map(u64::to_string).collect();
            writeln!(lines, "{MARK}{what} {}", values.join(" ")).unwrap();
        };
        for (what, time) in [("begun", self.begun), ("covered", self.covered_until)] {
            line(what, &[time.expect("a stream").as_millis()]);
        }
        line("counts", &[self.disconnects, self.late]);
        self.gaps.iter().for_each(|gap| line("gap", &[gap.from.as_millis(), gap.to.as_millis()]));
        self.delivered.iter().for_each(|id| line("post", &[*id]));
        lines
    }

    fn from_lines(lines: &str) -> Self {
        let mut report = Self::default();
        for line in lines.lines().filter_map(|line| line.strip_prefix(MARK)) {
            let (what, values) = line.split_once(' ').unwrap();
            let values: Vec<u64> = values.split(' ').map(|value| value.parse().unwrap()).collect();
            let time = UnixTime::from_millis;
            match (what, &values[..]) {
                ("begun", [at]) => report.begun = Some(time(*at)),
                ("covered", [at]) => report.covered_until = Some(time(*at)),
                ("counts", [disconnects, late]) => (report.disconnects, report.late) = (*disconnects, *late),
                ("gap", [from, to]) => {
                    report.gaps.push(ReportedGap { from: time(*from), to: time(*to) });
                }
                ("post", [id]) => drop(report.delivered.insert(*id)),
                _ => panic!("{line}"),
            }
        }
        report
    }
}
