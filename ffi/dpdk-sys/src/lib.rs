//! Raw declarations of the libdpdk that is installed, made by bindgen at build time.
//!
//! Two parts: what the allowlist in `build.rs` takes from DPDK's headers, and the functions named
//! `shim_*`, which `shim.c` compiles out of DPDK's static inlines. Nothing here is safe or
//! documented beyond DPDK's own reference; `ffi/dpdk` owns and checks all of it, and is the only
//! crate that should depend on this one.

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
