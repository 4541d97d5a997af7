//! Whom a gateway serves, and with whom: bindings, visitors, peers.

use super::words::{duration, first, of_domain, or_none, traffic, NONE};
use crate::table::Table;
use control::rpc::types::{Binding, Peer, Talker, Visitor};

pub fn bindings(bindings: &[Binding], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "kind",
        "state",
        "prefix",
        "ipv4",
        "care-of",
        ">left",
        ">up",
        ">down",
        "interface",
    ]);
    for binding in bindings {
        table.row([
            binding.identifier.clone(),
            binding.kind.clone(),
            binding.state.clone(),
            first(&binding.prefixes),
            of_domain(
                binding.ipv4_home_address.as_ref(),
                binding.domain.as_deref(),
            ),
            binding.care_of_address.to_string(),
            duration(binding.remaining_secs),
            traffic(&binding.up),
            traffic(&binding.down),
            or_none(binding.link_layer_identifier.as_ref()),
        ]);
    }
    table.render(width)
}

pub fn visitors(visitors: &[Visitor], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "~identifier",
        "state",
        "prefix",
        "ipv4",
        "mac",
        ">left",
        "interface",
        "lma",
        "address",
        "dhcp server",
        ">up",
        ">down",
    ]);
    for visitor in visitors {
        let addresses: Vec<_> = visitor.addresses.iter().map(|it| it.address).collect();
        table.row([
            or_none(visitor.identifier.as_ref()),
            visitor.state.clone(),
            first(&visitor.prefixes),
            of_domain(
                visitor.ipv4_home_address.as_ref(),
                visitor.domain.as_deref(),
            ),
            visitor.mac.to_string(),
            visitor.remaining_secs.map_or_else(|| NONE.into(), duration),
            visitor.interface.clone(),
            or_none(visitor.lma.as_ref()),
            first(&addresses),
            or_none(visitor.dhcp_server.as_ref()),
            traffic(&visitor.up),
            traffic(&visitor.down),
        ]);
    }
    table.render(width)
}

pub fn peers(peers: &[Peer], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        "address",
        "state",
        ">sessions",
        ">missing",
        ">restarts",
        ">us",
        ">heard",
    ]);
    for peer in peers {
        let state = match peer.state.as_str() {
            // Trouble stands out.
            "down" => "DOWN",
            state => state,
        };
        let micros = peer.round_trip_us.map(|it| format!("{it:.0}"));
        table.row([
            peer.address.to_string(),
            state.to_owned(),
            peer.sessions.to_string(),
            peer.missing.to_string(),
            or_none(peer.restart_counter.as_ref()),
            or_none(micros.as_ref()),
            or_none(peer.heard_secs.map(duration).as_ref()),
        ]);
    }
    table.render(width)
}

pub fn talkers(talkers: &[Talker], width: Option<usize>) -> String {
    let mut table = Table::new(&["binding", ">kbit/s", ">up", ">down"]);
    for talker in talkers {
        table.row([
            talker.prefix.clone(),
            format!("{:.1}", talker.bits_per_sec / 1e3),
            traffic(&talker.up),
            traffic(&talker.down),
        ]);
    }
    table.render(width)
}
