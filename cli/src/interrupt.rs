//! SIGINT (Ctrl-C), SIGTERM and SIGHUP. The first one requests a clean end; the second one exits at
//! once.
//!
//! A signal that is ignored when the tool starts stays ignored. `nohup` ignores SIGHUP. Shells
//! without job control ignore SIGINT for background commands.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

use crate::exit::{Exit, Failure};
use crate::system::explained;

/// The exit code after SIGINT, as in shells.
pub(crate) const INTERRUPTED: i32 = exit_code(SIGINT);

/// The time limit for a clean end. Whatever blocks longer, such as a standard error that is never
/// read, may block forever.
const PATIENCE: Duration = Duration::from_secs(2);

const SIGINT: i32 = 2;

/// Calls `end` on a separate thread when the user requests the end. May be called once.
pub(crate) fn on_interrupt(end: impl Fn() + Send + 'static) -> Result<(), Failure> {
    listen(end).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot listen for signals: {}", explained(&error)))
    })
}

fn listen(end: impl Fn() + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = signals(&runtime)?;
    let run = async move {
        let first = next(&mut signals).await;
        end();
        let second = tokio::time::timeout(PATIENCE, next(&mut signals)).await;
        std::process::exit(exit_code(second.unwrap_or(first)));
    };
    thread::Builder::new().name(String::from("signals")).spawn(move || runtime.block_on(run)).map(drop)
}

/// The exit code that shells report for a program that a signal ended.
const fn exit_code(signal: i32) -> i32 {
    128 + signal
}

/// Waits for any of the signals. Returns its number.
async fn next(signals: &mut [Signal]) -> i32 {
    poll_fn(|cx| {
        let came =
            signals.iter_mut().find_map(|signal| (signal.poll)(cx).is_ready().then_some(signal.number));
        came.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Becomes ready when the signal arrives.
type PollSignal = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send>;

/// A signal and its listener.
struct Signal {
    number: i32,
    poll: PollSignal,
}

#[cfg(unix)]
fn signals(runtime: &Runtime) -> io::Result<Vec<Signal>> {
    use tokio::signal::unix::{SignalKind, signal};

    let _context = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let ignored = ignored();
    let heeded = kinds.into_iter().filter(|kind| !is_in(ignored, kind.as_raw_value()));
    let listen = |kind: SignalKind| {
        let mut signal = signal(kind)?;
        Ok(Signal { number: kind.as_raw_value(), poll: Box::new(move |cx| signal.poll_recv(cx)) })
    };
    heeded.map(listen).collect()
}

#[cfg(windows)]
fn signals(runtime: &Runtime) -> io::Result<Vec<Signal>> {
    use tokio::signal::windows;

    let _context = runtime.enter();
    let (mut c, mut brk) = (windows::ctrl_c()?, windows::ctrl_break()?);
    let (mut close, mut shutdown) = (windows::ctrl_close()?, windows::ctrl_shutdown()?);
    let polls: [PollSignal; 4] = [
        Box::new(move |cx| c.poll_recv(cx)),
        Box::new(move |cx| brk.poll_recv(cx)),
        Box::new(move |cx| close.poll_recv(cx)),
        Box::new(move |cx| shutdown.poll_recv(cx)),
    ];
    Ok(polls.into_iter().map(|poll| Signal { number: SIGINT, poll }).collect())
}

/// Returns the signals that this process ignores, one bit each. Without unsafe code only Linux
/// reports them; elsewhere the result is 0.
#[cfg(unix)]
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| parse_ignored(&status)).unwrap_or(0)
}

#[cfg(unix)]
fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Bit 0 is signal 1.
#[cfg(unix)]
fn is_in(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn finds_the_ignored_signals_in_the_status_of_a_process() {
        // The output of `nohup sh -c 'trap "" TERM; cat /proc/self/status'`.
        let status =
            "Name:\tcat\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000004001\nSigCgt:\t0000000000000002\n";
        let mask = parse_ignored(status).unwrap();
        assert_eq!([1, 2, 15].map(|signal| is_in(mask, signal)), [true, false, true]);
        for status in ["", "SigIgn:", "SigIgn:\tzz", "SigCgt:\t0000000000000002"] {
            assert_eq!(parse_ignored(status), None, "{status}");
        }
    }
}
