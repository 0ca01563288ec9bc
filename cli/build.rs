//! Finds the commit that `--version` names.

use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    // A package from a registry has no repository, and a machine may have no git.
    let version = match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) => {
            for path in ["HEAD", "logs/HEAD"] {
                if let Some(path) = git(&["rev-parse", "--git-path", path]) {
                    println!("cargo::rerun-if-changed={path}");
                }
            }
            format!("{version} ({commit})")
        }
        None => version.to_owned(),
    };
    println!("cargo::rustc-env=POWERSTREAM_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
}

/// Returns the output of a git command on this package's own repository.
fn git(arguments: &[&str]) -> Option<String> {
    // An unpacked package may stand inside the repository of another project.
    if !std::path::Path::new("../core/Cargo.toml").exists() {
        return None;
    }
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
