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
    getting_started: "docs/getting-started.md",
    streaming: "docs/streaming.md",
    loss_contract: "docs/loss-contract.md",
    posts: "docs/posts.md",
    rules: "docs/rules.md",
    simulator: "docs/simulator.md",
    embedding: "docs/embedding.md",
    latency: "docs/latency.md",
}
