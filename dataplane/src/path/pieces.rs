//! IPv4 packets that go to a neighbour in pieces (RFC 791 section 3.2): its link carries less than the
//! packet has, and the sender does not forbid it.
//!
//! ```text
//!   | header, options | payload ...                                |
//!   | header, options | payload | header, copied options | payload | ...
//! ```
//!
//! Every piece but the last has as many octets of eight as fit. What already is a piece is cut into
//! smaller ones of the same packet.

use super::decide::Way;
use super::{Packet, Path};
use crate::classify::Family;
use crate::key::Interface;
use crate::verdict::Drop;
use crate::worker::{Meter, View};
use arrayvec::ArrayVec;
use packet::{Buf, Pieces, RxTx};
use wire::ether::MacAddr;
use wire::ipv4::{Header, HeaderOptions, Parts, HEADER_LEN, MAX_OPTIONS};
use zerocopy::IntoBytes;

impl<T: RxTx, M: Meter> Path<T, M> {
    /// To a neighbour in pieces.
    #[cold]
    #[inline(never)]
    pub(super) fn cut_ipv4(
        &mut self,
        mut packet: Packet<T::Buf>,
        (interface, to): (&Interface, MacAddr),
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        packet.forward();
        let mut pieces = Pieces::new();
        let mtu = usize::from(interface.mtu);
        match cut(packet.data(), mtu, &mut pieces, || io.alloc()) {
            Ok(()) => {
                let next = (interface, Family::V4, to);
                self.send_pieces(packet, pieces, next, way, view, io);
            }
            Err(reason) => self.drop(packet.buf, reason, view, io),
        }
    }
}

/// Cuts a packet into pieces of at most `mtu` octets.
pub(super) fn cut<B: Buf>(
    packet: &[u8],
    mtu: usize,
    pieces: &mut Pieces<B>,
    mut alloc: impl FnMut() -> Option<B>,
) -> Result<(), Drop> {
    let Parts {
        header,
        options,
        payload,
    } = Header::split(packet).map_err(|_| Drop::Ipv4Malformed)?;
    let copied = copied(options);
    let mut from = 0;
    while from < payload.len() {
        let options = if from == 0 { options } else { &copied };
        let front = HEADER_LEN + options.len();
        let room = mtu.checked_sub(front).ok_or(Drop::TooBig)?;
        let rest = payload.len() - from;
        let last = rest <= room;
        let octets = if last { rest } else { room & !7 };
        let new = header
            .piece(options, from, octets, last)
            .filter(|_| octets > 0)
            .ok_or(Drop::TooBig)?;
        let mut piece = alloc().ok_or(Drop::NoBuffer)?;
        piece.set_len(front + octets).map_err(|_| Drop::NoBuffer)?;
        let part = payload.get(from..from + octets).unwrap_or_default();
        let octets_of_it = new.as_bytes().iter().chain(options).chain(part);
        for (place, octet) in piece.data_mut().iter_mut().zip(octets_of_it) {
            *place = *octet;
        }
        pieces.try_push(piece).map_err(|_| Drop::TooBig)?;
        from += octets;
    }
    Ok(())
}

/// The options that every piece has: those whose type's first bit says so.
fn copied(options: &[u8]) -> ArrayVec<u8, MAX_OPTIONS> {
    let mut copied = ArrayVec::new();
    let every = HeaderOptions::new(options).map_while(Result::ok);
    for option in every.filter(|option| option.kind & 0x80 != 0) {
        let length = u8::try_from(option.data.len() + 2).unwrap_or(2);
        // They were in a header of this size, so there is room.
        let _ = copied.try_push(option.kind);
        let _ = copied.try_push(length);
        let _ = copied.try_extend_from_slice(option.data);
    }
    while copied.len() % 4 != 0 && copied.try_push(0).is_ok() {}
    copied
}
