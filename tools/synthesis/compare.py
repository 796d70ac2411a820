#!/usr/bin/python3
"""Synthesises matrix-vector units of several foldings with yosys, beside what the splitter estimates for them and what FINN prints.

Usage: compare.py [--fard build/cli/fard] [--only TEXT] [--simulate]

Each unit is drawn (matrix_unit.py), synthesised by `synth_xilinx -family xc7 -abc9`, and planned by `fard split` as a network of that
one layer, folded the same way: once with its mended estimates, without what every stage takes beside its layers, and twice as FINN
has it, with and without the thresholds, which its main branch counts only where their memory is said to be LUTRAM. --simulate runs
each unit in Icarus Verilog first, with and without stalls, and compares every result and the cycles with the arithmetic.
Needs Debian's yosys and python3-onnx; --simulate needs iverilog. Prints a table in Markdown. docs/estimates.md has one.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from matrix_unit import BENCH, Unit

# columns, rows, PE, SIMD, bits of weights, bits of inputs and results, where the weights lie
UNITS = [(64, 64, 1, 1, 2, 2, "block"), (64, 64, 2, 4, 2, 2, "block"), (64, 64, 4, 8, 2, 2, "block"),
         (64, 64, 8, 16, 2, 2, "block"), (64, 64, 16, 16, 2, 2, "block"), (64, 64, 4, 8, 2, 2, "distributed"),
         (576, 64, 8, 16, 2, 2, "block"), (576, 64, 16, 32, 2, 2, "block"),
         (512, 512, 4, 8, 2, 2, "block"), (64, 64, 4, 8, 4, 4, "block"), (64, 64, 8, 16, 4, 4, "block")]
OVERHEAD = {"lut": 5_000, "ff": 7_500, "bram18": 4}  # of every stage, in the mended estimates


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def write_unit(unit, directory):
    (directory / "weights.hex").write_text(unit.weight_words())
    (directory / "thresholds.hex").write_text(unit.threshold_words())
    (directory / "unit.v").write_text(unit.verilog("weights.hex", "thresholds.hex"))


def packed(values, across, bits):
    lines = []
    for block in np.asarray(values).reshape(-1, across):
        word = sum(int(value) << (place * bits) for place, value in enumerate(block))
        lines.append(f"{word:0{(across * bits + 3) // 4}x}")
    return lines


def simulate(unit, directory):
    """Cycles of a vector, without stalls; ends the program where a result differs."""
    vectors = np.random.default_rng(7).integers(0, 2**unit.bits, (6, unit.columns))
    inputs, wanted = packed(vectors, unit.simd, unit.bits), packed(unit.results(vectors), unit.pe, unit.bits)
    (directory / "inputs.hex").write_text("\n".join(inputs) + "\n")
    (directory / "wanted.hex").write_text("\n".join(wanted) + "\n")
    took = 0
    for stalls in (1, 0):
        text = BENCH.format(simd=unit.simd, pe=unit.pe, bits=unit.bits, words_in=len(inputs), words_out=len(wanted), stalls=stalls,
                            input_file="inputs.hex", wanted_file="wanted.hex", most_cycles=20 * unit.cycles * len(vectors) + 1000)
        (directory / "bench.v").write_text(text)
        run(["iverilog", "-g2012", "-o", "bench", "bench.v", "unit.v"], cwd=directory)
        got, wrong, took = map(int, run(["vvp", "bench"], cwd=directory).split()[:3])
        if got != len(wanted) or wrong:
            sys.exit(f"{got} of {len(wanted)} results, {wrong} wrong, {'with' if stalls else 'without'} stalls")
    return took / len(vectors)


def synthesise(unit, directory):
    script = ("read_verilog -sv unit.v; synth_xilinx -family xc7 -abc9 -nodsp -noiopad -flatten -top matrix_unit; "
              "tee -o stat.txt stat -tech xilinx")
    start = time.monotonic()
    run(["yosys", "-q", "-p", script], cwd=directory)
    seconds = time.monotonic() - start
    cells = {}
    for name, count in re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+(\d+)\s*$", (directory / "stat.txt").read_text(), re.M):
        cells[name] = cells.get(name, 0) + int(count)
    memories = {"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4, "RAM32X1S": 1, "RAM64X1S": 1}  # in LUTs
    lut = sum(count for name, count in cells.items() if re.fullmatch(r"LUT\d", name))
    lut += sum(count * memories.get(name, 0) for name, count in cells.items())
    unknown = [name for name in cells if name.startswith("RAM") and not name.startswith("RAMB") and name not in memories]
    if unknown:
        sys.exit(f"cells of unknown size: {unknown}")
    return {"lut": lut, "ff": sum(count for name, count in cells.items() if name.startswith("FD")),
            "bram18": 2 * cells.get("RAMB36E1", 0) + cells.get("RAMB18E1", 0), "seconds": seconds}


def write_network(unit, file):
    constants = [numpy_helper.from_array(unit.weights.T.astype(np.float32), "weights"),
                 numpy_helper.from_array(unit.thresholds.astype(np.float32), "steps")]
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["sums"], name="matrix"),
             helper.make_node("MultiThreshold", ["sums", "steps"], ["y"], name="thresholds", domain="qonnx.custom_op.general",
                              out_dtype=f"UINT{unit.bits}")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
              for name, size in (("x", unit.columns), ("y", unit.rows))]
    graph = helper.make_graph(nodes, "unit", values[:1], values[1:], constants)
    for tensor, kind in (("x", f"UINT{unit.bits}"), ("weights", f"INT{unit.weight_bits}"), ("y", f"UINT{unit.bits}")):
        annotation = graph.quantization_annotation.add(tensor_name=tensor)
        annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=kind)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), file)


def estimate(fard, unit, directory, mode, thresholds):
    network, folding = directory / "unit.onnx", directory / "folding.json"
    write_network(unit, network)
    settings = {"PE": unit.pe, "SIMD": unit.simd, "resType": "lut", "mem_mode": "internal_decoupled", "ram_style": unit.memory,
                "ram_style_thresholds": thresholds}
    folding.write_text(json.dumps({"Defaults": {}, "MVAU_hls_0": settings}))
    plan = json.loads(run([fard, "split", network, "--board", "zcu102", "--boards", "1", "--fraction", "1", "--folding", folding,
                           "--estimates", mode, "--json"]))
    stage = plan["stages"][0]
    less = OVERHEAD if mode == "mended" else {}
    return {name: value - less.get(name, 0) for name, value in stage["resources"].items()} | {"cycles": stage["cycles"]}


def row_of(fard, values, simulated):
    unit = Unit(*values)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        write_unit(unit, directory)
        took = simulate(unit, directory) if simulated else None
        ours = estimate(fard, unit, directory, "mended", "auto")
        printed = estimate(fard, unit, directory, "finn", "auto")
        counted = estimate(fard, unit, directory, "finn", "distributed")
        made = synthesise(unit, directory)
    if ours["cycles"] != unit.cycles or (took is not None and not unit.cycles <= took <= unit.cycles + 4):
        sys.exit(f"{values}: {ours['cycles']} cycles estimated, {took} simulated, {unit.cycles} by the folding")
    columns, rows, pe, simd, weight_bits, bits, memory = values
    return (f"| {columns} x {rows}, W{weight_bits}A{bits} | {pe} x {simd}, {memory} | {made['lut']:,} | {ours['lut']:,} "
            f"({ours['lut'] / made['lut']:.2f}) | {printed['lut']:,} / {counted['lut']:,} ({counted['lut'] / made['lut']:.2f}) | "
            f"{made['ff']:,} / {ours['ff']:,} | {made['bram18']} / {ours['bram18']} / {printed['bram18']} | {made['seconds']:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fard", type=pathlib.Path, default=pathlib.Path(__file__).parents[2] / "build/cli/fard")
    parser.add_argument("--only", default="", help="units whose numbers contain this, as '64 64 4 8'")
    parser.add_argument("--simulate", action="store_true", help="hold each unit against the arithmetic first")
    given = parser.parse_args()
    print("| matrix | PE x SIMD, weights in | LUT: yosys | mended | FINN: printed / with thresholds | FF: yosys / mended | "
          "BRAM18: yosys / mended / FINN | seconds |\n|---|---|---|---|---|---|---|---|")
    for values in UNITS:
        if given.only in " ".join(map(str, values)):
            print(row_of(given.fard.resolve(), values, given.simulate), flush=True)


if __name__ == "__main__":
    main()
