"""Installs a build into a directory of its own and builds and runs examples/outside against that alone.

install_test.py BUILD SOURCE
"""
import array
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from commands import check, run

HEADERS = ["client/api.hpp", "client/inputs.hpp", "jobs/job.hpp", "jobs/overlay_runner.hpp"]


def only(paths):
    paths = list(paths)
    check(len(paths) == 1, f"one file was expected: {paths}")
    return paths[0]


class Installation:
    def __init__(self, build, root):
        run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)
        self.root = root
        self.fard = only(root.rglob("bin/fard"))
        self.prefix = self.fard.parent.parent
        self.libdir = only(root.rglob("libfard.a")).parent
        self.environment = dict(
            os.environ,
            PATH=f"{self.fard.parent}:{os.environ['PATH']}",
            PKG_CONFIG_PATH=str(self.libdir / "pkgconfig"),
            LD_LIBRARY_PATH=str(self.libdir),
        )

    def flags(self, *which):
        return run("pkg-config", *which, "fard", env=self.environment).split()


def files_are_there(there):
    for file in ["bin/fardd", "libexec/fard/fard-board-helper", "share/fard/boards/zedboard.toml", "share/man/man1/fard.1", "share/man/man8/fardd.8",
                 "share/bash-completion/completions/fard", "share/bash-completion/completions/fardd"]:
        check((there.prefix / file).is_file(), f"{file} is not installed")
    jobs = pathlib.Path(run("pkg-config", "--variable=jobsdir", "fard", env=there.environment).strip())
    check((jobs / "copy").is_file() and (jobs / "stage").is_file(), f"no jobs in {jobs}")
    check(not [name for name in os.listdir(jobs) if name.startswith("test_")], "a test's job is installed")
    check(run(there.fard, "--version").startswith("fard "), "fard --version")
    strange = [path for path in there.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o022]
    check(not strange, f"others can write to {strange}")


def library_shows_its_own_alone(there):
    names = run("nm", "-D", "-C", "--defined-only", there.libdir / "libfard.so").splitlines()
    symbols = [line.split(" ", 2)[2].split("@")[0] for line in names]
    strange = [name for name in symbols if "fard::" not in name and not name.startswith("FARD_")]
    check(not strange, f"libfard.so shows {strange[:5]}")
    check(any(name.startswith("fard::Api::connect(") for name in symbols), "libfard.so does not show fard::Api")
    dynamic = run("readelf", "-d", there.libdir / "libfard.so")
    check(re.search(r"SONAME.*\[libfard\.so\.[0-9.]+\]", dynamic), "libfard.so has no soname")


def headers_stand_alone(there):
    include = there.prefix / "include" / "fard"
    installed = sorted(str(path.relative_to(include)) for path in include.rglob("*.hpp"))
    check(set(HEADERS) <= set(installed), f"headers are missing: {installed}")
    private = [name for name in installed if name.startswith(("cli/", "runtime/node_manager/", "model/", "tests/"))]
    check(not private, f"no part of the interface: {private}")
    flags = [*there.flags("--cflags"), "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-xc++"]
    alone = lambda header: run("g++", *flags, "-", input=f"#include <fard/{header}>\n")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(alone, installed))
    return len(installed)


def overlay_job_links_statically(there, work):
    """The job that needs most of the library: fard.pc names all that stands below it."""
    source = work / "overlay_job.cpp"
    source.write_text("""#include <fard/jobs/overlay_runner.hpp>
int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<fard::OverlayJob>(); }, fard::Parking::allowed);
}
""")
    libraries = ["-l:libfard.a" if word == "-lfard" else word for word in there.flags("--static", "--libs")]
    run("g++", "-std=c++20", *there.flags("--cflags"), source, "-o", work / "overlay_job", "-Wl,--as-needed", *libraries)
    print("a static job that runs overlays links")


def builds(there, source, work):
    """Copies of the example, each built in another way: where its programs are."""
    for form, words in {"shared": [], "static": ["STATIC=1"]}.items():
        place = work / form
        shutil.copytree(source, place)
        run("make", "-C", place, "CXXFLAGS=-O0 -Wall -Wextra -Werror", *words, env=there.environment)
        yield f"make, {form} library", place
    needed = run("readelf", "-d", work / "static" / "jobs" / "invert")
    check("onnx" not in needed and "libfard" not in needed, f"a static job needs too much: {needed}")
    if not shutil.which("cmake"):
        print("cmake is not installed: left out")
        return
    place = work / "cmake"
    environment = {key: value for key, value in there.environment.items() if key != "PKG_CONFIG_PATH"}
    run("cmake", "-S", source, "-B", place, f"-DCMAKE_PREFIX_PATH={there.prefix}", env=environment)
    run("cmake", "--build", place, env=environment)
    yield "cmake", place


def example_runs(there, name, place):
    """On a cluster that is up, by the client; and on one of its own, by `fard submit`."""
    run(there.fard, "up", "--boards", "2", "--jobs-dir", place / "jobs", env=there.environment)
    try:
        said = run(place / "send", place / "inverted.toml", env=there.environment)
        check(said == "8 of 8 chunks, inverted\n", f"{name}: {said}")
        check("2 boards" in run(there.fard, "status", env=there.environment), f"{name}: status")
    finally:
        run(there.fard, "down", env=there.environment)
    sent, got = place / "sent.npy", place / "got.npy"
    run(there.fard, "submit", place / "inverted.toml", "--prepared", sent, "--output", got, env=there.environment)
    body = [array.array("i", file.read_bytes()[-8 * 64 * 4:]) for file in (sent, got)]  # whole numbers are int32 there
    check([255 - value for value in body[0]] == list(body[1]), f"{name}: fard submit gives other bytes")
    print(f"{name}: built, run on installed boards")


def pages_are_right(there):
    pages = [there.prefix / "share/man/man1/fard.1", there.prefix / "share/man/man8/fardd.8"]
    if shutil.which("groff"):
        for page in pages:
            done = subprocess.run(["groff", "-man", "-ww", "-z", str(page)], capture_output=True, text=True)
            check(not done.stderr, f"{page.name}: {done.stderr}")
    else:
        print("groff is not installed: man pages were not read")
    complete = ('source "$1"; COMP_WORDS=("${@:3}"); COMP_CWORD=$(($# - 3)); "_$2"; echo "${COMPREPLY[*]}"')
    for words, wanted in {("fard", "sub"): "submit", ("fard", "submit", "--chu"): "--chunks", ("fard", "submit", "a"): "",
                          ("fardd", "--front"): "--front-door"}.items():
        file = there.prefix / "share/bash-completion/completions" / words[0]
        got = run("bash", "-c", complete, "bash", file, words[0], *words).strip()
        check(got == wanted, f"completion of {words}: '{got}'")


def main():
    build, source = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="fard-install.") as directory:
        work = pathlib.Path(directory)
        there = Installation(build, work / "root")
        (work / "run").mkdir(mode=0o700)
        there.environment["XDG_RUNTIME_DIR"] = str(work / "run")
        for name in ("FARD_NODE", "FARD_LIBEXEC"):
            there.environment.pop(name, None)
        files_are_there(there)
        library_shows_its_own_alone(there)
        pages_are_right(there)
        print(f"{headers_stand_alone(there)} headers stand alone")
        overlay_job_links_statically(there, work)
        for name, place in builds(there, source / "examples" / "outside", work):
            example_runs(there, name, place)


if __name__ == "__main__":
    main()
