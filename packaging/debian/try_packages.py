#!/usr/bin/python3
"""Installs Debian packages of fard, starts and uses what is in them, and purges them again: in a copy of this system that
nothing of it outlives (an overlay file system in a mount namespace of its own). As root.

packaging/debian/try_packages.py DIRECTORY [ARCH]  with fard_*.deb, fardd_*.deb and libfard-dev_*.deb
packaging/debian/try_packages.py --build BUILD     of a build directory that is up to date

ARCH is another processor's (arm64, armhf): then the system is a small Debian of that kind, which mmdebstrap puts into DIRECTORY/system-ARCH
at first, and its programs run under qemu-user, in a user namespace of its own; nothing is registered with this machine's kernel.
"""
import ctypes
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(SOURCE / "tools"))
from commands import check, run, skip
from debian import MIRRORS, RELEASE, dependencies

PACKAGES = ["libfard-dev", "fard", "fardd"]
STATE = pathlib.Path("/var/lib/fard")
DOOR = "ipc:///run/fardd/node.ipc"
# Of a system for another processor: what the packages' scripts and this one need.
SYSTEM = ["adduser", "init-system-helpers", "python3"]
HANDLERS = {"arm64": "/usr/lib/binfmt.d/qemu-aarch64.conf", "armhf": "/usr/lib/binfmt.d/qemu-arm.conf"}
# What dpkg and adduser keep for themselves, whatever is installed and purged.
PASSING = re.compile(r"(var/lib/dpkg/|var/cache/|var/log/|var/lib/systemd/|etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|etc/\.pwd\.lock$|"
                     r"etc/ld\.so\.cache$|run/|tmp/|proc/|dev/|root/)")


def wait_for(process, what, condition):
    deadline = time.monotonic() + 60
    while not condition():
        check(process.poll() is None and time.monotonic() < deadline, what)
        time.sleep(0.05)


# ---- in the copy


def runs():
    """fardd as its service starts it, but for systemd, and an app on it."""
    as_fard = ["setpriv", "--reuid=fard", "--regid=fard", "--init-groups", "--no-new-privs", "--bounding-set=-all"]
    for directory in [STATE, pathlib.Path("/run/fardd")]:
        directory.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(directory, "fard", "fard")
    manager = subprocess.Popen([*as_fard, "/usr/bin/fardd", "--config", "/etc/fard/fardd.toml"])
    try:
        wait_for(manager, "fardd does not start", pathlib.Path("/run/fardd/node.ipc").exists)
        check("cpu0" in run("fard", "status", "--node", DOOR), "fard status shows no cpu0")
        done = run(*as_fard, "fard", "submit", "/tmp/apps/two_stage_bnn.toml", "--node", DOOR, "--chunks", "4", "--json")
        check(re.search(r'"chunks_out": ?4\b', done), f"fard submit: {done}")
    finally:
        manager.terminate()
    check(manager.wait(30) == 0, "fardd does not stop in order")


def helper_answers():
    """The board helper as its socket starts it: here there is no FPGA, and it says so to whoever comes."""
    address = "/run/fard-board-helper.socket"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    helper = subprocess.Popen(["bash", "-c", f"exec /usr/libexec/fard/fard-board-helper --config /etc/fard/fardd.toml 3<&{listener.fileno()}"],
                              pass_fds=[listener.fileno()])
    try:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.settimeout(60)
        client.connect(address)
        said = client.recv(1 << 16)
        check(b"no FPGA manager" in said, f"the board helper says {said}")
        limits = pathlib.Path(f"/proc/{helper.pid}/status").read_text()
        check(re.search(r"^CapEff:\s*0{15}[04]$", limits, re.M), f"the board helper keeps rights: {limits}")
    finally:
        helper.terminate()
        helper.wait(30)


def inside():
    shutil.rmtree(STATE, ignore_errors=True)  # of a node manager that root has started here
    run("dpkg", "--force-unsafe-io", "-i", *sorted(pathlib.Path("/tmp/packages").glob("*.deb")))
    for program in ["/usr/bin/fard", "/usr/bin/fardd"]:
        check(run(program, "--version").startswith("fard"), f"{program} --version")
    run("getent", "passwd", "fard")
    if shutil.which("systemd-analyze"):
        units = ["fardd.service", "fard-board-helper.service", "fard-board-helper.socket"]
        run("systemd-analyze", "verify", "--man=no", *[f"/lib/systemd/system/{unit}" for unit in units])
    run("/usr/libexec/fard/fard-board-helper", fails=True)
    helper_answers()
    runs()
    run("dpkg", "--force-unsafe-io", "-i", *sorted(pathlib.Path("/tmp/packages").glob("*.deb")))  # the same again
    check((STATE / "overlays").is_dir(), "the packages of runs did not outlive an upgrade")
    run("dpkg", "--remove", *PACKAGES)
    check(pathlib.Path("/etc/fard/fardd.toml").is_file(), "removing takes the configuration")
    check(not pathlib.Path("/usr/bin/fardd").exists(), "removing leaves programs")
    run("dpkg", "--purge", *PACKAGES)
    check(not STATE.exists(), f"purging leaves {STATE}")
    run("getent", "passwd", "fard", fails=True)
    run("getent", "group", "fard", fails=True)
    kept = [path.name for path in pathlib.Path("/var/lib/dpkg/info").iterdir() if path.name.split(".")[0] in PACKAGES]
    check(not kept, f"dpkg keeps {kept}")
    print("installed, started, used, upgraded, removed, purged: nothing is left")


# ---- around it


def changes(upper, base):
    """What the copy has otherwise than the system, by path: files that came, that are others, that went."""
    for path in upper.rglob("*"):
        name = str(path.relative_to(upper))
        if PASSING.match(name) or pathlib.Path("/") / name == STATE:
            continue
        there = base / name
        mode = path.lstat().st_mode
        if stat.S_ISCHR(mode) and path.lstat().st_rdev == 0:
            yield f"{name} is gone"
        elif not os.path.lexists(there):
            yield f"{name} is left"
        elif stat.S_ISREG(mode) and path.read_bytes() != there.read_bytes():
            yield f"{name} is another"
        elif stat.S_ISLNK(mode) and os.readlink(path) != os.readlink(there):
            yield f"{name} leads elsewhere"


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        skip(f"this system permits no copy of itself: {done.stderr.strip()}")


def copied(packages, place, base=pathlib.Path("/")):
    upper, root = place / "upper", place / "root"
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "copy", place)
    for directory in [upper, place / "work", root]:
        directory.mkdir()
    attributes = "" if base == pathlib.Path("/") else ",userxattr"  # whose root is a namespace's has no others
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={upper},workdir={place / 'work'}{attributes}", root)
    mount("--rbind", "/proc", root / "proc")
    mount("--rbind", "/dev", root / "dev")
    for directory in ["run", "tmp"]:
        mount("-t", "tmpfs", "tmpfs", root / directory)
    ours = {directory: SOURCE / directory for directory in ["apps", "packaging/debian", "tools"]}
    for name, source in {"packages": packages, **ours}.items():
        (root / "tmp" / name).mkdir(parents=True)
        mount("--bind", source, root / "tmp" / name)
    done = subprocess.run(["chroot", root, "/usr/bin/python3", "-B", "/tmp/packaging/debian/try_packages.py", "--inside"])
    left = sorted(changes(upper, base)) if done.returncode == 0 else []
    check(not left, f"purging leaves: {', '.join(left[:10])}")
    return done.returncode


def lintian(packages):
    if not shutil.which("lintian"):
        return print("lintian is not installed: left out")
    run("lintian", "--fail-on", "error", *sorted(packages.glob("*.deb")))
    print("lintian finds no errors")


# ---- for another processor


def in_namespace(action):
    """What action returns, as root of a namespace of users, processes and mounts of its own."""
    new_mounts, new_users, new_processes = 0x20000, 0x10000000, 0x20000000
    apart, mapped = os.pipe(), os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None).unshare(new_users | new_mounts | new_processes) != 0:
            os._exit(77)
        os.write(apart[1], b"x")
        os.read(mapped[0], 1)
        inner = os.fork()
        if inner == 0:
            try:
                code = action()
            except SystemExit as ended:
                code = ended.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
            sys.stdout.flush()
            os._exit(code or 0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    os.close(apart[1])
    if os.read(apart[0], 1):
        for kind in ["uid_map", "gid_map"]:
            pathlib.Path(f"/proc/{child}/{kind}").write_text("0 0 65536\n")
        os.write(mapped[1], b"x")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 77:
        skip("this system permits no user namespaces")
    return code


def let_run(arch):
    """Programs of that processor, by qemu-user, in this namespace alone."""
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc")
    pathlib.Path("/proc/sys/fs/binfmt_misc/register").write_text(pathlib.Path(HANDLERS[arch]).read_text().strip())


def system_for(arch, packages):
    base = packages / f"system-{arch}"
    if not (base / "usr/bin/python3").exists():
        shutil.rmtree(base, ignore_errors=True)
        needed = {*SYSTEM, *dependencies(packages.glob(f"*_{arch}.deb"))}
        run("mmdebstrap", "--quiet", "--skip=check/qemu", "--mode=root", "--variant=minbase", f"--architectures={arch}",
            f"--include={','.join(sorted(needed))}", RELEASE, base, *MIRRORS, limit=3600)
    return base


def elsewhere(arch, packages, work):
    let_run(arch)
    base = system_for(arch, packages)
    ours = work / "packages"
    ours.mkdir()
    for package in packages.glob(f"*_{arch}.deb"):
        shutil.copy(package, ours)
    check(len(list(ours.iterdir())) == len(PACKAGES), f"{packages} holds not the three packages for {arch}")
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    return copied(ours, work / "copy", base) or lintian(ours)


def main():
    words = sys.argv[1:]
    if words == ["--inside"]:
        return inside()
    if len(words) == 2 and words[1] in HANDLERS:
        for program in ["dpkg-deb", "mmdebstrap", "qemu-arm-static"]:
            if not shutil.which(program):
                skip(f"there is no {program}")
        if os.geteuid() != 0:
            skip("only root can install packages")
        with tempfile.TemporaryDirectory(prefix="fard-packages.") as directory:
            work = pathlib.Path(directory)
            (work / "copy").mkdir()
            sys.exit(in_namespace(lambda: elsewhere(words[1], pathlib.Path(words[0]).resolve(), work)))
    for program in ["dpkg-deb", "readelf", "strip", "unshare", "setpriv", "adduser", "deluser", "deb-systemd-helper"]:
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            skip(f"there is no {program}")
    if os.geteuid() != 0:
        skip("only root can install packages")
    if subprocess.run(["getent", "passwd", "fard"], capture_output=True).returncode == 0:
        skip("this system has a user fard already")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        skip("this system permits no mount namespaces")
    if words[:1] == ["--copied"]:
        sys.exit(copied(*map(pathlib.Path, words[1:])))
    with tempfile.TemporaryDirectory(prefix="fard-packages.") as directory:
        work = pathlib.Path(directory)
        packages = work / "packages" if words[:1] == ["--build"] else pathlib.Path(words[0]).resolve()
        if words[:1] == ["--build"]:
            run(sys.executable, HERE / "make_packages.py", words[1], "--out", packages, "--quick")
        check(len(list(packages.glob("*.deb"))) == len(PACKAGES), f"{packages} holds not the three packages")
        (work / "copy").mkdir()
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["unshare", "-m", sys.executable, __file__, "--copied", packages, work / "copy"], env=environment)
        if done.returncode != 0:
            sys.exit(done.returncode)
        lintian(packages)


if __name__ == "__main__":
    main()
