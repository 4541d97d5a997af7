//! How much memory of 2 MB pages is free, as the kernel says.
//!
//! Mounts do not matter: with `--in-memory` DPDK maps anonymous huge pages and needs no hugetlbfs.

use std::path::Path;

/// Size of the pages counted, in MB.
pub(crate) const PAGE_MB: u32 = 2;

/// Free memory in 2 MB pages, in MB; 0 when the kernel has none or does not say.
pub(crate) fn free_mb() -> u32 {
    free_mb_under(Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB"))
}

/// Pages that are free, less those already promised to mappings that have not touched them.
fn free_mb_under(directory: &Path) -> u32 {
    let count = |file: &str| -> u32 {
        std::fs::read_to_string(directory.join(file))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    };
    count("free_hugepages")
        .saturating_sub(count("resv_hugepages"))
        .saturating_mul(PAGE_MB)
}

#[cfg(test)]
mod tests {
    use super::free_mb_under;

    #[test]
    fn reserved_pages_are_not_free() {
        let directory = tempfile::tempdir().expect("temporary directory");
        std::fs::write(directory.path().join("free_hugepages"), "100\n").expect("write");
        assert_eq!(free_mb_under(directory.path()), 200);
        std::fs::write(directory.path().join("resv_hugepages"), "40\n").expect("write");
        assert_eq!(free_mb_under(directory.path()), 120);
        assert_eq!(free_mb_under(&directory.path().join("absent")), 0);
    }
}
