#!/usr/bin/python3
"""Compares fard with tests/oracle/evaluate.py on random networks (tests/oracle/draw.py).

Every way in which fard computes a network is held against the evaluation: the reference interpreter, the graph before any
pass, the soft device on one of this machine's instruction sets, the stages of every legal cut, and parts of some channels.
Integers must be equal; where a quantizer met a number so close to the middle of two integers that the last bit of a fraction
decides, one unit each is allowed, and counted. What fard refuses is counted by its reason.
"""
import argparse
import collections
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import draw
import evaluate

# Reasons for which a drawn network may be refused: limits that model/README.md names.
MAY_REFUSE = ("integers of 32 bits", "wraps around", "more elements than", "is a constant: it depends on no input",
              "leave", "computes fractions")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0]

    def text(self):
        size = self.take("I")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def tensor(self):
        kind = np.dtype(self.text())
        shape = [self.take("q") for _ in range(self.take("I"))]
        count = int(np.prod(shape))
        self.at += count * kind.itemsize
        return np.frombuffer(self.data, kind, count, self.at - count * kind.itemsize).reshape(shape)


class Case:
    """A network, its chunks and the results of the evaluation."""

    def __init__(self, seed, chunks=2):
        drawn = draw.Draw(seed)
        self.seed, self.exact, self.model = seed, drawn.exact, drawn.network()
        if self.model is None:
            return
        self.chunks = [{tensor.name: drawn.values(tensor, note) for tensor, note in drawn.inputs} for _ in range(chunks)]
        self.order = [tensor.name for tensor, _ in drawn.inputs]
        with np.errstate(all="ignore"):
            wide, narrow = evaluate.Network(self.model), evaluate.Network(self.model, False)
            self.wide = [wide.run(chunk) for chunk in self.chunks]
            self.narrow = [narrow.run(chunk) for chunk in self.chunks]
        self.near = 0 if self.exact else wide.near + narrow.near

    def write(self, path):
        path.write_bytes(self.model.SerializeToString())
        rows = b"".join(chunk[name].astype("<f4").tobytes() for chunk in self.chunks for name in self.order)
        Path(str(path) + ".in").write_bytes(rows)


def moved(wide, narrow):
    """How far rounding in float32 moves a network's fractions anyway: a sine of a large sum has few digits that count."""
    with np.errstate(all="ignore"):
        apart = np.abs(wide.astype(np.float64) - narrow.astype(np.float64))
    return np.max(apart, initial=0, where=np.isfinite(apart))


def close(got, expected, apart=0.0):
    """Whether fractions agree within what ONNX allows its operators, and rounding leaves of them."""
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    largest = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= 1e-6 + 1e-4 * np.abs(expected) + 2e-6 * largest + 4 * apart
    return bool(np.all(near | (got == expected) | (np.isnan(got) & np.isnan(expected))))


def fault(case, chunk, i, got):
    """What is wrong with one output; empty if nothing is."""
    wide, narrow = case.wide[chunk][i], case.narrow[chunk][i]
    if got.shape != wide.shape:
        return f"shape {got.shape}, not {wide.shape}"
    if np.issubdtype(wide.dtype, np.integer):
        if got.dtype != wide.dtype:
            return f"elements of {got.dtype}, not {wide.dtype}"
        if np.array_equal(got, wide) or (not case.exact and np.all((got == wide) | (got == narrow))):
            return ""
    elif any(close(got, either, moved(wide, narrow)) for either in (wide, narrow)):
        return ""
    if case.near:
        return "near"
    wrong = np.argwhere(~np.isclose(got.astype(np.float64), wide.astype(np.float64), 1e-4, 1e-6))
    at = tuple(wrong[0]) if len(wrong) else ()
    return f"{len(wrong)} of {got.size} differ, at {[int(each) for each in at]} {got[at]}, not {wide[at]}"


def check(case, data, counts):
    """The faults of one network's answer."""
    if data[:4] == b"fail":
        message = data[4:].decode(errors="replace")
        reason = re.sub(r"'[^']*'|-?[0-9]+", "_", message)
        counts["refused"] += 1
        counts["refused: " + reason[-90:]] += 1
        return [] if any(each in message for each in MAY_REFUSE) else ["refused: " + message]
    reader, faults = Reader(data), []
    reader.at = 4
    for _ in range(reader.take("I")):
        way, error = reader.text(), reader.text()
        if error:
            faults.append(f"{way}: {error}")
            continue
        for chunk in range(len(case.chunks)):
            for i in range(len(case.model.graph.output)):
                wrong = fault(case, chunk, i, reader.tensor())
                if wrong == "near":
                    counts["near"] += 1
                elif wrong:
                    faults.append(f"{way}, chunk {chunk}, output {i}: {wrong}")
    return faults


def describe(model):
    return " ".join(node.op_type for node in model.graph.node)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runner", help="the program made of tests/oracle/run_models.cpp")
    parser.add_argument("count", type=int, nargs="?", default=5000)
    parser.add_argument("--seed", type=int, default=1, help="of the first network")
    parser.add_argument("--keep", type=Path, help="a directory for the models that are wrong")
    options = parser.parse_args()
    options.count = min(options.count, int(os.environ.get("FARD_TEST_NETWORKS", options.count)))
    counts, failed = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as directory:
        runner = subprocess.Popen([options.runner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for seed in range(options.seed, options.seed + options.count):
            case = Case(seed)
            if case.model is None:
                continue
            path = Path(directory) / "drawn.onnx"
            case.write(path)
            runner.stdin.write(f"{path}\n")
            runner.stdin.flush()
            if not runner.stdout.readline():
                faults = [f"the runner ended: {runner.wait()}"]
                runner = subprocess.Popen([options.runner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            else:
                faults = check(case, Path(str(path) + ".out").read_bytes(), counts)
            counts["networks"] += 1
            counts["exact" if case.exact else "rounded"] += 1
            if faults:
                failed += 1
                print(f"seed {seed}: {describe(case.model)}")
                for each in faults[:3]:
                    print("   ", each)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    case.write(options.keep / f"{seed}.onnx")
        runner.stdin.close()
        runner.wait()
    for name, count in sorted(counts.items(), key=lambda each: -each[1]):
        print(f"{count:7} {name}")
    passed = counts["networks"] - failed
    print(f"[doctest] test cases: {counts['networks']} | {passed} passed | {failed} failed |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
