//! Compiles programs in C and C++ against the library that Cargo built for this test.

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
    compile("cc", "-std=c99", &format!("{name}.c"))
}

/// Compiles a file of `tests/c` once by a compiler. Returns `None`, and says so, if it is not
/// installed.
pub(crate) fn compile(compiler: &str, standard: &str, source: &str) -> Option<PathBuf> {
    static COMPILED: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    if Command::new(compiler).arg("--version").output().is_err() {
        eprintln!("skipped: install {compiler} to run {source}");
        return None;
    }
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("{source}-{compiler}");
    if let Some(program) = compiled.get(&name) {
        return Some(program.clone());
    }
    let directory = directory();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = directory.join(&name);
    let status = Command::new(compiler)
        .args([standard, "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"])
        .arg(&program)
        .arg(sources.join("tests/c").join(source))
        .arg("-I")
        .arg(sources.join("include"))
        .arg("-L")
        .arg(&directory)
        .arg(format!("-Wl,-rpath,{}", directory.display()))
        .args(["-lpowerstream", "-pthread"])
        .status();
    assert!(status.unwrap().success(), "{compiler} failed");
    compiled.insert(name, program.clone());
    Some(program)
}
