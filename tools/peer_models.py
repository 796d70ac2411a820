#!/usr/bin/python3
"""Writes the int8 networks with which bench/engine compares the soft device: one file each, as ONNX Runtime runs them best.

Usage: peer_models.py DIRECTORY

mobilenet_v1.onnx (1.0, 224x224), cnv.onnx (FINN's topology, 32x32) and squeezenet_v1.1.onnx: QLinearConv and QLinearMatMul
with per-channel INT8 weights and UINT8 activations, from a UINT8 image (NCHW) to UINT8 scores; nothing stays float.
cnv_batch32.onnx is cnv.onnx for 32 images at once. empty.onnx is one Identity: what a call costs. cnv_w1a1.onnx and
cnv_w1a2.onnx are CNV for us alone, as FINN writes it: weights of one bit, activations of one and two. The weights are random of a fixed seed; the scales are such that the activations
neither vanish nor saturate. Needs Debian's python3-onnx.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ACTIVATION_SCALE = 0.02
WEIGHT_LIMIT = 127


class Network:
    """Adds layers one behind the other; self.now names the last tensor, self.channels counts its channels."""

    def __init__(self, shape, seed=1):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.input = helper.make_tensor_value_info("image", TensorProto.UINT8, shape)
        self.now, self.channels, self.count = "image", shape[1], 0
        self.scale = self.constant("scale", np.float32(ACTIVATION_SCALE))
        self.zero = self.constant("zero", np.uint8(0))

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator, inputs, **attributes):
        out = f"{operator}_{self.count}"
        self.count += 1
        self.nodes.append(helper.make_node(operator, inputs, [out], name=out, **attributes))
        self.now = out
        return out

    def weights(self, shape, depth, channels, axis_shape):
        """Weight, scale and zero point: the sums of `depth` products come out with the activations' spread."""
        name = f"w{self.count}"
        values = self.random.integers(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, shape).astype(np.int8)
        spread = WEIGHT_LIMIT / np.sqrt(3) * np.sqrt(depth)
        scales = self.random.uniform(0.7, 1.3, channels) * np.sqrt(2) / spread  # half of the sums are cut off
        return [
            self.constant(name, values),
            self.constant(name + "_scale", scales.astype(np.float32).reshape(axis_shape)),
            self.constant(name + "_zero", np.zeros(axis_shape, np.int8)),
        ]

    def conv(self, channels, kernel, stride=1, pads=(0, 0, 0, 0), group=1):
        depth = self.channels // group * kernel * kernel
        weights = self.weights((channels, self.channels // group, kernel, kernel), depth, channels, (channels,))
        bias = self.random.integers(-2000, 2000, channels).astype(np.int32)
        name = self.constant(f"b{self.count}", bias)
        self.channels = channels
        return self.add("QLinearConv", [self.now, self.scale, self.zero, *weights, self.scale, self.zero, name],
                        kernel_shape=[kernel, kernel], strides=[stride, stride], pads=list(pads), group=group)

    def dense(self, channels):
        weights = self.weights((self.channels, channels), self.channels, channels, (channels,))
        self.channels = channels
        return self.add("QLinearMatMul", [self.now, self.scale, self.zero, *weights, self.scale, self.zero])

    def max_pool(self, kernel, stride, ceil_mode=0):
        return self.add("MaxPool", [self.now], kernel_shape=[kernel, kernel], strides=[stride, stride],
                        ceil_mode=ceil_mode)

    def global_average_pool(self):
        self.add("DequantizeLinear", [self.now, self.scale, self.zero])
        self.add("GlobalAveragePool", [self.now])
        return self.add("QuantizeLinear", [self.now, self.scale, self.zero])

    def concat(self, tensors, channels):
        self.channels = channels
        return self.add("Concat", tensors, axis=1)

    def flatten(self):
        return self.add("Flatten", [self.now], axis=1)

    def model(self, name):
        output = helper.make_tensor_value_info(self.now, TensorProto.UINT8, None)
        graph = helper.make_graph(self.nodes, name, [self.input], [output], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="fard")
        model.ir_version = 7
        model = onnx.shape_inference.infer_shapes(model)
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        return model


def mobilenet_v1():
    network = Network([1, 3, 224, 224])
    network.conv(32, 3, 2, (0, 0, 1, 1))
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for channels, stride in rows:
        pads = (1, 1, 1, 1) if stride == 1 else (0, 0, 1, 1)
        network.conv(network.channels, 3, stride, pads, network.channels)
        network.conv(channels, 1)
    network.global_average_pool()
    network.flatten()
    network.dense(1000)
    return network.model("mobilenet_v1")


def cnv(name="cnv", images=1):
    return fill_cnv(Network([images, 3, 32, 32]), name)


def fill_cnv(network, name):
    for channels in (64, 128, 256):
        network.conv(channels, 3)
        network.conv(channels, 3)
        if channels < 256:
            network.max_pool(2, 2)
    network.flatten()
    for channels in (512, 512, 10):
        network.dense(channels)
    return network.model(name)


class BitNetwork(Network):
    """The same topologies as FINN writes them: weights of -1 and 1, thresholds behind each layer, activations of 1 or 2 bits."""

    def __init__(self, shape, bits):
        super().__init__(shape)
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
        self.constants, self.bits, self.annotations = [], bits, []
        self.annotate("image", "UINT8")

    def annotate(self, tensor, data_type):
        entry = onnx.StringStringEntryProto(key="finn_datatype", value=data_type)
        self.annotations.append(onnx.TensorAnnotation(tensor_name=tensor, quant_parameter_tensor_names=[entry]))

    def signs(self, shape):
        name = self.constant(f"w{self.count}", self.random.choice([-1, 1], shape).astype(np.float32))
        self.annotate(name, "BIPOLAR")
        return name

    def threshold(self, channels, depth, layout):
        steps = 2**self.bits - 1
        values = np.sort(self.random.normal(0, np.sqrt(depth) * self.largest(), (channels, steps)), axis=1)
        name = self.constant(f"t{self.count}", np.round(values).astype(np.float32))
        kind = {"out_dtype": "BIPOLAR", "out_scale": 2.0, "out_bias": -1.0} if self.bits == 1 else {"out_dtype": "UINT2"}
        out = self.add("MultiThreshold", [self.now, name], domain="qonnx.custom_op.general", data_layout=layout, **kind)
        self.annotate(out, kind["out_dtype"])

    def largest(self):
        """Of the layer's activations: the spread of its sums grows with them."""
        return 128 if self.count <= 1 else self.bits

    def conv(self, channels, kernel):
        depth = self.channels * kernel * kernel
        weights = self.signs((channels, self.channels, kernel, kernel))
        self.add("Conv", [self.now, weights], kernel_shape=[kernel, kernel])
        self.channels = channels
        self.threshold(channels, depth, "NCHW")

    def dense(self, channels):
        depth = self.channels
        self.add("MatMul", [self.now, self.signs((depth, channels))])
        self.channels = channels
        if channels > 10:
            self.threshold(channels, depth, "NC")

    def model(self, name):
        output = helper.make_tensor_value_info(self.now, TensorProto.FLOAT, [1, self.channels])
        graph = helper.make_graph(self.nodes, name, [self.input], [output], self.constants)
        graph.quantization_annotation.extend(self.annotations)
        imports = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        model = helper.make_model(graph, opset_imports=imports, producer_name="fard")
        model.ir_version = 7
        return model


def squeezenet():
    network = Network([1, 3, 224, 224])

    def fire(squeeze, expand):
        network.conv(squeeze, 1)
        squeezed = network.now
        narrow = network.conv(expand, 1)
        network.now, network.channels = squeezed, squeeze
        wide = network.conv(expand, 3, 1, (1, 1, 1, 1))
        network.concat([narrow, wide], 2 * expand)

    network.conv(64, 3, 2)
    network.max_pool(3, 2, 1)
    fire(16, 64)
    fire(16, 64)
    network.max_pool(3, 2, 1)
    fire(32, 128)
    fire(32, 128)
    network.max_pool(3, 2, 1)
    fire(48, 192)
    fire(48, 192)
    fire(64, 256)
    fire(64, 256)
    network.conv(1000, 1)
    network.global_average_pool()
    network.flatten()
    return network.model("squeezenet_v1.1")


def empty():
    network = Network([1, 16])
    network.add("Identity", ["image"])
    network.constants = []
    return network.model("empty")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for model in (mobilenet_v1(), cnv(), cnv("cnv_batch32", 32), squeezenet(), empty(),
                  fill_cnv(BitNetwork([1, 3, 32, 32], 1), "cnv_w1a1"), fill_cnv(BitNetwork([1, 3, 32, 32], 2), "cnv_w1a2")):
        onnx.save(model, directory / f"{model.graph.name}.onnx")


if __name__ == "__main__":
    main()
