//! The proxy that the environment names.

use powerstream_client::config::Config;
use powerstream_client::proxy::{Proxy, ignored};

use crate::exit::{Exit, Failure, complain};
use crate::text::Printable;

/// The first variable that is set applies. curl reads them in this order.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Returns the environment's proxy for the configuration's origin.
pub(super) fn of(config: &Config) -> Result<Option<Proxy>, Failure> {
    let refuse = |name: &str, why: &dyn std::fmt::Display| {
        let text = format!("the environment variable {name} is not allowed: {why}");
        Failure::new(Exit::Usage, format!("{text}. Unset it, or exempt the server by NO_PROXY"))
    };
    // A value that is not UTF-8 names no host. It is refused below, or exempts nothing.
    let Some((name, url)) = variable(&PROXY) else { return Ok(None) };
    let exempt = variable(&NO_PROXY).map(|(_, exempt)| exempt);
    Proxy::for_origin(Some(&url), exempt.as_deref(), &config.origin()).map_err(|error| refuse(name, &error))
}

/// Warns of each `NO_PROXY` entry that matches no host, if there is a proxy.
pub(super) fn warn() {
    let (Some((_, _)), Some((name, exempt))) = (variable(&PROXY), variable(&NO_PROXY)) else { return };
    for entry in ignored(&exempt) {
        let entry = Printable { bytes: entry.as_bytes(), characters_max: 100 };
        complain(&format!(
            "warning: {name} has the entry {entry}, which exempts no host: expected a name (x.com, *.x.com), an address \
             or a network (10.0.0.0/8), each with or without :PORT, or *"
        ));
    }
}

fn variable(names: &[&'static str]) -> Option<(&'static str, String)> {
    let value = |name: &&'static str| {
        let value = std::env::var_os(name)?;
        Some((*name, value.to_string_lossy().into_owned())).filter(|(_, value)| !value.trim().is_empty())
    };
    names.iter().find_map(value)
}
