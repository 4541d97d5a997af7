//! Stamps what `anchord --version` prints, and refuses a machine without a libdpdk that fits.

#[path = "ffi/dpdk-sys/supported.rs"]
mod supported;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=ffi/dpdk-sys/supported.rs");
    match supported::libdpdk(false) {
        Ok(library) => {
            println!(
                "cargo:rustc-env=ANCHORAGE_VERSION={}",
                env!("CARGO_PKG_VERSION")
            );
            println!("cargo:rustc-env=ANCHORAGE_DPDK_VERSION={}", library.version);
        }
        Err(sentence) => {
            eprintln!("error: {sentence}");
            std::process::exit(1);
        }
    }
}
