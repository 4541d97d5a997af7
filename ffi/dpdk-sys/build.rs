//! Binds the installed libdpdk: link lines, Rust declarations, and the shim for static inlines.

use std::path::PathBuf;
use std::process::{exit, Command};

#[path = "supported.rs"]
mod supported;

/// Functions that `ffi/dpdk` calls. Everything else in DPDK stays out of the bindings.
const FUNCTIONS: &[&str] = &[
    "rte_dev_(probe|remove)",
    "rte_eal_(alarm_set|cleanup|get_runtime_dir|init)",
    "rte_eth_allmulticast_enable",
    "rte_eth_promiscuous_(enable|get)",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_(close|configure|get_mtu|get_port_by_name|info_get|set_mtu|socket_id|start|stop)",
    "rte_eth_dev_(default_mac_addr_set|rss_hash_conf_get)",
    "rte_eth_get_monitor_addr",
    "rte_eth_link_get_nowait",
    "rte_eth_macaddr_get",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_stats_get",
    "rte_get_tsc_hz",
    "rte_hash_(add_key_data|create|del_key|free|free_key_with_position|lookup_bulk_data)",
    "rte_ip_frag_table_(create|destroy)",
    "rte_log_set_global_level",
    "rte_mempool_(avail_count|free)",
    "rte_pktmbuf_(free_bulk|pool_create)",
    "rte_power_monitor",
    "rte_power_monitor_multi",
    "rte_cpu_get_intrinsics_support",
    "rte_thread_(register|unregister)",
    "rte_version",
    "shim_.*",
];

/// Constants, DPDK's own and those that `wrapper.h` computes.
const CONSTANTS: &[&str] = &[
    "RTE_ETH_NAME_MAX_LEN",
    "RTE_HASH_(EXTRA_FLAGS_RW_CONCURRENCY_LF|LOOKUP_BULK_MAX)",
    "RTE_LOG_(ERR|WARNING|INFO|DEBUG)",
    "RTE_PKTMBUF_HEADROOM",
    "SHIM_.*",
];

fn main() {
    for file in ["build.rs", "supported.rs", "wrapper.h", "shim.h", "shim.c"] {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LIBCLANG_PATH");

    let library = supported::libdpdk(true).unwrap_or_else(|sentence| fail(&sentence));
    println!("cargo:version={}", library.version);
    let cflags = cflags();

    let mut shim = cc::Build::new();
    shim.file("shim.c").warnings(true).opt_level(3);
    for flag in &cflags {
        shim.flag(flag);
    }
    shim.compile("dpdk_shim");

    choose_libclang();
    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(&cflags)
        .generate_comments(false)
        .derive_default(true)
        .prepend_enum_name(false)
        // Passed on by pointer, or reached by the offsets in wrapper.h.
        .opaque_type("rte_mempool|rte_mbuf|rte_device|rte_hash")
        .use_core();
    for pattern in FUNCTIONS {
        builder = builder.allowlist_function(pattern);
    }
    for pattern in CONSTANTS {
        builder = builder.allowlist_var(pattern);
    }
    let bindings = builder.generate().unwrap_or_else(|error| {
        fail(&format!(
            "the headers of libdpdk {} could not be read ({error}): install libclang with \
             `scripts/setup`, or set LIBCLANG_PATH to its directory",
            library.version
        ))
    });
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
    if let Err(error) = bindings.write_to_file(&out) {
        fail(&format!("cannot write {}: {error}", out.display()));
    }
}

/// The compiler flags of libdpdk, word for word: `-march` and `-include rte_config.h` decide the
/// layout of structures, and the pkg_config crate drops both.
fn cflags() -> Vec<String> {
    let tool = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    match Command::new(&tool).args(["--cflags", "libdpdk"]).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        Ok(output) => fail(&format!(
            "`{tool} --cflags libdpdk` failed ({}): run `scripts/setup`",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => fail(&format!("cannot run {tool} ({error}): run `scripts/setup`")),
    }
}

/// Points bindgen at the libclang whose headers are installed. Left alone it may find a newer
/// library beside older intrinsics headers, and then `__m128i` does not parse.
fn choose_libclang() {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return;
    }
    let Ok(output) = Command::new("llvm-config").arg("--libdir").output() else {
        return;
    };
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let holds_it = std::fs::read_dir(&directory).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libclang"))
        })
    });
    if output.status.success() && holds_it {
        std::env::set_var("LIBCLANG_PATH", directory);
    }
}

/// Ends the build with one sentence instead of a panic's backtrace.
fn fail(sentence: &str) -> ! {
    println!("cargo:warning={sentence}");
    eprintln!("error: {sentence}");
    exit(1)
}
