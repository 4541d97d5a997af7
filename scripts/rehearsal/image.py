"""The guest: a small Debian with the kernel and everything that the package depends on, but not the
package itself, which every run installs anew. It is made once and kept, by a name that says what it was
made from.

    debootstrap ─► kernel, dependencies, agent ─► ext4 image, vmlinuz, initrd    in ~/.cache/anchorage
"""

import hashlib
import os
import pathlib
import shutil
import subprocess

SIZE = "3G"

# What the guest needs beside systemd, and its kernel.
PACKAGES = [
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "procps",
    "pciutils",
    "python3-minimal",
    "initramfs-tools",
    "zstd",
    "linux-image-amd64",
]

# Runs what comes in at the second serial line, a command a line, and answers with its exit code, the
# length of what it printed, and that.
AGENT = """#!/bin/bash
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 115200 raw -echo
echo ready >&3
while read -r command <&3; do
    bash -c "$command" >/run/rehearsal.out 2>&1 </dev/null
    code=$?
    printf '%d %d\\n' "$code" "$(stat -c %s /run/rehearsal.out)" >&3
    cat /run/rehearsal.out >&3
done
"""

AGENT_UNIT = """[Unit]
Description=Runs what the rehearsal asks for
After=multi-user.target
[Service]
ExecStart=/usr/local/sbin/rehearsal-agent
StandardError=journal+console
[Install]
WantedBy=multi-user.target
"""

# What boots slowly on an emulated processor and is of no use here.
MASKED = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-timesyncd.service",
]


def cache():
    """Where images are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "anchorage"


def mirror():
    """The machine's own Debian mirror and release, as its apt sources say."""
    codename = ""
    for line in pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            codename = line.partition("=")[2].strip('"')
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in listed.splitlines():
        uri, release, component = line.split()
        if release == codename and component == "main":
            return uri, codename
    raise SystemExit(f"rehearse: the apt sources of this machine name no mirror of Debian {codename}")


def depends(package):
    """What a package depends on, as it says itself."""
    return subprocess.run(
        ["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True
    ).stdout.strip()


def run(*words, log, **options):
    """Runs a command, with all that it says in the log."""
    with open(log, "ab") as file:
        done = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        tail = pathlib.Path(log).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        raise SystemExit("\n".join([*tail, f"rehearse: `{' '.join(map(str, words))}` failed, see {log}"]))


def image(package, say):
    """The directory with `disk`, `vmlinuz` and `initrd` for a package's dependencies; made if missing."""
    uri, codename = mirror()
    wanted = depends(package)
    recipe = pathlib.Path(__file__).read_bytes() + wanted.encode() + codename.encode()
    home = cache() / f"rehearsal-{codename}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if (home / "disk").exists():
        return home
    say(f"the guest's image is made in {home}, which takes some minutes, once")
    for old in cache().glob("rehearsal-*"):
        shutil.rmtree(old)
    home.mkdir(parents=True)
    log = home / "build.log"
    root = home / "root"
    try:
        run("debootstrap", "--variant=minbase", codename, root, uri, log=log)
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        modules = root / "etc/initramfs-tools"
        (modules / "conf.d").mkdir(parents=True)
        (modules / "conf.d/small").write_text("MODULES=list\nCOMPRESS=zstd\n", encoding="utf-8")
        (modules / "modules").write_text("virtio_pci\nvirtio_blk\next4\n", encoding="utf-8")
        inside(root, log, "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
        inside(root, log, "apt-get", "satisfy", "-y", "--no-install-recommends", wanted)
        inside(root, log, "apt-get", "clean")
        furnish(root)
        inside(root, log, "systemctl", "enable", "rehearsal-agent.service")
        inside(root, log, "systemctl", "mask", *MASKED)
        for name in ("vmlinuz", "initrd"):
            newest = max((root / "boot").glob(f"{name}*"), key=lambda path: path.stat().st_mtime)
            shutil.copyfile(newest, home / name)
        part = home / "disk.part"
        run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, part, SIZE, log=log)
        part.rename(home / "disk")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return home


def inside(root, log, *words):
    """Runs a command in the guest's tree, in a mount namespace so that nothing stays mounted."""
    script = 'mount -t proc proc "$0/proc"; mount --bind /sys "$0/sys"; exec chroot "$0" "$@"'
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, root, *words]
    run(*command, log=log, env=environment)


def furnish(root):
    """Writes what is ours into the guest's tree."""
    files = {
        "usr/local/sbin/rehearsal-agent": (AGENT, 0o755),
        "etc/systemd/system/rehearsal-agent.service": (AGENT_UNIT, 0o644),
        "etc/hostname": ("rehearsal\n", 0o644),
        "etc/fstab": ("/dev/vda / ext4 defaults 0 1\n", 0o644),
    }
    for name, (text, mode) in files.items():
        path = root / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
