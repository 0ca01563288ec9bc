//! Helpers that run the tool as a process and read its output line by line. Every wait has a bound.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The bound on each wait, far longer than any wait takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the tool with these arguments, split at spaces. Removes the variables that it reads.
pub(crate) fn tool(arguments: &str) -> Command {
    #[cfg(unix)]
    restore_signals();
    let mut command = Command::new(env!("CARGO_BIN_EXE_powerstream"));
    command.args(arguments.split_whitespace());
    for variable in ["X_BEARER_TOKEN", "RUST_LOG", "NO_COLOR", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(variable);
    }
    for variable in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_lowercase());
    }
    // Without the times of log lines.
    command.env("JOURNAL_STREAM", "0:0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes the tools that the tests start react to every signal. `nohup` and shells without job
/// control start programs with some signals ignored. If this process handles a signal, its children
/// start with the default action.
#[cfg(unix)]
fn restore_signals() {
    use tokio::signal::unix::{SignalKind, signal};

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let ignored = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = ignored.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
                // The handler stays when the listener is dropped.
                drop(signal(kind).unwrap());
            }
        }
    });
}

/// Runs the tool until it exits.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child = command.spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let stdout = thread::spawn(move || read_all(&mut stdout));
    let stderr = thread::spawn(move || read_all(&mut stderr));
    let status = wait(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

fn wait(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the tool does not exit");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A running tool, killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Option<ChildStdout>,
    lines: Receiver<String>,
    stderr: Receiver<String>,
    /// All of standard error read so far.
    pub(crate) log: String,
}

impl Running {
    /// Starts the tool and reads both outputs as they arrive.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::start_unread(command);
        running.lines = lines(running.stdout.take().unwrap());
        running
    }

    /// Starts the tool and leaves standard output to the caller.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let stdout = child.stdout.take();
        Self { child, stdout, lines: mpsc::channel().1, stderr, log: String::new() }
    }

    /// Starts the tool with the caller's standard error. Reads only standard output.
    pub(crate) fn start_without_stderr(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, stdout: None, lines, stderr: mpsc::channel().1, log: String::new() }
    }

    /// Returns true if the tool has not exited yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns the next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                panic!("standard output has no further line: {error}; standard error: {}", self.rest_of_log())
            }
        }
    }

    /// Reads standard error up to the next line that contains `text`, and returns that line.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.log += &line;
                    self.log.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => {
                    panic!("standard error has no line with {text:?}: {error}; it is: {}", self.log)
                }
            }
        }
    }

    /// Sends a signal by name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the tool exits, and returns the exit code. The rest of standard error is
    /// added to `log`.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let status = wait(&mut self.child);
        self.rest_of_log();
        status.code()
    }

    fn rest_of_log(&mut self) -> String {
        loop {
            match self.stderr.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => self.log += &(line + "\n"),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return self.log.clone(),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the tool has exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Starts a simulator in another process. Returns it and its base URL.
pub(crate) fn simulator(arguments: &str) -> (Running, String) {
    let mut simulator = Running::start(&mut tool(&format!("simulate {arguments}")));
    let line = simulator.line();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    let scheme = if arguments.contains("--tls") { "https" } else { "http" };
    assert!(url.starts_with(&format!("{scheme}://127.0.0.1:")), "{url}");
    (simulator, url)
}

/// Runs `check` on every case, four at a time, because a case mostly waits.
pub(crate) fn check_all<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(case);
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
}

/// Returns a new directory, in memory if the system has `/dev/shm`, because the tool syncs its
/// ledger to the disk several times per request.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
