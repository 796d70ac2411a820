#!/usr/bin/python3
"""Checks the forms in FINN of the stages of whole networks.

Each form must keep the rules of what FINN's own flow takes, and compute what the stage computes, by the second oracle's
evaluation of both. A stage that has no form must be refused by the name of a layer.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import evaluate

GENERAL = "qonnx.custom_op.general"
NODES = {"": {"Add", "Conv", "GlobalAveragePool", "MatMul", "MaxPool", "Mul", "TopK"},
         GENERAL: {"Im2Col", "MaxPoolNHWC", "MultiThreshold", "QuantAvgPool2d"}}


def datatypes(model):
    return {each.tensor_name: pair.value for each in model.graph.quantization_annotation
            for pair in each.quant_parameter_tensor_names if pair.key == "finn_datatype"}


def limits(name):
    if name == "BIPOLAR":
        return -1, 1
    bits = int(name.removeprefix("UINT").removeprefix("INT"))
    return (0, 2 ** bits - 1) if name.startswith("U") else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)


class Rules:
    """What FINN's flow takes, from its own runs; `faults` says what a form does otherwise."""

    def __init__(self, model):
        self.model, self.graph, self.faults = model, model.graph, []
        self.types = datatypes(model)
        self.stored = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.shapes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim]
                       for each in [*self.graph.input, *self.graph.output, *self.graph.value_info]}
        self.file()
        self.borders()
        self.chain()
        for node in self.graph.node:
            getattr(self, "check_" + node.op_type.lower(), lambda node: None)(node)

    def expect(self, holds, what):
        if not holds:
            self.faults.append(what)

    def file(self):
        opsets = {each.domain: each.version for each in self.model.opset_import}
        self.expect(9 <= opsets.get("", 0) <= 17 and 8 <= self.model.ir_version <= 10, "opset or IR version")
        onnx.checker.check_model(self.model)
        for name, shape in self.shapes.items():
            self.expect(shape and shape[0] == 1 and min(shape) >= 1, f"shape {shape} of {name}")
        for node in self.graph.node:
            self.expect(node.op_type in NODES.get(node.domain, ()), f"operator {node.domain} {node.op_type}")
            self.expect(node.output[-1] in self.shapes, f"no shape for {node.name}")
        for values in [*self.graph.input, *self.graph.output, *self.graph.value_info]:
            if any(node.op_type == "TopK" and node.output[1] == values.name for node in self.graph.node):
                continue
            self.expect(values.type.tensor_type.elem_type == onnx.TensorProto.FLOAT, f"elements of {values.name}")
        names = [node.name for node in self.graph.node]
        self.expect(len(set(names)) == len(names), "names occur twice")

    def borders(self):
        self.expect(len(self.graph.input) == 1 and len(self.graph.output) == 1, "more than one input or output")
        for tensor in [self.graph.input[0], self.graph.output[0]]:
            self.expect(tensor.name in self.types or tensor is self.graph.output[0], f"no datatype of {tensor.name}")

    def chain(self):
        """Each node reads what the one before it makes, and nothing else does."""
        last = self.graph.input[0].name
        for node in self.graph.node:
            self.expect([name for name in node.input if name not in self.stored] == [last], f"{node.name} is no link of a chain")
            last = node.output[-1]
        self.expect(last == self.graph.output[0].name, "the last node does not make the output")

    def attributes(self, node):
        return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}

    def weights(self, node, positions):
        name = node.input[1]
        kind, values = self.types.get(name), self.stored.get(name)
        if kind is None or values is None:
            return self.faults.append(f"{node.name}: weights without values or datatype")
        low, high = limits(kind)
        self.expect(np.all(values == np.rint(values)) and values.min() >= low and values.max() <= high,
                    f"{node.name}: weights beyond {kind}")
        self.expect(kind != "BIPOLAR" or np.all(np.abs(values) == 1), f"{node.name}: weights are not BIPOLAR")
        self.expect(values.ndim == positions, f"{node.name}: weights of {values.ndim} dimensions")

    def check_matmul(self, node):
        self.weights(node, 2)
        x, w = self.shapes[node.input[0]], self.stored[node.input[1]].shape
        self.expect(x[-1] == w[0] and self.shapes[node.output[0]] == x[:-1] + [w[1]], f"{node.name}: shapes")

    def check_conv(self, node):
        self.weights(node, 4)
        given = self.attributes(node)
        self.expect({"kernel_shape", "strides", "pads", "group"} <= set(given), f"{node.name}: attributes")
        w, group = self.stored[node.input[1]].shape, given.get("group", 1)
        self.expect(group == 1 or (w[1] == 1 and group == w[0]), f"{node.name}: groups that are not depthwise")
        self.unpadded(node, given.get("pads", []))

    def check_im2col(self, node):
        given = self.attributes(node)
        self.expect({"kernel_size", "stride", "pad_amount", "input_shape", "dilations"} <= set(given), f"{node.name}: attributes")
        (kh, kw), (sh, sw), (dh, dw) = given["kernel_size"], given["stride"], given["dilations"]
        top, left, bottom, right = given["pad_amount"]
        n, h, w, c = self.shapes[node.input[0]]
        made = [n, (h + top + bottom - dh * (kh - 1) - 1) // sh + 1, (w + left + right - dw * (kw - 1) - 1) // sw + 1, kh * kw * c]
        self.expect(self.shapes[node.output[0]] == made, f"{node.name}: makes {self.shapes[node.output[0]]}, not {made}")
        self.expect(given["input_shape"] == str(tuple(self.shapes[node.input[0]])).encode(), f"{node.name}: input_shape")
        self.unpadded(node, given["pad_amount"])

    def unpadded(self, node, pads):
        self.expect(not any(pads) or self.types.get(node.input[0]) != "BIPOLAR", f"{node.name}: pads BIPOLAR")

    def check_maxpool(self, node):
        self.expect({"kernel_shape", "strides", "pads"} <= set(self.attributes(node)), f"{node.name}: attributes")
        windowed = any(each.op_type == "Conv" and max(self.attributes(each)["kernel_shape"]) > 1 for each in self.graph.node)
        self.expect(windowed, f"{node.name}: no convolution with windows in the stage")

    def check_maxpoolnhwc(self, node):
        self.expect({"kernel_shape", "strides", "pads"} <= set(self.attributes(node)), f"{node.name}: attributes")

    def check_multithreshold(self, node):
        given, thresholds = self.attributes(node), self.stored.get(node.input[1])
        if thresholds is None or "out_dtype" not in given:
            return self.faults.append(f"{node.name}: no thresholds or out_dtype")
        kind, shape = given["out_dtype"].decode(), self.shapes[node.input[0]]
        scale, bias, layout = given.get("out_scale", 1.0), given.get("out_bias", 0.0), given.get("data_layout", b"").decode()
        self.expect(np.all(np.diff(thresholds, axis=1) >= 0), f"{node.name}: thresholds do not ascend")
        self.expect(np.all(thresholds == np.rint(thresholds)), f"{node.name}: thresholds are fractions")
        self.expect((scale, bias) == (2, -1) if kind == "BIPOLAR" else scale == 1, f"{node.name}: out_scale {scale}")
        self.expect(not kind.startswith("INT") or bias < 0, f"{node.name}: {kind} from {bias}")
        low, high = limits(kind)
        self.expect(low <= bias and bias + scale * thresholds.shape[1] <= high, f"{node.name}: results beyond {kind}")
        self.expect(layout == "" or (layout == "NHWC" and len(shape) == 4), f"{node.name}: data_layout {layout}")
        channels = shape[-1] if layout or len(shape) == 2 else shape[1]
        self.expect(thresholds.shape[0] in (1, channels), f"{node.name}: {thresholds.shape[0]} rows for {channels} channels")

    def check_mul(self, node):
        before = [each for each in self.graph.node if node.input[0] in each.output]
        pools = before and before[0].op_type == "GlobalAveragePool"
        pixels = int(np.prod(self.shapes[before[0].input[0]][2:])) if pools else 0
        self.expect(self.types.get(node.input[1]) or (pools and np.all(self.stored[node.input[1]] == pixels)),
                    f"{node.name}: a factor without datatype")

    def check_add(self, node):
        self.expect(node.input[1] in self.types, f"{node.name}: a constant without datatype")


def drawn(model, random):
    """Elements for the stage's only input."""
    tensor = model.graph.input[0]
    shape = [dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
    kind = datatypes(model)[tensor.name]
    low, high = limits(kind)
    values = random.integers(low, high, shape, endpoint=True)
    if kind == "BIPOLAR":
        values = random.integers(0, 1, shape, endpoint=True) * 2 - 1
    kinds = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.UINT8: np.uint8, onnx.TensorProto.INT8: np.int8}
    return values.astype(kinds.get(tensor.type.tensor_type.elem_type, np.int32))


def to_form(x, shape, channels_first):
    """The same elements as the form's border has them."""
    x = x.astype(np.float32)
    if x.ndim == 4 and not (channels_first and len(shape) == 4):
        x = x.transpose(0, 2, 3, 1)
    return x.reshape(shape)


def fault(stage, form, channels_first, random):
    rules = Rules(form)
    if rules.faults:
        return "; ".join(rules.faults[:3])
    x = drawn(stage, random)
    shape = [dim.dim_value for dim in form.graph.input[0].type.tensor_type.shape.dim]
    expected = evaluate.Network(stage).run({stage.graph.input[0].name: x})[0].astype(np.float64)
    got = evaluate.Network(form).run({form.graph.input[0].name: to_form(x, shape, channels_first)})[0].astype(np.float64)
    wanted = to_form(expected, got.shape, channels_first).astype(np.float64) if expected.size == got.size else expected
    means = any(node.op_type == "GlobalAveragePool" for node in form.graph.node)  # fractions, which FINN has as integers
    same = wanted.shape == got.shape and (np.allclose(wanted, got, 1e-6, 1e-3) if means else np.array_equal(wanted, got))
    if not same:
        return f"computes something else: {got.ravel()[:6]}, not {wanted.ravel()[:6]}"
    return ""


def check_network(runner, file, random):
    wrong = made = refused = 0
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([runner, file, directory], check=True)
        for path in sorted(Path(directory).glob("*.stage.onnx")):
            start = str(path).removesuffix(".stage.onnx")
            if os.path.exists(start + ".refused"):
                refused += 1
                reason = Path(start + ".refused").read_text()
                if "'" not in reason or "has no form in FINN" not in reason:
                    wrong += 1
                    print(f"{file.name} {path.name}: refused without a name: {reason}")
                continue
            made += 1
            channels_first = Path(start + ".border").read_text() == "channels_first"
            why = fault(onnx.load(path), onnx.load(start + ".finn.onnx"), channels_first, random)
            if why:
                wrong += 1
                print(f"{file.name} {path.name}: {why}")
    print(f"{file.name}: {made} forms, {refused} refused")
    if made == 0:
        wrong += 1
        print(f"{file.name}: no stage has a form")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runner", help="the program made of tests/oracle/finn_forms.cpp")
    parser.add_argument("networks", nargs="*", type=Path)
    options = parser.parse_args()
    root = Path(os.environ.get("FARD_SOURCE_ROOT", Path(__file__).resolve().parents[2]))
    data = Path(os.environ.get("FARD_TEST_DATA", root / "../shared/data")) / "models"
    files = options.networks or [root / "apps/two_stage_bnn/cnv_w2a2.onnx", root / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx"]
    if not options.networks:
        for name in ("cnv_w2a2", "tfc_1w1a", "tfc_1w2a", "tfc_2w2a", "kws_mlp_w3a3", "kws_mlp_w3a3_zoo", "unsw_nb15_mlp_w2a2"):
            if (data / f"{name}.onnx").exists():
                files.append(data / f"{name}.onnx")
            else:
                print(f"skipped: {data / name}.onnx is not there")
    random = np.random.default_rng(1)
    failed = sum(check_network(options.runner, file, random) > 0 for file in files)
    print(f"[doctest] test cases: {len(files)} | {len(files) - failed} passed | {failed} failed |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
