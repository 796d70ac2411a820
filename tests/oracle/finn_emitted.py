#!/usr/bin/python3
"""Checks what `fard split --out` writes for FINN: of each network, by every strategy, for several sets of boards.

Each form must keep FINN's rules and compute what its stage computes (finn_forms.py), and each folding must name the very nodes that
FINN makes of the form by the languages that are written beside it, with values that it takes (finn_nodes.py). The nodes of whole networks are held against FINN's own runs.
"""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import finn_forms
import finn_nodes

STRATEGIES = ("occupancy", "traffic", "balance", "throughput", "latency")
# Boards, and what else: as many as it takes, some that hold all, some that take turns.
BOARDS = (("zedboard",), ("zcu102",), ("zedboard", "--boards", "2"), ("pynq-z1", "--boards", "1", "--stages", "3"), ("zcu104", "--boards", "3"))
SERIES7 = ("zedboard", "pynq-z1")
FORMATS = {"channels_first": {"Conv", "MaxPool", "GlobalAveragePool"}, "channels_last": {"Im2Col", "MaxPoolNHWC", "QuantAvgPool2d"}}
# The paper's MobileNetV1, of tools/bench_networks.py.
DRAWN = "mobilenet_v1_w4a4_pixels"
# FINN's own runs of networks, and whether their thresholds are on their own.
RUNS = {"models/cnv_w2a2": ("cnv_w2a2-pynqz1-stock", False),
        "models/unsw_nb15_mlp_w2a2": ("unsw_nb15_mlp_w2a2-pynqz1-fps1000000", False),
        "mobilenet_six_stage/mobilenet_v1_w4a4": ("mobilenet_v1_w4a4_cifar10-zcu104-stock-separate", True)}


def channels_first(form):
    """How the form's borders lie, by the first node that says so."""
    for node in form.graph.node:
        for layout, kinds in FORMATS.items():
            if node.op_type in kinds:
                return layout == "channels_first"
        if node.op_type == "MultiThreshold" and any(each.name == "data_layout" for each in node.attribute):
            return False
    return True


class Emitted:
    def __init__(self, fard, random):
        self.fard, self.random = fard, random
        self.computed, self.wrong = set(), 0  # forms that were computed, by their bytes
        self.formless = set()                  # why stages have no form
        self.plans = self.refused = self.stages = self.turns = self.parts = 0
        self.not_usual = 0                     # stages with a unit in another language than FINN would choose

    def fault(self, what):
        self.wrong += 1
        print(what)

    def split(self, file, strategy, boards, directory):
        command = [self.fard, "split", file, "--board", *boards, "--strategy", strategy, "--out", directory]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 2 and ("fit" in done.stderr or "stages" in done.stderr):
            self.refused += 1
            return None
        if done.returncode != 0:
            self.fault(f"{file.name} {strategy} {boards}: {done.stderr}")
            return None
        self.plans += 1
        return done.stdout

    def check(self, file, strategy, boards):
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch) / "out"
            said = self.split(file, strategy, boards, directory)
            if said is None:
                return
            self.turns += "in turns" in said
            without = {int(number): why for number, why in re.findall(r"stage (\d+) has no form for FINN: (.*)", said)}
            without |= {int(number): "'processor'" for number in re.findall(r"stage (\d+) is for a processor", said)}
            for stage in sorted(directory.glob("stage-*/stage.onnx")) + sorted(directory.glob("stage-*/part-*/stage.onnx")):
                self.stages += 1
                self.parts += "part-" in str(stage)
                where = f"{file.name} {strategy} {boards} {stage.parent.relative_to(directory)}"
                self.check_stage(where, stage.parent, without, boards[0] in SERIES7, "standalone_thresholds" in said)

    def check_stage(self, where, directory, without, series7, separate):
        if not (directory / "finn.onnx").exists():
            number = int(re.search(r"stage-(\d+)", str(directory)).group(1))
            self.formless.add(without.get(number, ""))
            if "'" not in without.get(number, ""):
                self.fault(f"{where}: no form, and no layer is named")
            return
        form = onnx.load(directory / "finn.onnx")
        folding = json.loads((directory / "folding.json").read_text())
        preferred = json.loads((directory / "specialize_layers.json").read_text())
        units = finn_nodes.Units(form, series7, separate, preferred).list
        self.not_usual += any(unit.language != usual.language for unit, usual in zip(units, finn_nodes.Units(form, series7, separate).list))
        for what in finn_nodes.specialization_faults(units, preferred)[:3]:
            self.fault(f"{where}: specialize_layers.json: {what}")
        for what in finn_nodes.folding_faults(units, folding)[:3]:
            self.fault(f"{where}: folding.json: {what}")
        key = hashlib.sha256((directory / "finn.onnx").read_bytes() + (directory / "stage.onnx").read_bytes()).digest()
        if key in self.computed:
            return
        self.computed.add(key)
        why = finn_forms.fault(onnx.load(directory / "stage.onnx"), form, channels_first(form), self.random)
        if why:
            self.fault(f"{where}: {why}")

    def hold_against_finn(self, file, run, separate):
        """The nodes of the whole network's form, as FINN's own run of that network has them."""
        with tempfile.TemporaryDirectory() as scratch:
            if self.split(file, "throughput", ("u280", "--boards", "1", "--stages", "1"), Path(scratch) / "out") is None:
                return self.fault(f"{file.name}: no plan of one stage")
            names = [unit.name for unit in finn_nodes.Units(onnx.load(Path(scratch) / "out/stage-0/finn.onnx"), False, separate).list]
        theirs = [node["name"] for node in json.loads((run / "nodes.json").read_text())]
        if names != theirs:
            self.fault(f"{file.name}: FINN made {theirs}, expected {names}")


def networks(root, scratch):
    data = Path(os.environ.get("FARD_TEST_DATA", root / "../shared/data"))
    files = [root / "apps/two_stage_bnn/cnv_w2a2.onnx", root / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx"]
    subprocess.run([sys.executable, root / "tools/bench_networks.py", scratch, DRAWN], check=True)
    files.append(Path(scratch) / f"{DRAWN}.onnx")
    for name in ("cnv_w2a2", "tfc_1w1a", "tfc_1w2a", "tfc_2w2a", "kws_mlp_w3a3", "kws_mlp_w3a3_zoo", "unsw_nb15_mlp_w2a2"):
        if (data / f"models/{name}.onnx").exists():
            files.append(data / f"models/{name}.onnx")
        else:
            print(f"skipped: {data / 'models' / name}.onnx is not there")
    return files, data / "finn/runs"


def check_network(fard, file, runs):
    """Whether everything that is written of a network is as it must be."""
    emitted = Emitted(fard, np.random.default_rng(1))
    for boards in BOARDS:
        for strategy in STRATEGIES:
            emitted.check(file, strategy, boards)
    run, separate = RUNS.get(f"{file.parent.name}/{file.stem}", ("none", False))
    if (runs / run).exists():
        emitted.hold_against_finn(file, runs / run, separate)
    if emitted.plans == 0 or not emitted.computed:
        emitted.fault(f"{file.name}: nothing was written")
    print(f"{file.name}: {emitted.plans} plans ({emitted.turns} in turns), {emitted.refused} refused, {emitted.stages} stages ({emitted.parts} parts), "
          f"{emitted.not_usual} in languages not FINN's own choice, {len(emitted.computed)} forms computed, {emitted.wrong} wrong")
    for why in sorted(emitted.formless):
        print(f"  without a form: {why}")
    return emitted.wrong == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fard")
    parser.add_argument("networks", nargs="*", type=Path)
    options = parser.parse_args()
    root = Path(os.environ.get("FARD_SOURCE_ROOT", Path(__file__).resolve().parents[2]))
    with tempfile.TemporaryDirectory() as scratch:
        files, runs = networks(root, scratch)
        files = options.networks or files
        failed = sum(not check_network(options.fard, file, runs) for file in files)
    print(f"[doctest] test cases: {len(files)} | {len(files) - failed} passed | {failed} failed |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
