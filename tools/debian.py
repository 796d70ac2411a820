"""Debian systems for other processors, as mmdebstrap makes them."""
import re

from commands import run

RELEASE = "bookworm"
# Without the security archive: its lists for ports are at times out of step.
MIRRORS = ["deb http://deb.debian.org/debian bookworm main", "deb http://deb.debian.org/debian bookworm-updates main"]
OURS = {"fard", "fardd", "libfard-dev"}


def dependencies(packages):
    """Names of the packages that these files (*.deb of fard) depend on, fard's own left out."""
    names = set()
    for package in packages:
        names.update(re.split(r"[ (|]", entry.strip())[0] for entry in run("dpkg-deb", "-f", package, "Depends").split(","))
    return sorted(names - OURS - {""})
