"""What a rehearsal has found, for people and for docs/rehearsal.md."""

import datetime
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "rehearsal.md"

HEAD = """# The rehearsal on bare metal

`scripts/rehearse` plays a bare-metal installation through on an emulated machine: a PC with an IOMMU and two
network cards of real types, which DPDK drives by its own drivers over vfio-pci, and a Debian guest in which
the package is installed and systemd runs the gateway. It is not part of CI. This page is written by the script;
what it prepares by hand is told in [deployment.md](deployment.md).

The machine is emulated instruction by instruction, on a machine that does other work too: its figures say that
packets get through whole, not how fast.

"""


class Report:
    """The steps of one run, in order."""

    def __init__(self, say):
        self.say = say
        self.versions, self.steps, self.traffic = {}, [], []
        self.failure = None

    def passed(self, what, found):
        self.steps.append((what, found))
        self.say(f"{what}: {found}")

    def carried(self, figures):
        self.traffic.append(figures)
        self.say("{name}: {sent} sent, {received} whole, {lost} lost, {packets_per_second} a second".format(**figures))

    def page(self, seconds):
        """The page, as Markdown."""
        date = datetime.datetime.now(datetime.timezone.utc).strftime("%-d %B %Y")
        verdict = "passed" if self.failure is None else f"FAILED: {self.failure}"
        lines = [f"Last run on {date}: **{verdict}**, after {seconds:.0f} s.", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self.versions.items() if name != "tree"]
        lines += ["", "| step | found |", "|---|---|"]
        lines += [f"| {what} | {found} |" for what, found in self.steps]
        if self.traffic:
            lines += ["", "| traffic | sent | out, whole | lost | strange | s | packets/s |", "|---|---|---|---|---|---|---|"]
            keys = ("name", "sent", "received", "lost", "strange", "seconds", "packets_per_second")
            lines += ["| " + " | ".join(str(figures[key]) for key in keys) + " |" for figures in self.traffic]
        return HEAD + "\n".join(lines) + "\n"

    def write(self, seconds):
        PAGE.write_text(self.page(seconds), encoding="utf-8")


def commit():
    """The commit that is rehearsed, and whether the tree differs from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def first_line(*words):
    """The first line of what a program prints."""
    lines = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return lines[0] if lines else ""
