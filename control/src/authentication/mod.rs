//! Signalling that is authenticated by shared keys (RFC 4285), for networks that protect it by no
//! IPsec (S1-09).
//!
//! Two gateways share an **association**: keys, each under a number (SPI), and whether messages carry
//! a timestamp against replay. What one sends to the other ends in an authentication option; what comes
//! without one that holds is not taken.
//!
//! ```text
//!   message ─► + timestamp ─► octets, up to the SPI ─► HMAC ─► into the option ─► checksum ─► sent
//!
//!   octets ─► SPI ─► key ─► HMAC the same? ─► timestamp near, and new? ─► role
//!                 │              │                     │
//!                 └── 146 ◄──────┘              144, 145 to an update; anything else is only counted
//! ```
//!
//! **What the RFC leaves open.** Its care-of and home address are those of a mobile node. Between two
//! gateways the care-of address is that of the gateway which updates come from (the source of an
//! update, the destination of its answer), of a heartbeat its sender's, and the home address is `::`. The RFC
//! authenticates updates and their answers; here every message between the two is authenticated, since
//! a forged revocation does as much harm as a forged update.
//!
//! **Replay.** An acknowledgement carries the timestamp of its update, and counts once. Every other
//! message carries a new one, above all that its sender has used. It has to be close to our own time and one
//! that we have not had. The RFC wants it above all earlier ones; but between two gateways messages
//! of many hosts are on the way at once and may overtake each other, so the last 65,536 are kept
//! instead, and what is below all of these is too old. The order of one host's updates is RFC 5213's.
//!
//! **Rollover.** Every key of an association is taken, the first of its kind is used. Add the new
//! key behind the old one on both sides, then move it to the front on both, then remove the old one:
//! with a reload after each step, no message is lost.

mod file;
mod key;
mod replay;
#[cfg(test)]
mod tests;

pub use file::load;
pub use key::{Algorithm, Key};

use hashbrown::HashMap;
use key::{Authenticated, MOST_DATA};
use replay::Replay;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::authentication::placed;
use wire::mh::{
    set_checksum, Authentication, EmitError, Message, MobilityOption, ReplayTimestamp, Status,
};

/// Which security association a key is for (RFC 4285 sections 5.1 and 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Between the two gateways, in the place of mobile node and home agent.
    MnHa,
    /// With the AAA server of the mobile node, whose keys we hold for it. In updates only, behind
    /// the other.
    MnAaa,
}

impl Kind {
    /// Its number in the option.
    const fn subtype(self) -> u8 {
        match self {
            Self::MnHa => Authentication::MN_HA,
            Self::MnAaa => Authentication::MN_AAA,
        }
    }
}

/// What we share with one peer.
#[derive(Debug)]
pub struct Association {
    keys: Vec<Key>,
    replay: Option<Replay>,
}

impl Association {
    /// Of these keys, the ones to be used before others of their kind. With `close_enough`, messages
    /// carry timestamps, which may be that far from our time.
    pub fn new(keys: Vec<Key>, close_enough: Option<Duration>) -> Self {
        Self {
            keys,
            replay: close_enough.map(Replay::new),
        }
    }

    fn key(&self, subtype: u8, spi: u32) -> Option<&Key> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.kind.subtype() == subtype && key.spi == spi)
    }

    fn first(&self, kind: Kind) -> Option<&Key> {
        self.keys.iter().find(|key| key.kind == kind)
    }
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// We share nothing with its sender, and it is authenticated, or has to be.
    NoAssociation,
    /// It carries no authentication, or none of the kind that is needed.
    Unauthenticated,
    /// A key is not known, or the authentication data are not what the key makes of the message.
    Forged,
    /// It is authenticated twice in one way, or by the AAA server's key first (RFC 4285 section 5).
    Disordered,
    /// It carries no timestamp.
    NoTimestamp,
    /// Its timestamp is too far from our time, or has been used.
    Replayed,
    /// An acknowledgement whose timestamp is of no update that waits for one.
    Unmatched,
}

impl Refused {
    /// The status that answers an update (RFC 4285 sections 5.3 and 6); none where it is discarded.
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::Unauthenticated | Self::Forged => Some(Status::AUTH_FAIL),
            Self::NoTimestamp => Some(Status::MESG_ID_REQUIRED),
            Self::Replayed => Some(Status::ID_MISMATCH),
            Self::NoAssociation | Self::Disordered | Self::Unmatched => None,
        }
    }
}

/// The associations with all peers.
#[derive(Debug, Default)]
pub struct Associations {
    peers: HashMap<Ipv6Addr, Association>,
    required: bool,
}

impl Associations {
    /// These, each with its peer. With `required`, nothing is taken from anyone else.
    pub fn new(peers: impl IntoIterator<Item = (Ipv6Addr, Association)>, required: bool) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            required,
        }
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Takes the place of `earlier`, whose memory of timestamps goes on with peers that stay.
    pub fn replace(&mut self, mut earlier: Self) {
        for (peer, association) in &mut self.peers {
            let before = earlier.peers.remove(peer).and_then(|it| it.replay);
            if let (Some(replay), Some(before)) = (&mut association.replay, before) {
                replay.take_over(before);
            }
        }
    }

    /// Whether a message is to be taken. `octets` are those that it was parsed from; `wall` is the
    /// time since 1970.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &mut self,
        wall: Duration,
        from: Ipv6Addr,
        to: Ipv6Addr,
        message: &Message,
        octets: &[u8],
    ) -> Result<(), Refused> {
        let mut options = placed(octets).peekable();
        let Some(association) = self.peers.get_mut(&from) else {
            let open = !self.required && options.peek().is_none();
            return if open {
                Ok(())
            } else {
                Err(Refused::NoAssociation)
            };
        };
        let care_of = care_of(from, to, message);
        let mut by = [false; 2];
        for option in options {
            let key = association.key(option.subtype, option.spi);
            let (Some(key), Some(data)) = (key, octets.get(option.data.clone())) else {
                return Err(Refused::Forged);
            };
            let covered = Authenticated::new(care_of, octets, option.covered);
            if !key.verifies(&covered, data) {
                return Err(Refused::Forged);
            }
            let [by_gateway, by_aaa] = &mut by;
            let (done, later) = match key.kind {
                Kind::MnHa => (by_gateway, *by_aaa),
                Kind::MnAaa => (by_aaa, false),
            };
            if std::mem::replace(done, true) || later {
                return Err(Refused::Disordered);
            }
        }
        let [by_gateway, by_aaa] = by;
        let update = matches!(message, Message::BindingUpdate(_));
        let asks_aaa = update && association.first(Kind::MnAaa).is_some();
        let enough = by_gateway || by_aaa && update;
        if !enough || asks_aaa && !by_aaa {
            return Err(Refused::Unauthenticated);
        }
        match &mut association.replay {
            Some(replay) => check_replay(replay, wall, message),
            None => Ok(()),
        }
    }

    /// The octets of a message to `to`, authenticated if we share keys. The message is as it was
    /// afterwards.
    ///
    /// # Errors
    /// What [`Message::emit`] says.
    pub fn seal(
        &mut self,
        wall: Duration,
        from: Ipv6Addr,
        to: Ipv6Addr,
        message: &mut Message,
    ) -> Result<Vec<u8>, EmitError> {
        let mut octets = Vec::with_capacity(160);
        let Some(association) = self.peers.get_mut(&to) else {
            message.emit(from, to, &mut octets)?;
            return Ok(octets);
        };
        let options = message.options().len();
        let answer = matches!(message, Message::BindingAcknowledgement(_));
        let update = matches!(message, Message::BindingUpdate(_));
        if let Some(options) = message.options_mut() {
            // An acknowledgement has that of its update.
            if let (Some(replay), false) = (&mut association.replay, answer) {
                let stamp = replay.stamp(wall, update);
                options.push(MobilityOption::ReplayProtection(stamp));
            }
            let kinds: &[Kind] = match update {
                true => &[Kind::MnHa, Kind::MnAaa],
                false => &[Kind::MnHa],
            };
            let keys = kinds.iter().filter_map(|kind| association.first(*kind));
            options.extend(keys.map(|key| {
                MobilityOption::Authentication(Authentication {
                    subtype: key.kind.subtype(),
                    spi: key.spi,
                    data: vec![0; key.data_octets()],
                })
            }));
        }
        let emitted = message.emit(from, to, &mut octets);
        if let Some(all) = message.options_mut() {
            all.truncate(options);
        }
        emitted?;
        let care_of = care_of(from, to, message);
        // One of each kind, at most.
        let mut options = [const { None }; 2];
        for (place, option) in options.iter_mut().zip(placed(&octets)) {
            *place = Some(option);
        }
        for option in options.into_iter().flatten() {
            if let Some(key) = association.key(option.subtype, option.spi) {
                let mut data = [0; MOST_DATA];
                let covered = Authenticated::new(care_of, &octets, option.covered);
                key.write_data(&covered, &mut data);
                let field = octets.get_mut(option.data).into_iter().flatten();
                field.zip(data).for_each(|(to, from)| *to = from);
            }
        }
        set_checksum(from, to, &mut octets);
        Ok(octets)
    }
}

/// The care-of address that a message is about; see the module.
const fn care_of(from: Ipv6Addr, to: Ipv6Addr, message: &Message) -> Ipv6Addr {
    match message {
        Message::BindingAcknowledgement(_)
        | Message::BindingRefreshRequest(_)
        | Message::BindingError(_)
        | Message::RevocationIndication(_) => to,
        Message::BindingUpdate(_)
        | Message::RevocationAcknowledgement(_)
        | Message::Heartbeat(_)
        | Message::Other { .. } => from,
    }
}

fn check_replay(replay: &mut Replay, wall: Duration, message: &Message) -> Result<(), Refused> {
    let stamp = message.options().iter().find_map(|option| match option {
        MobilityOption::ReplayProtection(stamp) => Some(*stamp),
        _ => None,
    });
    let stamp: ReplayTimestamp = stamp.ok_or(Refused::NoTimestamp)?;
    match message {
        Message::BindingAcknowledgement(answer) if answer.status == Status::ID_MISMATCH => {
            match replay.corrected(wall, stamp) {
                true => Ok(()),
                false => Err(Refused::Unmatched),
            }
        }
        Message::BindingAcknowledgement(_) => match replay.answered(stamp) {
            true => Ok(()),
            false => Err(Refused::Unmatched),
        },
        _ => match replay.is_new(wall, stamp) {
            true => Ok(()),
            false => Err(Refused::Replayed),
        },
    }
}
