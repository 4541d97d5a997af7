//! The tunnels that bindings rest on, counted by their ends: made with the first binding, removed
//! after the last.

use crate::neighbour::Neighbour;
use dataplane::key::{AdjacencyId, Domain, Encapsulation, GreKeys, TunnelId, TunnelSpec};
use dataplane::table::Full;
use dataplane::tables::Writer;
use hashbrown::HashMap;
use roles::effect::TunnelEnds;

/// Octets that the outer header takes.
const OUTER: u32 = wire::ipv6::HEADER_LEN as u32;

/// The smallest MTU that a tunnel is given: no path carries less than IPv6 asks of every link (RFC 8201
/// section 4). Inner packets between this and that minimum travel in fragments.
const MIN_MTU: u16 = wire::ipv6::MIN_MTU as u16 - OUTER as u16;

/// What every host takes over IPv4 (RFC 791 section 3.1); a path that carries less is none to build a tunnel on.
const MIN_IPV4: u32 = 576;

/// Octets that go in front of an inner packet between these ends, as far as MTUs count them, and the
/// smallest MTU there.
fn outer(ends: TunnelEnds) -> (u32, u16) {
    if ends.local.to_ipv4_mapped().is_none() {
        return (OUTER, MIN_MTU);
    }
    let between = match ends.encapsulation {
        roles::effect::Encapsulation::Udp => wire::udp::HEADER_LEN,
        _ => 0,
    };
    let overhead = (wire::ipv4::HEADER_LEN + between) as u32;
    (overhead, (MIN_IPV4 - overhead) as u16)
}

/// One tunnel.
#[derive(Clone, Copy, Debug)]
struct Tunnel {
    id: TunnelId,
    users: u32,
    mtu: u16,
    hop: Option<Neighbour>,
}

/// What a Packet Too Big about a tunnel led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TooBig {
    /// There is no such tunnel.
    NoTunnel,
    /// Its MTU was no larger already.
    Unchanged,
    /// Its MTU is lower now.
    Lowered(u16),
}

/// All tunnels.
pub(super) struct Tunnels {
    hop_limit: u8,
    mtu: u16,
    tunnels: HashMap<TunnelEnds, Tunnel>,
}

/// What letting go of a tunnel led to.
pub(super) enum Released {
    /// Others use it.
    InUse,
    /// It is gone; its next hop is no longer needed by it.
    Gone(Option<Neighbour>),
}

impl Tunnels {
    /// None yet; those to come have this hop limit and MTU.
    pub(super) fn new(hop_limit: u8, mtu: u16) -> Self {
        Self {
            hop_limit,
            mtu: mtu.max(MIN_MTU),
            tunnels: HashMap::new(),
        }
    }

    /// Counts one more user of a tunnel; `None` when it has to be made first.
    pub(super) fn share(&mut self, ends: TunnelEnds) -> Option<TunnelId> {
        let tunnel = self.tunnels.get_mut(&ends)?;
        tunnel.users += 1;
        Some(tunnel.id)
    }

    /// Makes a tunnel for its first user. `hop` is the neighbour that its packets go to, and its
    /// adjacency if it is resolved. `inner` is the domain of what comes out of it.
    pub(super) fn make(
        &mut self,
        (ends, inner): (TunnelEnds, Domain),
        hop: Option<Neighbour>,
        adjacency: Option<AdjacencyId>,
        writer: &mut Writer,
    ) -> Result<TunnelId, Full> {
        let id = writer.add_tunnel(TunnelSpec {
            domain: Domain::default(),
            local: ends.local,
            remote: ends.remote,
            hop_limit: self.hop_limit,
            mtu: self.mtu,
            encapsulation: match ends.encapsulation {
                roles::effect::Encapsulation::Plain => Encapsulation::Plain,
                roles::effect::Encapsulation::Udp => Encapsulation::Udp,
                roles::effect::Encapsulation::Gre { keys } => Encapsulation::Gre {
                    keys: keys.map(|keys| GreKeys {
                        send: keys.send,
                        receive: keys.receive,
                    }),
                    inner,
                },
            },
        })?;
        writer.resolve_tunnel(id, adjacency);
        let tunnel = Tunnel {
            id,
            users: 1,
            mtu: self.mtu,
            hop,
        };
        self.tunnels.insert(ends, tunnel);
        Ok(id)
    }

    /// Counts one user less, and removes the tunnel after the last.
    pub(super) fn release(&mut self, ends: TunnelEnds, writer: &mut Writer) -> Released {
        let Some(tunnel) = self.tunnels.get_mut(&ends) else {
            return Released::InUse;
        };
        tunnel.users = tunnel.users.saturating_sub(1);
        if tunnel.users > 0 {
            return Released::InUse;
        }
        let gone = *tunnel;
        self.tunnels.remove(&ends);
        writer.remove_tunnel(gone.id);
        Released::Gone(gone.hop)
    }

    /// A neighbour was resolved, or no longer is: its tunnels follow.
    pub(super) fn resolve(
        &self,
        neighbour: Neighbour,
        adjacency: Option<AdjacencyId>,
        writer: &mut Writer,
    ) {
        for tunnel in self.tunnels.values() {
            if tunnel.hop == Some(neighbour) {
                writer.resolve_tunnel(tunnel.id, adjacency);
            }
        }
    }

    /// A router cannot send on a tunnel's outer packets of more than `mtu` octets.
    pub(super) fn too_big(&mut self, ends: TunnelEnds, mtu: u32, writer: &mut Writer) -> TooBig {
        let Some(tunnel) = self.tunnels.get_mut(&ends) else {
            return TooBig::NoTunnel;
        };
        let (overhead, least) = outer(ends);
        let inner = u16::try_from(mtu.saturating_sub(overhead)).unwrap_or(u16::MAX);
        let inner = inner.max(least);
        if inner >= tunnel.mtu {
            return TooBig::Unchanged;
        }
        tunnel.mtu = inner;
        writer.set_tunnel_mtu(tunnel.id, inner);
        TooBig::Lowered(inner)
    }

    /// Forgets what was learnt of the path's MTU, so that a larger one is tried again.
    pub(super) fn restore_mtu(&mut self, ends: TunnelEnds, writer: &mut Writer) {
        if let Some(tunnel) = self.tunnels.get_mut(&ends) {
            tunnel.mtu = self.mtu;
            writer.set_tunnel_mtu(tunnel.id, self.mtu);
        }
    }

    /// Whether there is a tunnel between these ends.
    pub(super) fn contains(&self, ends: TunnelEnds) -> bool {
        self.tunnels.contains_key(&ends)
    }

    /// The tunnels' ends with what their next hops are, to be looked up anew.
    pub(super) fn ends(&self) -> Vec<(TunnelEnds, Option<Neighbour>)> {
        let mut all: Vec<_> = self
            .tunnels
            .iter()
            .map(|(ends, tunnel)| (*ends, tunnel.hop))
            .collect();
        all.sort_unstable_by_key(|(ends, _)| *ends);
        all
    }

    /// Sends a tunnel's packets by way of another neighbour.
    pub(super) fn reroute(
        &mut self,
        ends: TunnelEnds,
        hop: Option<Neighbour>,
        adjacency: Option<AdjacencyId>,
        writer: &mut Writer,
    ) {
        if let Some(tunnel) = self.tunnels.get_mut(&ends) {
            tunnel.hop = hop;
            writer.resolve_tunnel(tunnel.id, adjacency);
        }
    }
}
