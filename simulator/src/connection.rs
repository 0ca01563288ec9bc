//! One connection's life: request, answer, end.

use crate::control;
use crate::ground_truth::{End, Recorder};
use crate::link::{Link, Status};
use crate::request::{self, BODY_BYTES_MAX, Content, HEAD_BYTES_MAX, Parsed, Request, Route};
use crate::rng::Rng;
use crate::script::{Action, How, On, Place};
use crate::server::Shared;
use crate::site::Site;
use crate::stream::Body;
use crate::tls;
use std::sync::Arc;
use std::time::Instant;

/// Serves a client until one of the two sides ends it.
pub(crate) fn serve(shared: &Arc<Shared>, site: &Arc<Site>, link: Arc<Link>, mut recorder: Recorder) {
    let end = match accept(shared, site, &link, &mut recorder) {
        Some(end) => end,
        None => match receive(shared, &link, &mut recorder) {
            Ok(received) => match link.watch() {
                Ok(watcher) => {
                    link.notify().enter();
                    let end = Body::new(shared, site, &link, &mut recorder).answer(&received);
                    link.notify().leave();
                    link.end_reads();
                    // A panic there has nothing to say here.
                    let _ = watcher.join();
                    end
                }
                Err(_) => End::Refused,
            },
            Err(end) => end,
        },
    };
    drop(link);
    recorder.ended(end);
}

/// The events of a scenario that do not wait for a request.
fn accept(shared: &Shared, site: &Site, link: &Arc<Link>, recorder: &mut Recorder) -> Option<End> {
    let mut rng = Rng::nth(shared.config.seed ^ 0x0acc_e970, recorder.number);
    let datacenter = &shared.datacenters[site.place].name;
    for index in shared.scenario_run.applicable(On::Stream, recorder.number, None, datacenter) {
        let Action::Cut { how, place: Place::Accept, .. } = shared.scenario_run.event(index).action else {
            continue;
        };
        if !shared.scenario_run.fires(index, &mut rng) {
            continue;
        }
        recorder.fault_begins();
        match how {
            How::Reset => link.prepare_reset(),
            How::Close => link.finish(),
            _ => {
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
        return Some(over(link).unwrap_or(shared.fault_end()));
    }
    None
}

/// How the simulator itself ended it, if it did.
pub(crate) fn over(link: &Link) -> Option<End> {
    match link.status() {
        Status::Stopped => Some(End::Shutdown),
        Status::Killed => Some(End::Killed),
        _ => None,
    }
}

/// What came from a client.
pub(crate) struct Received {
    pub(crate) request: Option<Request>,
    pub(crate) body: Vec<u8>,
    /// The status of a request that nobody can make sense of.
    pub(crate) refused: Option<u16>,
}

impl Received {
    pub(crate) fn route(&self, shared: &Shared) -> Route {
        match (&self.request, self.refused) {
            (Some(request), None) => request.route(&shared.config, shared.clock.unix_ms()),
            (_, status) => Route::Refuse(status.unwrap_or(400)),
        }
    }
}

fn receive(shared: &Shared, link: &Arc<Link>, recorder: &mut Recorder) -> Result<Received, End> {
    let until = Instant::now() + shared.config.head_timeout;
    let fault = shared.tls.as_ref().and_then(|tls| tls.fault(recorder.number));
    if let Some(fault) = fault {
        recorder.fault_begins();
        match tls::strike(fault, link, until) {
            Ok(false) => {}
            _ => return Err(over(link).unwrap_or(End::TlsFault(fault))),
        }
    }
    let mut bytes = Vec::new();
    loop {
        match read(link, &mut bytes, until) {
            Ok(true) => {}
            Err(end @ (End::Shutdown | End::Killed)) => return Err(end),
            result if link.is_handshaking() && (fault.is_some() || result.is_err()) => {
                return Err(fault.map_or(End::NoHandshake, End::TlsFault));
            }
            Ok(false) if bytes.is_empty() => return Err(End::ClientLeft),
            _ => return Err(End::NoRequest),
        }
        match request::parse(&bytes) {
            Parsed::Partial => {}
            Parsed::Malformed => return Ok(Received { request: None, body: Vec::new(), refused: Some(400) }),
            Parsed::Request(request) => {
                let rest = bytes.split_off(request.head_len);
                let body = receive_body(link, &request, rest, until)?;
                let (body, refused) = match body {
                    Ok(body) => (body, None),
                    Err(status) => (Vec::new(), Some(status)),
                };
                return Ok(Received { request: Some(request), body, refused });
            }
        }
        debug_assert!(bytes.len() < HEAD_BYTES_MAX);
    }
}

/// Appends what comes; false at the end.
fn read(link: &Arc<Link>, bytes: &mut Vec<u8>, until: Instant) -> Result<bool, End> {
    let mut buffer = [0; 4_096];
    let read = link.read(&mut buffer, until);
    match (over(link), read) {
        (Some(end), _) => Err(end),
        (None, Ok(0)) => Ok(false),
        (None, Ok(len)) => {
            bytes.extend_from_slice(&buffer[..len]);
            Ok(true)
        }
        (None, Err(_)) => Err(End::NoRequest),
    }
}

/// The body, or the status of one that cannot be taken.
fn receive_body(
    link: &Arc<Link>,
    request: &Request,
    mut bytes: Vec<u8>,
    until: Instant,
) -> Result<Result<Vec<u8>, u16>, End> {
    if request.expects_continue && bytes.is_empty() {
        // If it cannot be written the client is gone, which the next read tells.
        let _ = link.write(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = Vec::new();
    loop {
        match request.content {
            Content::Length(len) if len > BODY_BYTES_MAX => return Ok(Err(413)),
            Content::Length(len) if bytes.len() >= len => {
                bytes.truncate(len);
                return Ok(Ok(bytes));
            }
            Content::Length(_) => {}
            Content::Wrong => return Ok(Err(400)),
            Content::Chunked => match take_chunks(&mut bytes, &mut body) {
                Ok(true) => return Ok(Ok(body)),
                Ok(false) if body.len().max(bytes.len()) > BODY_BYTES_MAX => return Ok(Err(413)),
                Ok(false) => {}
                Err(()) => return Ok(Err(400)),
            },
        }
        if !read(link, &mut bytes, until)? {
            return Err(End::NoRequest);
        }
    }
}

/// Moves the whole chunks at the front from one to the other; true after the last.
fn take_chunks(bytes: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, ()> {
    loop {
        let (start, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err(()),
        };
        if size == 0 {
            // Trailers are of no interest; the empty line behind them is.
            return Ok(bytes[start..].starts_with(b"\r\n")
                || bytes[start..].windows(4).any(|end| end == b"\r\n\r\n"));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size)).ok_or(())?;
        if end > BODY_BYTES_MAX * 2 {
            return Err(());
        }
        let Some(rest) = bytes.get(end..) else { return Ok(false) };
        match rest {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(false),
            _ => return Err(()),
        }
        body.extend_from_slice(&bytes[start..end]);
        bytes.drain(..end + 2);
    }
}

impl Body<'_> {
    /// Answers the request.
    fn answer(mut self, received: &Received) -> End {
        if let Some(request) = &received.request {
            self.recorder.requested(request.target.clone());
        }
        let ended = match (received.route(self.shared), &received.request) {
            (Route::Refuse(status), _) => {
                let headers = if status == 401 { "www-authenticate: Bearer\r\n" } else { "" };
                self.refuse(status, headers, &crate::response::problem(status), End::Refused)
            }
            (Route::RefuseMethod(allow), _) => {
                self.refuse(405, allow, &crate::response::problem(405), End::Refused)
            }
            (Route::InvalidQuery(problem), _) => self.refuse(400, "", &problem, End::Refused),
            (Route::Stream(endpoint, params), _) => self.stream(endpoint, &params),
            (Route::Rules(resource), Some(request)) => self.rules(resource, request, &received.body),
            (Route::Control(path), Some(request)) => {
                control::answer(&mut self, &path, request, &received.body)
            }
            (_, None) => Err(End::NoRequest),
        };
        match ended {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_requests() {
        let whole = b"5\r\n{\"a\":\r\n2;x=y\r\n1}\r\n0\r\nx: y\r\n\r\n";
        for cut in 0..=whole.len() {
            let (mut bytes, mut body) = (whole[..cut].to_vec(), Vec::new());
            let done = take_chunks(&mut bytes, &mut body).unwrap();
            assert_eq!(done, cut == whole.len(), "{cut}");
            bytes.extend_from_slice(&whole[cut..]);
            assert_eq!(take_chunks(&mut bytes, &mut body), Ok(true));
            assert_eq!(body, b"{\"a\":1}");
        }
        for wrong in [&b"x\r\n"[..], b"2\r\nabc\r\n", b"fffffffffffffff\r\n", b"ffffffffffffffff\r\n"] {
            assert_eq!(take_chunks(&mut wrong.to_vec(), &mut Vec::new()), Err(()), "{wrong:?}");
        }
    }
}
