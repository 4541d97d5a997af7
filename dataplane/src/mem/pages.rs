//! What memory really lies on, as the kernel tells.
//!
//! Advice is no promise: a mapping that asked for huge pages may have none, because they are switched
//! off or memory is in pieces. `/proc/self/smaps` knows.

use std::ops::Range;

/// Octets by the size of page that they lie on. What was never written lies on none, unless it is
/// hugetlb memory, which is set aside when it is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Pages {
    /// On 2 MB pages that the machine reserved (hugetlb).
    pub hugetlb: u64,
    /// On 2 MB pages that the kernel put together (transparent huge pages).
    pub transparent: u64,
    /// On 4 KB pages.
    pub small: u64,
}

impl Pages {
    /// Of the mappings that `ranges` lie in, each once, for the kernel joins neighbours; zeros where it
    /// does not say.
    pub(crate) fn of(ranges: &[Range<usize>]) -> Self {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        Self::read(&text, ranges)
    }

    fn read(smaps: &str, ranges: &[Range<usize>]) -> Self {
        let mut pages = Self::default();
        let (mut within, mut size, mut page) = (false, 0, 0);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), value) = (words.next(), words.next()) else {
                continue;
            };
            let Some(name) = name.strip_suffix(':') else {
                let ends = name.split_once('-').unwrap_or_default();
                let [first, end] =
                    [ends.0, ends.1].map(|end| usize::from_str_radix(end, 16).unwrap_or(0));
                within = ranges.iter().any(|r| r.start < end && first < r.end);
                continue;
            };
            let octets = value.and_then(|value| value.parse::<u64>().ok());
            let Some(octets) = octets.filter(|_| within).map(|kb| kb << 10) else {
                continue;
            };
            match name {
                "Size" => size = octets,
                "KernelPageSize" => {
                    page = octets;
                    if page > super::SMALL_PAGE as u64 {
                        pages.hugetlb += size;
                    }
                }
                "Rss" if page == super::SMALL_PAGE as u64 => pages.small += octets,
                "AnonHugePages" => {
                    pages.transparent += octets;
                    pages.small = pages.small.saturating_sub(octets);
                }
                _ => {}
            }
        }
        pages
    }
}

impl std::ops::AddAssign for Pages {
    fn add_assign(&mut self, other: Self) {
        self.hugetlb += other.hugetlb;
        self.transparent += other.transparent;
        self.small += other.small;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f0000000000-7f0000800000 rw-p 00000000 00:00 0
Size:               8192 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                5000 kB
AnonHugePages:      4096 kB
VmFlags: rd wr mr mw me ac sd hg
7f0000800000-7f0000c00000 rw-p 00000000 00:0f 4242   /anon_hugepage (deleted)
Size:               4096 kB
KernelPageSize:     2048 kB
MMUPageSize:        2048 kB
Rss:                   0 kB
AnonHugePages:         0 kB
7f0001000000-7f0001001000 rw-p 00000000 00:00 0
Size:                  4 kB
KernelPageSize:        4 kB
Rss:                   4 kB
";

    #[test]
    fn every_kind_of_page_is_told_apart() {
        let of =
            |first: usize, last: usize| Pages::read(SMAPS, std::slice::from_ref(&(first..last)));
        let transparent = Pages {
            transparent: 4096 << 10,
            small: (5000 - 4096) << 10,
            ..Pages::default()
        };
        assert_eq!(of(0x7f00_0000_0000, 0x7f00_0080_0000), transparent);
        let hugetlb = Pages {
            hugetlb: 4096 << 10,
            ..Pages::default()
        };
        assert_eq!(of(0x7f00_0080_0000, 0x7f00_00c0_0000), hugetlb);
        let small = Pages {
            small: 4096,
            ..Pages::default()
        };
        assert_eq!(of(0x7f00_0100_0000, 0x7f00_0100_1000), small);
        assert_eq!(of(0, 0x1000), Pages::default());
        assert_eq!(of(0x7f00_0000_1000, 0x7f00_0000_2000), transparent);
        let mut sum = transparent;
        sum += hugetlb;
        sum += small;
        assert_eq!(of(0, usize::MAX), sum);
    }
}
