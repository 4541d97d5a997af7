//! A kernel interface that a port sits on.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A request about the interface of that name, and a socket to make it by; none when there is no
/// socket to be had.
fn request(name: &str) -> Option<(OwnedFd, libc::ifreq)> {
    // SAFETY: makes a file descriptor.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the descriptor was just made and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all zeros is a value of this structure of integers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: names are shorter.
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().take(room).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Some((socket, request))
}

/// Whether the interface of that name is up and has a carrier; false when it is gone. True when the kernel
/// cannot be asked.
pub(crate) fn is_up(name: &str) -> bool {
    let Some((socket, mut request)) = request(name) else {
        return true;
    };
    // SAFETY: the kernel reads the name and writes the flags of a structure of the size it knows.
    let failed =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } != 0;
    if failed {
        return false;
    }
    // SAFETY: the call has written the flags.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    let up = libc::IFF_UP | libc::IFF_RUNNING;
    flags & up == up
}

/// Sets the MTU of the interface of that name; whether the kernel did.
pub(crate) fn set_mtu(name: &str, mtu: u16) -> bool {
    let Some((socket, mut request)) = request(name) else {
        return false;
    };
    request.ifr_ifru.ifru_mtu = mtu.into();
    // SAFETY: the kernel reads the name and the MTU of a structure of the size it knows.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFMTU, &raw const request) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_of_this_machine_is_asked_and_another_is_not_there() {
        assert!(!is_up("nosuch0"));
        assert!(!is_up("a-name-that-is-longer-than-any-interface-has"));
        let flags = std::fs::read_to_string("/sys/class/net/lo/flags").expect("a loopback");
        let flags = i64::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
        assert_eq!(is_up("lo"), flags.expect("a number") & 1 == 1);
    }
}
