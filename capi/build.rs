//! Names the shared library for the dynamic linker: `install.sh` installs it under this name.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // `cargo cbuild` names it by itself.
    if variable("CARGO_CFG_TARGET_OS") == "linux" && std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        let (major, minor) = (variable("CARGO_PKG_VERSION_MAJOR"), variable("CARGO_PKG_VERSION_MINOR"));
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpowerstream.so.{major}.{minor}");
    }
}
