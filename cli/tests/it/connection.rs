//! The connection options and the proxy variables. Every command that connects respects them.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use crate::tool::{PATIENCE, check_all, directory, run, text, tool};

/// The commands that connect.
const COMMANDS: [&str; 5] =
    ["stream --duration 300ms", "rules list", "rules add cat", "rules delete --id 1 --yes", "rules sync"];

/// Starts a server that answers each request with this status. Returns the server's address, and
/// the client's address and the first line of each request.
fn server(status: &'static str) -> (String, Receiver<(IpAddr, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|count| count > 0) {
                request.push(byte[0]);
            }
            let line = text(&request).lines().next().unwrap_or_default().to_owned();
            let _ = sender.send((socket.peer_addr().unwrap().ip(), line));
            let _ = write!(socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (address, requests)
}

/// Returns a local address on which no server listens.
fn unused() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Runs a command with a new state directory and, for a sync, a new rules file.
fn command(command: &str, arguments: &str, check: impl FnOnce(&mut Command) -> (Option<i32>, String)) {
    let directory = directory();
    let mut line = command.to_owned();
    if command == "rules sync" {
        let rules = directory.path().join("rules");
        std::fs::write(&rules, "cat\n").unwrap();
        line = format!("{line} {} --yes", rules.display());
    }
    if command.starts_with("rules") {
        line = format!("{line} --state-dir {}", directory.path().display());
    }
    let (code, stderr) = check(tool(&format!("{line} {arguments}")).env("X_BEARER_TOKEN", "any"));
    assert!(code.is_some(), "{command}: {stderr}");
}

fn code_and_stderr(command: &mut Command) -> (Option<i32>, String) {
    let output = run(command);
    (output.status.code(), text(&output.stderr).to_owned())
}

#[test]
fn every_command_goes_through_the_proxy_of_the_environment() {
    let cases: Vec<_> = COMMANDS
        .into_iter()
        .flat_map(|name| {
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].map(|variable| (name, variable))
        })
        .collect();
    check_all(&cases, |(name, variable)| {
        let (proxy, requests) = server("502 Bad Gateway");
        command(name, "", |command| {
            let (code, stderr) = code_and_stderr(command.env(variable, format!("http://{proxy}")));
            let (_, line) =
                requests.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name}, {variable}: {stderr}"));
            assert_eq!(line, "CONNECT api.x.com:443 HTTP/1.1", "{name}");
            assert!(
                stderr.contains("the proxy could not connect to the host (status 502)"),
                "{name}: {stderr}"
            );
            (code, stderr)
        });
    });
}

#[test]
fn every_command_respects_no_proxy_and_resolve() {
    let cases: Vec<_> = COMMANDS
        .into_iter()
        .flat_map(|name| {
            ["*.x.com", ".x.com", "X.com:443", "a.example, *", "10.0.0.0/8 api.x.com"]
                .map(|exempt| (name, exempt))
        })
        .collect();
    check_all(&cases, |(name, exempt)| {
        let (proxy, requests) = server("502 Bad Gateway");
        command(name, &format!("--resolve {}", unused()), |command| {
            command.env("HTTPS_PROXY", format!("http://{proxy}")).env("NO_PROXY", exempt);
            let (code, stderr) = code_and_stderr(command);
            assert!(stderr.contains("the connection was refused"), "{name}, {exempt}: {stderr}");
            assert!(
                requests.try_recv().is_err() && !stderr.contains("warning"),
                "{name}, {exempt}: {stderr}"
            );
            (code, stderr)
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn every_command_connects_from_the_local_address_to_the_resolved_one() {
    check_all(&COMMANDS, |name| {
        let (address, requests) = server("404 Not Found");
        let arguments = format!(
            "--base-url http://localhost:1 --resolve {address} --local-address 127.0.0.2 --connect-timeout 5s"
        );
        command(name, &arguments, |command| {
            let (code, stderr) = code_and_stderr(command);
            let (from, line) = requests.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name}: {stderr}"));
            assert_eq!(from.to_string(), "127.0.0.2", "{name}");
            assert!(line.contains(" /2/powerstream"), "{name}: {line}");
            (code, stderr)
        });
    });
}

#[test]
fn every_command_names_the_server_and_the_address_that_failed() {
    check_all(&COMMANDS, |name| {
        let port = unused().rsplit_once(':').unwrap().1.to_owned();
        for (arguments, proxy, words) in [
            (
                format!("--base-url https://localhost:{port} --resolve 127.0.0.1:{port}"),
                None,
                format!("could not connect to https://localhost:{port} (127.0.0.1:{port})"),
            ),
            (
                String::from("--base-url https://no-such-name.invalid"),
                None,
                String::from("could not connect to https://no-such-name.invalid"),
            ),
            (
                String::new(),
                Some(format!("http://127.0.0.1:{port}")),
                format!(
                    "through the proxy 127.0.0.1:{port}: on the way to the proxy: the connection was refused"
                ),
            ),
        ] {
            command(name, &arguments, |command| {
                if let Some(proxy) = &proxy {
                    command.env("HTTPS_PROXY", proxy);
                }
                let (code, stderr) = code_and_stderr(command);
                assert!(stderr.contains(&words), "{name}: {stderr}");
                (code, stderr)
            });
        }
    });
}

#[test]
fn rejects_invalid_proxies_and_unknown_connection_names() {
    check_all(&COMMANDS, |name| {
        for (variable, value, arguments, words) in [
            (
                "HTTPS_PROXY",
                "socks5://127.0.0.1:1",
                "",
                "HTTPS_PROXY is not allowed: the proxy must be an http:// one",
            ),
            (
                "all_proxy",
                "http://127.0.0.1",
                "",
                "all_proxy is not allowed: the proxy's URL must name a port",
            ),
            (
                "NO_PROXY",
                "*",
                "--resolve a=127.0.0.1:1",
                "--resolve names the connection a, but no connection",
            ),
            ("NO_PROXY", "*", "--local-address a=127.0.0.1", "--local-address names the connection a, but"),
            ("NO_PROXY", "*", "--base-url http://x.com", "--base-url (or --connect) is not allowed: "),
        ] {
            command(name, arguments, |command| {
                let (code, stderr) = code_and_stderr(command.env(variable, value));
                assert!(code == Some(2) && stderr.contains(words), "{name} {value} {arguments}: {stderr}");
                (code, stderr)
            });
        }
    });
}

#[test]
fn warns_of_exemptions_that_exempt_nothing() {
    let (proxy, _requests) = server("502 Bad Gateway");
    for name in COMMANDS {
        command(name, "", |command| {
            command.env("HTTPS_PROXY", format!("http://{proxy}")).env("no_proxy", "a.example,api.*,*.x.org");
            let (code, stderr) = code_and_stderr(command);
            assert_eq!(
                stderr.matches("warning: no_proxy has the entry api.*, which exempts no host").count(),
                1,
                "{stderr}"
            );
            assert_eq!(stderr.matches("exempts no host").count(), 1, "{stderr}");
            (code, stderr)
        });
    }
}

/// A service manager must not repeat credentials that a proxy rejects: that may lock an account.
#[test]
fn rejected_proxy_credentials_exit_as_not_authorized() {
    let (proxy, _requests) = server("407 Proxy Authentication Required");
    for name in ["stream", "rules list", "rules sync"] {
        command(name, "", |command| {
            let (code, stderr) = code_and_stderr(command.env("HTTPS_PROXY", format!("http://a:b@{proxy}")));
            assert_eq!(code, Some(4), "{name}: {stderr}");
            (code, stderr)
        });
    }
}

#[test]
fn a_simulator_is_reached_without_the_proxy() {
    let mut command = tool("stream --simulate --tls --max-posts 2");
    let (code, stderr) = code_and_stderr(command.env("HTTPS_PROXY", format!("http://{}", unused())));
    assert_eq!(code, Some(0), "{stderr}");
}
