//! What the proxy core asks of a socket and no library offers without unsafe code. The README says what for.

use std::{io, os::fd::AsFd};

/// How many bytes must be there before the kernel says that the socket can be read (`SO_RCVLOWAT`, socket(7)). One is
/// the default. The end of the stream and errors are said at once whatever the mark, and a read takes what there is.
///
/// A socket whose mark is lowered is said to be readable anew if by then enough is there, so that who waits by epoll for
/// edges hears of it.
///
/// # Errors
///
/// When the kernel refuses it; [`io::ErrorKind::Unsupported`] where it is no Linux from 4.18 on.
pub fn set_receive_low_water(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    system::set(socket.as_fd(), bytes)
}

/// The mark of the socket, in bytes.
///
/// # Errors
///
/// As for [`set_receive_low_water`].
pub fn receive_low_water(socket: impl AsFd) -> io::Result<u32> {
    system::get(socket.as_fd())
}

#[cfg(target_os = "linux")]
mod system {
    use std::{
        io,
        os::fd::{AsRawFd as _, BorrowedFd},
        sync::LazyLock,
    };

    use libc::{SO_RCVLOWAT, SOL_SOCKET, c_int, socklen_t};

    /// Whether a mark that is lowered wakes who waits: since Linux 4.18, where `tcp_set_rcvlowat` came.
    static WAKES: LazyLock<bool> =
        LazyLock::new(|| wakes(&rustix::system::uname().release().to_string_lossy()));

    pub(super) fn wakes(release: &str) -> bool {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok());
        (number(), number()) >= (Some(4), Some(18))
    }

    #[allow(unsafe_code)]
    pub(super) fn set(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
        if !*WAKES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let value = c_int::try_from(bytes).map_err(invalid)?;
        let length = socklen_t::try_from(size_of::<c_int>()).map_err(invalid)?;
        // SAFETY: the descriptor is open as long as it is borrowed. The kernel reads `length` bytes from the pointer, which
        // are those of `value`, before the call returns, and keeps no pointer.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                SOL_SOCKET,
                SO_RCVLOWAT,
                (&raw const value).cast(),
                length,
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    #[allow(unsafe_code)]
    pub(super) fn get(socket: BorrowedFd<'_>) -> io::Result<u32> {
        let mut value: c_int = 0;
        let mut length = socklen_t::try_from(size_of::<c_int>()).map_err(invalid)?;
        // SAFETY: the descriptor is open as long as it is borrowed. The kernel writes at most `length` bytes, which `value`
        // has, and the length itself; both live until the call has returned, and it keeps no pointer.
        let done = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                SOL_SOCKET,
                SO_RCVLOWAT,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        if done == 0 {
            u32::try_from(value).map_err(invalid)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn invalid(_: std::num::TryFromIntError) -> io::Error {
        io::ErrorKind::InvalidInput.into()
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn the_kernel_must_be_new_enough() {
            for (release, wakes) in [
                ("4.14.355-280.643.amzn2.x86_64", false),
                ("4.17.19", false),
                ("4.18.0-553.el8_10.x86_64", true),
                ("5.4.0-1103-aws", true),
                ("6.18", true),
                ("7", true),
                ("4", false),
                ("", false),
                ("unknown", false),
            ] {
                assert_eq!(super::wakes(release), wakes, "{release}");
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{io, os::fd::BorrowedFd};

    pub(super) fn set(_: BorrowedFd<'_>, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn get(_: BorrowedFd<'_>) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
