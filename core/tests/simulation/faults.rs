//! The faults that a run can inject, and which of them it does.

use crate::random::Rng;

macro_rules! faults {
    ($($name:ident $text:literal $stage:ident,)*) => {
        /// A kind of fault. Its text starts with its row: T, H, S or C with a number, or
        /// K for the process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($name),* }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Returns true if the fault is in the response, for one that an attempt reaches.
            pub(crate) const fn is_of_response(self) -> bool {
                !matches!(self, Self::ConnectStall | Self::PartialWrite | Self::WriteStall | Self::WriteReset)
            }

            const fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage),* }
            }
        }
    };
}

/// Where a fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In an attempt to connect, or in the response head.
    Attempt,
    /// In a running stream.
    Stream,
    /// In the client's process and on its machine.
    Process,
    /// At every read or message.
    Always,
}

faults! {
    Split "T1 split" Always,
    Coalesce "T2 coalesce" Stream,
    ConnectStall "T3 stall in connect" Attempt,
    HeadStall "T3 stall before the head" Attempt,
    Stall "T3 stall in the stream" Stream,
    HalfOpen "T4 half-open" Stream,
    Reset "T5 reset" Stream,
    ResetInHead "T5 reset in the head" Attempt,
    Close "T6 close" Stream,
    CloseInHead "T6 close in the head" Attempt,
    LastChunk "T6 clean end" Stream,
    CloseInMessage "T7 half-close in a message" Stream,
    PartialWrite "T8 partial write" Attempt,
    WriteStall "T8 write stall" Attempt,
    WriteReset "T8 write reset" Attempt,
    Name "T9 name or address" Attempt,
    NotConnected "T9 refused or unreachable" Attempt,
    Certificate "T10 certificate" Attempt,
    Handshake "T10 handshake" Attempt,
    LateWake "T11 late wake-up" Process,
    EarlyWake "T11 early wake-up" Process,
    Spurious "T11 calls without cause" Process,
    SlowReader "T12 slow reader" Process,
    Interim "H1 interim responses" Attempt,
    InterimFlood "H1 too many interim responses" Attempt,
    Refusal "H2 refusal" Attempt,
    FinalRefusal "H2 final refusal" Attempt,
    EndlessDocument "H2 endless document" Attempt,
    Storm "H3 storm" Attempt,
    Flapping "H4 flapping" Attempt,
    EndlessHead "H5 endless head" Attempt,
    EndlessLine "H5 endless line in the body" Stream,
    BrokenHead "H6 broken head" Attempt,
    BrokenChunk "H6 broken chunk" Stream,
    SmallSize "H7 size too small" Stream,
    LargeSize "H7 size too large" Stream,
    Coding "H8 unasked coding" Attempt,
    KeepAlives "S1 keep-alive flood" Stream,
    TrickleHead "S2 trickle in the head" Attempt,
    TrickleMessage "S2 trickle in a message" Stream,
    Oversize "S3 oversize" Stream,
    EndlessMessage "S3 endless message" Stream,
    Junk "S4 junk" Stream,
    System "S5 system message" Stream,
    Announced "S5 announced disconnect" Stream,
    Duplicate "S6 duplicate" Stream,
    BackfillRefused "S6 backfill refused" Attempt,
    Straggler "S7 straggler" Always,
    Failover "S8 failover" Attempt,
    Burst "S9 burst or drop" Stream,
    Suspend "C1 suspend" Process,
    ClockBack "C2 clock goes back" Process,
    WallJump "C3 wall clock jumps" Process,
    Crash "K crash and restart" Process,
    Damaged "K damaged checkpoint" Process,
    Shutdown "K shutdown and restart" Process,
}

pub(crate) const KINDS: usize = Fault::ALL.len();

/// The faults of one run: a random subset with random rates.
#[derive(Debug)]
pub(crate) struct Faults {
    /// One bit for each kind that the run injects.
    enabled: u64,
    /// Faults that may still be injected.
    left: u64,
    /// False in the calm phase.
    pub(crate) on: bool,
    pub(crate) counts: [u64; KINDS],
    /// The share of attempts with a fault, in percent.
    attempt_percent: u64,
    /// The mean time between two faults of a stream, and of the process, in nanoseconds.
    pub(crate) stream_every: u64,
    pub(crate) process_every: u64,
}

impl Faults {
    /// Draws the subset and the rates. `mask` and `most` shrink a failing run.
    pub(crate) fn draw(rng: &mut Rng, every: u64, mask: u64, most: u64) -> Self {
        // Few kinds, half of them, or nearly all.
        let percent = rng.pick(&[8, 25, 50, 90]);
        let mut enabled = 0;
        for kind in 0..KINDS {
            enabled |= u64::from(rng.chance(percent)) << kind;
        }
        Self {
            enabled: enabled & mask,
            left: most,
            on: true,
            counts: [0; KINDS],
            attempt_percent: rng.pick(&[0, 10, 30, 60, 90]),
            stream_every: every * rng.range(1, 8) / 2,
            process_every: every * rng.range(1, 20) / 2,
        }
    }

    pub(crate) const fn enabled(&self) -> u64 {
        self.enabled
    }

    /// Returns true if no fault may be injected any more.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Returns true if this kind may be injected now, and counts it.
    pub(crate) fn fires(&mut self, fault: Fault) -> bool {
        let fires = self.on && self.left > 0 && self.enabled >> fault as usize & 1 == 1;
        if fires {
            self.left -= 1;
            self.counts[fault as usize] += 1;
        }
        fires
    }

    /// Takes back the count of a fault that had no effect.
    pub(crate) fn cancel(&mut self, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.counts[fault as usize] -= 1;
        }
    }

    /// Returns a fault for an attempt, or none.
    pub(crate) fn attempt(&mut self, rng: &mut Rng) -> Option<Fault> {
        let drawn = rng.chance(self.attempt_percent);
        drawn.then(|| self.one(Stage::Attempt, rng)).flatten()
    }

    /// Returns one of the run's faults of a stage.
    pub(crate) fn one(&mut self, stage: Stage, rng: &mut Rng) -> Option<Fault> {
        let of_stage = |fault: &&Fault| fault.stage() == stage && self.enabled >> **fault as usize & 1 == 1;
        let count = Fault::ALL.iter().filter(of_stage).count() as u64;
        let at = rng.below(count) as usize;
        let fault = Fault::ALL.iter().filter(of_stage).nth(at).copied()?;
        self.fires(fault).then_some(fault)
    }
}
