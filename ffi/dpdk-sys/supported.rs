//! Which libdpdk Anchorage builds against, and the sentence for a machine that has none.
//!
//! The build script of this crate and that of the root package both include this file: either may
//! run first, and whichever does must say the same thing.

/// The oldest release with the interfaces that the bindings name. There is no newest: what a later
/// release renames shows as a compile error in `ffi/dpdk`, never as a wrong packet.
const OLDEST: &str = "22.11";

/// Looks for libdpdk in the supported range. With `link`, tells cargo to link it.
///
/// The error is one sentence that ends in the next step.
pub fn libdpdk(link: bool) -> Result<pkg_config::Library, String> {
    let probe = |range: bool| {
        let mut config = pkg_config::Config::new();
        config.cargo_metadata(link && range).env_metadata(true);
        if range {
            config.atleast_version(OLDEST);
        }
        config.probe("libdpdk")
    };
    probe(true).map_err(|_| match probe(false) {
        Ok(found) => format!(
            "libdpdk {} is older than {OLDEST}, the oldest that Anchorage supports: run \
             `scripts/setup`, or put a newer libdpdk.pc on PKG_CONFIG_PATH",
            found.version
        ),
        Err(_) => format!(
            "libdpdk {OLDEST} or newer was not found by pkg-config: run `scripts/setup`, or put \
             the directory of libdpdk.pc on PKG_CONFIG_PATH"
        ),
    })
}
