//! One connection, from the accept to its end.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::clock::Notify;
use crate::datacenter_server::Served;
use crate::exchange::Exchange;
use crate::ground_truth::{End, Recorder};
use crate::link::Link;
use crate::receive::{self, Received};
use crate::request::Route;
use crate::shared::Shared;
use crate::{connections_api, control, inject, problems, rules_request, stream};

/// Serves an accepted connection on its own thread. Returns `None`, and drops the connection, if
/// the thread or the TLS state cannot be created.
pub(crate) fn accept(
    shared: Arc<Shared>,
    datacenter: usize,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Served> {
    let recorder = Recorder::accepted(&shared.ground_truth, peer, &shared.datacenters[datacenter].name);
    let tls = shared.tls.as_ref().map(|tls| tls.layer(recorder.number)).transpose().ok()?;
    let link = Arc::new(Link::new(stream, tls.flatten(), Arc::new(Notify::new(&shared.clock))));
    let weak = Arc::downgrade(&link);
    let builder = thread::Builder::new().name(format!("simulator-{}", recorder.number)).stack_size(256 << 10);
    let thread = builder.spawn(move || serve(&shared, datacenter, link, recorder)).ok()?;
    Some(Served { link: weak, thread })
}

/// Serves a client until either side ends the connection.
fn serve(shared: &Arc<Shared>, datacenter: usize, link: Arc<Link>, mut recorder: Recorder) {
    let end = inject::at_accept(shared, datacenter, &link, &recorder)
        .unwrap_or_else(|| receive_and_answer(shared, datacenter, &link, &mut recorder));
    drop(link);
    recorder.ended(end);
}

fn receive_and_answer(
    shared: &Arc<Shared>,
    datacenter: usize,
    link: &Arc<Link>,
    recorder: &mut Recorder,
) -> End {
    let received = match receive::receive(shared, link, recorder) {
        Ok(received) => received,
        Err(end) => return end,
    };
    let Ok(watcher) = link.watch() else { return End::Refused };
    link.notify().enter();
    let end = answer(&mut Exchange::new(shared, datacenter, link, recorder), &received);
    link.notify().leave();
    link.end_reads();
    // A panic of the watcher does not matter here.
    let _ = watcher.join();
    end
}

/// Answers the request. Returns how the connection ended.
fn answer(exchange: &mut Exchange<'_>, received: &Received) -> End {
    let (request, body) = match received {
        Received::Request(request, body) => (request, body),
        Received::WithoutBody(request, status) => {
            exchange.out.recorder().requested(request.target.clone());
            return refuse(exchange, *status);
        }
        Received::Malformed => return refuse(exchange, 400),
    };
    exchange.out.recorder().requested(request.target.clone());
    match request.route(&exchange.shared.config, exchange.shared.clock.unix_ms()) {
        Route::Refuse(status) => refuse(exchange, status),
        Route::RefuseMethod(allow) => exchange.refuse(405, allow, &problems::problem(405), End::Refused),
        Route::InvalidQuery(problem) => exchange.refuse(400, "", &problem, End::Refused),
        Route::Stream(endpoint, params) => stream::serve(exchange, endpoint, &params),
        Route::Rules(resource) => rules_request::answer(exchange, resource, request, body),
        Route::Connections(resource) => connections_api::answer(exchange, &resource, request, body),
        Route::Control(path) => control::answer(exchange, &path, request, body),
    }
}

fn refuse(exchange: &mut Exchange<'_>, status: u16) -> End {
    let headers = if status == 401 { "www-authenticate: Bearer\r\n" } else { "" };
    exchange.refuse(status, headers, &problems::problem(status), End::Refused)
}
