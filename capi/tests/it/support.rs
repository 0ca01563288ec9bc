//! Compiles programs in C against the library that Cargo built for this test.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Where the programs and a link to the library are.
fn directory() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    let built = binary.parent().unwrap().join("libpowerstream_capi.so");
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("capi");
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["libpowerstream.so", concat!("libpowerstream.so.", "0.1")] {
        let link = directory.join(name);
        let _ = std::fs::remove_file(&link);
        symlink(&built, link).unwrap();
    }
    directory
}

/// Compiles `tests/c/NAME.c` once. Returns `None`, and says so, if there is no C compiler.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    static COMPILED: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: install a C compiler (cc) to run the tests in C");
        return None;
    }
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = compiled.get(name) {
        return Some(program.clone());
    }
    let directory = directory();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = directory.join(name);
    let status = Command::new("cc")
        .args(["-std=c99", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"])
        .arg(&program)
        .arg(sources.join("tests/c").join(format!("{name}.c")))
        .arg("-I")
        .arg(sources.join("include"))
        .arg("-L")
        .arg(&directory)
        .arg(format!("-Wl,-rpath,{}", directory.display()))
        .arg("-lpowerstream")
        .status();
    assert!(status.unwrap().success(), "cc failed");
    compiled.insert(name.to_owned(), program.clone());
    Some(program)
}
