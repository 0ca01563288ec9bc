//! Events before the request.

use std::sync::Arc;

use crate::ground_truth::{End, Recorder};
use crate::link::Link;
use crate::rng::Rng;
use crate::script::{Action, How, On, Place};
use crate::shared::Shared;

/// Injects the events of an accepted connection. Returns how it ended, if an event ended it.
pub(crate) fn at_accept(
    shared: &Shared,
    datacenter: usize,
    link: &Arc<Link>,
    recorder: &Recorder,
) -> Option<End> {
    let run = &shared.scenario_run;
    let mut rng = Rng::nth(shared.config.seed ^ 0x0acc_e970, recorder.number);
    let name = &shared.datacenters[datacenter].name;
    for index in run.applicable(On::Stream, recorder.number, None, name, None) {
        let Action::Cut { how, place: Place::Accept, .. } = run.event(index).action else { continue };
        if !run.fires(index, &mut rng) {
            continue;
        }
        recorder.fault_begins();
        match how {
            How::Reset => link.prepare_reset(),
            How::Close => link.finish(),
            How::HalfClose | How::Stall | How::Trickle => {
                if how == How::HalfClose {
                    link.half_close();
                }
                if let Ok(watcher) = link.watch() {
                    link.wait_for_end(None);
                    link.end_reads();
                    let _ = watcher.join();
                }
            }
        }
        return Some(link.ended_here().unwrap_or(shared.fault_end()));
    }
    None
}
