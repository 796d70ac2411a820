#!/usr/bin/python3
"""What a build directory's tests are made of.

tools/cross/targets.py BUILD            names of tests come in, one a line; what ninja must build for them goes out
tools/cross/targets.py BUILD --count T  how many cases the test T has
"""
import json
import os
import re
import subprocess
import sys


def introspect(build, what):
    return json.loads(subprocess.run(["meson", "introspect", f"--{what}", build], capture_output=True, check=True, text=True).stdout)


def count(build, name):
    """As the test itself says, under whatever runs its programs here."""
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--logbase", "count", "--test-args=--count", name], capture_output=True, check=True)
    with open(os.path.join(build, "meson-logs/count.json"), encoding="utf-8") as log:
        said = json.loads(log.readline())["stdout"]
    return int(re.search(r"passing the current filters: (\d+)", said)[1])


def main():
    build = sys.argv[1]
    tests = {test["name"]: test for test in introspect(build, "tests")}
    if sys.argv[2:3] == ["--count"]:
        return print(count(build, sys.argv[3]))
    files = {target["id"]: target["filename"] for target in introspect(build, "targets")}
    wanted = set()
    for name in sys.stdin.read().split():
        if name not in tests:
            sys.exit(f"{build} has no test {name}")
        for target in tests[name]["depends"]:
            wanted.update(os.path.relpath(file, os.path.realpath(build)) for file in files[target])
    print("\n".join(sorted(wanted)))


if __name__ == "__main__":
    main()
