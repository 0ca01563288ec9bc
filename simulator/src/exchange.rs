//! One request and its response: what all kinds of responses share.

use std::sync::Arc;

use crate::ground_truth::{End, Recorder};
use crate::limits::Slot;
use crate::link::Link;
use crate::response;
use crate::response_writer::ResponseWriter;
use crate::rng::Rng;
use crate::script::{Action, Endless, How, On, Place, Requested};
use crate::shared::Shared;
use crate::wire::Encoder;

/// The block size for endless content: bytes per `write()`.
const BLOCK_BYTES: usize = 16 << 10;

pub(crate) struct Exchange<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    /// The index of the datacenter that the client connected to.
    pub(crate) datacenter: usize,
    pub(crate) out: ResponseWriter<'a>,
    pub(crate) rng: Rng,
    /// The connection's place in the limit of connections.
    pub(crate) slot: Option<Slot>,
}

/// The events of a scenario for one request.
#[derive(Default)]
pub(crate) struct RequestEvents {
    /// Events before the stream starts.
    pub(crate) actions: Vec<Action>,
    /// The indices of the events for the stream.
    pub(crate) pending: Vec<usize>,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        datacenter: usize,
        link: &'a Arc<Link>,
        recorder: &'a mut Recorder,
    ) -> Self {
        let mut rng = Rng::nth(shared.config.seed, recorder.number);
        let encoder = Encoder::new(shared.stream_style().cutting, Rng::new(rng.next()));
        let out = ResponseWriter::new(link, recorder, encoder);
        Self { shared, datacenter, out, rng, slot: None }
    }

    pub(crate) fn datacenter_name(&self) -> &'a str {
        &self.shared.datacenters[self.datacenter].name
    }

    /// Returns the date, with the clock skew of the scenario.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.shared.clock.unix_ms().saturating_add_signed(self.shared.stream_style().skew_ms)
    }

    /// Sends a complete response without a stream. Returns `end`, or how the connection ended
    /// earlier.
    pub(crate) fn refuse(&mut self, status: u16, headers: &str, body: &str, end: End) -> End {
        let now = self.unix_ms();
        let bytes = response::refusal(status, headers, body, &mut self.rng, now);
        // Logged before the write, so that a client with the response finds it in the log.
        self.out.recorder().answered(status);
        if let Err(end) = self.out.head(&bytes) {
            return end;
        }
        self.close();
        end
    }

    /// Releases the connection's place, and closes the connection properly.
    pub(crate) fn close(&mut self) {
        self.slot = None;
        self.shared.streams.deregister(self.out.recorder().number);
        self.out.link().finish();
    }

    /// Ends the connection as `how` says, or leaves it open without data until the client ends it.
    pub(crate) fn cut(&mut self, how: How) -> End {
        self.out.recorder().fault_begins();
        self.shared.streams.deregister(self.out.recorder().number);
        match how {
            How::Reset => self.out.link().prepare_reset(),
            How::Close => self.out.link().finish(),
            How::HalfClose | How::Stall | How::Trickle => {
                if how == How::HalfClose {
                    self.out.link().half_close();
                }
                if let Err(end @ (End::Shutdown | End::Killed)) = self.out.pause(None) {
                    return end;
                }
            }
        }
        self.shared.fault_end()
    }

    /// Sends endless content until the client stops reading.
    pub(crate) fn endless(&mut self, what: Endless) -> End {
        self.out.recorder().fault_begins();
        let (once, again) = what.bytes();
        let block = again.repeat(BLOCK_BYTES / again.len());
        self.out.raw(once.as_bytes());
        loop {
            self.out.raw(block.as_bytes());
            if let Err(end) = self.out.send() {
                return match end {
                    End::ClientLeft => self.shared.fault_end(),
                    end => end,
                };
            }
        }
    }

    /// Returns the events of the scenario for this request.
    pub(crate) fn events(
        &mut self,
        on: On,
        attempt: u64,
        path: Option<&str>,
        request: Option<Requested>,
    ) -> RequestEvents {
        let run = &self.shared.scenario_run;
        let mut events = RequestEvents::default();
        for index in run.applicable(on, attempt, path, self.datacenter_name(), request) {
            let action = &run.event(index).action;
            if matches!(action, Action::Cut { place: Place::Accept, .. }) {
                continue;
            }
            if action.is_of_request() || on == On::Rules {
                if run.fires(index, &mut self.rng) {
                    events.actions.push(action.clone());
                }
            } else {
                events.pending.push(index);
            }
        }
        events
    }
}
