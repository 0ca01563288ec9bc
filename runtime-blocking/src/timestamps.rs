//! Receive timestamps of the kernel (`SO_TIMESTAMPNS`), on Linux.
//!
//! The kernel notes when the network stack received each packet. A read by `recvmsg` returns the
//! time of the last packet that it took bytes from.

#[cfg(target_os = "linux")]
pub(crate) use self::linux::{Source, enable, receive};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::other::{Source, enable, receive};

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsFd;
    pub(crate) use std::os::fd::AsRawFd as Source;
    use std::time::Duration;

    use nix::cmsg_space;
    use nix::sys::socket::sockopt::ReceiveTimestampns;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
    use nix::sys::time::TimeSpec;
    use powerstream_core::time::KernelTime;

    /// Enables the timestamps of a socket. Returns the buffer for [`receive`].
    pub(crate) fn enable(socket: &impl AsFd) -> io::Result<Vec<u8>> {
        setsockopt(socket, ReceiveTimestampns, &true)?;
        Ok(cmsg_space!(TimeSpec))
    }

    /// Reads, as `recv` does. Also returns the timestamp.
    pub(crate) fn receive(
        socket: &impl Source,
        buffer: &mut [u8],
        control: &mut [u8],
    ) -> io::Result<(usize, Option<KernelTime>)> {
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
        let timestamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(at) => {
                let nanos = Duration::from(at).as_nanos();
                KernelTime::from_nanos(u64::try_from(nanos).ok()?)
            }
            _ => None,
        });
        Ok((message.bytes, timestamp))
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;

    use powerstream_core::time::KernelTime;

    pub(crate) trait Source {}
    impl<S> Source for S {}

    pub(crate) fn enable<S>(_: &S) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn receive<S>(_: &S, _: &mut [u8], _: &mut [u8]) -> io::Result<(usize, Option<KernelTime>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
