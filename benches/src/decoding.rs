//! From raw chunked bytes to framed messages: each engine with each shape of the wire.

use std::time::Duration;

use powerstream_workload::framing::{Pass, skim};
use powerstream_workload::posts;
use powerstream_workload::wire::{Chunking, READ_SIZES, ReadSize, SHAPES, Shape, Wire};

use crate::charts::{Chart, Scale};
use crate::engines::{self, CLASSIFIED, Engine, FLOOR, HTTPARSE, HYPER, OURS};
use crate::measure::{median, ratio, turns};
use crate::options::Options;
use crate::report::{Section, Table, figure, nanos};

/// The length of a turn.
const TURN: Duration = Duration::from_millis(4);

/// The engines in the charts.
const DRAWN: [&str; 6] = [FLOOR, OURS, HTTPARSE, "ureq-proto, memchr", HYPER, "hyper, LinesCodec"];

/// An engine's figures with one wire.
struct Figures {
    nanos_a_message: f64,
    ratio: f64,
    /// The time beyond that of our engine, as a ratio to F.
    more_than_ours: f64,
    allocations_a_message: f64,
}

fn measure(options: &Options, wire: &Wire, engines: &[Engine]) -> Vec<Figures> {
    let expected: Vec<_> = engines.iter().map(|engine| engine.expected(wire)).collect();
    let start = |(engine, expected): (&Engine, _)| {
        engine.verify(wire);
        ((engine.start)(skim()), expected)
    };
    let mut states: Vec<(Box<dyn Pass>, _)> = engines.iter().zip(expected).map(start).collect();
    let times =
        turns(options, TURN, &mut states, |(state, expected)| assert_eq!(state.pass(wire), *expected));
    let floor = engines.iter().position(|engine| engine.name == FLOOR).expect("F is an engine");
    let ours = engines.iter().position(|engine| engine.name == OURS).expect("it is an engine");
    let figures = states.iter_mut().zip(&times).map(|((state, _), passes)| {
        let before = (options.allocations)();
        state.pass(wire);
        Figures {
            nanos_a_message: median(passes.clone()) / wire.messages as f64,
            ratio: ratio(passes, &times[floor]),
            more_than_ours: ratio(&difference(passes, &times[ours]), &times[floor]),
            allocations_a_message: ((options.allocations)() - before) as f64 / wire.messages as f64,
        }
    });
    figures.collect()
}

/// Returns the differences within each repetition.
fn difference(passes: &[f64], from: &[f64]) -> Vec<f64> {
    passes.iter().zip(from).map(|(pass, from)| pass - from).collect()
}

/// Measures every shape with every read size, and messages of 2 KiB to 1 MiB.
///
/// # Panics
/// If an engine delivers other messages than were sent.
#[must_use]
pub fn run(options: &Options) -> Section {
    let posts = posts::load();
    let mut tables = Vec::new();
    let (mut names, mut lines) = (Vec::new(), DRAWN.map(|name| (name.to_owned(), Vec::new())));
    for shape in &SHAPES {
        let columns: Vec<_> = READ_SIZES
            .into_iter()
            .filter(|read| options.wants(&format!("{}/{read}", shape.name)))
            // Byte by byte, the costs of a call hide everything else, in all shapes alike.
            .filter(|read| *read != ReadSize::Bytes(1) || shape.name == "one")
            .map(|read| {
                let wire = Wire::new(&posts, shape, read);
                let figures = measure(options, &wire, &engines::ALL);
                (read, wire, figures)
            })
            .collect();
        let Some((_, wire, _)) = columns.first() else { continue };
        let caption = format!(
            "{}. Counting keep-alives, {:.1} chunks a message. In brackets: time a message. Last column: allocations a message, including the set-up.",
            shape.title,
            wire.chunks as f64 / wire.messages as f64
        );
        let mut table = Table::new(caption, &["ratio to F; by read size"]);
        table.head.extend(columns.iter().map(|(read, ..)| match read {
            ReadSize::Bytes(bytes) => format!("{} B", figure(*bytes as f64)),
            ReadSize::Chunk => "a chunk".to_owned(),
        }));
        table.head.push("allocations".to_owned());
        for (index, engine) in engines::ALL.iter().enumerate() {
            let mut row = vec![engine.name.to_owned()];
            row.extend(columns.iter().map(|(.., figures)| {
                format!("{:.2} ({})", figures[index].ratio, nanos(figures[index].nanos_a_message))
            }));
            row.push(figure(columns[0].2[index].allocations_a_message));
            table.rows.push(row);
            if engine.name == CLASSIFIED {
                let mut row = vec!["of which `classify`".to_owned()];
                row.extend(
                    columns.iter().map(|(.., figures)| format!("{:.2}", figures[index].more_than_ours)),
                );
                row.push("-".to_owned());
                table.rows.push(row);
            }
        }
        for (read, _, figures) in &columns {
            if matches!(read, ReadSize::Bytes(16_384 | 1_460) | ReadSize::Chunk) {
                for (name, points) in &mut lines {
                    let index =
                        engines::ALL.iter().position(|engine| engine.name == name).expect("an engine");
                    points.push((names.len() as f64, figures[index].nanos_a_message));
                }
                let read = if *read == ReadSize::Bytes(16_384) { "16K".to_owned() } else { read.to_string() };
                names.push(format!("{} {read}", shape.name));
            }
        }
        tables.push(table);
    }
    let shapes = Chart {
        file: "decoding",
        title: "Decoding: time a message by shape and read size".to_owned(),
        x: "shape (chunks: one a message, sixteen messages each, split messages, tiny) and read size",
        y: "ns a message",
        scale: Scale::Names(names),
        log_y: true,
        series: lines.to_vec(),
    };
    let mut charts = if tables.is_empty() { Vec::new() } else { vec![shapes] };
    if options.wants("sizes") {
        let (table, chart) = sizes(options);
        tables.push(table);
        charts.push(chart);
    }
    Section {
        heading: "Decoding",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench decoding",
        about: "From the bytes of a chunked response to messages, in memory. The floor F copies each read into a\n\
                buffer, as the kernel does, and searches it for LF. It does not understand chunks. `powerstream`\n\
                is the configuration of the runtimes: reads of 16 KiB, and of 64 KiB after one of at least 16 KiB.\n\
                Posts are synthetic, with the sizes of real ones: 2.2 to 17 kB, median 3.4 kB. \"Of which\n\
                `classify`\" is the median difference to `powerstream` within one repetition, in F.",
        tables,
        charts,
    }
}

/// Messages of 2 KiB to 1 MiB in chunks of about 1 KiB, and reads of 1,460 bytes.
fn sizes(options: &Options) -> (Table, Chart) {
    // The largest message that the default limit admits is 1 MiB, with its CR LF.
    const KIB: [usize; 6] = [2, 4, 16, 64, 256, 1_023];
    let engines: Vec<_> = engines::ALL.into_iter().filter(|engine| DRAWN.contains(&engine.name)).collect();
    let mut table = Table::new(
        "Messages of different sizes, in chunks of some 1 KiB and reads of 1,460 bytes; ns per KiB. The \
         smallest synthetic Post has 2 KiB.",
        &["engine"],
    );
    table.head.extend(KIB.map(|kib| format!("{} KiB", figure(kib as f64))));
    table.rows.extend(engines.iter().map(|engine| vec![engine.name.to_owned()]));
    let mut series: Vec<_> = engines.iter().map(|engine| (engine.name.to_owned(), Vec::new())).collect();
    for kib in KIB {
        let shape =
            Shape { name: "sizes", title: "", chunking: Chunking::Bytes(500, 1_700), content: 3 << 20 };
        let posts = vec![posts::sized(kib << 10); ((2 << 10) / kib).max(2)];
        let wire = Wire::new(&posts, &shape, ReadSize::Bytes(1_460));
        for (index, figures) in measure(options, &wire, &engines).iter().enumerate() {
            let nanos = figures.nanos_a_message / kib as f64;
            table.rows[index].push(figure(nanos));
            series[index].1.push((kib as f64, nanos));
        }
    }
    let chart = Chart {
        file: "sizes",
        title: "Decoding: cost against the size of a message".to_owned(),
        x: "KiB of a message",
        y: "ns per KiB",
        scale: Scale::Log,
        log_y: true,
        series,
    };
    (table, chart)
}
