//! The C++ wrapper compiles without a warning and behaves as its header says.

use std::process::Command;

use powerstream_simulator::{Config, Simulator};

use crate::support::compile;

fn check(compiler: &str) {
    let Some(program) = compile(compiler, "-std=c++17", "wrapper.cpp") else { return };
    let mut config = Config::default();
    config.rate = Some(1_000.0);
    let simulator = Simulator::start(config).unwrap();
    let output = Command::new(program).arg(simulator.base_url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_class_of_the_wrapper_works_with_gcc() {
    check("g++");
}

#[test]
fn every_class_of_the_wrapper_works_with_clang() {
    check("clang++");
}
