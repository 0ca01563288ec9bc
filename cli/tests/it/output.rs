//! Tests of standard output with slow, stopped and closed readers, with a full disk, and with
//! signals at these times.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::tool::{Running, check_all, text, tool};

const RUNTIMES: [&str; 3] = ["blocking", "tokio", "smol"];

/// Returns the number that follows this name in the totals, or 0.
fn total(stderr: &str, name: &str) -> usize {
    let totals = stderr.lines().find(|line| line.starts_with("Posts ")).unwrap_or_else(|| panic!("{stderr}"));
    let part = totals.split(", ").find_map(|part| part.strip_prefix(name)).unwrap_or("0");
    part.split(' ').find(|word| !word.is_empty()).unwrap().parse().unwrap_or_else(|_| panic!("{totals}"))
}

/// Reads the rest of standard output. Returns the complete lines, and the number of bytes of an
/// incomplete line after them.
fn rest(stream: &mut Running) -> (Vec<String>, usize) {
    let mut bytes = Vec::new();
    stream.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (text(&bytes[..end]).lines().map(String::from).collect(), bytes.len() - end)
}

fn id(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_u64().unwrap()
}

/// Writes Posts of a kilobyte, numbered from 1, to a file.
fn posts(count: usize) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for id in 1..=count {
        writeln!(file, "{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(1_000)).unwrap();
    }
    file
}

#[test]
fn slow_reader_of_stdout_does_not_slow_down_the_stream() {
    check_all(&RUNTIMES, |runtime| {
        let arguments = format!("stream --simulate --rate 400 --max-posts 3000 --runtime {runtime}");
        let mut stream = Running::start_unread(&mut tool(&arguments));
        let line = stream.wait_for_log("the reader of standard output has taken nothing for ");
        assert!(line.contains("; the queue holds ") && line.ends_with(" of 64 MiB"), "{line}");
        let (lines, incomplete) = rest(&mut stream);
        assert_eq!((stream.end(), lines.len(), incomplete), (Some(0), 3_000, 0), "{}", stream.log);
        assert!(lines.windows(2).all(|pair| id(&pair[0]) < id(&pair[1])));
        assert!(stream.log.contains("standard output takes Posts again, after "), "{}", stream.log);
        assert!(stream.log.contains("Posts 3000, keep-alives 0, "), "{}", stream.log);
        // The tool never paused reading from the server.
        assert!(!stream.log.contains("late: ") && stream.log.contains("reconnects 0"), "{}", stream.log);
    });
}

#[test]
fn disconnect_after_a_full_queue_names_the_reader_of_stdout() {
    let mut stream = Running::start_unread(&mut tool("stream --simulate --rate 8000 --queue 512KiB"));
    let line = stream.wait_for_log(
        "the queue is full: the server is read only as fast as the reader of standard output makes room",
    );
    assert!(line.contains(" of 512 KiB; a larger --queue holds more"), "{line}");
    let mut stdout = stream.stdout.take().unwrap();
    // Long enough for the server to disconnect a slow client.
    thread::sleep(Duration::from_secs(5));
    let reading = thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    stream.wait_for_log(" disconnected: ");
    stream.wait_for_log("the likely cause: the reader of standard output was too slow");
    stream.wait_for_log("Posts may be missing from ");
    stream.signal("INT");
    stream.end();
    reading.join().unwrap().unwrap();
}

/// The tool waits for this reader many times, each time only briefly.
#[test]
fn disconnect_names_a_reader_of_stdout_that_is_always_too_slow() {
    let mut stream = Running::start_unread(&mut tool("stream --simulate --rate 8000 --queue 512KiB"));
    let mut stdout = stream.stdout.take().unwrap();
    let reading = thread::spawn(move || {
        // 64 kB take 100 ms, which is about 150 Posts a second.
        let mut buffer = vec![0; 65_536];
        let mut count = 0;
        while let Ok(1..) = stdout.read(&mut buffer) {
            count += 1;
            if count < 80 {
                thread::sleep(Duration::from_millis(100));
            }
        }
    });
    stream.wait_for_log("the queue is full: ");
    stream.wait_for_log(" disconnected: ");
    stream.wait_for_log("the likely cause: the reader of standard output was too slow");
    stream.signal("INT");
    stream.end();
    reading.join().unwrap();
}

#[test]
fn full_queue_follows_the_overflow_policy() {
    let file = posts(4_000);
    let cases = [("drop-oldest", 0), ("drop-newest", 0), ("end", 1)];
    check_all(&cases, |(policy, exit)| {
        let file = file.path().display();
        let arguments =
            format!("stream --simulate --posts {file} --max-posts 4000 --queue 1MiB --overflow {policy}");
        let mut stream = Running::start_unread(&mut tool(&arguments));
        // With a policy that drops Posts, everything is received within the wait below.
        stream.wait_for_log(if *exit == 0 { "the queue was full: " } else { " is slower than the stream: " });
        thread::sleep(Duration::from_secs(2));
        let (lines, incomplete) = rest(&mut stream);
        assert_eq!((stream.end(), incomplete), (Some(*exit), 0), "{policy}: {}", stream.log);
        let stderr = &stream.log;
        let dropped = total(stderr, "dropped ");
        assert_eq!(total(stderr, "Posts "), lines.len(), "{stderr}");
        assert!(dropped > 0 && !stderr.contains("not written"), "{stderr}");
        let ids: Vec<u64> = lines.iter().map(|line| id(line)).collect();
        let in_order: Vec<u64> = (1..=ids.len() as u64).collect();
        match *policy {
            "drop-oldest" => {
                assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
                assert_eq!((ids.first(), ids.last()), (Some(&1), Some(&4_000)));
                assert_eq!(ids.len() + dropped, 4_000, "{stderr}");
            }
            "drop-newest" => {
                assert_eq!(ids.len() + dropped, 4_000, "{stderr}");
                assert!(ids.starts_with(&in_order[..1_000]), "{stderr}");
            }
            _ => {
                assert!(stderr.contains("the queue of 1 MiB was full, and --overflow is end"), "{stderr}");
                assert_eq!(ids, in_order);
            }
        }
    });
}

#[test]
fn signal_ends_a_blocked_stream_with_exact_totals() {
    let cases =
        [("blocking", "TERM"), ("blocking", "INT"), ("blocking", "HUP"), ("tokio", "TERM"), ("smol", "TERM")];
    let file = posts(4_000);
    check_all(&cases, |(runtime, signal)| {
        let file = file.path().display();
        // Once with room in the queue, and once with a full queue, so that all threads wait.
        for (queue, filled) in
            [("64MiB", ""), ("256KiB", "the queue is full: the server is read only as fast as ")]
        {
            let arguments = format!("stream --simulate --posts {file} --runtime {runtime} --queue {queue}");
            let mut stream = Running::start_unread(&mut tool(&arguments));
            stream.wait_for_log("connected to ");
            if filled.is_empty() {
                thread::sleep(Duration::from_secs(1));
            } else {
                stream.wait_for_log(filled);
            }
            let signaled = Instant::now();
            stream.signal(signal);
            assert_eq!(stream.end(), Some(1), "{}", stream.log);
            // The tool needs half a second. The rest allows for a busy machine.
            assert!(signaled.elapsed() < Duration::from_secs(6), "{:?}", signaled.elapsed());
            let stderr = stream.log.clone();
            let (lines, _) = rest(&mut stream);
            assert_eq!(total(&stderr, "Posts "), lines.len(), "{stderr}");
            let unwritten = total(&stderr, "not written ");
            assert!(unwritten > 50, "{stderr}");
            let last = stderr.lines().last().unwrap();
            assert!(
                last.contains(&format!(": {unwritten} Posts that were received are not written (")),
                "{stderr}"
            );
        }
    });
}

#[test]
fn signal_ends_a_stream_with_a_reader_cleanly() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut stream = Running::start(&mut tool("stream --simulate --rate 500"));
        stream.line();
        stream.signal(signal);
        assert_eq!(stream.end(), Some(0), "{}", stream.log);
        assert!(stream.log.contains("Posts ") && !stream.log.contains("not written"), "{}", stream.log);
    }
}

#[test]
fn duration_waits_for_the_reader_of_stdout() {
    let file = posts(4_000);
    check_all(&RUNTIMES, |runtime| {
        // Once with room in the queue, and once with a full queue when the duration is over.
        for queue in ["64MiB", "256KiB"] {
            let file = file.path().display();
            let arguments =
                format!("stream --simulate --posts {file} --duration 1s --queue {queue} --runtime {runtime}");
            let mut stream = Running::start_unread(&mut tool(&arguments));
            stream.wait_for_log("connected");
            thread::sleep(Duration::from_secs(3));
            assert!(stream.is_running());
            let (lines, incomplete) = rest(&mut stream);
            assert_eq!((stream.end(), incomplete), (Some(0), 0), "{}", stream.log);
            assert_eq!(total(&stream.log, "Posts "), lines.len(), "{}", stream.log);
            assert!(lines.len() > 200 && !stream.log.contains("not written"), "{}", stream.log);
        }
    });
}

/// The totals printed after a signal are also exact if `--duration` ended the stream before.
#[test]
fn signal_ends_a_blocked_stream_whose_duration_is_over() {
    let file = posts(4_000);
    let arguments =
        format!("stream --simulate --posts {} --duration 500ms --queue 256KiB", file.path().display());
    let mut stream = Running::start_unread(&mut tool(&arguments));
    stream.wait_for_log("the queue is full: the server is read only as fast as ");
    thread::sleep(Duration::from_secs(1));
    stream.signal("TERM");
    assert_eq!(stream.end(), Some(1), "{}", stream.log);
    let stderr = stream.log.clone();
    assert_eq!(total(&stderr, "Posts "), rest(&mut stream).0.len(), "{stderr}");
}

#[test]
fn notices_a_closed_stdout_while_the_stream_is_quiet() {
    check_all(&RUNTIMES, |runtime| {
        let arguments = format!("stream --simulate --rate 0 --runtime {runtime}");
        let mut stream = Running::start_unread(&mut tool(&arguments));
        stream.wait_for_log("connected");
        drop(stream.stdout.take());
        assert_eq!(stream.end(), Some(0));
        assert!(stream.log.contains("the reader of standard output has closed it"), "{}", stream.log);
        assert!(!stream.log.contains("Posts "), "{}", stream.log);
    });
}

#[test]
fn filters_notice_a_closed_stdout_while_their_input_is_quiet() {
    // The response includes a message. A head alone is not shown yet, as another may follow it.
    let response = "HTTP/1.1 200 OK\r\n\r\n{\"id\":1,\"text\":\"gull\"}\r\n";
    for (arguments, input) in
        [("decode", response), ("rules match --rule=gull", "{\"id\":1,\"text\":\"gull\"}\n")]
    {
        let (input_end, mut writer) = pipe().unwrap();
        let mut filter = Running::start_unread(tool(arguments).stdin(input_end));
        writer.write_all(input.as_bytes()).unwrap();
        let mut stdout = filter.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        assert_eq!(filter.end(), Some(0), "{arguments}");
    }
}

/// `nohup` and shells without job control start programs with ignored signals.
#[cfg(target_os = "linux")]
#[test]
fn signal_that_is_ignored_at_the_start_stays_ignored() {
    let cases = [("HUP", "INT"), ("INT", "TERM"), ("TERM", "HUP")];
    check_all(&cases, |(ignored, other)| {
        for arguments in ["stream --simulate --rate 500", "simulate"] {
            let command = tool(arguments);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("trap '' {ignored}; exec \"$0\" \"$@\"")]).arg(command.get_program());
            shell.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut running = Running::start(&mut shell);
            running.line();
            running.signal(ignored);
            thread::sleep(Duration::from_secs(1));
            assert!(running.is_running(), "{ignored}: {}", running.log);
            running.signal(other);
            assert_eq!(running.end(), Some(0), "{other}: {}", running.log);
        }
    });
}

/// Returns a pipe whose buffer is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4_096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn blocked_stderr_blocks_neither_the_stream_nor_the_exit() {
    let arguments = "stream --simulate --rate 4000 --scenario unknown-messages";
    let (mut stderr, full) = full_pipe();
    let mut command = tool(&format!("{arguments} --max-posts 4000"));
    let mut stream = Running::start_without_stderr(command.env("RUST_LOG", "debug").stderr(full));
    // The test must not keep the write end of the pipe open.
    drop(command);
    for _ in 0..4_000 {
        stream.line();
    }
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert_eq!(stream.end(), Some(0));
    assert!(log.contains("\nPosts 4000, ") && log.contains("connected to "), "{} bytes", log.len());

    // After a signal, the tool does not wait for standard error.
    for (second, exit) in [(None, 143), (Some("INT"), 130)] {
        let (_stderr, full) = full_pipe();
        let mut command = tool(arguments);
        let mut stream = Running::start_without_stderr(command.stderr(full));
        drop(command);
        stream.line();
        stream.signal("TERM");
        if let Some(second) = second {
            thread::sleep(Duration::from_millis(300));
            stream.signal(second);
        }
        assert_eq!(stream.end(), Some(exit));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_of_every_command() {
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\n";
    let commands = [
        "stream --simulate --rate 500",
        "stream --simulate --rate 500 --runtime tokio",
        "decode",
        "decode --json",
        "rules operators",
        "rules check gull",
        "rules format gull",
        "rules explain gull",
        "rules match --rule=gull",
        "simulate --list-scenarios",
        "simulate",
    ];
    check_all(&commands, |arguments| {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (input, mut writer) = pipe().unwrap();
        let mut stream = Running::start_unread(tool(arguments).stdout(full).stdin(input));
        // The tool may exit before it reads this. A failed write is then expected.
        let _ = match *arguments {
            "rules match --rule=gull" => writer.write_all(b"{\"id\":1,\"text\":\"gull\"}\n"),
            _ => writer.write_all(response),
        };
        drop(writer);
        assert_eq!(stream.end(), Some(1), "{arguments}: {}", stream.log);
        assert!(
            stream.log.contains("cannot write to standard output: No space left"),
            "{arguments}: {}",
            stream.log
        );
        if arguments.starts_with("stream") {
            assert_eq!(total(&stream.log, "Posts "), 0, "{}", stream.log);
            assert!(total(&stream.log, "not written ") > 0, "{}", stream.log);
        }
    });
}

/// Another process that shares the pipe, such as the shell's parent, may have made it non-blocking.
#[test]
fn waits_for_a_non_blocking_stdout() {
    let commands = ["stream --simulate --rate 2000 --max-posts 2000", "rules operators --json"];
    for arguments in commands {
        let (mut reader, writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let mut command = tool(arguments);
        let mut running = Running::start_unread(command.stdout(writer));
        drop(command);
        thread::sleep(Duration::from_millis(1_500));
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(running.end(), Some(0), "{}", running.log);
        assert!(written.ends_with("}\n") && written.lines().count() > 20, "{arguments}");
    }
}
