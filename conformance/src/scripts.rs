//! The scripts: one for each deterministic scenario of the simulator.
//!
//! The log of a script must equal the reference's. The delivered messages must equal those that the
//! simulator sent, and the simulator must have seen no connection that the log lacks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use powerstream_client::config::{Config, ConfigBuilder, Token};
use powerstream_core::transport_error::{CertificateNames, TlsError, TransportError, TransportErrorKind};
use powerstream_simulator::{FaultScope, Scenario, Simulator, Tls, TlsFault as Given};

use crate::log::{Difference, Log, Recorder, Until};
use crate::{Transport, parallel, posts, reference_driver};

/// The longest accepted message; the one in `oversized` is longer.
const MESSAGE_BYTES_MAX: usize = 1 << 17;

/// Posts per connection, and Posts before the fault.
const POSTS: usize = 40;
const FAULT_AFTER: usize = 30;

/// Posts, and the connection's metadata.
const ALL: Until = Until::Messages { stream: 1, count: POSTS + 1 };

/// Some messages of the stream behind the fault.
const AFTER_FAULT: Until = Until::Messages { stream: 2, count: 20 };

/// The token of every script, which occurs nowhere else.
pub const TOKEN: &str = "conformance-5c9d1e7f";

/// Scenarios that depend on timing, so that no two runs have the same log. The suite
/// [`no_silent_loss`](crate::no_silent_loss) runs them.
const LEFT_OUT: [Scenario; 5] = [
    Scenario::FlakyNetwork,
    Scenario::RateLimitStorm,
    Scenario::SilentStall,
    Scenario::SlowReader,
    Scenario::DatacenterFailover,
];

/// What to read, and the recorder of its events.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCase {
    /// What to read.
    pub config: Config,
    /// Over TLS: the CA to trust, as PEM.
    pub ca_pem: Option<String>,
    /// Records the events.
    pub recorder: Recorder,
}

impl TestCase {
    fn new(config: Config, simulator: &Simulator, until: Until) -> Self {
        Self { config, ca_pem: simulator.ca_pem().map(str::to_owned), recorder: Recorder::new(until) }
    }
}

/// A script and its name.
#[derive(Clone, Copy)]
struct Script {
    name: &'static str,
    scenario: Scenario,
    until: Until,
    keep_alive: Duration,
    silence: Duration,
}

impl Script {
    fn of(scenario: Scenario) -> Self {
        use Scenario as S;
        let until = match scenario {
            S::Stall
            | S::Reset
            | S::CloseMidMessage
            | S::CloseBetween
            | S::CleanEnd
            | S::BadChunk
            | S::OperationalDisconnect => AFTER_FAULT,
            S::RateLimited | S::TooManyConnections => Until::Disconnects(1),
            S::AcceptClose => Until::Disconnects(8),
            _ => ALL,
        };
        // Long, so that a busy machine does not look like a silent server; short where the timeout
        // is expected.
        let silence = if scenario == S::Stall { 2 } else { 25 };
        let (keep_alive, silence) = (Duration::from_secs(20), Duration::from_secs(silence));
        Self { name: scenario.name(), scenario, until, keep_alive, silence }
    }

    fn all() -> Vec<Self> {
        let scenarios = Scenario::all().iter().copied().filter(|scenario| !LEFT_OUT.contains(scenario));
        let mut scripts: Vec<_> = scenarios.map(Self::of).collect();
        scripts.push(Self {
            name: "quiet",
            until: Until::KeepAlives(3),
            keep_alive: Duration::from_millis(200),
            ..Self::of(Scenario::Steady)
        });
        scripts
    }

    fn start(&self, tls: Option<Tls>) -> Simulator {
        let mut config = powerstream_simulator::Config::default();
        config.tls = tls;
        config.source = posts(3, POSTS);
        config.scenario = self.scenario;
        config.fault_after = FAULT_AFTER as u64;
        config.keep_alive = self.keep_alive;
        config.token = Some(TOKEN.to_owned());
        Simulator::start(config).unwrap()
    }

    fn config(&self, simulator: &Simulator) -> ConfigBuilder {
        Config::builder()
            .base_url(simulator.base_url())
            .token(Token::new(TOKEN).unwrap())
            .local_dc_only(true)
            // Each connection gets the same Posts, and the reference driver delivers all of them.
            .keep_duplicates(true)
            .message_bytes_max(MESSAGE_BYTES_MAX)
            .timeouts(|timeouts| timeouts.idle = self.silence)
            // Short, so that tests are fast.
            .backoff(|backoff| {
                backoff.network.first = Duration::from_millis(20);
                backoff.http.first = Duration::from_millis(20);
            })
            .seed(7)
    }

    fn run(&self, transport: Transport, subject: &(impl Fn(TestCase) -> Recorder + ?Sized)) -> Log {
        let simulator = self.start((transport == Transport::Tls).then(Tls::default));
        let config = self.config(&simulator).build().unwrap();
        let mut log = subject(TestCase::new(config, &simulator, self.until)).log();
        self.compare_with_truth(&log, &simulator);
        if self.scenario == Scenario::Reset {
            log.forget_bytes_lost_by_a_reset();
        }
        log
    }

    fn compare_with_truth(&self, log: &Log, simulator: &Simulator) {
        let connections = simulator.ground_truth().connections();
        assert_eq!(log.connections(), connections.len(), "connections; the log: {:#?}", log.lines());
        let numbers = connections.iter().filter(|one| one.status == Some(200)).map(|one| one.number);
        let last = log.streams().len().saturating_sub(1);
        for (index, (number, received)) in numbers.zip(log.streams()).enumerate() {
            let sent: Vec<_> = simulator
                .ground_truth()
                .messages(number)
                .iter()
                .map(|one| one.bytes.clone().unwrap())
                .collect();
            let mut sent = sent.iter().filter(|bytes| bytes.len() <= MESSAGE_BYTES_MAX);
            for message in received {
                assert_eq!(Some(&message.bytes[..]), sent.next().map(|bytes| &bytes[..]), "stream {index}");
            }
            // The test left the last stream early, and a reset may lose what was sent before.
            if index != last && self.scenario != Scenario::Reset {
                assert_eq!(sent.next(), None, "stream {index} lacks a message");
            }
        }
    }
}

/// Runs every script without and with TLS, and each TLS fault.
///
/// # Panics
/// As [`check`] and [`check_tls_faults`].
pub fn check_all(subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    std::thread::scope(|scope| {
        scope.spawn(|| check(Transport::Plain, subject));
        scope.spawn(|| check(Transport::Tls, subject));
        scope.spawn(|| check_tls_faults(subject));
    });
}

/// Runs every script.
///
/// # Panics
/// If a log differs from the reference's or from what the simulator sent; standard error names the
/// script.
pub fn check(transport: Transport, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    run(&Script::all(), transport, subject);
}

/// Runs the scripts of these names.
///
/// # Panics
/// As [`check`], and if there is no script of a name.
pub fn check_some(names: &[&str], transport: Transport, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    let all = Script::all();
    let find = |name: &&str| all.iter().find(|script| script.name == *name).copied();
    let scripts: Vec<_> = names.iter().map(|name| find(name).expect("a script of that name")).collect();
    run(&scripts, transport, subject);
}

/// Runs one failing and then one healthy connection for each TLS fault of the simulator.
///
/// # Panics
/// If a fault is not reported as its own kind, or the stream does not start after it.
pub fn check_tls_faults(subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    parallel(Given::all(), 4, &|given| (given.name(), Box::new(|| check_tls_fault(*given, subject))));
}

fn check_tls_fault(given: Given, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    let kind = match given {
        Given::Expired => TlsError::CertificateExpired,
        Given::NotYetValid => TlsError::CertificateNotYetValid,
        Given::WrongName => TlsError::CertificateName(CertificateNames::new(["another-host.test"])),
        Given::UnknownCa | Given::SelfSigned => TlsError::CertificateIssuer,
        Given::OnlyH2 => TlsError::NoHttp1,
        Given::Stall => TlsError::HandshakeTimedOut,
        Given::Garbage => TlsError::NotTls,
        Given::Reset => TlsError::HandshakeReset,
        Given::Close => TlsError::HandshakeClosed,
        given => panic!("{given} is new: which kind should it have?"),
    };
    let mut tls = Tls::default();
    tls.fault = Some(given);
    tls.fault_on = FaultScope::First(1);
    let script = Script::of(Scenario::Steady);
    let simulator = script.start(Some(tls));
    let connect = Duration::from_secs(if given == Given::Stall { 1 } else { 10 });
    let config = script.config(&simulator).timeouts(|timeouts| timeouts.connect = connect).build().unwrap();
    let log = subject(TestCase::new(config, &simulator, Until::Messages { stream: 1, count: 5 })).log();
    let (first, second) = (&log.lines()[0], &log.lines()[1]);
    let expected = format!("disconnected: fault ({}", TransportError::new(TransportErrorKind::Tls(kind)));
    assert!(first.starts_with(&expected) && second.starts_with("connected: 200"), "{:#?}", log.lines());
}

fn run(scripts: &[Script], transport: Transport, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    parallel(scripts, 6, &|script| (script.name, Box::new(|| compare(script, transport, subject))));
}

fn compare(script: &Script, transport: Transport, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    let reference = reference(script);
    let log = script.run(transport, subject);
    assert!(
        reference == log.lines(),
        "the reference (one) and the adapter (other), {}",
        Difference(&reference, log.lines())
    );
    assert!(!log.lines().concat().contains(TOKEN), "the token is in the log");
}

/// Returns the reference's log of the script, which is read once per process.
fn reference(script: &Script) -> Vec<String> {
    static READ: Mutex<BTreeMap<&str, Vec<String>>> = Mutex::new(BTreeMap::new());
    let known = READ.lock().unwrap().get(script.name).cloned();
    known.unwrap_or_else(|| {
        let log = script.run(Transport::Plain, &|mut case: TestCase| {
            reference_driver::read(&case.config, |event| case.recorder.record(event.into()));
            case.recorder
        });
        READ.lock().unwrap().insert(script.name, log.lines().to_vec());
        log.lines().to_vec()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_script_for_each_deterministic_scenario() {
        assert_eq!(Script::all().len() + LEFT_OUT.len(), Scenario::all().len() + 1);
    }

    #[test]
    fn the_reference_agrees_with_itself_and_the_simulator() {
        check(Transport::Plain, &|mut case| {
            reference_driver::read(&case.config, |event| case.recorder.record(event.into()));
            case.recorder
        });
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn detects_a_missing_event() {
        check_some(&["clean-end"], Transport::Plain, &|mut case| {
            let mut nth = 0;
            reference_driver::read(&case.config, |event| {
                nth += 1;
                if nth == 10 {
                    std::ops::ControlFlow::Continue(())
                } else {
                    case.recorder.record(event.into())
                }
            });
            case.recorder
        });
    }
}
