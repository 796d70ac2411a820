#!/usr/bin/python3
"""Runs whole models through `fard run` on both devices and compares what it writes with right outputs.

The cases are those of own_cases.py and operator_cases.py, each evaluated by evaluate.py, and those that lie
beside the test data, where there are any: a directory with model.onnx, input.npy or image.png, and expected.npy, or files
NAME.onnx, NAME.input.npy and NAME.expected.npy.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import operator_cases
import own_cases
from compare import close

# Foreign cases whose right output may as well be a refusal, and what it says.
REFUSED = {"opset6_add_broadcast_axis": "of opset 6, and means something else there"}


class Failure(Exception):
    pass


def run(fard, model, inputs, output, device):
    command = [fard, "run", str(model), "--device", device, "--output", str(output)]
    for each in inputs:
        command += ["--input", str(each)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr.strip()


def compare(got, expected):
    if expected.shape and got.shape != expected.shape and got.reshape(-1).shape == expected.reshape(-1).shape:
        # One chunk for each leading index: a model whose batch is not 1 has it behind that.
        got = got.reshape(expected.shape) if got.shape[1:] == expected.shape else got
    if got.shape != expected.shape:
        raise Failure(f"shape {got.shape}, not {expected.shape}")
    if not close(got, expected):
        differ = np.sum(~np.isclose(got.astype(float), expected.astype(float), 1e-4, 1e-5))
        raise Failure(f"{differ} of {got.size} elements differ")


class Files:
    """One case: its model, its inputs (given as files or as NAME=FILE), its outputs or the error that is right."""

    def __init__(self, name, model, inputs, outputs, error=None):
        self.name, self.model, self.inputs, self.outputs, self.error = name, model, inputs, outputs, error

    def check(self, fard, directory):
        for device in ("reference", "soft"):
            output = Path(directory) / ("out.npz" if len(self.outputs) > 1 else "out.npy")
            code, message = run(fard, self.model, self.inputs, output, device)
            if self.error is not None:
                if not code or self.error not in message:
                    raise Failure(f"{device}: should be refused ({self.error}), and says: {message or 'nothing'}")
                continue
            if code:
                raise Failure(f"{device}: {message}")
            written = np.load(output)
            for name, expected in self.outputs.items():
                try:
                    compare(written[name] if len(self.outputs) > 1 else written, np.load(expected))
                except Failure as failure:
                    raise Failure(f"{device}, {name or 'output'}: {failure}") from None


def from_directory(directory):
    model = directory / "model.onnx"
    if not model.exists() and (directory / "make.py").exists():
        model = "make"
    expected = {"": directory / "expected.npy"}
    named = sorted(directory.glob("expected_*.npy"))
    if named:
        expected = {each.stem[len("expected_"):]: each for each in named}
    inputs = [directory / "input.npy"]
    named = sorted(directory.glob("input_*.npy"))
    if named:
        inputs = [f"{each.stem[len('input_'):]}={each}" for each in named]
    if (directory / "image.png").exists():
        inputs = [directory / "image.png"]
    text = (directory / "expected_error.txt").read_text() if (directory / "expected_error.txt").exists() else ""
    error = next((each for each in ("training mode", "FLOAT16") if each in text), None)
    return Files(directory.name, model, inputs, expected, error)


def from_files(model):
    stem = str(model)[:-len(".onnx")]
    expected = {"": Path(stem + ".expected.npy")}
    return Files(model.stem, model, [stem + ".input.npy"], expected, REFUSED.get(model.stem))


def foreign(root):
    cases = [from_directory(each.parent) for each in sorted(root.glob("*/README"))]
    with_output = (each for each in sorted(root.glob("cases/*/*.onnx")) if each.with_suffix(".expected.npy").exists())
    return cases + [from_files(each) for each in with_output]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fard", help="the program")
    parser.add_argument("names", nargs="*", help="of the cases to run; all of them without")
    options = parser.parse_args()
    data = Path(os.environ.get("FARD_TEST_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))
    root = Path(os.environ.get("FARD_TEST_CASES", data.parent / "findings/model"))
    passed, failed, skipped = 0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        cases = own_cases.write(Path(directory), Files, operator_cases.cases(), operator_cases.refused())
        if root.exists():
            cases += foreign(root)
        else:
            print(f"skipped: {root} is not there")
            skipped = 1
        for case in cases:
            if options.names and case.name not in options.names:
                continue
            work = Path(directory) / "work"
            work.mkdir(exist_ok=True)
            if case.model == "make":
                shutil.copyfile(case.inputs[0].parent / "make.py", work / "make.py")
                subprocess.run([sys.executable, "make.py"], cwd=work, check=True)
                case.model = work / "model.onnx"
            try:
                case.check(options.fard, work)
                passed += 1
            except Failure as failure:
                failed += 1
                print(f"{case.name}: {failure}")
            shutil.rmtree(work)
    print(f"[doctest] test cases: {passed + failed + skipped} | {passed + skipped} passed | {failed} failed |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
