#!/usr/bin/python3
"""Boots two emulated boards, reads what they say, and holds their results against this machine's.

tools/qemu-boards/boards.py BUILD PACKAGES PLACE KERNEL

BUILD has this machine's programs, PACKAGES the Debian packages for armhf, PLACE what tools/qemu-boards/check made: module/, board.dtb. Ends
with 0 if everything is right; the boards' consoles and fabrics are kept in PLACE/log.
"""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(SOURCE / "tools"))
from commands import check, run
from debian import MIRRORS, RELEASE, dependencies

MEMORY_MIB = 512
CHUNKS = 8
LIMIT_S = 900
STUCK_AT = 20  # the third run's fourth chunk, on the second board


# ---- what the boards boot


def base_system(place, packages):
    """Debian's libraries for the boards and a shell, unpacked once."""
    base = place / "base"
    if not (base / "bin/busybox").exists():
        shutil.rmtree(base, ignore_errors=True)
        libraries = [name for name in dependencies(packages) if name != "adduser"]  # init does what it would
        run("mmdebstrap", "--quiet", "--variant=extract", "--architecture=armhf",
            f"--include={','.join([*libraries, 'busybox-static'])}", RELEASE, base, *MIRRORS, limit=3600)
        for unused in [base / "dev", base / "usr/share", base / "var", *base.glob("usr/lib/*/gconv")]:
            shutil.rmtree(unused, ignore_errors=True)
    return base


def initial_ram_disk(place, packages, app):
    root = place / "root"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base_system(place, packages), root, symlinks=True)
    for package in packages:
        run("dpkg-deb", "-x", package, root)
    shutil.copytree(app, root / "app")
    shutil.copy(place / "module/emulated_fabric.ko", root)
    shutil.copy(HERE / "init", root / "init")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nfard:x:100:100::/var/lib/fard:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nfard:x:100:\n")
    disk = place / "root.cpio"
    with disk.open("wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, stdout=out, check=True, text=True,
                       input="\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))))
    return disk


# ---- the boards


class Board:
    """QEMU, and the fabric beside it."""

    def __init__(self, number, place, kernel, disk, fabric, app, network, stuck_at):
        self.console = place / f"log/board{number}.console"
        self.fabric_log = place / f"log/board{number}.fabric"
        self.memory = pathlib.Path(f"/dev/shm/fard-board{number}.{os.getpid()}")
        with self.memory.open("wb") as file:
            file.truncate(MEMORY_MIB << 20)
        with self.fabric_log.open("w") as log:
            self.fabric = subprocess.Popen([fabric, "serve", self.memory, app / "overlays", str(stuck_at)], stdout=log, stderr=log)
        arguments = ["-M", "xilinx-zynq-a9,memory-backend=ram", "-m", str(MEMORY_MIB), "-object",
                     f"memory-backend-file,id=ram,size={MEMORY_MIB}M,mem-path={self.memory},share=on", "-kernel", kernel, "-dtb",
                     place / "board.dtb", "-initrd", disk, "-append", f"console=ttyPS0 rdinit=/init quiet uio_pdrv_genirq.of_id=generic-uio board={number}",
                     "-display", "none", "-monitor", "none", "-serial", "null", "-serial", "stdio", "-no-reboot",
                     "-nic", f"socket,{network},mac=52:54:00:00:00:0{number}"]
        with self.console.open("w") as log:
            self.qemu = subprocess.Popen(["qemu-system-arm", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self):
        for process in [self.qemu, self.fabric]:
            process.terminate()
            process.wait()
        self.memory.unlink(missing_ok=True)

    def said(self):
        return self.console.read_text(errors="replace").replace("\r", "")

    def fabric_said(self):
        return self.fabric_log.read_text()


def boot(place, kernel, disk, fabric, app):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    boards = []
    try:
        for number, network in [(1, f"listen=127.0.0.1:{port}"), (2, f"connect=127.0.0.1:{port}")]:
            boards.append(Board(number, place, kernel, disk, fabric, app, network, STUCK_AT if number == 2 else 0))
            time.sleep(1)  # until the first one listens
        deadline = time.monotonic() + LIMIT_S
        while boards[0].qemu.poll() is None and time.monotonic() < deadline:
            for board in boards:
                check(board.fabric.poll() is None, f"a fabric ended: {board.fabric_said()}")
            time.sleep(0.2)
    finally:
        for board in boards:
            board.end()
    return boards


# ---- what came of it


def files_of(console):
    return {name: base64.b64decode(text) for name, text in re.findall(r"^@begin (\S+)\n(.*?)^@end", console, re.M | re.S)}


def judge(boards, build, app):
    console = boards[0].said()
    for line in re.findall(r"^@ .*", console, re.M):
        print(line)
    check("@ done" in console, f"the boards did not come to their end; their consoles are {boards[0].console} and {boards[1].console}")
    files = files_of(console)
    with tempfile.TemporaryDirectory(prefix="fard-boards.") as directory:
        work = pathlib.Path(directory)
        for name, content in files.items():
            (work / name).write_bytes(content)
        for name, reloads in [("first", 2), ("again", 0), ("stuck", 1)]:
            summary = json.loads(files[f"{name}.json"] or "null")
            check(summary and summary["chunks_out"] == CHUNKS, f"the {name} run has no results; the console is {boards[0].console}")
            run(build / "cli/fard", "run", next((app / "two_stage_bnn").glob("*.onnx")), "--input", work / f"{name}-in.npy", "--output",
                work / "right.npy")
            check((work / "right.npy").read_bytes() == files[f"{name}.npy"], f"the {name} run's results are others than this machine's")
            places = {stage["board"] for stage in summary["stages"] if stage["device"] == "fpga0"}
            check(places == {"zed1", "zed2"}, f"the {name} run was on the fabrics of {places}")
            check(summary["reloads"] == reloads, f"the {name} run loaded {summary['reloads']} times, not {reloads}")
            print(f"{name}: {CHUNKS} results exact, on two fabrics, {summary['reloads']} loads, {summary['wall_s']:.1f} s")
    for board in boards:
        print(f"{board.fabric_log.name}: {'; '.join(board.fabric_said().split(chr(10)))}")
    check("stuck at chunk" in boards[1].fabric_said(), "the second board's fabric never got stuck")


def main():
    build, packages, place, kernel = map(pathlib.Path, sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # boards are ended by whoever is told to end
    debs = [next(packages.glob(f"{name}_*_armhf.deb")) for name in ["fard", "fardd"]]
    app = place / "app"
    shutil.rmtree(app, ignore_errors=True)
    fabric = build / "tests/boards/emulated-fabric"
    run(fabric, "make", app, "/app", env={**os.environ, "FARD_BUILD_ROOT": str(build), "FARD_SOURCE_ROOT": str(SOURCE)})
    disk = initial_ram_disk(place, debs, app)
    (place / "log").mkdir(exist_ok=True)
    started = time.monotonic()
    boards = boot(place, kernel, disk, fabric, app)
    print(f"the boards ran for {time.monotonic() - started:.0f} s")
    judge(boards, build, app)


if __name__ == "__main__":
    main()
