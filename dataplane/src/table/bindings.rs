//! The part of the binding table that workers read.

use super::forwarding;
use super::hash::Seed;
use super::index::{Index, Place};
use crate::key::{BindingId, BindingKey, Domain, Forwarding};
use crate::mem::{self, Populate, Slab, Storage};
use crate::sync::{AtomicU64, Ordering};
use arrayvec::ArrayVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most probes that are looked up in one go; a longer slice is taken in pieces.
pub const BATCH: usize = 64;

/// An address to look up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Routing domain.
    pub domain: Domain,
    /// The address; a binding matches when it covers it.
    pub address: IpAddr,
}

/// The longest binding that covers an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Which binding: its counters stand at this index.
    pub id: BindingId,
    /// What it makes of the packet, as it was at one instant.
    pub forwarding: Forwarding,
}

/// A key as it stands in an entry: the address in network order, as it stands in a packet. An IPv4
/// prefix stands in the first four octets of `high`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Key {
    high: u64,
    low: u64,
    /// Family (0: IPv6, 1: IPv4), prefix length and domain.
    meta: u64,
}

const IPV4: u64 = 1 << 24;

/// What makes keys of one prefix length: computed once for all addresses.
#[derive(Clone, Copy)]
struct Cut {
    high: u64,
    low: u64,
    length: u64,
}

impl Cut {
    /// To `length` bits, which is not above the family's.
    #[inline(always)]
    fn to(length: u32) -> Self {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Self {
            high: ((mask >> 64) as u64).swap_bytes(),
            low: (mask as u64).swap_bytes(),
            length: u64::from(length) << 16,
        }
    }

    #[inline(always)]
    fn key(&self, domain: Domain, address: IpAddr) -> Key {
        match address {
            IpAddr::V6(v6) => {
                let bits = u128::from_le_bytes(v6.octets());
                Key {
                    high: bits as u64 & self.high,
                    low: (bits >> 64) as u64 & self.low,
                    meta: self.length | u64::from(domain.0),
                }
            }
            IpAddr::V4(v4) => Key {
                high: (u64::from(v4.to_bits()) << 32).swap_bytes() & self.high,
                low: 0,
                meta: IPV4 | self.length | u64::from(domain.0),
            },
        }
    }
}

/// No record.
const NONE: u32 = u32::MAX;

/// A probe on its way through the passes of a lookup.
struct Asked {
    /// Which probe.
    at: u32,
    /// The record that is likely the one, or [`NONE`].
    candidate: u32,
    place: Place,
    key: Key,
}

impl Key {
    pub(super) fn is_ipv4(self) -> bool {
        self.meta & IPV4 != 0
    }

    pub(super) fn length(self) -> u32 {
        (self.meta >> 16 & 0xff) as u32
    }

    #[inline(always)]
    pub(super) fn hash(self, seed: &Seed) -> u64 {
        seed.hash(self.high, self.low, self.meta)
    }
}

impl From<BindingKey> for Key {
    /// A length above the family's counts as full; bits past the length count as zero.
    fn from(key: BindingKey) -> Self {
        let whole = if key.prefix.is_ipv4() { 32 } else { 128 };
        Cut::to(u32::from(key.length).min(whole)).key(key.domain, key.prefix)
    }
}

impl From<Key> for BindingKey {
    fn from(key: Key) -> Self {
        let prefix = if key.is_ipv4() {
            IpAddr::V4(Ipv4Addr::from_bits((key.high.swap_bytes() >> 32) as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(
                u128::from(key.high.swap_bytes()) << 64 | u128::from(key.low.swap_bytes()),
            ))
        };
        Self {
            domain: Domain(key.meta as u16),
            prefix,
            length: key.length() as u8,
        }
    }
}

/// A binding. Its key is written while no worker can reach it.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(32)))]
pub(super) struct Entry {
    high: AtomicU64,
    low: AtomicU64,
    meta: AtomicU64,
    pub(super) forwarding: AtomicU64,
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Entry {}

impl Entry {
    pub(super) fn fill(&self, key: Key, forwarding: Forwarding) {
        self.high.store(key.high, Ordering::Relaxed);
        self.low.store(key.low, Ordering::Relaxed);
        self.meta.store(key.meta, Ordering::Relaxed);
        self.forward(forwarding);
    }

    /// Release: a worker that sees the word sees the tunnel and adjacency that it names.
    pub(super) fn forward(&self, forwarding: Forwarding) {
        self.forwarding
            .store(forwarding::pack(forwarding), Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn forwarding(&self) -> Forwarding {
        forwarding::unpack(self.forwarding.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn key(&self) -> Key {
        Key {
            high: self.high.load(Ordering::Relaxed),
            low: self.low.load(Ordering::Relaxed),
            meta: self.meta.load(Ordering::Relaxed),
        }
    }
}

/// Which prefix lengths occur, as bits, so that a lookup tries no other. A length is there before
/// its first binding and until after its last.
#[derive(Default)]
pub(super) struct Lengths {
    /// 0 to 63, 64 to 127, 128.
    ipv6: [AtomicU64; 3],
    ipv4: AtomicU64,
}

impl Lengths {
    fn word(&self, ipv4: bool, length: u32) -> &AtomicU64 {
        let [short, middle, full] = &self.ipv6;
        match (ipv4, length) {
            (true, _) => &self.ipv4,
            (false, 0..64) => short,
            (false, 64..128) => middle,
            (false, _) => full,
        }
    }

    /// Writer: says that `length` occurs.
    pub(super) fn set(&self, ipv4: bool, length: u32) {
        let word = self.word(ipv4, length);
        word.store(
            word.load(Ordering::Relaxed) | 1 << (length % 64),
            Ordering::Release,
        );
    }

    /// Writer: says that `length` occurs no more.
    pub(super) fn clear(&self, ipv4: bool, length: u32) {
        let word = self.word(ipv4, length);
        word.store(
            word.load(Ordering::Relaxed) & !(1 << (length % 64)),
            Ordering::Release,
        );
    }

    /// Those of a family that are in use, longest first.
    #[inline(always)]
    fn in_use(&self, ipv4: bool) -> impl Iterator<Item = u32> {
        let mut words = if ipv4 {
            [self.ipv4.load(Ordering::Acquire), 0, 0]
        } else {
            self.ipv6
                .each_ref()
                .map(|word| word.load(Ordering::Acquire))
        };
        std::iter::from_fn(move || {
            let (at, word) = words
                .iter_mut()
                .enumerate()
                .rev()
                .find(|(_, word)| **word != 0)?;
            let bit = 63 - word.leading_zeros();
            *word &= !(1 << bit);
            Some(at as u32 * 64 + bit)
        })
    }
}

/// The table, as workers see it.
pub struct Bindings {
    pub(super) index: Index,
    pub(super) entries: Slab<Entry>,
    pub(super) lengths: Lengths,
}

impl Bindings {
    pub(super) fn new(
        buckets: usize,
        entries: usize,
        seed: Seed,
        storage: Storage,
    ) -> Result<Self, mem::Error> {
        Ok(Self {
            index: Index::new(buckets, seed, storage)?,
            entries: Slab::new(entries, storage, Populate::OnWrite)?,
            lengths: Lengths::default(),
        })
    }

    /// Number of entries, spare ones included: every [`BindingId`] is below it.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How much memory the index and the entries take, and where.
    pub(crate) fn extents(&self) -> [mem::Extent; 2] {
        [self.index.extent(), self.entries.extent()]
    }

    /// How often records were displaced so far, to make room for others.
    pub fn displacements(&self) -> u64 {
        self.index.changes()
    }

    /// Finds for every probe the longest binding that covers it. `reached` is called with the index
    /// of an entry when it is likely to be found, early enough to prefetch what goes with it, and
    /// `leads` with what the binding makes of the packet, once it is known.
    ///
    /// `found` is overwritten as far as `probes` goes; of slices of different length, the shorter
    /// counts. The caller is online (see [`crate::qsbr`]) and uses what it found only until it is
    /// quiescent.
    #[inline]
    pub fn lookup(
        &self,
        probes: &[Probe],
        found: &mut [Option<Found>],
        mut reached: impl FnMut(u32),
        mut leads: impl FnMut(Forwarding),
    ) {
        for (probes, found) in probes.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            self.lookup_batch(probes, found, &mut reached, &mut leads);
        }
    }

    #[inline]
    fn lookup_batch(
        &self,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: &mut impl FnMut(u32),
        leads: &mut impl FnMut(Forwarding),
    ) {
        let (mut all, mut ipv4) = (0u64, 0u64);
        for (at, (probe, found)) in probes.iter().zip(found.iter_mut()).enumerate() {
            *found = None;
            all |= 1 << at;
            ipv4 |= u64::from(probe.address.is_ipv4()) << at;
        }
        for (is_ipv4, mut pending) in [(false, all & !ipv4), (true, ipv4)] {
            if pending == 0 {
                continue;
            }
            for length in self.lengths.in_use(is_ipv4) {
                pending = self.lookup_length(probes, found, length, pending, reached, leads);
                if pending == 0 {
                    break;
                }
            }
        }
    }

    /// Looks for bindings of one length for the probes whose bit is set in `pending`; returns it
    /// without those that were found.
    ///
    /// In passes, so that the cache misses of all probes overlap: hash all and ask for their first
    /// buckets; scan these and ask for the entries, or for the second buckets, which few are in; scan
    /// those; compare.
    #[inline]
    fn lookup_length(
        &self,
        probes: &[Probe],
        found: &mut [Option<Found>],
        length: u32,
        mut pending: u64,
        reached: &mut impl FnMut(u32),
        leads: &mut impl FnMut(Forwarding),
    ) -> u64 {
        let cut = Cut::to(length);
        let mut asked = ArrayVec::<Asked, BATCH>::new();
        for (at, probe) in probes.iter().enumerate() {
            if pending & 1 << at != 0 {
                let key = cut.key(probe.domain, probe.address);
                let place = self.place(&key);
                self.index.prefetch(&place);
                // There are no more probes than places, BATCH.
                asked.push(Asked {
                    at: at as u32,
                    candidate: NONE,
                    place,
                    key,
                });
            }
        }

        let changes = self.index.changes();
        let mut second = 0u64;
        for (bit, asked) in asked.iter_mut().enumerate() {
            match self.index.candidate(&asked.place) {
                Some(record) => {
                    asked.candidate = record;
                    self.reach(record, reached);
                }
                None => {
                    self.index.prefetch_second(&asked.place);
                    second |= 1 << bit;
                }
            }
        }
        while let Some(asked) = asked.get_mut(second.trailing_zeros() as usize) {
            second &= second - 1;
            if let Some(record) = self.index.second_candidate(&asked.place) {
                asked.candidate = record;
                self.reach(record, reached);
            }
        }
        let steady = self.index.changes() == changes;

        for asked in &asked {
            if asked.candidate == NONE && steady {
                continue;
            }
            let Some(found) = found.get_mut(asked.at as usize) else {
                continue;
            };
            // Written in place, word by word: a copy of the whole would wait for its parts.
            match self.entries.get(asked.candidate as usize) {
                Some(entry) if entry.key() == asked.key => {
                    let forwarding = entry.forwarding();
                    leads(forwarding);
                    *found = Some(Found {
                        id: BindingId(asked.candidate),
                        forwarding,
                    });
                }
                _ => *found = self.find(&asked.key, &asked.place),
            }
            pending &= !(u64::from(found.is_some()) << asked.at);
        }
        pending
    }

    /// Where a key may stand.
    #[inline(always)]
    pub(super) fn place(&self, key: &Key) -> Place {
        self.index.place(key.hash(self.index.seed()))
    }

    /// Asks for what goes with a record.
    #[inline(always)]
    pub(super) fn reach(&self, record: u32, reached: &mut impl FnMut(u32)) {
        if let Some(entry) = self.entries.get(record as usize) {
            mem::prefetch(entry);
        }
        reached(record);
    }

    /// The thorough way: for the rare tag that fits by chance, and for a miss during a displacement.
    #[cold]
    fn find(&self, key: &Key, place: &Place) -> Option<Found> {
        let is = |record: u32| {
            self.entries
                .get(record as usize)
                .is_some_and(|e| e.key() == *key)
        };
        let record = self.index.find(place, is)?;
        let forwarding = self.entries.get(record as usize)?.forwarding();
        Some(Found {
            id: BindingId(record),
            forwarding,
        })
    }

    /// The binding of exactly this key.
    pub fn get(&self, key: BindingKey) -> Option<Found> {
        let key = Key::from(key);
        self.find(&key, &self.place(&key))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_is_cut_to_its_length() {
        for (prefix, length, cut, bits) in [
            ("2001:db8:1:2::", 64, "2001:db8:1:2::", 64),
            ("2001:db8::1", 128, "2001:db8::1", 128),
            ("2001:db8::1", 200, "2001:db8::1", 128),
            ("2001:db8:ffff::1", 33, "2001:db8:8000::", 33),
            ("2001:db8::1", 0, "::", 0),
            ("192.0.2.129", 25, "192.0.2.128", 25),
            ("192.0.2.129", 32, "192.0.2.129", 32),
            ("192.0.2.129", 128, "192.0.2.129", 32),
            ("192.0.2.129", 0, "0.0.0.0", 0),
        ] {
            let key = |prefix: &str, length| BindingKey {
                domain: Domain(0xfffe),
                prefix: prefix.parse().unwrap(),
                length,
            };
            assert_eq!(
                BindingKey::from(Key::from(key(prefix, length))),
                key(cut, bits)
            );
        }
    }

    #[test]
    fn lengths_come_longest_first_and_by_family() {
        let lengths = Lengths::default();
        for length in [0, 63, 64, 127, 128] {
            lengths.set(false, length);
        }
        for length in [0, 24, 32] {
            lengths.set(true, length);
        }
        lengths.clear(false, 127);
        assert_eq!(lengths.in_use(false).collect::<Vec<_>>(), [128, 64, 63, 0]);
        assert_eq!(lengths.in_use(true).collect::<Vec<_>>(), [32, 24, 0]);
    }
}
