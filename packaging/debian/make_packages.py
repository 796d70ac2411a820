#!/usr/bin/python3
"""Makes Debian packages of a build: fard, fardd, libfard-dev.

packaging/debian/make_packages.py BUILD [--out DIR] [--arch ARCH] [--quick]

BUILD is a build directory that is up to date, with programs, library and manual; tools/packages makes one and calls this. ARCH is
what it was built for. Needs dpkg-deb and binutils; DEBFULLNAME and DEBEMAIL say who makes the packages. Prints the packages' paths.
"""
import argparse
import email.utils
import functools
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(SOURCE / "tools"))
from commands import run

MAINTAINER = f"{os.environ.get('DEBFULLNAME', 'fard')} <{os.environ.get('DEBEMAIL', 'fard@example.org')}>"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "armhf": "arm-linux-gnueabihf"}

# Which package a file of the installation belongs to: the first pattern that its path matches.
RULES = [
    ("libfard-dev", r"usr/include/|usr/lib/.*(libfard|pkgconfig|cmake)"),
    ("fardd", r"usr/bin/fardd|usr/libexec/|usr/share/fard/|.*/fardd(\.8)?$"),
    ("fard", r"usr/bin/fard|.*/fard(\.1)?$"),
]

ABOUT = {
    "fard": {
        "Section": "science",
        "Depends": "fardd (= {version})",
        "text": "neural networks on several small boards as if they were one\n"
                " fard cuts a quantized neural network into stages and runs it as a pipeline over\n"
                " boards with FPGAs or CPUs. This package has the command that people type.",
    },
    "fardd": {
        "Section": "science",
        "Pre-Depends": "init-system-helpers (>= 1.54~)",
        "Depends": "adduser",
        "text": "node manager of fard\n"
                " One per board: it takes runs and coordinates them, lends the board's devices\n"
                " to others, starts jobs, and keeps accelerators. With the job programs, the\n"
                " profiles of boards, and the process that has the rights on a board's FPGA.",
    },
    "libfard-dev": {
        "Section": "libdevel",
        "Depends": "libexpected-dev, libfmt-dev",
        "Recommends": "libarchive-dev, libfdt-dev, libonnx-dev, libpng-dev, libprotobuf-dev, libsodium-dev, libspdlog-dev, libssl-dev, "
                      "libtomlplusplus-dev, libturbojpeg0-dev, libxml2-dev, libzmq3-dev",
        "text": "library and headers of fard\n"
                " For programs that submit runs, and for jobs of one's own: libfard in both\n"
                " forms, headers, pkg-config and CMake files.",
    },
}


def version():
    return re.search(r"version: '([^']+)'", (SOURCE / "meson.build").read_text()).group(1)


def install(build, root):
    """The installation, with /usr as its prefix wherever the build has it."""
    raw = root.parent / "raw"
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", raw)
    programs = [path for path in raw.rglob("bin/fard") if path.is_file()]
    if len(programs) != 1:
        sys.exit(f"{build} installs no bin/fard: is it built?")
    shutil.copytree(programs[0].parent.parent, root / "usr", symlinks=True)


def split(root, place):
    """Moves every file of the installation into its package's tree."""
    for path in sorted(root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = str(path.relative_to(root))
        package = next((package for package, pattern in RULES if re.match(pattern, name)), None)
        if package is None:
            sys.exit(f"no package has {name}; say which in {__file__}")
        target = place / package / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def add(target, text, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text if isinstance(text, bytes) else text.encode())
    target.chmod(mode)


def compress(data):
    return gzip.compress(data if isinstance(data, bytes) else data.encode(), 9, mtime=0)


def add_services(tree):
    for unit in ["fardd.service", "fard-board-helper.service", "fard-board-helper.socket"]:
        add(tree / "lib/systemd/system" / unit, (HERE / unit).read_text())
    add(tree / "etc/fard/fardd.toml", (HERE / "fardd.toml").read_text())
    add(tree / "DEBIAN/conffiles", "/etc/fard/fardd.toml\n")
    for script in ["postinst", "prerm", "postrm"]:
        add(tree / "DEBIAN" / script, (HERE / f"fardd.{script}").read_text(), 0o755)
    add(tree / "lib/udev/rules.d/60-fard.rules", (HERE / "60-fard.rules").read_text())
    (tree / "lib/firmware").mkdir(parents=True)  # where bitstreams go, for a moment each


def add_papers(tree, package):
    docs = tree / "usr/share/doc" / package
    date = email.utils.formatdate(float(os.environ.get("SOURCE_DATE_EPOCH", (SOURCE / "meson.build").stat().st_mtime)))
    add(docs / "changelog.gz", compress(
        f"fard ({version()}) unstable; urgency=medium\n\n  * Packages of this version.\n\n -- {MAINTAINER}  {date}\n"))
    add(docs / "copyright",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: fard\n\n"
        "Files: *\nCopyright: 2026 the developers of fard\nLicense: Apache-2.0\n"
        " On Debian systems, the text of the licence is in /usr/share/common-licenses/Apache-2.0.\n")


def settle_files(tree, strip):
    """Pages compressed, programs stripped, nothing that others can write to."""
    for path in list(tree.rglob("*")):
        if path.is_symlink():
            continue
        if path.is_dir():
            path.chmod(0o755)
            continue
        name = str(path.relative_to(tree))
        if re.search(r"/man/man\d/[^/]*\.\d$", name):
            add(path.with_name(path.name + ".gz"), compress(path.read_bytes()))
            path.unlink()
            continue
        if name.startswith("DEBIAN/"):
            continue
        kind = path.read_bytes()[:8]
        if kind.startswith(b"\x7fELF"):
            run(strip, "--strip-unneeded", "--remove-section=.comment", path)
        elif kind.startswith(b"!<arch>"):
            run(strip, "--strip-debug", "--enable-deterministic-archives", path)
        program = kind.startswith(b"\x7fELF") and ".so" not in path.name
        path.chmod(0o755 if program else 0o644)


def owners():
    """(library, version) -> the package that has it, as the installed packages say. They have the same names for every processor."""
    found = {}
    for file in sorted(pathlib.Path("/var/lib/dpkg/info").glob("*.shlibs")):
        if file.name.split(".shlibs")[0].endswith(("-cross", "-i386", "-x32")):
            continue
        for line in file.read_text().splitlines():
            words = line.split(maxsplit=2)
            if len(words) == 3 and not words[0].endswith(":") and not line.startswith("#"):
                found[words[0], words[1]] = words[2]
    return found


def symbols_of_libraries():
    """soname -> (package, {symbol: the package's version that first has it}), as the installed packages say; without those whose symbols are
    others on other processors. The versions above are often those of the last security update, which a board may not have."""
    found, here = {}, None
    for file in sorted(pathlib.Path("/var/lib/dpkg/info").glob("*.symbols")):
        if re.match(r"lib(x?32|64|c6|gcc|stdc\+\+)|.*-(cross|i386|x32)\.", file.name):
            continue
        for line in file.read_text().splitlines():
            words = line.split()
            if line[:1] not in (" ", "*", "|", "#") and words[2:] == ["#MINVER#"]:
                here = found[words[0]] = (words[1], {})
            elif line.startswith(" ") and here:
                here[1][words[0].removesuffix("@Base")] = words[1]
            elif not line.startswith(("*", "|")):
                here = None
    return found


def newest(versions):
    def newer(one, other):
        return subprocess.run(["dpkg", "--compare-versions", one, "gt", other]).returncode == 0
    return functools.reduce(lambda one, other: other if newer(other, one) else one, versions)


def libraries_of(tree):
    """The packages of the shared libraries that its programs name."""
    needed, used = set(), set()
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF":
            needed.update(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", path)))
            used.update(re.findall(r" UND (\S+)", run("readelf", "--dyn-syms", "--wide", path)))
    known, symbols, packages = owners(), symbols_of_libraries(), set()
    for soname in needed:
        parts = re.fullmatch(r"(.+)\.so\.(.+)|(.+)-([0-9.]+)\.so", soname)
        package = parts and known.get((parts[1] or parts[3], parts[2] or parts[4]))
        name, first = symbols.get(soname, ("", {}))
        versions = {first[symbol] for symbol in used & first.keys()}
        if versions:
            packages.add(f"{name} (>= {newest(versions)})")
        elif package:
            packages.add(package)
        elif not soname.startswith("ld-linux"):
            sys.exit(f"no installed package has {soname}")
    return ", ".join(sorted(packages))


def write_control(tree, package, arch):
    about = ABOUT[package]
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts]
    depends = ", ".join(filter(None, [about.get("Depends", "").format(version=version()), libraries_of(tree)]))
    fields = {"Package": package, "Source": "" if package == "fard" else "fard", "Version": version(), "Architecture": arch, "Maintainer": MAINTAINER,
              "Installed-Size": str(sum(path.stat().st_size for path in files) // 1024 + 1), "Pre-Depends": about.get("Pre-Depends", ""),
              "Depends": depends, "Recommends": about.get("Recommends", ""), "Section": about["Section"], "Priority": "optional", "Description": about["text"]}
    add(tree / "DEBIAN/control", "".join(f"{key}: {value}\n" for key, value in fields.items() if value))
    sums = sorted((str(path.relative_to(tree)), hashlib.md5(path.read_bytes()).hexdigest()) for path in files)
    configuration = (tree / "DEBIAN/conffiles").read_text().split() if (tree / "DEBIAN/conffiles").exists() else []
    add(tree / "DEBIAN/md5sums", "".join(f"{value}  {name}\n" for name, value in sums if "/" + name not in configuration))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--arch", default="")
    parser.add_argument("--quick", action="store_true", help="compressed little")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    own = run("dpkg", "--print-architecture").strip()
    arch = args.arch or own
    strip = "strip" if arch == own else f"{TRIPLETS[arch]}-strip"
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="fard-packages.") as directory:
        place = pathlib.Path(directory)
        install(args.build, place / "root")
        split(place / "root", place)
        add_services(place / "fardd")
        for package in ABOUT:
            tree = place / package
            add_papers(tree, package)
            settle_files(tree, strip)
            if list(tree.glob("usr/lib/*/*.so.*")):
                add(tree / "DEBIAN/triggers", "activate-noawait ldconfig\n")
                series = re.search(r"libfard\.so\.(\d+(\.\d+)?)", next(tree.glob("usr/lib/*/libfard.so.*")).name)[1]
                add(tree / "DEBIAN/shlibs", f"libfard {series} {package} (= {version()})\n")
            write_control(tree, package, arch)
            made = args.out / f"{package}_{version()}_{arch}.deb"
            run("dpkg-deb", "--root-owner-group", *(["-Zgzip", "-z1"] if args.quick else ["-Zxz"]), "--build", tree, made)
            print(made)


if __name__ == "__main__":
    main()
