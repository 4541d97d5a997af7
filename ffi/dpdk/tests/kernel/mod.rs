//! A network namespace of the test's own, and frames through the kernel's end of a link.
//!
//! The namespace has no name and goes with the threads that live in it, so nothing is left behind,
//! however the test ends.

use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

use dpdk::{Mbuf, WorkerIo};
use packet::{Buf, Burst, PortId, RxTx};

/// An EtherType for experiments (IEEE 802), which no kernel speaks on its own.
const EXPERIMENT: u16 = 0x88b5;

/// Moves the calling thread, and those it starts, into a new network namespace.
pub fn enter_namespace() {
    // SAFETY: changes the calling thread's namespace and touches no memory.
    let failed = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(
        failed,
        0,
        "a new network namespace (needs root): {}",
        Error::last_os_error()
    );
}

/// Runs `ip` in the calling thread's namespace and returns what it printed.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2 is installed");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {arguments}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A test frame with `mark` in its payload.
pub fn frame(mark: u8) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];
    frame.extend(EXPERIMENT.to_be_bytes());
    frame.resize(60 + usize::from(mark), mark);
    frame
}

/// Sends frames from the kernel's `interface` and checks that [`echo`] brings each back, addresses
/// swapped.
pub fn exchange(interface: &str, frames: impl IntoIterator<Item = Vec<u8>>) {
    let socket = Socket::open(interface);
    for (number, frame) in frames.into_iter().enumerate() {
        socket.send(&frame);
        let back = socket.receive();
        let mut expected = frame;
        expected[..12].rotate_left(6);
        assert_eq!(back, expected, "frame {number}");
    }
}

/// Returns test frames to their sender until `count` have gone, frees all else.
pub fn echo(io: &mut WorkerIo, count: usize) -> usize {
    let mut gone = 0;
    let mut other = Burst::<Mbuf>::new();
    let mut burst = Burst::<Mbuf>::new();
    while gone < count {
        if io.rx(PortId(0), &mut burst) == 0 {
            std::thread::yield_now();
        }
        for mut packet in burst.take() {
            let test = packet.data().get(12..14) == Some(&EXPERIMENT.to_be_bytes()[..]);
            match packet.data_mut().get_mut(..12) {
                Some(addresses) if test => {
                    addresses.rotate_left(6);
                    burst.push(packet);
                }
                _ => other.push(packet),
            }
        }
        io.free(&mut other);
        gone += io.tx(PortId(0), &mut burst);
        io.free(&mut burst);
    }
    gone
}

/// A packet socket that hears test frames alone.
struct Socket(OwnedFd);

impl Socket {
    fn open(interface: &str) -> Socket {
        let name = std::ffi::CString::new(interface).expect("no NUL");
        // SAFETY: a C string that outlives the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        assert_ne!(index, 0, "interface {interface}");
        // SAFETY: makes a file descriptor.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                i32::from(EXPERIMENT.to_be()),
            )
        };
        assert!(fd >= 0, "packet socket: {}", Error::last_os_error());
        // SAFETY: the descriptor was just made and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: all zeros is a value of this structure of integers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = EXPERIMENT.to_be();
        address.sll_ifindex = index as i32;
        // SAFETY: the address has the size that is passed.
        let failed = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        assert_eq!(failed, 0, "bind: {}", Error::last_os_error());
        let patience = libc::timeval {
            tv_sec: 20,
            tv_usec: 0,
        };
        // SAFETY: the option has the size that is passed.
        let failed = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                (&raw const patience).cast(),
                size_of::<libc::timeval>() as u32,
            )
        };
        assert_eq!(failed, 0, "setsockopt: {}", Error::last_os_error());
        Socket(fd)
    }

    fn send(&self, frame: &[u8]) {
        // SAFETY: reads the frame's octets.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(
            sent,
            frame.len() as isize,
            "send: {}",
            Error::last_os_error()
        );
    }

    fn receive(&self) -> Vec<u8> {
        let mut frame = vec![0_u8; 16384];
        loop {
            // SAFETY: writes at most the octets there are.
            let came = unsafe {
                libc::recv(
                    self.0.as_raw_fd(),
                    frame.as_mut_ptr().cast(),
                    frame.len(),
                    0,
                )
            };
            match usize::try_from(came) {
                Ok(length) => {
                    frame.truncate(length);
                    return frame;
                }
                Err(_) => {
                    let error = Error::last_os_error();
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Interrupted,
                        "no frame came back: {error}"
                    );
                }
            }
        }
    }
}
