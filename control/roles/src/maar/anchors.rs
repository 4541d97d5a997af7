//! What messages between gateways of a distributed domain say of anchors (RFC 8885 sections 4.3 to
//! 4.8).

use crate::effect::LogicalRouter;
use std::net::Ipv6Addr;
use wire::ether::MacAddr;
use wire::mh::{MobilityOption, PreviousMaar};

/// The options about anchors, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// The gateway that serves the host.
    pub(super) serving: Option<Ipv6Addr>,
    /// The gateways that it came by, each with how hosts see it if that was told behind it.
    pub(super) previous: Vec<(PreviousMaar, Option<LogicalRouter>)>,
    /// How hosts see the sender.
    pub(super) router: Option<LogicalRouter>,
}

impl Anchors {
    /// Reads them out of a message. How hosts see a router stands behind the option that names its
    /// anchor; what stands before all of those is of the sender.
    pub(super) fn read(options: &[MobilityOption]) -> Self {
        let mut read = Self::default();
        let (mut link_local, mut mac) = (None, None);
        for option in options {
            match option {
                MobilityOption::ServingMaar(address) => read.serving = Some(*address),
                MobilityOption::PreviousMaar(previous) => {
                    (link_local, mac) = (None, None);
                    read.previous.push((*previous, None));
                    continue;
                }
                MobilityOption::DlifLinkLocalAddress(address) => link_local = Some(*address),
                MobilityOption::DlifLinkLayerAddress(octets) => {
                    mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(MacAddr);
                }
                _ => continue,
            }
            let (Some(link_local), Some(mac)) = (link_local, mac) else {
                continue;
            };
            let usable = link_local.is_unicast_link_local() && !mac.is_group() && mac.0 != [0; 6];
            let router = usable.then_some(LogicalRouter { link_local, mac });
            match read.previous.last_mut() {
                Some((_, place)) => *place = router,
                None => read.router = router,
            }
        }
        read
    }
}

impl LogicalRouter {
    /// The options that tell others how hosts see it.
    pub(super) fn options(self) -> [MobilityOption; 2] {
        [
            MobilityOption::DlifLinkLocalAddress(self.link_local),
            MobilityOption::DlifLinkLayerAddress(self.mac.0.to_vec()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(last: u8) -> LogicalRouter {
        LogicalRouter {
            link_local: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last.into()),
            mac: MacAddr([2, 0, 0x5e, 0, 0, last]),
        }
    }

    fn previous(last: u16) -> PreviousMaar {
        PreviousMaar {
            address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last),
            prefix: format!("2001:db8:{last}::/64").parse().unwrap(),
        }
    }

    #[test]
    fn what_stands_behind_an_anchor_is_its_own() {
        let mut options = vec![MobilityOption::PreviousMaar(previous(1))];
        options.extend(router(1).options());
        options.push(MobilityOption::PreviousMaar(previous(2)));
        options.push(MobilityOption::PreviousMaar(previous(3)));
        options.extend(router(3).options());
        let read = Anchors::read(&options);
        assert_eq!(read.router, None);
        let expected = [
            (previous(1), Some(router(1))),
            (previous(2), None),
            (previous(3), Some(router(3))),
        ];
        assert_eq!(read.previous, expected);
    }

    #[test]
    fn what_stands_alone_is_the_senders_and_has_to_be_usable() {
        let read = Anchors::read(&router(7).options());
        assert_eq!(read.router, Some(router(7)));
        let group = MobilityOption::DlifLinkLayerAddress(vec![1, 0, 0x5e, 0, 0, 1]);
        let [link_local, _] = router(7).options();
        assert_eq!(Anchors::read(&[link_local.clone(), group]).router, None);
        let long = MobilityOption::DlifLinkLayerAddress(vec![2; 8]);
        assert_eq!(Anchors::read(&[link_local, long]).router, None);
    }
}
