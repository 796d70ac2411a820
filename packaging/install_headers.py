#!/usr/bin/env python3
"""Installs the public headers: install_headers.py SOURCE INCLUDEDIR

Run by `meson install`, which says where to. PUBLIC are those that a job or a client includes by name, as
<fard/jobs/job.hpp>; what they include of ours comes along. In the source tree includes start at its root, installed they
start at fard/, so that another project may have a base/ and a client/ of its own.
"""
import os
import pathlib
import re
import sys

PUBLIC = ["client/api.hpp", "client/inputs.hpp", "jobs/job.hpp", "jobs/overlay_runner.hpp"]
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def reached(source):
    """The public headers and what they include: path -> text."""
    texts, open_ = {}, list(PUBLIC)
    while open_:
        header = open_.pop()
        if header not in texts:
            texts[header] = (source / header).read_text(encoding="utf-8")
            open_ += INCLUDE.findall(texts[header])
    return texts


def main():
    source, include = pathlib.Path(sys.argv[1]), sys.argv[2]
    target = pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / include
    for header, text in reached(source).items():
        into = target / header
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(INCLUDE.sub(r'#include "fard/\1"', text), encoding="utf-8")
        into.chmod(0o644)


if __name__ == "__main__":
    main()
