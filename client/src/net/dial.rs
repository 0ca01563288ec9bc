//! Decides which addresses to connect to, in which order, and for how long. All runtimes share it.
//!
//! ```text
//!   Route --address()--> Some: no resolving
//!     |                  None: resolve host() and port() anew, at every connect
//!     '--dial(addresses)--> Dial --poll--> Attempt { address, until }
//!                            ^                  |
//!                            '--handle_transport_error / handle_timeout: the next address
//! ```
//!
//! Unsuitable addresses are skipped: other machines for plain HTTP, and addresses that the local
//! address cannot reach. Each remaining address gets an equal share of the remaining time, so that
//! a dead address does not use up the deadline. If every attempt fails, the last error is returned.
//!
//! ```
//! use std::time::Duration;
//! use powerstream_client::net::dial::Dial;
//! use powerstream_core::transport_error::{TransportError, TransportErrorKind};
//! use powerstream_core::time::Instant;
//!
//! let addresses = ["[::1]:80".parse()?, "192.0.2.1:80".parse()?, "127.0.0.1:80".parse()?];
//! let mut dial = Dial::new(addresses).loopback_only(true);
//! let until = Instant::ZERO.saturating_add(Duration::from_secs(10));
//! let first = dial.poll(Instant::ZERO, until).unwrap();
//! assert_eq!(first.address.to_string(), "[::1]:80");
//! assert_eq!(first.until.as_nanos(), 5_000_000_000);
//! dial.handle_transport_error(TransportError::new(TransportErrorKind::Refused));
//! // The second address is another machine's. The third gets all of the remaining time.
//! let second = dial.poll(Instant::ZERO, until).unwrap();
//! assert_eq!((second.address.to_string(), second.until), ("127.0.0.1:80".into(), until));
//! dial.handle_timeout();
//! assert_eq!(dial.poll(until, until), Err(TransportError::new(TransportErrorKind::TimedOut)));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::{IpAddr, SocketAddr};
use std::string::String;

use powerstream_core::http::{Origin, Scheme};
use powerstream_core::time::Instant;
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

/// The server or proxy that a transport connects to, and the local address to connect from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    host: String,
    port: u16,
    address: Option<SocketAddr>,
    local: Option<IpAddr>,
    loopback_only: bool,
}

impl Route {
    /// Creates a route directly to `origin`. For plain HTTP, only to this machine's loopback
    /// addresses.
    #[must_use]
    pub fn to_origin(origin: &Origin<'_>) -> Self {
        Self {
            loopback_only: origin.scheme() == Scheme::Http,
            ..Self::to_host(String::from(origin.host()), origin.port())
        }
    }

    /// Creates a route to any `host`, such as a proxy. The caller must judge whether it may be
    /// used.
    #[must_use]
    pub fn to_host(host: String, port: u16) -> Self {
        Self { host, port, address: None, local: None, loopback_only: false }
    }

    /// Sets the address to connect to, so that the host's name is not resolved.
    #[must_use]
    pub fn via_address(self, address: Option<SocketAddr>) -> Self {
        Self { address, ..self }
    }

    /// Sets the local address to connect from.
    #[must_use]
    pub fn from_local(self, local: Option<IpAddr>) -> Self {
        Self { local, ..self }
    }

    /// Returns the name or address to resolve, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the only address to connect to, if nothing must be resolved: a fixed address, or a
    /// host that is an address.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.or_else(|| Some(SocketAddr::new(self.host.parse().ok()?, self.port)))
    }

    /// Returns the address to bind the socket to before it connects, if any. Its port is 0.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.local.map(|local| SocketAddr::new(local, 0))
    }

    /// Returns the plan for these resolved addresses.
    #[must_use]
    pub fn dial<A: AsRef<[SocketAddr]>>(&self, addresses: A) -> Dial<A> {
        Dial::new(addresses).loopback_only(self.loopback_only).from_local(self.local)
    }
}

/// An address to connect to, and the deadline of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// When to call [`Dial::handle_timeout`].
    pub until: Instant,
}

/// The plan of one connect: its addresses, one after the other.
#[derive(Clone, Debug)]
pub struct Dial<A> {
    addresses: A,
    loopback_only: bool,
    local: Option<IpAddr>,
    /// The index of the first address that was not tried or skipped.
    next: usize,
    current: Option<Attempt>,
    /// The error to return when no address is left.
    last: TransportError,
    /// True if `last` comes from an attempt. Such an error is more useful than that of a skipped
    /// address.
    attempted: bool,
}

impl<A: AsRef<[SocketAddr]>> Dial<A> {
    /// Creates a plan that tries these addresses in this order.
    #[must_use]
    pub const fn new(addresses: A) -> Self {
        Self {
            addresses,
            loopback_only: false,
            local: None,
            next: 0,
            current: None,
            last: TransportError::new(TransportErrorKind::NoAddress),
            attempted: false,
        }
    }

    /// Sets whether only loopback addresses may be used, as for plain HTTP.
    ///
    /// See [`Origin::allows`](powerstream_core::http::Origin::allows).
    #[must_use]
    pub fn loopback_only(mut self, loopback_only: bool) -> Self {
        self.loopback_only = loopback_only;
        self
    }

    /// Sets the address that sockets are bound to. Addresses of the other family are skipped.
    #[must_use]
    pub fn from_local(mut self, local: Option<IpAddr>) -> Self {
        self.local = local;
        self
    }

    /// Returns the current attempt, or else starts the next one.
    ///
    /// An attempt's deadline is its share of the time from `now` to `until`. The attempt changes
    /// only with [`Self::handle_transport_error`] and [`Self::handle_timeout`].
    ///
    /// # Errors
    /// Returns the last transport error if no address is left.
    pub fn poll(&mut self, now: Instant, until: Instant) -> Result<Attempt, TransportError> {
        if let Some(current) = self.current {
            return Ok(current);
        }
        while let Some(&address) = self.addresses.as_ref().get(self.next) {
            match self.check(address) {
                Ok(()) => {
                    let left = self.addresses.as_ref()[self.next..].iter();
                    let count = left.filter(|&&address| self.check(address).is_ok()).count();
                    let share = until.saturating_since(now) / u32::try_from(count).unwrap_or(u32::MAX).max(1);
                    self.next += 1;
                    self.attempted = true;
                    let attempt = Attempt { address, until: now.saturating_add(share) };
                    self.current = Some(attempt);
                    return Ok(attempt);
                }
                Err(kind) => {
                    self.next += 1;
                    if !self.attempted {
                        self.last = TransportError::new(kind);
                    }
                }
            }
        }
        Err(self.last)
    }

    /// Records that the attempt failed. Has no effect if no attempt is under way.
    pub fn handle_transport_error(&mut self, fault: TransportError) {
        if self.current.take().is_some() {
            self.last = fault;
        }
    }

    /// Records that the attempt's deadline has passed. Has no effect if no attempt is under way.
    pub fn handle_timeout(&mut self) {
        self.handle_transport_error(TransportError::new(TransportErrorKind::TimedOut));
    }

    fn check(&self, address: SocketAddr) -> Result<(), TransportErrorKind> {
        if self.loopback_only && !address.ip().is_loopback() {
            Err(TransportErrorKind::NotLoopback)
        } else if self.local.is_some_and(|local| local.is_ipv4() != address.is_ipv4()) {
            Err(TransportErrorKind::LocalAddress)
        } else {
            Ok(())
        }
    }
}

/// Checks that a connected socket is not connected to itself.
///
/// TCP's simultaneous open can connect a local port without a listener to itself. The client would
/// then read its own request.
///
/// # Errors
/// Returns [`TransportErrorKind::Refused`] if both addresses are equal: no server listens there.
pub fn check_peer(local: SocketAddr, peer: SocketAddr) -> Result<(), TransportError> {
    if local == peer { Err(TransportError::new(TransportErrorKind::Refused)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::vec::Vec;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn each_address_gets_its_share_of_the_time_left() {
        let mut dial = Dial::new(addresses(&["1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"]));
        let first = dial.poll(at(0), at(9)).unwrap();
        assert_eq!((first.address, first.until), ("1.1.1.1:1".parse().unwrap(), at(3)));
        // A second and later poll changes nothing.
        assert_eq!(dial.poll(at(2), at(9)), Ok(first));
        // It failed immediately, so the others get more time.
        dial.handle_transport_error(TransportError::new(TransportErrorKind::Unreachable));
        assert_eq!(dial.poll(at(1), at(9)).unwrap().until, at(5));
        dial.handle_timeout();
        assert_eq!(dial.poll(at(5), at(9)).unwrap().until, at(9));
        dial.handle_transport_error(TransportError::with_os_code(TransportErrorKind::Refused, Some(111)));
        for _ in 0..2 {
            let end = Err(TransportError::with_os_code(TransportErrorKind::Refused, Some(111)));
            assert_eq!(dial.poll(at(6), at(9)), end);
            // Has no effect without an attempt.
            dial.handle_timeout();
        }
    }

    #[test]
    fn skips_unsuitable_addresses_and_reports_them_if_none_is_left() {
        let local = |text: &str| Some(text.parse().unwrap());
        type Case =
            (&'static [&'static str], bool, Option<IpAddr>, &'static [&'static str], TransportErrorKind);
        let cases: [Case; 7] = [
            (&[], true, None, &[], TransportErrorKind::NoAddress),
            (&["10.0.0.1:1", "[2001:db8::1]:1"], true, None, &[], TransportErrorKind::NotLoopback),
            (&["10.0.0.1:1", "127.9.9.9:1"], true, None, &["127.9.9.9:1"], TransportErrorKind::Refused),
            // The error of an attempt takes precedence over that of a skipped address.
            (&["127.0.0.1:1", "10.0.0.1:1"], true, None, &["127.0.0.1:1"], TransportErrorKind::Refused),
            (&["10.0.0.1:1", "[::2]:1"], false, local("::3"), &["[::2]:1"], TransportErrorKind::Refused),
            (&["[::2]:1"], false, local("10.0.0.2"), &[], TransportErrorKind::LocalAddress),
            (&["[::ffff:127.0.0.1]:1"], true, None, &[], TransportErrorKind::NotLoopback),
        ];
        for (all, loopback_only, local, want, kind) in cases {
            let mut dial = Dial::new(addresses(all)).loopback_only(loopback_only).from_local(local);
            let mut tried = Vec::new();
            let end = loop {
                match dial.poll(at(0), at(1)) {
                    Ok(attempt) => tried.push(attempt.address),
                    Err(fault) => break fault.kind,
                }
                dial.handle_transport_error(TransportError::new(TransportErrorKind::Refused));
            };
            assert_eq!((tried, end), (addresses(want), kind), "{all:?}");
        }
    }

    #[test]
    fn does_not_panic_without_time_left() {
        let mut dial = Dial::new(addresses(&["1.1.1.1:1"]));
        assert_eq!(dial.poll(at(5), at(1)).unwrap().until, at(5));
    }

    #[test]
    fn refuses_a_socket_connected_to_itself() {
        let [one, other] = ["127.0.0.1:40000", "127.0.0.1:40001"].map(|text| text.parse().unwrap());
        assert_eq!(check_peer(one, other), Ok(()));
        assert_eq!(check_peer(one, one), Err(TransportError::new(TransportErrorKind::Refused)));
    }

    #[test]
    fn does_not_resolve_an_address() {
        let plain = Origin::parse("http://localhost:8080").unwrap();
        let route = Route::to_origin(&plain);
        assert_eq!(
            (route.host(), route.port(), route.address(), route.local()),
            ("localhost", 8080, None, None)
        );
        let found = addresses(&["192.0.2.1:8080"]);
        assert_eq!(
            route.dial(found.as_slice()).poll(at(0), at(1)),
            Err(TransportError::new(TransportErrorKind::NotLoopback))
        );

        let literal = Route::to_origin(&Origin::parse("https://[2001:db8::1]").unwrap());
        assert_eq!(literal.address(), Some("[2001:db8::1]:443".parse().unwrap()));
        let fixed = literal.via_address(Some("192.0.2.7:8443".parse().unwrap()));
        assert_eq!(fixed.address(), Some("192.0.2.7:8443".parse().unwrap()));
        let local = fixed.from_local(Some("192.0.2.8".parse().unwrap()));
        assert_eq!(local.local(), Some("192.0.2.8:0".parse().unwrap()));
        assert_eq!(
            local.dial(addresses(&["[::1]:1"])).poll(at(0), at(1)),
            Err(TransportError::new(TransportErrorKind::LocalAddress))
        );
        assert!(local.dial(found.as_slice()).poll(at(0), at(1)).is_ok());
    }
}
