//! The CAs that `--ca` names.

use std::path::Path;

use powerstream_tls::TlsConfig;

use crate::exit::{Exit, Failure};
use crate::text::Printable;

/// Trusts the CAs in a PEM file besides those that the system trusts.
pub(crate) fn trust(path: &Path) -> Result<TlsConfig, Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        let text = format!("cannot trust the CAs in {}: {error}", path.display());
        let text = Printable { bytes: text.as_bytes(), characters_max: 4_096 };
        Failure::new(Exit::Failed, text.to_string())
    };
    let pem = std::fs::read(path).map_err(|error| refuse(&error))?;
    TlsConfig::with_ca_pem(&pem).map_err(|error| refuse(&error))
}
