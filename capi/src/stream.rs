//! The client level: streams that connect by themselves.

use std::mem::replace;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use powerstream_blocking::{Blocking, Task};
use powerstream_client::config::Connections;
use powerstream_client::merged::{MergedEvent, OwnedMergedEvent, Position};
use powerstream_client::owned::{OwnedEvent, OwnedRecoveryEvent};
use powerstream_client::queue::{Delivery, Overflow, QueueConfig, Receiver};
use powerstream_client::recovery::RecoveryEvent;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::{Client, MergedStream, OpenError, Stream};
use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::{ConnectionId, Topology};
use powerstream_core::monitor::Monitor;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::border::{
    Failure, Handle, LastError, Outcome, free, give, last_error, ps_bytes, put, required, slice, slice_mut,
    with,
};
use crate::config::ps_config;
use crate::event::{EventCell, ps_event, ps_event_kind};
use crate::monitor::ps_monitor;
use crate::readiness::{Readiness, Signal};
use crate::shutdown::ps_shutdown;
use crate::status::ps_status;
use crate::timed::{Limit, Timed};

/// A stream that connects and reconnects by itself, removes duplicates, and blocks the calling
/// thread while it waits. It starts no thread, except by `ps_stream_start_reader`.
pub struct ps_stream {
    source: Source,
    limit: Arc<Limit>,
    monitors: Vec<Arc<Monitor>>,
    shutdown: ShutdownHandle,
    /// The key of the stream's checkpoints.
    key: u64,
    event: Box<EventCell>,
    error: LastError,
}

impl Handle for ps_stream {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

enum Source {
    Single(Box<Stream<Timed>>),
    Merged(Box<MergedStream<Timed>>),
    Queued(Box<Queued<OwnedEvent, Stream<Timed>>>),
    MergedQueued(Box<Queued<OwnedMergedEvent, MergedStream<Timed>>>),
    /// The reader could not be started. The stream is gone.
    Lost,
}

/// A stream that a thread reads.
struct Queued<E, S: Send + 'static> {
    /// The event that was lent last.
    lent: Option<E>,
    /// Dropped before the thread is joined.
    receiver: Option<Receiver<E>>,
    readiness: Readiness,
    reader: Option<Task<S>>,
}

impl<E, S: Send> Drop for Queued<E, S> {
    fn drop(&mut self) {
        // The thread ends once its receiver is dropped.
        self.receiver = None;
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// Converts why a stream or a rule client could not be opened.
pub(crate) fn opened(error: &OpenError) -> Failure {
    let status = match error {
        OpenError::Tls(_) => ps_status::Tls,
        OpenError::Io(_) => ps_status::System,
        _ => ps_status::Config,
    };
    Failure::new(status, error)
}

fn client(config: &mut ps_config, limit: &Arc<Limit>) -> Outcome<Client<Timed>> {
    let runtime = Timed::new(Blocking::default().with_busy_poll(config.busy_poll), Arc::clone(limit));
    let client = Client::new(config.build()?.clone()).with_runtime(runtime);
    Ok(match config.explicit_trust() {
        Some(tls) => client.with_tls(tls.clone()),
        None => client,
    })
}

/// Opens a stream of one connection. It connects at the first `ps_stream_next`. Free it with
/// `ps_stream_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_TLS`,
/// `PS_STATUS_SYSTEM`, or `PS_STATUS_STATE` if the configuration has a checkpoint or recovery,
/// which need `ps_stream_new_merged`. `ps_config_last_error` has the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_new(config: *mut ps_config, stream: *mut *mut ps_stream) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            give(stream, || {
                if config.recovery || config.checkpoint()?.is_some() {
                    let text = "a checkpoint and recovery need ps_stream_new_merged, for one connection too";
                    return Err(Failure::new(ps_status::State, text));
                }
                let limit = Arc::new(Limit::default());
                let source = client(config, &limit)?.stream().map_err(|error| opened(&error))?;
                Ok(ps_stream {
                    monitors: vec![source.monitor()],
                    shutdown: source.shutdown_handle(),
                    key: config.key()?,
                    source: Source::Single(Box::new(source)),
                    limit,
                    event: EventCell::new(),
                    error: LastError::default(),
                })
            })
        })
    }
}

/// Opens several connections, 1 to 32, as one stream: each Post once, from the connection that
/// delivers it first. Trust roots, checkpoint, recovery and busy polling are those of the first
/// configuration.
///
/// With `partitioned` false, each connection carries all Posts. With true, each carries different
/// Posts (`local_dc_only`, partitions), and all are needed.
///
/// Returns as `ps_stream_new`, or `PS_STATUS_CHECKPOINT` for a checkpoint of another stream. The
/// text is in the last error of the configuration that failed, or of the first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_new_merged(
    configs: *const *mut ps_config,
    count: usize,
    partitioned: bool,
    stream: *mut *mut ps_stream,
) -> ps_status {
    let topology = if partitioned { Topology::Partitioned } else { Topology::Redundant };
    // SAFETY: the caller passes `count` live handles.
    let Ok(configs) = (unsafe { slice(configs, count) }) else { return ps_status::Null };
    let Some(&first) = configs.first() else { return ps_status::Argument };
    let mut connections = Connections::new(topology);
    for (index, &config) in configs.iter().enumerate() {
        let mut built = None;
        let build = |config: &mut ps_config| {
            built = Some(config.build()?.clone());
            Ok(ps_status::Ok)
        };
        // SAFETY: the caller passes live handles, which are used one after the other.
        let status = unsafe { with(config, build) };
        let Some(built) = built else { return status };
        connections = connections.with((index + 1).to_string(), built);
    }
    // SAFETY: the caller passes live handles and a place for the new one.
    unsafe {
        with(first, |config| {
            give(stream, || {
                let mut connections = connections.recovery(config.recovery);
                if let Some(checkpoint) = config.checkpoint()? {
                    connections =
                        connections.resume_from(checkpoint.position.clone(), checkpoint.ids.iter().copied());
                }
                let limit = Arc::new(Limit::default());
                let source = client(config, &limit)?.merged(&connections).map_err(|error| opened(&error))?;
                let ids = (0..count).filter_map(ConnectionId::new);
                Ok(ps_stream {
                    monitors: ids.map(|id| source.monitor(id)).collect(),
                    shutdown: source.shutdown_handle(),
                    key: config.key()?,
                    source: Source::Merged(Box::new(source)),
                    limit,
                    event: EventCell::new(),
                    error: LastError::default(),
                })
            })
        })
    }
}

/// Closes the connections and frees the stream. Ends and joins the reader thread, if there is one.
/// Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_free(stream: *mut ps_stream) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(stream) }
}

/// Returns what the last failed call met. Valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_last_error(stream: *mut ps_stream) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(stream) }
}

/// A timeout that never passes.
pub const PS_NO_TIMEOUT: u64 = u64::MAX;

/// Waits for the next event and lends it. It connects, waits and reads on the calling thread, for
/// at most `timeout_ns`. `PS_NO_TIMEOUT` is no limit. With 0 it does not wait: it does what is
/// possible at once, and returns an event if there is one. A timeout loses nothing.
///
/// The event, and everything it points to, is valid until the next call that changes the stream.
/// Without a reader thread, a message is lent without a copy if it lies in one read and one chunk.
///
/// Returns
/// - `PS_STATUS_OK`: there is an event.
/// - `PS_STATUS_TIMED_OUT`
/// - `PS_STATUS_END`: the stream gave up or was shut down. There will be no more events.
/// - `PS_STATUS_NULL`, or `PS_STATUS_STATE` after a failed `ps_stream_start_reader`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_next(
    stream: *mut ps_stream,
    timeout_ns: u64,
    event: *mut *const ps_event,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        with(stream, |stream| {
            if event.is_null() {
                return Err(ps_status::Null.into());
            }
            put(event, std::ptr::null());
            let status = stream.next(timeout_ns)?;
            if status == ps_status::Ok {
                put(event, stream.event.event());
            }
            Ok(status)
        })
    }
}

impl ps_stream {
    fn next(&mut self, timeout_ns: u64) -> Outcome<ps_status> {
        let timeout = (timeout_ns != PS_NO_TIMEOUT).then(|| Duration::from_nanos(timeout_ns));
        let cell = &mut *self.event;
        let found = match &mut self.source {
            Source::Single(source) => {
                // An event that is read already needs no clock.
                let is_ready = source.find_next();
                self.limit.set(timeout.filter(|_| !is_ready).and_then(end_of));
                source.next().map(|event| event.map(|event| cell.session(event)))
            }
            Source::Merged(source) => {
                let is_ready = source.find_next();
                self.limit.set(timeout.filter(|_| !is_ready).and_then(end_of));
                source.next().map(|event| event.map(|event| cell.merged(&event)))
            }
            Source::Queued(queued) => queued.next(timeout, cell, EventCell::owned),
            Source::MergedQueued(queued) => queued.next(timeout, cell, EventCell::owned_merged),
            Source::Lost => return Err(ps_status::State.into()),
        };
        Ok(match found {
            None => ps_status::TimedOut,
            Some(None) => ps_status::End,
            Some(Some(())) => ps_status::Ok,
        })
    }
}

fn end_of(timeout: Duration) -> Option<StdInstant> {
    StdInstant::now().checked_add(timeout)
}

impl<E, S: Send> Queued<E, S> {
    /// Returns `None` after the timeout.
    fn next(
        &mut self,
        timeout: Option<Duration>,
        cell: &mut EventCell,
        store: impl FnOnce(&mut EventCell, &E),
    ) -> Option<Option<()>> {
        let Some(receiver) = &mut self.receiver else { return Some(None) };
        self.readiness.drain();
        let mut delivery = self.readiness.poll(|cx| receiver.poll_recv(cx));
        if delivery.is_none() {
            delivery = match timeout {
                None => Some(receiver.recv_blocking()),
                Some(Duration::ZERO) => None,
                Some(length) => receiver.recv_timeout(length).ok(),
            };
            if delivery.is_none() {
                // The wait replaced the waker that makes the descriptor readable.
                delivery = self.readiness.poll(|cx| receiver.poll_recv(cx));
            }
        }
        let delivery = delivery?;
        if delivery.is_none() {
            // The descriptor stays readable at the end.
            self.readiness.set();
        }
        Some(delivery.map(|delivery| match delivery {
            Delivery::Event(event) => store(cell, self.lent.insert(event)),
            Delivery::Dropped(loss) => cell.counted(ps_event_kind::Dropped, loss.messages),
        }))
    }
}

/// What a full queue does, for `ps_stream_start_reader`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_overflow {
    /// The reader waits. The queue drops nothing, but the server disconnects slow readers.
    Wait = 0,
    /// Drops the oldest messages.
    DropOldest = 1,
    /// Drops the new message.
    DropNewest = 2,
    /// Ends the stream.
    End = 3,
}

/// Starts a thread that reads the stream into a queue, and returns a file descriptor that is
/// readable when an event is ready. For an event loop: wait until `fd` is readable, then call
/// `ps_stream_next` with timeout 0 until it returns `PS_STATUS_TIMED_OUT` or `PS_STATUS_END`. Do
/// not read from `fd`. It belongs to the stream.
///
/// The queue holds at most `messages_max` messages (0: 8,192) and 32 MiB. `overflow` is a
/// `ps_overflow`. Each message is copied once, into memory allocated for it. Unix only.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_ARGUMENT`, `PS_STATUS_STATE` if there is a
/// reader, or `PS_STATUS_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_start_reader(
    stream: *mut ps_stream,
    messages_max: usize,
    overflow: u32,
    fd: *mut i32,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        with(stream, |stream| {
            required(fd)?;
            let mut config = QueueConfig::default();
            if messages_max > 0 {
                config.messages_max = messages_max;
            }
            config.overflow = match overflow {
                0 => Overflow::Wait,
                1 => Overflow::DropOldest,
                2 => Overflow::DropNewest,
                3 => Overflow::End,
                _ => return Err(ps_status::Argument.into()),
            };
            if !matches!(stream.source, Source::Single(_) | Source::Merged(_)) {
                return Err(ps_status::State.into());
            }
            let (readiness, descriptor) =
                Signal::open().map_err(|error| Failure::new(ps_status::System, error))?;
            // Without a limit, the reader waits for events and never for a timeout.
            stream.limit.set(None);
            stream.source = match replace(&mut stream.source, Source::Lost) {
                Source::Single(source) => {
                    let (receiver, reader) = source.queued(config).map_err(|error| opened(&error))?;
                    Source::Queued(queued(receiver, readiness, reader))
                }
                Source::Merged(source) => {
                    let (receiver, reader) = source.queued(config).map_err(|error| opened(&error))?;
                    Source::MergedQueued(queued(receiver, readiness, reader))
                }
                other => other,
            };
            put(fd, descriptor);
            Ok(ps_status::Ok)
        })
    }
}

fn queued<E, S: Send>(receiver: Receiver<E>, readiness: Readiness, reader: Task<S>) -> Box<Queued<E, S>> {
    // Readable at first, so that the program asks once, which arms the descriptor.
    readiness.set();
    Box::new(Queued { lent: None, receiver: Some(receiver), readiness, reader: Some(reader) })
}

/// Creates a handle that ends the stream from any thread, also while `ps_stream_next` waits. Free
/// it with `ps_shutdown_free`, before or after the stream.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_shutdown_handle(
    stream: *mut ps_stream,
    shutdown: *mut *mut ps_shutdown,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe { with(stream, |stream| give(shutdown, || Ok(ps_shutdown::new(stream.shutdown.clone())))) }
}

/// Creates a handle to the counters of a connection, counted from 0, that any thread may read. Free
/// it with `ps_monitor_free`, before or after the stream.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there is no such
/// connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_monitor(
    stream: *mut ps_stream,
    connection: usize,
    monitor: *mut *mut ps_monitor,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(stream, |stream| {
            let found = stream.monitors.get(connection).ok_or(ps_status::Argument)?;
            give(monitor, || Ok(ps_monitor::new(Arc::clone(found))))
        })
    }
}

/// Writes a checkpoint of a merged stream to the caller's buffer: what another process needs to
/// continue it, by `ps_config_set_checkpoint`. Call it when the events before are safe, since a
/// restart does not deliver them again. `unix_ms` is the wall clock.
///
/// `written` gets the number of bytes. The ids of the Posts delivered last take up to 10 bytes
/// each; those that do not fit are left out, and may be delivered again. 64 KiB are a good length.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_SPACE` for a buffer of less than 64 bytes
/// and 10 for each connection, `PS_STATUS_ABSENT` while the position is not known, or
/// `PS_STATUS_STATE` for a stream that is not merged or has a reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_stream_checkpoint(
    stream: *mut ps_stream,
    unix_ms: u64,
    buffer: *mut std::ffi::c_void,
    len: usize,
    written: *mut usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` writable bytes, and a place for the result.
    unsafe {
        with(stream, |stream| {
            if written.is_null() {
                return Err(ps_status::Null.into());
            }
            let buffer = slice_mut::<u8>(buffer.cast(), len)?;
            let Source::Merged(source) = &mut stream.source else { return Err(ps_status::State.into()) };
            // Without room for the times of all groups, the checkpoint would be of no use.
            if buffer.len() < Checkpoint::buffer_bytes(source.merge().connections().len(), 0, 0) {
                return Err(ps_status::Space.into());
            }
            // The event that was lent last counts as delivered. Another one must not be looked for,
            // because it would count, too.
            let Some(Position { covered_until, missing, .. }) = source.position() else {
                return Ok(ps_status::Absent);
            };
            let missing = missing.iter().map(|recovery| (recovery.group, recovery.range));
            let ids = source.merge().window().newest();
            let taken_at = UnixTime::from_millis(unix_ms);
            let contents =
                Contents { stream: stream.key, taken_at, month_posts: 0, covered_until, missing, ids };
            put(written, Checkpoint::encode(contents, buffer).len());
            Ok(ps_status::Ok)
        })
    }
}

impl EventCell {
    fn merged(&mut self, event: &MergedEvent<'_>) {
        match event {
            MergedEvent::Session { connection, event } => {
                self.session(*event);
                self.set_connection(*connection);
            }
            MergedEvent::Interrupted(interrupted) => self.interrupted(interrupted),
            MergedEvent::Gap(gap) => self.group_gap(gap),
            MergedEvent::Recovery(event) => match event {
                RecoveryEvent::Message(message) => {
                    self.message(message.bytes, &message.class, message.origin);
                }
                RecoveryEvent::Started(recovery) => self.started(recovery.range, recovery.group.number()),
                RecoveryEvent::Skipped { bytes } => self.counted(ps_event_kind::Skipped, *bytes),
                RecoveryEvent::Refused(refused) => self.refused(refused.refusal, refused.document),
                RecoveryEvent::Disconnected(disconnected) => self.disconnected(disconnected),
                RecoveryEvent::Completed { recovery, posts } => {
                    self.completed(recovery.range, recovery.group.number(), *posts);
                }
                RecoveryEvent::Lost { recovery, posts, .. } => {
                    self.lost(recovery.range, recovery.group.number(), *posts);
                }
                other => unreachable!("the crates are released together, and this event is new: {other:?}"),
            },
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
        if let MergedEvent::Recovery(_) = event {
            self.of_recovery();
        }
    }

    fn owned_merged(&mut self, event: &OwnedMergedEvent) {
        match event {
            OwnedMergedEvent::Session { connection, event } => {
                self.owned(event);
                self.set_connection(*connection);
            }
            OwnedMergedEvent::Interrupted(interrupted) => self.interrupted(interrupted),
            OwnedMergedEvent::Gap(gap) => self.group_gap(gap),
            OwnedMergedEvent::Recovery(event) => match event {
                OwnedRecoveryEvent::Message(message) => {
                    self.message(&message.bytes, &message.class, message.origin);
                }
                OwnedRecoveryEvent::Started(recovery) => {
                    self.started(recovery.range, recovery.group.number());
                }
                OwnedRecoveryEvent::Skipped { bytes } => self.counted(ps_event_kind::Skipped, *bytes),
                OwnedRecoveryEvent::Refused(refused) => self.refused(refused.refusal, &refused.document),
                OwnedRecoveryEvent::Disconnected(disconnected) => self.disconnected(disconnected),
                OwnedRecoveryEvent::Completed { recovery, posts } => {
                    self.completed(recovery.range, recovery.group.number(), *posts);
                }
                OwnedRecoveryEvent::Lost { recovery, posts, .. } => {
                    self.lost(recovery.range, recovery.group.number(), *posts);
                }
                other => unreachable!("the crates are released together, and this event is new: {other:?}"),
            },
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
        if let OwnedMergedEvent::Recovery(_) = event {
            self.of_recovery();
        }
    }

    fn owned(&mut self, event: &OwnedEvent) {
        match event {
            OwnedEvent::Message(message) => self.message(&message.bytes, &message.class, message.origin),
            OwnedEvent::KeepAlive => self.keep_alive(),
            OwnedEvent::Skipped { bytes } => self.counted(ps_event_kind::Skipped, *bytes),
            OwnedEvent::Connected(connected) => {
                let peer: Option<SocketAddr> = connected.peer_addr;
                self.connected(
                    &connected.head,
                    connected.datacenter.as_deref(),
                    (connected.server_earliest, connected.server_latest),
                    peer,
                    connected.gap.as_ref(),
                );
            }
            OwnedEvent::Resumed(gap) => self.resumed(gap),
            OwnedEvent::Late(late) => self.late(late),
            OwnedEvent::Refused(refused) => self.refused(refused.refusal, &refused.document),
            OwnedEvent::Disconnected(disconnected) => self.disconnected(disconnected),
            OwnedEvent::GaveUp(gave_up) => self.gave_up(gave_up),
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
    }

    fn started(&mut self, range: TimeRange, group: u16) {
        self.recovery(ps_event_kind::RecoveryStarted, range, group, 0);
    }

    fn completed(&mut self, range: TimeRange, group: u16, posts: u64) {
        self.recovery(ps_event_kind::RecoveryCompleted, range, group, posts);
    }

    fn lost(&mut self, range: TimeRange, group: u16, posts: u64) {
        self.recovery(ps_event_kind::RecoveryLost, range, group, posts);
    }
}
