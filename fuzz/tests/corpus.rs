//! Replays the committed corpus of each target, without libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use powerstream_fuzz::TARGETS;

#[test]
fn every_target_holds_for_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, run) in TARGETS {
        let directory = corpus.join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = entry.expect("a directory entry").path();
            // Shown only if the target panics.
            println!("{}", path.display());
            run(&fs::read(&path).expect("an input"));
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), TARGETS.len());
    let names = |directory: &str| -> BTreeSet<String> {
        let entries =
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).expect("a directory");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("a directory entry").path();
            path.file_stem().expect("a name").to_string_lossy().into_owned()
        };
        entries.map(name).collect()
    };
    assert_eq!(names("fuzz_targets"), listed);
    assert_eq!(names("corpus"), listed);
}
