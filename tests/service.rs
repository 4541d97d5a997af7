//! `anchord` as a service of systemd: what it tells its manager, and how much of the machine its unit
//! can reach.

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The longest that a manager waits for one word. A gateway that is asked to end says so at once; the
/// limit only keeps a broken one from hanging the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway over two ports that receive nothing.
fn configuration(directory: &Path) -> String {
    let place = |name: &str| directory.join(name).display().to_string();
    let text = fs::read_to_string(format!("{ROOT}/conf/lma.toml")).expect("the example");
    let text = text
        .replace("/run/anchorage/lma.sock", &place("lma.sock"))
        .replace(
            "[store]",
            &format!("[store]\npath = \"{}\"", place("state/lma.redb")),
        )
        .replace("net_af_packet0,iface=core0", "net_null0,no-rx=1")
        .replace("net_af_packet1,iface=inet0", "net_null1,no-rx=1")
        .replace("memory = 256", "memory = 64\nhugepages = \"never\"");
    let policy = fs::read_to_string(format!("{ROOT}/conf/lma-policy.toml")).expect("the example");
    fs::write(place("lma-policy.toml"), policy).expect("a file");
    fs::write(place("lma.toml"), text).expect("a file");
    place("lma.toml")
}

/// Ends a gateway that a failed test leaves behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the manager hears next, signs of life apart when they are not waited for.
fn heard(manager: &UnixDatagram, life: bool) -> String {
    loop {
        let mut word = [0; 512];
        let length = manager.recv(&mut word).expect("the gateway says something");
        let word = String::from_utf8_lossy(&word[..length]).into_owned();
        if life || word != "WATCHDOG=1\n" {
            return word;
        }
    }
}

#[test]
fn a_manager_hears_all_of_a_gateways_life() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let config = configuration(directory.path());
    let child = Command::new(env!("CARGO_BIN_EXE_anchord"))
        .args(["--config", &config])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .env_remove("WATCHDOG_PID")
        .stderr(Stdio::inherit())
        .spawn();
    let mut running = Running(child.expect("anchord starts"));
    let send = |running: &Running, signal| {
        let pid = i32::try_from(running.0.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    };

    let ready = heard(&manager, true);
    assert_eq!(ready, "READY=1\nSTATUS=lma 2001:db8:c::1 forwards\n");
    // An idle gateway has nothing else to wake up for, and still gives signs of life.
    for _ in 0..3 {
        assert_eq!(heard(&manager, true), "WATCHDOG=1\n");
    }

    send(&running, Signal::SIGHUP);
    let reloading = heard(&manager, false);
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(heard(&manager, false), ready);

    send(&running, Signal::SIGTERM);
    assert!(heard(&manager, false).starts_with("STOPPING=1\n"));
    assert!(running.0.wait().expect("it ends").success());
}

#[test]
fn the_unit_reaches_little_of_the_machine() {
    let unit = format!("{ROOT}/conf/anchord@.service");
    // 4.9 is the most that systemd calls OK.
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=49", &unit])
        .output();
    let Ok(judged) = judged else {
        // A machine without systemd runs no unit either.
        println!("not judged: systemd-analyze is not installed");
        return;
    };
    let table = String::from_utf8_lossy(&judged.stdout);
    let errors = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{table}{errors}");
    assert!(table.contains("OK"), "{table}");
    assert!(
        errors.is_empty(),
        "not all of the unit is understood: {errors}"
    );
}
