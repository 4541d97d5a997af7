//! Out of a tunnel (RFC 2473 section 3.3): what the outer header leaves on the inner one.
//!
//! Only the congestion mark crosses over (RFC 6040 section 4.2). The inner hop limit is not touched
//! here: the tunnel is one link, so its entry took one for the forwarding into it, and forwarding out
//! of it takes one as from any link (RFC 2473 section 3.1, RFC 8200 section 3). DSCP stays the inner
//! packet's own. An inner IPv4 header's checksum follows the mark (RFC 1624).

use super::{header_mut, ipv4_mut, shift};
use crate::classify::Family;
use crate::verdict::Drop;
use packet::Buf;
use wire::ipv4;
use wire::ipv6::Header;
use zerocopy::FromBytes;

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// No codepoint: the packet must be dropped.
const LOST: u8 = u8::MAX;

/// What goes on, by inner codepoint and in that by outer one.
const MERGED: [u8; 16] = [
    NOT_ECT, NOT_ECT, NOT_ECT, LOST, // inner Not-ECT
    ECT_1, ECT_1, ECT_1, CE, // inner ECT(1)
    ECT_0, ECT_1, ECT_0, CE, // inner ECT(0)
    CE, CE, CE, CE, // inner CE
];

/// The inner codepoint that goes on, or none where the packet must be dropped. Of traffic classes, the
/// codepoints count. A table, for what a packet is marked with is anyone's guess.
#[inline(always)]
pub(crate) fn merged(outer: u8, inner: u8) -> Option<u8> {
    let at = usize::from((inner & 3) << 2 | outer & 3);
    MERGED.get(at).copied().filter(|&mark| mark != LOST)
}

/// Cuts the outer packet that starts at `at` off, so that the inner one, which is of `family` and
/// starts `inner` octets behind that, stands at the front of the buffer.
#[inline]
pub(crate) fn decapsulate<B: Buf>(
    buf: &mut B,
    at: usize,
    inner: usize,
    family: Family,
) -> Result<(), Drop> {
    let malformed = Drop::InnerMalformed;
    let outer = buf.data().get(at..).unwrap_or_default();
    let outer_class = match Family::of(outer) {
        Family::V6 => {
            let (outer, _) = Header::ref_from_prefix(outer).map_err(|_| malformed)?;
            outer.traffic_class()
        }
        Family::V4 => {
            let (outer, _) = ipv4::Header::ref_from_prefix(outer).map_err(|_| malformed)?;
            outer.traffic_class()
        }
    };
    shift(buf, at + inner, 0).map_err(|_| malformed)?;
    if family == Family::V4 {
        return mark_ipv4(buf, outer_class);
    }
    let header = header_mut(buf, 0).ok_or(malformed)?;
    if header.version() != 6 {
        return Err(malformed);
    }
    let class = header.traffic_class();
    let mark = merged(outer_class, class).ok_or(Drop::CongestionLost)?;
    if mark != class & 3 {
        header.set_traffic_class(class & !3 | mark);
    }
    Ok(())
}

/// Lets the congestion mark of an outer header cross over to the IPv4 header at the front.
fn mark_ipv4<B: Buf>(buf: &mut B, outer_class: u8) -> Result<(), Drop> {
    let header = ipv4_mut(buf, 0).ok_or(Drop::InnerMalformed)?;
    if header.version() != 4 {
        return Err(Drop::InnerMalformed);
    }
    let class = header.traffic_class();
    let mark = merged(outer_class, class).ok_or(Drop::CongestionLost)?;
    if mark != class & 3 {
        header.set_traffic_class(class & !3 | mark);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rfc_6040_section_4_2() {
        // Rows: inner; columns: outer Not-ECT, ECT(0), ECT(1), CE.
        let table = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in table {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                assert_eq!(merged(outer, inner), expected, "{inner} in {outer}");
            }
        }
    }
}
