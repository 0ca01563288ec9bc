//! A single stream delivers each Post once, in any split of its bytes.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use powerstream_client::dedup::Deduped;
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::session::SessionEvent;

use crate::support::{Attempt, Wire, World, advance, driven_with, post, stream};

type Stream = Deduped<Vec<u8>, Vec<u8>, Wire>;

/// Creates a stream with a window of this many ids, read into a buffer of `buffer` bytes.
fn deduped(world: &Rc<World>, attempts: Vec<Attempt>, window: Option<usize>, buffer: usize) -> Stream {
    let window = window.map(|posts| {
        let mut config = WindowConfig::default();
        config.posts = posts;
        Window::allocate(&config).unwrap()
    });
    Deduped::new(driven_with(Wire::new(world, attempts), 1, buffer), window)
}

/// Counts how often the task is woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the messages of the first 10 s, and how often the task woke itself.
fn run(stream: &mut Stream, world: &World) -> (Vec<String>, u32) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let (mut messages, mut woken) = (Vec::new(), 0);
    loop {
        match stream.poll_event(&mut cx) {
            Poll::Ready(true) => {
                // Peeking again returns the same event.
                assert!(stream.find_next() && stream.poll_event(&mut cx) == Poll::Ready(true));
                if let Some(SessionEvent::Message(message)) = stream.peek() {
                    messages.push(String::from_utf8(message.bytes.to_vec()).unwrap());
                }
                stream.release();
            }
            Poll::Ready(false) => return (messages, woken),
            Poll::Pending if wakes.0.load(Ordering::Relaxed) > woken => woken += 1,
            Poll::Pending => {
                if !advance(world, 10_000) {
                    return (messages, woken);
                }
            }
        }
    }
}

fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(" , "))
}

#[test]
fn delivers_each_post_once_after_a_reconnect() {
    let (metadata, delete) = (r#"{"type":"connection_metadata"}"#, r#"{"delete":{"status":{"id":1}}}"#);
    let no_id = r#"{"text":"a","user":{}}"#;
    let v2 = r#"{"data":{"id":"1","text":"the same id in the other format"}}"#;
    let rounded = r#"{"id":3,"id_str":"4","text":"a","user":{}}"#;
    let messages = [&post(1), &post(2), &post(1), metadata, delete, no_id, no_id, v2, &post(3), rounded];
    let again = [&post(2), &post(3), &post(4), metadata, delete, no_id, &post(5)];
    let wanted = [
        &post(1),
        &post(2),
        metadata,
        delete,
        no_id,
        no_id,
        &post(3),
        rounded,
        metadata,
        delete,
        no_id,
        &post(5),
    ];
    for buffer in [1, 2, 3, 7, 64, 4_096] {
        for hesitates in [false, true] {
            let world = Rc::new(World::default());
            world.hesitates.set(hesitates);
            let attempts = vec![
                stream(messages.map(|message| (5, message))).reset(6),
                stream(again.map(|message| (7, message))),
            ];
            let mut stream = deduped(&world, attempts, Some(100), buffer);
            assert_eq!(run(&mut stream, &world).0, wanted, "buffer {buffer}, {hesitates}");
            assert_eq!(stream.duplicates(), 5);
        }
    }
}

#[test]
fn delivers_a_whole_copy_from_backfill_after_a_malformed_one() {
    for cut in 1..post(2).len() {
        let broken = post(2)[..cut].to_owned();
        for (checks, wanted) in
            [(true, vec![post(1), broken.clone(), post(2), post(3)]), (false, vec![post(1), broken, post(3)])]
        {
            let attempts = vec![
                stream([(5, post(1)), (6, wanted[1].clone())]).reset(7),
                stream([(8, post(1)), (9, post(2)), (10, post(3)), (11, post(2)[..cut].to_owned())]),
            ];
            let world = Rc::new(World::default());
            let mut stream = deduped(&world, attempts, Some(100), 4_096).check_copies(checks);
            let (messages, _) = run(&mut stream, &world);
            let has_id = stream.duplicates() > 1;
            if checks && has_id {
                assert_eq!(messages, wanted, "cut at {cut}");
                assert_eq!(stream.duplicates(), 2, "the whole copy was first");
            } else if checks {
                // Cut before its id: treated like any other malformed message.
                assert_eq!(messages, [wanted, vec![post(2)[..cut].to_owned()]].concat(), "cut at {cut}");
            } else if has_id {
                assert_eq!(messages, wanted, "unchecked, cut at {cut}");
            }
        }
    }
}

#[test]
fn delivers_arrays_as_received_unless_they_have_duplicates() {
    let delete = String::from(r#"{"delete":{"status":{"id":1}}}"#);
    let seven = String::from("7");
    for (arrays, wanted, duplicates) in [
        (vec![array(&[post(1), post(2)])], vec![array(&[post(1), post(2)])], 0),
        (vec![array(&[post(1), post(2), post(1)])], vec![post(1), post(2)], 1),
        (vec![array(&[post(1), post(1), post(2)])], vec![post(1), post(2)], 1),
        (vec![post(1), array(&[post(1), post(2)])], vec![post(1), post(2)], 1),
        (vec![post(2), array(&[post(1), post(2)])], vec![post(2), post(1)], 1),
        (vec![array(&[post(1), post(2)]), post(2), post(1)], vec![array(&[post(1), post(2)])], 2),
        (vec![array(&[post(1)]), array(&[post(1)])], vec![array(&[post(1)])], 1),
        // A message after an array of duplicates is delivered.
        (vec![post(1), array(&[post(1), post(1)]), post(2)], vec![post(1), post(2)], 2),
        (
            vec![post(1), array(&[delete.clone(), post(1), seven.clone(), post(2), post(2), delete.clone()])],
            vec![post(1), delete.clone(), seven, post(2), delete],
            2,
        ),
        // Empty and malformed arrays are not split, and their ids do not enter the window.
        (vec!["[]".into(), "[]".into()], vec!["[]".into(), "[]".into()], 0),
        (
            vec![format!("[{},", post(1)), format!("[{},7", post(1)), post(1)],
            vec![format!("[{},", post(1)), format!("[{},7", post(1)), post(1)],
            0,
        ),
    ] {
        for buffer in [1, 5, 4_096] {
            let world = Rc::new(World::default());
            let attempts = vec![stream(arrays.iter().map(|message| (5, message)))];
            let mut stream = deduped(&world, attempts, Some(100), buffer);
            assert_eq!(run(&mut stream, &world).0, wanted, "{arrays:?}");
            let counts = [stream.duplicates(), stream.monitor().snapshot().duplicates];
            assert_eq!(counts, [duplicates; 2], "{arrays:?}");
        }
    }
}

#[test]
fn delivers_duplicates_without_a_window_and_after_it() {
    let messages = || vec![stream([1, 2, 1, 3, 1].map(|id| (5, post(id))))];
    for (window, wanted) in
        [(None, vec![1, 2, 1, 3, 1]), (Some(2), vec![1, 2, 3, 1]), (Some(3), vec![1, 2, 3])]
    {
        let world = Rc::new(World::default());
        let mut stream = deduped(&world, messages(), window, 4_096);
        let wanted: Vec<_> = wanted.into_iter().map(post).collect();
        assert_eq!(run(&mut stream, &world).0, wanted, "{window:?}");
    }
}

#[test]
fn lets_other_tasks_run_between_many_duplicates() {
    let world = Rc::new(World::default());
    let attempts = vec![stream((0..1_000).map(|_| (5, post(1))).chain([(5, post(2))]))];
    let mut stream = deduped(&world, attempts, Some(100), 4_096);
    let (messages, woken) = run(&mut stream, &world);
    assert_eq!(messages, [post(1), post(2)]);
    assert_eq!((stream.duplicates(), woken), (999, 3));
}
