//! The client's process: its start, its faults, its end, and the position that it stores.

use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::{Session, Step};
use powerstream_core::stream::PostId;
use powerstream_core::time::{Instant, UnixTime};

use super::{World, core, new_merge, new_naive, replica_group};
use crate::connection::Context;
use crate::faults::{Fault, Stage};
use crate::service::{HOUR, MINUTE, MS, SEC};
use crate::transcript::note;

/// What a checkpoint holds: the covered time of each group, and the newest ids.
pub(super) type Stored = (Vec<(ReplicaGroup, UnixTime)>, Vec<PostId>);

impl World {
    /// Creates the sessions of a new process, which continues at `position`.
    pub(super) fn start_process(&mut self, position: Option<Stored>) {
        let (covered, ids) = position.unwrap_or_default();
        let of_group =
            |group: ReplicaGroup| covered.iter().find(|(of, _)| *of == group).map(|(_, until)| *until);
        let config = self.config(self.origin());
        self.merge = new_merge(&self.window, self.topology, self.lines.len());
        self.naive = new_naive(&self.window);
        self.sessions.clear();
        for index in 0..self.lines.len() {
            let seed = self.rng.next();
            let storage = vec![0xAA; config.storage_bytes()];
            match Session::new(storage, &config, seed, self.instant(), self.unix()) {
                Ok(session) => self.sessions.push(session),
                Err(error) => panic!("I16: {error}"),
            }
            let line = &mut self.lines[index];
            line.reset(self.now);
            if let Some(covered) = of_group(replica_group(line.group)) {
                self.sessions[index].resume_from(covered, Instant::from_nanos(self.now));
                line.judge.resume_from(covered.as_millis(), &self.services[line.group]);
                line.has_begun = true;
            } else {
                line.judge.forget();
            }
        }
        let now = self.instant();
        core(|| self.merge.resume_from(of_group, ids.iter().copied(), now));
        for id in &ids {
            self.naive.insert(id.as_u64(), self.now);
        }
        for (group, (judge, service)) in self.group_judges.iter_mut().zip(&self.services).enumerate() {
            match of_group(replica_group(group)) {
                Some(covered) => judge.resume_from(covered.as_millis(), service),
                None => judge.forget(),
            }
        }
    }

    pub(super) fn restart(&mut self) {
        self.statistics.restarts += 1;
        // All Posts of the past must exist before the judges continue.
        for service in &mut self.services {
            let (faults, rng) = (&mut self.faults, &mut self.rng);
            let mut of =
                Context { service, faults, rng, limit: self.limit, has_date: self.has_date, line: 0 };
            of.create(self.now);
        }
        let mut position = None;
        while let (None, Some(stored)) = (&position, self.checkpoints.last()) {
            match core(|| Checkpoint::decode(stored)) {
                Ok(checkpoint) => {
                    assert!(!self.is_damaged, "I2: a damaged checkpoint was accepted");
                    assert_eq!(checkpoint.stream(), 7, "I2: another checkpoint");
                    let mut ids: Vec<_> = checkpoint.ids().collect();
                    ids.reverse();
                    position = Some((checkpoint.covered_until().collect(), ids));
                }
                // A damaged one: the one before is used.
                Err(_) => {
                    assert!(std::mem::take(&mut self.is_damaged), "I2: a good checkpoint was refused");
                    self.checkpoints.pop();
                }
            }
        }
        note(
            self.now,
            9,
            2,
            u64::from(position.is_some()),
            format_args!("restart, continues: {}", position.is_some()),
        );
        self.start_process(position);
    }

    /// Stops the process at once, and starts it again after a while.
    pub(super) fn stop_process(&mut self, after: u64) {
        for line in &mut self.lines {
            line.connection = None;
            line.wake = u64::MAX;
            line.end_stream(self.now, &mut self.statistics);
        }
        self.restart_at = Some(self.now + after);
    }

    pub(super) fn process_fault(&mut self) {
        let Some(fault) = self.faults.one(Stage::Process, &mut self.rng) else { return };
        note(self.now, 9, 3, fault as u64, format_args!("fault {}", fault.text()));
        let index = self.rng.below(self.lines.len() as u64) as usize;
        let rng = &mut self.rng;
        let line = &mut self.lines[index];
        match fault {
            Fault::LateWake => {
                line.late = if rng.chance(50) { rng.below(3_000) * MS } else { rng.around(25 * SEC) };
            }
            Fault::EarlyWake => line.early = true,
            Fault::SlowReader => {
                line.hold = if rng.chance(50) { rng.below(20) * SEC } else { rng.around(25 * SEC) };
            }
            Fault::Suspend => {
                let length = rng.range(1, 300) * MINUTE;
                for line in &mut self.lines {
                    line.wake += length;
                    line.model.late += length;
                }
                // No other process fault occurs while the machine is suspended, and in the minute
                // in which its connections continue.
                self.fault_at = self.fault_at.max(self.now + length + MINUTE);
            }
            Fault::ClockBack => {
                let back = rng.pick(&[1, MS, SEC, 10 * SEC]);
                if rng.chance(80) { line.back = back } else { line.head_back = back }
            }
            Fault::WallJump if self.has_date => {
                self.wall = rng.range(0, 200_000_000) as i64 - 100_000_000;
            }
            Fault::WallJump => self.faults.cancel(Some(fault)),
            Fault::Spurious => {
                let are_made = self.spurious_calls(index);
                self.faults.cancel((!are_made).then_some(fault));
            }
            Fault::Crash => {
                let after = rng.pick(&[0, SEC, MINUTE, 7 * MINUTE, 2 * HOUR]);
                self.stop_process(after);
            }
            Fault::Damaged => {
                if let Some(stored) = self.checkpoints.last_mut() {
                    let at = rng.below(stored.len() as u64) as usize;
                    if rng.chance(50) {
                        stored[at] ^= 1 << rng.below(8);
                    } else {
                        stored.truncate(at);
                    }
                    self.is_damaged = true;
                } else {
                    self.faults.cancel(Some(fault));
                }
                self.stop_process(SEC);
            }
            Fault::Shutdown => {
                let after = rng.pick(&[0, SEC, 7 * MINUTE]);
                self.shut_down();
                self.stop_process(after);
            }
            _ => {}
        }
    }

    /// Calls that have no cause have no effect. Returns false if none can be made now.
    pub(super) fn spurious_calls(&mut self, index: usize) -> bool {
        let now = self.instant();
        let line = &self.lines[index];
        let session = &mut self.sessions[index];
        if !line.buffer.input().is_empty() || session.is_paused() {
            return false;
        }
        let before = session.poll();
        let until = match before {
            Step::Connect { until }
            | Step::Write { until }
            | Step::Read { until }
            | Step::Sleep { until } => until,
            _ => return false,
        };
        core(|| {
            if now < until {
                session.handle_timeout(now);
            }
            if !matches!(before, Step::Connect { .. }) {
                session.handle_connected(now);
            }
            if !matches!(before, Step::Write { .. }) {
                session.handle_written(5, now);
            }
            session.handle_closed(now);
        });
        assert_eq!(session.poll(), before, "I17: calls without cause changed the step");
        true
    }

    pub(super) fn shut_down(&mut self) {
        for index in 0..self.lines.len() {
            self.drain(index);
            self.sessions[index].shutdown();
            for steps in 0.. {
                assert!(steps < 10, "I12: the shutdown does not end");
                match self.sessions[index].poll() {
                    Step::Event => self.drain(index),
                    Step::Close => {
                        self.take_left(index);
                        core(|| self.sessions[index].handle_closed(Instant::from_nanos(self.now)));
                    }
                    Step::Done => break,
                    step => panic!("I12: {step:?} after a shutdown"),
                }
            }
        }
        self.store_position();
    }

    /// Returns the covered time of each group that has streamed.
    pub(super) fn covered(&self) -> Vec<(ReplicaGroup, UnixTime)> {
        let mut covered = Vec::with_capacity(self.services.len());
        core(|| covered.extend(self.merge.covered_until(|of| self.sessions[of.index()].covered_until())));
        covered
    }

    pub(super) fn store_position(&mut self) {
        self.checkpoint_at = self.now + self.checkpoint_every;
        let covered_until = self.covered();
        if covered_until.is_empty() {
            return;
        }
        let mut buffer = [0; 4_096];
        let ids = self.merge.window().newest().take(300);
        let taken_at = self.unix();
        let contents = Contents { stream: 7, taken_at, month_posts: 0, covered_until, missing: [], ids };
        let bytes = core(|| Checkpoint::encode(contents, &mut buffer));
        if self.checkpoints.len() == 2 {
            self.checkpoints.remove(0);
        }
        self.checkpoints.push(bytes.to_vec());
    }
}
