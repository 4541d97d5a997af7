"""The machine: an emulated PC with an IOMMU and two network cards, and a line to the guest's agent.

    us ◄── socket pair ──► card 0000:00:02.0 ─┐
    us ◄── socket pair ──► card 0000:00:03.0 ─┴─ vfio-pci ─ anchord, in the guest
    us ◄── serial line ──► agent: runs commands, answers

A card's cable is a pair of datagram sockets, a frame a datagram. When the guest does not take frames, the
sender waits: nothing is lost on the way, so what is lost, the gateway has lost.
"""

import base64
import pathlib
import shutil
import socket
import subprocess
import time

ADDRESSES = ("0000:00:02.0", "0000:00:03.0")
MACS = ("52:54:00:a0:00:01", "52:54:00:a0:00:02")
HUGEPAGES = 256
BOOT_LIMIT = 600.0
CABLE_BUFFER = 4 << 20


class Failed(Exception):
    """A step of the rehearsal that did not go as it must."""


class Machine:
    """A running guest."""

    def __init__(self, image, directory, card="e1000e", files=()):
        self.console = directory / "console.log"
        agent = directory / "agent"
        self.cables, ends = [], []
        for _ in MACS:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CABLE_BUFFER)
            ours.setblocking(False)
            self.cables.append(ours)
            ends.append(theirs)
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35,kernel-irqchip=split"]
        command += ["-cpu", "max", "-smp", "2", "-m", "2G", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
        for number, (end, mac) in enumerate(zip(ends, MACS)):
            command += ["-netdev", f"dgram,id=cable{number},local.type=fd,local.str={end.fileno()}"]
            command += ["-device", f"{card},netdev=cable{number},mac={mac},addr={number + 2:#x}"]
        command += ["-drive", f"file={image / 'disk'},format=raw,if=virtio,snapshot=on"]
        for file in files:
            # A disk is a number of whole sectors; the guest is told how much of it is the file.
            padded = directory / f"{file.name}.disk"
            shutil.copyfile(file, padded)
            with open(padded, "r+b") as disk:
                disk.truncate(-(-file.stat().st_size // 512) * 512)
            command += ["-drive", f"file={padded},format=raw,if=virtio,readonly=on"]
        command += ["-serial", f"file:{self.console}"]
        command += ["-chardev", f"socket,id=agent,path={agent},server=on,wait=off", "-serial", "chardev:agent"]
        # Core 1 is the worker's, as on a real machine. Where the emulator has to wait for a processor, the
        # timer seems not to work: the kernel is not to check it.
        words = "root=/dev/vda rw console=ttyS0 no_timer_check panic=-1"
        words += f" hugepages={HUGEPAGES} isolcpus=1 nohz_full=1 rcu_nocbs=1 irqaffinity=0"
        words += " intel_iommu=on iommu=pt"
        command += ["-kernel", image / "vmlinuz", "-initrd", image / "initrd", "-append", words]
        errors = open(directory / "qemu.log", "wb")
        self.errors = directory / "qemu.log"
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=[end.fileno() for end in ends]
        )
        errors.close()
        for end in ends:
            end.close()
        self.line = self.connect(agent)

    def connect(self, path):
        """The agent's line, once the guest has booted."""
        end = time.monotonic() + BOOT_LIMIT
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(1.0)
        connected, heard = False, b""
        while not heard.endswith(b"ready\n"):
            if self.process.poll() is not None:
                raise Failed(f"qemu ended: {self.errors.read_text(errors='replace').strip()}")
            if time.monotonic() > end:
                self.kill()
                raise Failed(f"the guest did not boot within {BOOT_LIMIT:.0f} s: {self.tail()}")
            try:
                if not connected:
                    line.connect(str(path))
                    connected = True
                heard += line.recv(64)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.2)
            except TimeoutError:
                pass
        return line

    def tail(self):
        """The end of what the guest wrote to its console."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return " | ".join(text.splitlines()[-5:])

    def ask(self, command, limit=120.0):
        """Runs a command in the guest; (exit code, what it printed)."""
        self.line.settimeout(limit)
        self.line.sendall(command.encode() + b"\n")
        try:
            header = b""
            while not header.endswith(b"\n"):
                header += self.take(1)
            code, length = map(int, header.split())
            text = b""
            while len(text) < length:
                text += self.take(length - len(text))
        except TimeoutError:
            raise Failed(f"`{command}` took longer than {limit:.0f} s in the guest") from None
        return code, text.decode(errors="replace").strip()

    def take(self, most):
        octets = self.line.recv(most)
        if not octets:
            raise Failed(f"the guest is gone: {self.tail()}")
        return octets

    def run(self, command, limit=120.0):
        """Runs a command that must succeed; what it printed."""
        code, text = self.ask(command, limit)
        if code:
            raise Failed(f"`{command}` ended with {code} in the guest: {text}")
        return text

    def write(self, path, text):
        """Writes a file of the guest."""
        folder = pathlib.PurePosixPath(path).parent
        coded = base64.b64encode(text.encode()).decode()
        self.run(f"mkdir -p {folder} && echo {coded} | base64 -d >{path}")

    def off(self):
        """Switches the guest off in order."""
        self.line.sendall(b"systemctl poweroff\n")
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("the guest did not switch off") from None

    def kill(self):
        """Switches the guest off by its plug."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
