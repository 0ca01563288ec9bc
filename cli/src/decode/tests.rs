//! Every row of the table, in every mode, in reads of every size.

use super::*;

#[path = "../../tests/it/table.rs"]
mod table;

use self::table::{End, Row};

const SIZES: [usize; 8] = [1, 2, 3, 7, 16, 61, 4_096, 16_384];

/// The output of `decode`, and its report of the end of the response.
fn run(wire: &[u8], size: usize, mode: impl Mode) -> (Vec<u8>, Ending) {
    let mut output = Vec::new();
    let ending = decode(Reads::new(&mut &wire[..], size), mode, &mut output).unwrap();
    (output, ending)
}

fn json(wire: &[u8], size: usize) -> (String, Ending) {
    let (output, ending) = run(wire, size, Events::new(Style::Json));
    (String::from_utf8(output).unwrap(), ending)
}

/// Returns the end of a response as in the last lines of `--json`.
fn end_of(output: &str) -> End {
    let mut events =
        output.lines().rev().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut last = events.next().unwrap();
    let mut leftover = 0;
    if last["event"] == "leftover" {
        leftover = last["bytes"].as_u64().unwrap();
        last = events.next().unwrap();
    }
    match (last["event"].as_str(), last["cause"].as_str()) {
        (Some("end"), Some("complete")) => End::Complete(leftover),
        (Some("end"), Some("complete_by_close")) => End::ByClose,
        (Some("end"), Some("cut")) => End::Cut,
        (Some("end"), Some("cut_in_head")) => End::CutInHead,
        (Some("error"), None) => End::Error(String::leak(last["error"].as_str().unwrap().into())),
        _ => panic!("no end: {last}"),
    }
}

/// Returns all differences for `row`.
fn check(row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, size: usize, right: bool, seen: &dyn std::fmt::Debug| {
        if !right {
            wrong.push(format!("{what}, reads of {size}: {} -> {seen:?}", row.name));
        }
    };
    let (first, _) = json(&row.wire, SIZES[0]);
    let (first_text, _) = run(&row.wire, SIZES[0], Events::new(Style::Text));
    expect("--json", SIZES[0], end_of(&first) == row.end, &end_of(&first));
    for size in SIZES {
        let (output, ending) = json(&row.wire, size);
        expect("same --json", size, output == first, &output);
        expect("exit of --json", size, ending.exit() as i32 == row.end.exit(), &ending);
        let (output, body_ending) = run(&row.wire, size, BodyBytes::new());
        expect("--body", size, output == row.body, &output.escape_ascii().to_string());
        expect("same end of --body", size, body_ending == ending, &(&body_ending, &ending));
        let (output, text_ending) = run(&row.wire, size, Events::new(Style::Text));
        expect("same text", size, output == first_text && text_ending == ending, &text_ending);
    }
    wrong
}

fn assert_all_right(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ends_every_row_alike_in_reads_of_any_size() {
    assert_all_right(&table::rows());
}

/// Core's tables of heads contain only some of these bytes.
#[test]
fn refuses_every_byte_that_a_head_must_not_have() {
    let with = |before: &[u8], bad: u8, after: &[u8]| [before, &[bad], after].concat();
    let controls = || (0..=0x1f_u8).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n'));
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let names = (0..=0xff_u8).filter(|byte| !is_name(byte) && !matches!(byte, b'\n' | b':'));
    let mut rows: Vec<Row> =
        names.map(|bad| Row::fields(with(b"na", bad, b"me: a"), End::Error("field"))).collect();
    for bad in controls() {
        let reason = [&with(b"HTTP/1.1 200 a", bad, b"b")[..], b"\r\nContent-Length: 0\r\n\r\n"].concat();
        rows.push(Row::new(reason, b"", End::Error("status_line")));
        for name in ["name: a", "Transfer-Encoding: ", "Content-Length: "] {
            rows.push(Row::fields(with(name.as_bytes(), bad, b"2"), End::Error("field")));
        }
    }
    assert_all_right(&rows);
}

#[test]
fn renders_every_complaint_on_one_safe_line() {
    for row in table::rows() {
        let (_, ending) = run(&row.wire, 7, BodyBytes::new());
        let Some(complaint) = ending.complaint() else { continue };
        assert!(!complaint.chars().any(crate::text::is_unsafe), "{complaint:?}");
        assert!(complaint.is_ascii() && complaint.len() < 400, "{complaint:?}");
    }
}

/// Rows of the table with random changes. Their correct end is not known, but all modes and sizes
/// must agree on it.
#[test]
fn modes_and_read_sizes_agree_on_mutated_responses() {
    let rows: Vec<Row> = table::rows().into_iter().filter(|row| row.wire.len() < 400).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    for _ in 0..3_000 {
        let mut wire = rows[random(rows.len())].wire.clone();
        for _ in 0..=random(3) {
            let at = random(wire.len() + 1);
            let other = &rows[random(rows.len())].wire;
            match random(4) {
                0 => wire.insert(at, b"\r\n \t:;,=\"05aF\0\x80X"[random(16)]),
                1 if at < wire.len() => drop(wire.remove(at)),
                2 => wire.truncate(at),
                _ => drop(wire.splice(at.., other[random(other.len() + 1)..].iter().copied())),
            }
        }
        let shown = wire.escape_ascii();
        let (first_json, first_ending) = json(&wire, 1);
        let (first_body, body_ending) = run(&wire, 1, BodyBytes::new());
        assert_eq!(body_ending, first_ending, "{shown}");
        assert_eq!(end_of(&first_json).exit(), first_ending.exit() as i32, "{shown}");
        for size in [2, 7, 16_384] {
            assert_eq!(
                json(&wire, size),
                (first_json.clone(), first_ending.clone()),
                "reads of {size}: {shown}"
            );
            let body = run(&wire, size, BodyBytes::new());
            assert_eq!(body, (first_body.clone(), first_ending.clone()), "reads of {size}: {shown}");
        }
    }
}
