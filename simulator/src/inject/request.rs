//! Events before a stream: instead of a response, or in its head.

use crate::exchange::Exchange;
use crate::ground_truth::End;
use crate::problems;
use crate::script::{Action, How, Place, RefusalBody};

/// The size of a `write()` for many interim responses, in bytes.
const BLOCK_BYTES: usize = 16 << 10;

/// Injects the events before the response: those after which the request has no effect, and
/// refusals.
pub(crate) fn before_answer(exchange: &mut Exchange<'_>, actions: &[Action]) -> Result<(), End> {
    for action in actions {
        match action {
            Action::Cut { how, place: Place::Request, .. } => return Err(exchange.cut(*how)),
            Action::Refuse(refusal) => {
                exchange.out.recorder().fault_begins();
                let (lines, end) = (refusal.lines(exchange.unix_ms()), exchange.shared.fault_end());
                let body = refusal.body.text(refusal.status);
                if refusal.body == RefusalBody::Cut {
                    exchange.out.recorder().answered(refusal.status);
                    let reason = problems::reason(refusal.status);
                    let head = format!(
                        "HTTP/1.1 {} {reason}\r\n{lines}content-length: 200\r\n\r\n{{\"title\":",
                        refusal.status
                    );
                    exchange.out.head(head.as_bytes())?;
                    exchange.close();
                    return Err(end);
                }
                return Err(exchange.refuse(refusal.status, &lines, &body, end));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Injects the events that replace the head or are inside it. After `Ok`, the caller sends the
/// head.
pub(crate) fn at_head(exchange: &mut Exchange<'_>, actions: &[Action], head: &[u8]) -> Result<(), End> {
    for action in actions {
        match action {
            Action::Interim { count, status } => {
                let reason = problems::reason(*status);
                let interim = format!("HTTP/1.1 {status} {reason}\r\nx-interim: yes\r\n\r\n");
                for n in 0..*count {
                    exchange.out.raw(interim.as_bytes());
                    if exchange.out.unsent() >= BLOCK_BYTES || n + 1 == *count {
                        exchange.out.send()?;
                    }
                }
            }
            Action::SlowHead { step } => exchange.out.slow_head(*step),
            Action::Cut { how: How::Trickle, place: Place::InHead, step } => exchange.out.slow_head(*step),
            Action::Cut { how, place: Place::Head, .. } => return Err(exchange.cut(*how)),
            Action::Cut { how, place: Place::InHead, .. } => {
                let end = head.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(head.len());
                exchange.out.head(&head[..end / 2])?;
                return Err(exchange.cut(*how));
            }
            Action::Cut { how, place: Place::InMessage, .. } => {
                let body =
                    head.windows(4).position(|end| end == b"\r\n\r\n").map_or(head.len(), |end| end + 4);
                exchange.out.head(&head[..body + (head.len() - body) / 2])?;
                return Err(exchange.cut(*how));
            }
            Action::BadHead(head) => {
                exchange.out.head(head.bytes())?;
                // A client that does not notice the error waits for more.
                return Err(exchange.cut(How::Stall));
            }
            Action::Endless(what) => return Err(exchange.endless(*what)),
            _ => {}
        }
    }
    Ok(())
}
