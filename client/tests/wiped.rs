//! Searches all memory that is freed for the secrets that a program passed to the client.
// A global allocator needs `unsafe`. This one forwards to the system's and reads what is freed.
#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

use powerstream_client::config::{Config, Token};
use powerstream_client::proxy::Proxy;

const TOKEN: &str = "AAAA-token-to-be-wiped-7f3c91d2";
const PASSWORD: &str = "password-to-be-wiped-0c4f5b1e";

/// The number of freed blocks that contained a secret.
static FOUND: AtomicUsize = AtomicUsize::new(0);

struct Searching;

// SAFETY: forwards to the system's allocator, under the same contract. All memory is allocated as
// zeros, so that what is freed can be read. The default `realloc` copies to a new block and frees
// the old one here.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let block = unsafe { slice::from_raw_parts(pointer, layout.size()) };
        let is_in = |secret: &str| block.windows(secret.len()).any(|part| part == secret.as_bytes());
        if [TOKEN, PASSWORD].into_iter().any(is_in) {
            FOUND.fetch_add(1, Ordering::Relaxed);
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Searching = Searching;

fn found_during(action: impl FnOnce()) -> usize {
    let before = FOUND.load(Ordering::Relaxed);
    action();
    FOUND.load(Ordering::Relaxed) - before
}

#[test]
fn no_secret_is_left_in_freed_memory() {
    assert_eq!(found_during(|| drop(String::from(TOKEN))), 1, "the search finds what is not wiped");

    let token = || Token::new(TOKEN).expect("a token");
    assert_eq!(found_during(|| drop(token())), 0, "a token");

    let url = format!("http://user:%70{}@127.0.0.1:1", &PASSWORD[1..]);
    let proxy = || Proxy::parse(&url).expect("a proxy");
    assert_eq!(found_during(|| drop(proxy())), 0, "a proxy");
    assert_eq!(found_during(|| drop(format!("{:?}{:?}", proxy(), token()))), 0, "debug text");

    let config = || Config::builder().token(token()).proxy(proxy()).build().expect("a configuration");
    assert_eq!(found_during(|| drop(config())), 0, "a configuration");
}
