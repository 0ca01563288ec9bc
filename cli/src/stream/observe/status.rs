//! The status line of a terminal.

use std::time::Duration;

use super::{Observed, stats};
use crate::status;

/// The statistics are those of this time.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows the statistics of the last second, for ever.
pub(in crate::stream) fn run(observed: &Observed) {
    let mut before = observed.view();
    loop {
        std::thread::sleep(PERIOD);
        let now = observed.view();
        status::show(stats::line(&before, &now, PERIOD));
        before = now;
    }
}
