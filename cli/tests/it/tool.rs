//! The tool as a process: started, listened to line by line, waited for with a bound on every wait.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The bound on each wait: far above what any of them takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The tool with these arguments, split at spaces, and none of the variables that it listens to.
pub(crate) fn tool(arguments: &str) -> Command {
    #[cfg(unix)]
    heed_signals();
    let mut command = Command::new(env!("CARGO_BIN_EXE_powerstream"));
    command.args(arguments.split_whitespace());
    for variable in ["X_BEARER_TOKEN", "RUST_LOG", "NO_COLOR", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(variable);
    }
    for variable in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_lowercase());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes the tools that the tests start heed every signal, whatever started the tests: `nohup` and
/// shells without job control have programs ignore some. What this process handles, its children
/// have by default.
#[cfg(unix)]
fn heed_signals() {
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

/// Runs it to its end.
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
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The tool while it runs. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Option<ChildStdout>,
    lines: Receiver<String>,
    stderr: Receiver<String>,
    /// All of standard error that was looked at.
    pub(crate) log: String,
}

impl Running {
    /// Starts it; both outputs are read as they come.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::start_unread(command);
        running.lines = lines(running.stdout.take().unwrap());
        running
    }

    /// Starts it, leaving standard output to the caller.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let stdout = child.stdout.take();
        Self { child, stdout, lines: mpsc::channel().1, stderr, log: String::new() }
    }

    /// Starts it with a standard error that the caller has chosen; standard output is read as it comes.
    pub(crate) fn start_without_stderr(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, stdout: None, lines, stderr: mpsc::channel().1, log: String::new() }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("standard output has no further line: {error}; standard error: {}", self.rest_of_log()),
        }
    }

    /// The next line of standard error that holds `text`.
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
                Err(error) => panic!("standard error has no line with {text:?}: {error}; it is: {}", self.log),
            }
        }
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end: the exit code. What is left on standard output is read, that on standard error too.
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
        // An error means that it has ended.
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

/// A simulator in a process of its own, and its base URL.
pub(crate) fn simulator(arguments: &str) -> (Running, String) {
    let mut simulator = Running::start(&mut tool(&format!("simulate {arguments}")));
    let line = simulator.line();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    let scheme = if arguments.contains("--tls") { "https" } else { "http" };
    assert!(url.starts_with(&format!("{scheme}://127.0.0.1:")), "{url}");
    (simulator, url)
}

/// Runs `check` on every case, some of them at a time: most of a case is waiting.
pub(crate) fn check_all<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(case);
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
}

/// Returns a new directory, in memory where the system has a place for that: the tool syncs its
/// ledger to the disk several times a request.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
