//! Compiles and runs the Rust programs of the guide and of the top-level README.
//!
//! The crate has no code. Its documentation tests are the pages.
#![forbid(unsafe_code)]

macro_rules! pages {
    ($($page:ident: $path:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../", $path))]
            mod $page {}
        )*
    };
}

pages! {
    readme: "README.md",
    getting_started: "docs/src/getting-started.md",
    streaming: "docs/src/streaming.md",
    loss_contract: "docs/src/loss-contract.md",
    posts: "docs/src/posts.md",
    rules: "docs/src/rules.md",
    simulator: "docs/src/simulator.md",
    embedding: "docs/src/embedding.md",
    latency: "docs/src/latency.md",
}
