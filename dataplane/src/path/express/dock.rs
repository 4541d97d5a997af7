//! What a frame's link-layer header says: the interface that it came in on, and where its packet starts.

use super::Came;
use crate::classify::plain::{header, Link};
use crate::classify::Family;
use crate::key::{Domain, InterfaceKind};
use crate::worker::View;
use packet::{Buf, PortId};
use wire::ether::{self, ethertype};

/// The VLAN identifier's bits in tag control information.
const VLAN_ID: u16 = 0x0fff;

/// What stands for no tag, and for a tag without a VLAN: no VLAN identifier.
const UNTAGGED: u16 = u16::MAX;

/// The interface that a frame comes in on: a port, or one VLAN of it.
#[derive(Clone, Copy)]
pub(super) struct Dock {
    vlan: u16,
    pub(super) domain: Domain,
    access: bool,
    ipv4: bool,
    /// Our link-layer address; of no interface one that no frame is for.
    own: u64,
    /// The upper bits of an adjacency's word for a neighbour on it.
    pub(super) word: u64,
}

impl Dock {
    /// How packets come that were in no tunnel.
    #[inline(always)]
    pub(super) fn came(&self) -> Came {
        match self.access {
            true => Came::Host,
            false => Came::Core,
        }
    }

    #[inline(never)]
    fn of(port: PortId, vlan: u16, view: &View<'_>) -> Self {
        let id = (vlan != UNTAGGED).then_some(vlan);
        let id = view.fib.interface(port, id);
        let interface = id.and_then(|id| Some((id, view.fib.interface_of(id)?)));
        let Some((id, interface)) = interface else {
            return Self {
                vlan,
                domain: Domain(0),
                access: false,
                ipv4: false,
                own: u64::MAX,
                word: 0,
            };
        };
        let [a, b, c, d, e, f] = interface.mac.0;
        Self {
            vlan,
            domain: interface.domain,
            access: interface.kind == InterfaceKind::Access,
            ipv4: interface.ipv4.is_some(),
            own: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            word: (u64::from(id.0) + 1) << 48,
        }
    }
}

/// What the frame before was, for the next one is most likely from the same neighbour.
pub(super) struct Before {
    port: PortId,
    pub(super) dock: Dock,
    /// Its link-layer header, if it had no tag and was for us.
    pub(super) link: Link,
    pub(super) family: Family,
}

impl Before {
    /// Before the first frame of a port's burst.
    pub(super) fn none(port: PortId, view: &View<'_>) -> Self {
        Self {
            port,
            dock: Dock::of(port, UNTAGGED, view),
            link: Link::NONE,
            family: Family::V6,
        }
    }

    /// Whether it had a link-layer header that the next may have too, and came so.
    pub(super) fn is_like(&self, came: Came, family: Family) -> bool {
        self.link != Link::NONE && self.dock.came() == came && self.family == family
    }

    /// Looks at the link-layer header of a frame; says where the packet starts, if it is one for us.
    #[inline]
    pub(super) fn look<B: Buf>(&mut self, buf: &B, link: Link, view: &View<'_>) -> Option<usize> {
        if !buf.is_contiguous() {
            return None;
        }
        let (vlan, ether_type, at) = match (buf.stripped_vlan(), link.ether_type()) {
            (Some(control), plain) => (vlan(control), plain, ether::HEADER_LEN),
            (None, ethertype::VLAN) => {
                let (tag, _) = header::<ether::Tag>(buf.data().get(ether::HEADER_LEN..)?)?;
                let at = ether::HEADER_LEN + ether::TAG_LEN;
                (vlan(tag.control.get()), tag.ethertype.get(), at)
            }
            (None, plain) => (UNTAGGED, plain, ether::HEADER_LEN),
        };
        self.link = Link::NONE;
        if vlan != self.dock.vlan {
            self.dock = Dock::of(self.port, vlan, view);
        }
        if !link.is_for(self.dock.own) {
            return None;
        }
        self.family = match ether_type {
            ethertype::IPV6 => Family::V6,
            ethertype::IPV4 if self.dock.ipv4 => Family::V4,
            _ => return None,
        };
        // What the port took off is in no header, so the next frame may be another's.
        if ether_type == link.ether_type() && buf.stripped_vlan().is_none() {
            self.link = link;
        }
        Some(at)
    }
}

/// The VLAN that tag control information names.
fn vlan(control: u16) -> u16 {
    match control & VLAN_ID {
        0 => UNTAGGED,
        vlan => vlan,
    }
}
