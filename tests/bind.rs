//! `scripts/bind` against a machine that is made of files: PCI devices, drivers and interfaces as sysfs
//! shows them, with a thread for each of the files by which the kernel takes orders.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What ends a thread of the kernel's.
const END: &str = "end";

const NETWORK: &str = "0x020000";

/// A machine in a directory. Its kernel has the drivers `e1000e` and `mlx5_core`, and vfio-pci once it
/// is loaded.
struct Machine {
    directory: tempfile::TempDir,
    kernel: Vec<(PathBuf, JoinHandle<()>)>,
    orders: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for path in [
            "sys/bus/pci/devices",
            "sys/bus/pci/drivers",
            "sys/class/net",
            "sys/kernel/iommu_groups",
            "sys/module/vfio/parameters",
            "proc/net",
            "bin",
        ] {
            fs::create_dir_all(root.join(path)).expect("a directory");
        }
        let mut machine = Self {
            directory,
            kernel: Vec::new(),
            orders: Arc::default(),
        };
        machine.write(
            "sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
            "N\n",
        );
        machine.program("ip", "echo '[]'");
        machine.program("modprobe", "touch \"$(dirname \"$0\")/loaded-$1\"");
        machine.serve("sys/bus/pci/drivers_probe", probe);
        for driver in ["e1000e", "mlx5_core", "vfio-pci"] {
            machine.driver(driver);
        }
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("a file")
    }

    /// A program that the script finds in place of the machine's own.
    fn program(&self, name: &str, body: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/bin/sh\n{body}\n"));
        let done = Command::new("chmod")
            .arg("+x")
            .arg(self.path(&path))
            .status();
        assert!(done.expect("chmod runs").success());
    }

    /// Makes `ip` know this default route and these addresses.
    fn network(&self, default_over: &str, addresses: &[(&str, &str)]) {
        let addresses: Vec<String> = addresses
            .iter()
            .map(|(interface, address)| {
                format!(
                    r#"{{"ifname":"{interface}","flags":[],"addr_info":[{{"local":"{address}"}}]}}"#
                )
            })
            .collect();
        let body = format!(
            "case \"$*\" in\n*-6*) echo '[]' ;;\n*route*) echo '[{{\"dst\":\"default\",\"dev\":\"{default_over}\"}}]' ;;\n\
             *) echo '[{}]' ;;\nesac",
            addresses.join(",")
        );
        self.program("ip", &body);
    }

    /// A file that the kernel takes orders by, one a line.
    fn serve(&mut self, path: &str, act: fn(&Path, &Path, &str)) {
        let fifo = self.path(path);
        let made = Command::new("mkfifo").arg(&fifo).status();
        assert!(made.expect("mkfifo runs").success());
        // Open both ways, it never ends and opening it never waits.
        let file = fs::File::options().read(true).write(true).open(&fifo);
        let mut file = file.expect("a pipe");
        let (root, place) = (self.directory.path().to_owned(), fifo.clone());
        let orders = Arc::clone(&self.orders);
        let thread = thread::spawn(move || loop {
            let mut text = [0; 64];
            let length = file.read(&mut text).expect("an order");
            let text = String::from_utf8_lossy(&text[..length]).trim().to_owned();
            if text == END {
                return;
            }
            let name = place.strip_prefix(&root).expect("below the root");
            let order = format!("{} {text}", name.display());
            orders.lock().expect("whole").push(order);
            act(&root, &place, &text);
        });
        self.kernel.push((fifo, thread));
    }

    fn driver(&mut self, name: &str) {
        let path = format!("sys/bus/pci/drivers/{name}");
        fs::create_dir(self.path(&path)).expect("a directory");
        self.serve(&format!("{path}/unbind"), unbind);
    }

    /// A device that the kernel drives by `natural`, under the name `interface`.
    fn device(
        &self,
        address: &str,
        class: &str,
        natural: &str,
        interface: &str,
        group: Option<u32>,
    ) {
        let path = format!("sys/bus/pci/devices/{address}");
        fs::create_dir(self.path(&path)).expect("a directory");
        self.write(&format!("{path}/class"), &format!("{class}\n"));
        self.write(&format!("{path}/numa_node"), "0\n");
        self.write(&format!("{path}/driver_override"), "(null)\n");
        self.write(&format!("{path}/natural"), natural);
        self.write(&format!("{path}/interface"), interface);
        if let Some(group) = group {
            let group = format!("sys/kernel/iommu_groups/{group}");
            let devices = self.path(&group).join("devices");
            fs::create_dir_all(&devices).expect("a directory");
            symlink(self.path(&path), devices.join(address)).expect("a link");
            symlink(self.path(&group), self.path(&path).join("iommu_group")).expect("a link");
        }
        give(self.directory.path(), address, natural);
    }

    /// The driver that a device has now.
    fn driver_of(&self, address: &str) -> Option<String> {
        let link = self.path(&format!("sys/bus/pci/devices/{address}/driver"));
        let driver = fs::read_link(link).ok()?;
        Some(driver.file_name()?.to_string_lossy().into_owned())
    }

    fn bind(&self, words: &[&str]) -> Output {
        let path = std::env::var("PATH").expect("a PATH");
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bind"))
            .args(words)
            .env("ANCHORAGE_BIND_ROOT", self.directory.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env_remove("SSH_CONNECTION")
            .output()
            .expect("python3 runs")
    }

    /// Runs the script, which must succeed; what it printed.
    fn done(&self, words: &[&str]) -> String {
        let output = self.bind(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &errors
    }

    /// Runs the script, which must refuse; what it said.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.bind(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Orders that the kernel was given.
    fn orders(&self) -> usize {
        self.orders.lock().expect("whole").len()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for (fifo, thread) in self.kernel.drain(..) {
            let file = fs::File::options().write(true).open(fifo);
            let asked = file.and_then(|mut file| file.write_all(END.as_bytes()));
            if asked.is_ok() {
                let _ = thread.join();
            }
        }
    }
}

/// `drivers_probe`: the override's driver, or else the natural one, takes the device.
fn probe(root: &Path, _file: &Path, address: &str) {
    let device = root.join("sys/bus/pci/devices").join(address);
    let text = |name: &str| fs::read_to_string(device.join(name)).expect("a file");
    let wanted = text("driver_override").trim().to_owned();
    let driver = match wanted.as_str() {
        "" | "(null)" => text("natural"),
        wanted => wanted.to_owned(),
    };
    if !device.join(format!("refuses-{driver}")).exists() {
        give(root, address, &driver);
    }
}

/// A driver takes a device; the natural one makes an interface of it.
fn give(root: &Path, address: &str, driver: &str) {
    let device = root.join("sys/bus/pci/devices").join(address);
    let text = |name: &str| fs::read_to_string(device.join(name)).expect("a file");
    if driver == text("natural") {
        let interface = text("interface");
        let net = device.join("net").join(&interface);
        fs::create_dir_all(&net).expect("a directory");
        symlink(&device, net.join("device")).expect("a link");
        symlink(&net, root.join("sys/class/net").join(&interface)).expect("a link");
    }
    let driver = root.join("sys/bus/pci/drivers").join(driver);
    symlink(driver, device.join("driver")).expect("a link");
}

/// A driver's `unbind`: it gives the device up, and its interface is gone.
fn unbind(root: &Path, _file: &Path, address: &str) {
    let device = root.join("sys/bus/pci/devices").join(address);
    let interface = fs::read_to_string(device.join("interface")).expect("a file");
    if device.join("net").exists() {
        fs::remove_file(root.join("sys/class/net").join(interface)).expect("was there");
        fs::remove_dir_all(device.join("net")).expect("was there");
    }
    fs::remove_file(device.join("driver")).expect("was there");
}

const A: &str = "0000:03:00.0";
const B: &str = "0000:03:00.1";
const C: &str = "0000:04:00.0";

/// Two devices in groups of their own, `a` and `b`.
fn two() -> Machine {
    let machine = Machine::new();
    machine.device(A, NETWORK, "e1000e", "a", Some(1));
    machine.device(B, NETWORK, "e1000e", "b", Some(2));
    machine
}

#[test]
fn a_device_goes_to_vfio_and_comes_back_by_any_of_its_names() {
    let machine = two();
    let said = machine.done(&["bind", "a", "03:00.1"]);
    assert!(said.contains("e1000e -> vfio-pci"), "{said}");
    for address in [A, B] {
        assert_eq!(machine.driver_of(address).as_deref(), Some("vfio-pci"));
    }
    let table = machine.done(&["status"]);
    assert!(table.contains("was a"), "{table}");
    assert!(machine.done(&["bind", A]).contains("nothing to do"));

    // The interface is gone, yet its name still works.
    machine.done(&["unbind", "a", B]);
    for address in [A, B] {
        assert_eq!(machine.driver_of(address).as_deref(), Some("e1000e"));
    }
    assert!(machine.path("sys/class/net/a").exists());
    let again = machine.done(&["unbind", "a"]);
    assert!(again.contains("has e1000e already"), "{again}");
}

#[test]
fn a_configuration_names_its_ports() {
    let machine = two();
    let config = machine.path("lma.toml");
    let text = format!(
        "[[port]]\nname = \"core0\"\ndevice = \"{A},txq_inline=0\"\n\
         [[port]]\nname = \"inet0\"\ndevice = \"03:00.1\"\n\
         [[port]]\nname = \"lab0\"\ndevice = \"net_af_packet0,iface=a\"\n"
    );
    fs::write(&config, text).expect("a file");
    let config = config.to_str().expect("text");
    machine.done(&["bind", "--config", config, "inet0"]);
    assert_eq!(machine.driver_of(A).as_deref(), Some("e1000e"));
    assert_eq!(machine.driver_of(B).as_deref(), Some("vfio-pci"));
    machine.done(&["bind", "--config", config]);
    assert_eq!(machine.driver_of(A).as_deref(), Some("vfio-pci"));
    machine.done(&["unbind", "--config", config]);
    assert_eq!(machine.driver_of(B).as_deref(), Some("e1000e"));

    let said = machine.refused(&["bind", "--config", config, "lab0"]);
    assert!(said.contains("virtual device"), "{said}");
    let said = machine.refused(&["bind", "--config", "/nowhere.toml"]);
    assert!(said.contains("/nowhere.toml"), "{said}");
}

#[test]
fn a_dry_run_says_all_and_does_nothing() {
    let machine = two();
    let said = machine.done(&["bind", "--dry-run", "a"]);
    for file in ["driver_override", "unbind", "drivers_probe"] {
        assert!(said.contains(file), "{said}");
    }
    assert_eq!(machine.orders(), 0);
    assert_eq!(machine.driver_of(A).as_deref(), Some("e1000e"));
    assert!(!machine.path("run").exists());
}

#[test]
fn the_uplink_stays_unless_forced() {
    let machine = two();
    machine.network("a", &[]);
    let said = machine.refused(&["bind", "b", "a"]);
    assert!(said.contains("a carries the default route"), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(machine.orders(), 0, "neither was touched");

    // So does what the uplink stands on.
    machine.network("bond0", &[]);
    fs::create_dir(machine.path("sys/class/net/bond0")).expect("a directory");
    fs::create_dir(machine.path("sys/class/net/a/upper_bond0")).expect("a directory");
    let said = machine.refused(&["bind", "a"]);
    assert!(said.contains("a (through bond0) carries"), "{said}");
    machine.done(&["bind", "--force", "a"]);
    assert_eq!(machine.driver_of(A).as_deref(), Some("vfio-pci"));
}

#[test]
fn the_interface_of_an_ssh_session_stays() {
    let machine = two();
    machine.network("b", &[("a", "192.0.2.7"), ("b", "2001:db8::7")]);
    // 192.0.2.7:22, first listening (0A), then established (01).
    let line = |state: &str| {
        format!("  sl  local_address rem_address   st\n   0: 070200C0:0016 090200C0:D431 {state}\n")
    };
    machine.write("proc/net/tcp", &line("0A"));
    assert!(machine.done(&["bind", "--dry-run", "a"]).contains("unbind"));
    machine.write("proc/net/tcp", &line("01"));
    let said = machine.refused(&["bind", "a"]);
    assert!(said.contains("a carries an ssh session"), "{said}");
}

#[test]
fn a_group_is_taken_whole_or_not_at_all() {
    let machine = Machine::new();
    machine.device(A, NETWORK, "e1000e", "a", Some(1));
    machine.device(B, NETWORK, "e1000e", "b", Some(1));
    // The bridge above them takes part by itself.
    machine.device("0000:02:00.0", "0x060400", "e1000e", "bridge", Some(1));
    let said = machine.refused(&["bind", "a"]);
    assert!(
        said.contains("shares IOMMU group 1 with 0000:03:00.1 (b)"),
        "{said}"
    );
    assert_eq!(machine.orders(), 0);
    machine.done(&["bind", "a", "b"]);
    assert_eq!(machine.driver_of(B).as_deref(), Some("vfio-pci"));
}

#[test]
fn without_an_iommu_it_has_to_be_asked_for() {
    let machine = Machine::new();
    machine.device(A, NETWORK, "e1000e", "a", None);
    let said = machine.refused(&["bind", "a"]);
    assert!(said.contains("intel_iommu=on"), "{said}");
    let said = machine.done(&["bind", "--no-iommu", "a"]);
    assert!(said.contains("WARNING"), "{said}");
    assert_eq!(machine.driver_of(A).as_deref(), Some("vfio-pci"));
    let mode = machine.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    assert_eq!(mode, "Y");
}

#[test]
fn one_failure_undoes_the_call() {
    let machine = two();
    machine.write(&format!("sys/bus/pci/devices/{B}/refuses-vfio-pci"), "");
    let said = machine.refused(&["bind", "a", "b"]);
    assert!(said.contains("0000:03:00.1 (b) cannot be bound"), "{said}");
    for address in [A, B] {
        assert_eq!(machine.driver_of(address).as_deref(), Some("e1000e"));
        let remembered = machine.path(&format!("run/anchorage-bind/{address}"));
        assert!(!remembered.exists());
    }
}

#[test]
fn what_cannot_be_bound_is_told_with_the_reason() {
    let machine = two();
    machine.device(C, NETWORK, "mlx5_core", "c", Some(3));
    machine.device("0000:05:00.0", "0x010802", "e1000e", "disk", Some(4));
    fs::create_dir(machine.path("sys/class/net/lo")).expect("a directory");
    for (words, reason) in [
        (vec!["bind", "c"], "works beside that driver"),
        (vec!["bind", "0000:05:00.0"], "is no network device"),
        (vec!["bind", "0000:09:00.0"], "there is no PCI device"),
        (vec!["bind", "eth7"], "there is no interface"),
        (vec!["bind", "lo"], "is no PCI device"),
        (vec!["bind"], "name a device"),
        (
            vec!["bind", "--driver", "igb_uio", "a"],
            "has no driver igb_uio",
        ),
    ] {
        let said = machine.refused(&words);
        assert!(said.contains(reason), "{words:?}: {said}");
    }
    // It was looked for.
    assert!(machine.path("bin/loaded-igb_uio").exists());
    assert_eq!(machine.orders(), 0);
}
