//! The walk from the fixed header along the extension headers (RFC 8200 section 4).
//!
//! ```text
//! next_header --> hop-by-hop --> destination --> routing --> fragment --> destination --> upper
//!                 each: | next header | length | ... |                                    layer
//! ```
//!
//! The walk is bounded in headers and in octets, so that no packet can keep a worker busy. It ends at
//! the first header that is not an extension header it knows (ESP and AH count as upper layers), or
//! behind a fragment header of a later fragment, where no header follows.

/// The most extension headers that a packet may have.
pub const MAX_CHAIN_HEADERS: usize = 8;

/// The most octets that the extension headers of a packet may have together.
pub const MAX_CHAIN_OCTETS: usize = 512;

use super::next_header;

/// What a walk found. Offsets count from the first octet behind the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chain {
    /// Next header value at which the walk ended.
    pub upper: u8,
    /// Where that header starts. At most [`MAX_CHAIN_OCTETS`].
    pub offset: usize,
    /// Whether there is a Hop-by-Hop Options header; it starts at 0.
    pub hop_by_hop: bool,
    /// The last routing header.
    pub routing: Option<Routing>,
    /// The fragment header.
    pub fragment: Option<Fragment>,
    /// The first Tunnel Encapsulation Limit option (RFC 2473 section 4.1.1).
    pub encapsulation_limit: Option<EncapsulationLimit>,
}

impl Chain {
    /// Whether the octets at `offset` are the upper-layer header: not so in later fragments.
    #[inline]
    pub const fn has_upper_header(&self) -> bool {
        match self.fragment {
            Some(fragment) => fragment.offset == 0,
            None => true,
        }
    }
}

/// A routing header (RFC 8200 section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Routing type.
    pub kind: u8,
    /// Nodes that are still to be visited.
    pub segments_left: u8,
    /// Where the header starts.
    pub offset: usize,
}

/// A fragment header (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where this fragment stands in the original packet, in octets.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// Identification.
    pub identification: u32,
}

/// A Tunnel Encapsulation Limit option (RFC 2473 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncapsulationLimit {
    /// How many more tunnels the packet may enter.
    pub limit: u8,
    /// Where the limit's octet stands, for the pointer of a Parameter Problem.
    pub offset: usize,
}

/// Why a packet's extension headers cannot be walked. Offsets as in [`Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A header runs past the end of the packet.
    #[error("extension header at octet {0} runs past the end")]
    Truncated(usize),
    /// A Hop-by-Hop Options header that is not the first (RFC 8200 section 4.1).
    #[error("hop-by-hop options not first, at octet {0}")]
    HopByHopNotFirst(usize),
    /// A second fragment header.
    #[error("second fragment header at octet {0}")]
    FragmentTwice(usize),
    /// More headers than [`MAX_CHAIN_HEADERS`].
    #[error("more than {MAX_CHAIN_HEADERS} extension headers")]
    TooManyHeaders,
    /// More octets than [`MAX_CHAIN_OCTETS`].
    #[error("more than {MAX_CHAIN_OCTETS} octets of extension headers")]
    TooLong,
}

crate::names::error_names!(ChainError {
    ChainError::Truncated(_) => "chain_truncated",
    ChainError::HopByHopNotFirst(_) => "hop_by_hop_not_first",
    ChainError::FragmentTwice(_) => "fragment_twice",
    ChainError::TooManyHeaders => "too_many_headers",
    ChainError::TooLong => "chain_too_long",
});

/// Walks from `first`, the next header value of the fixed header, along `payload`, the octets behind
/// it.
///
/// # Errors
///
/// See [`ChainError`].
#[inline]
pub fn walk(first: u8, payload: &[u8]) -> Result<Chain, ChainError> {
    if is_extension(first) {
        return walk_extensions(first, payload);
    }
    Ok(Chain {
        upper: first,
        ..Chain::default()
    })
}

#[inline]
const fn is_extension(header: u8) -> bool {
    matches!(
        header,
        next_header::HOP_BY_HOP
            | next_header::DESTINATION_OPTIONS
            | next_header::ROUTING
            | next_header::FRAGMENT
    )
}

/// The walk proper, out of line: few packets have extension headers.
fn walk_extensions(first: u8, payload: &[u8]) -> Result<Chain, ChainError> {
    let mut chain = Chain {
        upper: first,
        ..Chain::default()
    };
    let mut rest = payload;
    for _ in 0..=MAX_CHAIN_HEADERS {
        if !is_extension(chain.upper) || !chain.has_upper_header() {
            return Ok(chain);
        }
        let at = chain.offset;
        let cut = ChainError::Truncated(at);
        let start @ [next, units, ..] = *rest.first_chunk::<8>().ok_or(cut)?;
        let length = match chain.upper {
            next_header::FRAGMENT => 8,
            _ => (usize::from(units) + 1) * 8,
        };
        let (header, behind) = rest.split_at_checked(length).ok_or(cut)?;
        if at + length > MAX_CHAIN_OCTETS {
            return Err(ChainError::TooLong);
        }
        match chain.upper {
            next_header::HOP_BY_HOP if at > 0 => return Err(ChainError::HopByHopNotFirst(at)),
            next_header::HOP_BY_HOP => chain.hop_by_hop = true,
            next_header::ROUTING => chain.routing = Some(routing(start, at)),
            next_header::FRAGMENT if chain.fragment.is_some() => {
                return Err(ChainError::FragmentTwice(at));
            }
            next_header::FRAGMENT => chain.fragment = Some(fragment(start)),
            _ if chain.encapsulation_limit.is_none() => {
                chain.encapsulation_limit = encapsulation_limit(header, at);
            }
            _ => {}
        }
        chain.upper = next;
        chain.offset = at + length;
        rest = behind;
    }
    Err(ChainError::TooManyHeaders)
}

const fn routing([_, _, kind, segments_left, ..]: [u8; 8], offset: usize) -> Routing {
    Routing {
        kind,
        segments_left,
        offset,
    }
}

const fn fragment([_, _, high, low, a, b, c, d]: [u8; 8]) -> Fragment {
    Fragment {
        offset: u16::from_be_bytes([high, low]) & 0xfff8,
        more: low & 1 != 0,
        identification: u32::from_be_bytes([a, b, c, d]),
    }
}

/// Finds the limit in a destination options header that starts at `at`. Options that are not well
/// formed are for the packet's destination to refuse; they end the search.
fn encapsulation_limit(header: &[u8], at: usize) -> Option<EncapsulationLimit> {
    HeaderOptions::new(header)
        .map_while(Result::ok)
        .find_map(|option| match *option.data {
            [limit] if option.kind == HeaderOption::TUNNEL_ENCAPSULATION_LIMIT => {
                Some(EncapsulationLimit {
                    limit,
                    offset: at + option.offset + 2,
                })
            }
            _ => None,
        })
}

/// A destination options header that holds a Tunnel Encapsulation Limit and padding, for the front
/// of a tunnel packet (RFC 2473 section 5.1).
#[inline]
pub const fn encapsulation_limit_header(next_header: u8, limit: u8) -> [u8; 8] {
    let kind = HeaderOption::TUNNEL_ENCAPSULATION_LIMIT;
    [next_header, 0, kind, 1, limit, 1, 1, 0]
}

/// An option of a hop-by-hop or destination options header that is not padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderOption<'a> {
    /// Option type; its upper bits say what to do when it is not known (RFC 8200 section 4.2).
    pub kind: u8,
    /// Option data.
    pub data: &'a [u8],
    /// Where the option starts, from the start of its header.
    pub offset: usize,
}

impl HeaderOption<'_> {
    /// Type of the Tunnel Encapsulation Limit option.
    pub const TUNNEL_ENCAPSULATION_LIMIT: u8 = 4;
    /// Type of the Router Alert option (RFC 2711).
    pub const ROUTER_ALERT: u8 = 5;
}

/// The options of one hop-by-hop or destination options header, padding left out. An option that
/// runs past the end gives `Err` with its offset and ends the walk.
#[derive(Clone, Debug)]
pub struct HeaderOptions<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> HeaderOptions<'a> {
    /// Walks the options of `header`, which starts at its Next Header octet and has the length that
    /// it says.
    #[inline]
    pub fn new(header: &'a [u8]) -> Self {
        Self {
            rest: header.get(2..).unwrap_or_default(),
            offset: 2,
        }
    }
}

impl<'a> Iterator for HeaderOptions<'a> {
    type Item = Result<HeaderOption<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            let (length, option) = match *self.rest {
                [] => return None,
                [0, ..] => (1, None),
                [kind, length, ref data @ ..] if data.len() >= usize::from(length) => {
                    let data = data.get(..usize::from(length)).unwrap_or_default();
                    let option = HeaderOption { kind, data, offset };
                    (2 + data.len(), Some(option).filter(|_| kind != 1))
                }
                _ => {
                    self.rest = &[];
                    return Some(Err(offset));
                }
            };
            self.rest = self.rest.get(length..).unwrap_or_default();
            self.offset += length;
            if let Some(option) = option {
                return Some(Ok(option));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extension_header() {
        let chain = walk(next_header::TCP, &[]).unwrap();
        assert_eq!((chain.upper, chain.offset), (next_header::TCP, 0));
        assert!(chain.has_upper_header());
    }

    #[test]
    fn every_known_extension_header() {
        #[rustfmt::skip]
        let payload = [
            60, 0, 5, 2, 0, 0, 1, 0,                    // hop-by-hop: router alert
            43, 0, 1, 0, 4, 1, 3, 0,                    // destination: padding, then limit 3
            44, 2, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, // routing type 2
            58, 99, 0, 1, 0xa, 0xb, 0xc, 0xd,           // first fragment
            128, 0,
        ];
        assert_eq!(
            walk(0, &payload),
            Ok(Chain {
                upper: next_header::ICMPV6,
                offset: 48,
                hop_by_hop: true,
                routing: Some(Routing {
                    kind: 2,
                    segments_left: 1,
                    offset: 16
                }),
                fragment: Some(Fragment {
                    offset: 0,
                    more: true,
                    identification: 0x0a0b_0c0d
                }),
                encapsulation_limit: Some(EncapsulationLimit {
                    limit: 3,
                    offset: 14
                }),
            })
        );
    }

    #[test]
    fn a_later_fragment_has_no_header() {
        let payload = [60, 0, 0x12, 0x38, 0, 0, 0, 1, 0xff, 0xff];
        let chain = walk(next_header::FRAGMENT, &payload).unwrap();
        assert!(!chain.has_upper_header());
        assert_eq!(chain.offset, 8);
        assert_eq!(chain.fragment.map(|fragment| fragment.offset), Some(0x1238));
    }

    #[test]
    fn each_bad_chain_has_its_named_error() {
        let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let cases: [(&str, u8, Vec<u8>); 7] = [
            ("chain_truncated", 60, vec![]),
            ("chain_truncated", 60, options(6)[..7].to_vec()),
            ("chain_truncated", 60, vec![6, 1, 1, 4, 0, 0, 0, 0]),
            (
                "hop_by_hop_not_first",
                60,
                [options(0), options(6)].concat(),
            ),
            (
                "fragment_twice",
                44,
                [[44, 0, 0, 1, 0, 0, 0, 0], options(6)].concat(),
            ),
            (
                "too_many_headers",
                60,
                [[60, 0, 0, 0, 0, 0, 0, 0]; 9].concat(),
            ),
            ("chain_too_long", 60, [&[6, 64][..], &[0; 518]].concat()),
        ];
        for (name, first, payload) in &cases {
            assert_eq!(walk(*first, payload).unwrap_err().name(), *name);
        }
        for name in ChainError::all_names() {
            assert!(cases.iter().any(|case| case.0 == *name), "{name} untested");
        }
        let eight = [[60, 0, 0, 0, 0, 0, 0, 0]; 7].concat();
        let eight = [&eight[..], &options(6)].concat();
        assert_eq!(walk(60, &eight).map(|chain| chain.offset), Ok(64));
    }

    #[test]
    fn a_limit_header_is_found_again() {
        let header = encapsulation_limit_header(next_header::IPV6, 4);
        let chain = walk(next_header::DESTINATION_OPTIONS, &header).unwrap();
        assert_eq!(chain.upper, next_header::IPV6);
        assert_eq!(
            chain.encapsulation_limit,
            Some(EncapsulationLimit {
                limit: 4,
                offset: 4
            })
        );
    }

    #[test]
    fn an_option_past_the_end_is_told() {
        let mut options = HeaderOptions::new(&[6, 0, 0, 5, 1, 7, 9, 9]);
        let alert = HeaderOption {
            kind: 5,
            data: &[7],
            offset: 3,
        };
        assert_eq!(options.next(), Some(Ok(alert)));
        assert_eq!(options.next(), Some(Err(6)));
        assert_eq!(options.next(), None);
    }
}
