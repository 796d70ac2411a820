#!/usr/bin/python3
"""Writes the networks that users have, with random weights of a fixed seed: for bench/engine, for the splitter, for tests.

Usage: bench_networks.py DIRECTORY [NAME]...

Each NAME (all without one) becomes DIRECTORY/NAME.onnx. `_qdq`: as ONNX Runtime's quantizer writes them, INT8 weights of a scale
for each channel and UINT8 activations between QuantizeLinear and DequantizeLinear; these run in ONNX Runtime too. `_w4a4` and
such: QONNX as Brevitas exports it, weights and activations of so many bits (one bit: BipolarQuant), batch normalization behind
each layer; the first layer has 8-bit weights and takes 8-bit pixels. `_float`: nothing is quantized. `chain_N_w4a4`, `graph_N_w4a4` (also `_w2a2`, `_qdq`): chains and series-parallel graphs
of any number N of layers. `_x64`: 64 images at once. `_pixels`: the input is UINT8.
Needs Debian's python3-onnx.
"""

import pathlib
import re
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Network:
    """Adds layers one behind the other; `now` names the last tensor, `shape` is its."""

    def __init__(self, shape, style, bits=(8, 8), pixels=TensorProto.FLOAT):
        self.random = np.random.default_rng(1)
        self.style, self.weight_bits, self.activation_bits = style, *bits
        self.nodes, self.constants, self.count = [], [], 0
        self.input = helper.make_tensor_value_info("image", pixels, shape)
        self.now, self.shape = "image", list(shape)
        self.first = True
        if style == "qdq" and pixels == TensorProto.UINT8:
            self.dequantize("image", 0.02, 0)
        elif style == "qonnx" and pixels == TensorProto.UINT8:
            self.add("Cast", ["image"], to=TensorProto.FLOAT)
            self.add("Mul", [self.now, self.constant(0.02)])
            self.quantize(0.02, 8, False)
        elif style != "float":
            self.quantize(0.02, 8, True)

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator, inputs, domain="", **attributes):
        self.count += 1
        self.now = f"{operator}_{self.count}"
        self.nodes.append(helper.make_node(operator, inputs, [self.now], name=self.now, domain=domain, **attributes))
        return self.now

    # Quantizers

    def dequantize(self, tensor, scale, zero):
        return self.add("DequantizeLinear", [tensor, self.constant(scale), self.constant(zero, np.uint8)])

    def quantize(self, scale, bits, signed, shape=()):
        if self.style == "float":
            return self.now
        if self.style == "qdq":
            zero = 128 if signed else 0
            codes = self.add("QuantizeLinear", [self.now, self.constant(scale), self.constant(zero, np.uint8)])
            return self.dequantize(codes, scale, zero)
        operands = [self.now, self.constant(np.full(shape, scale)), self.constant(0), self.constant(bits)]
        return self.add("Quant", operands, QONNX, signed=int(signed), narrow=0, rounding_mode="ROUND")

    def activations(self, signed=False):
        """The step such that a spread of about 1 fills the codes."""
        bits = self.activation_bits
        return self.quantize((2 if signed else 1) * 2.5 / 2**bits, bits, signed)

    def weights(self, shape, axis, depth):
        values = self.random.uniform(-1, 1, shape) * np.sqrt(3 / depth)
        if self.style == "float":
            return self.constant(values)
        now, channels = self.now, shape[axis]
        if self.style == "qdq":
            scales = self.random.uniform(0.7, 1.3, channels) * np.sqrt(3 / depth) / 127
            codes = self.random.integers(-127, 128, shape)
            real = self.add("DequantizeLinear", [self.constant(codes, np.int8), self.constant(scales),
                                                 self.constant(np.zeros(channels), np.int8)], axis=axis)
        else:
            bits = 8 if self.first else self.weight_bits
            if bits == 1:
                real = self.add("BipolarQuant", [self.constant(values), self.constant(np.sqrt(1 / depth))], QONNX)
            else:
                scale = self.constant(np.full([channels if i == axis else 1 for i in range(len(shape))],
                                              np.sqrt(3 / depth) / (2**(bits - 1) - 1)))
                real = self.add("Quant", [self.constant(values), scale, self.constant(0), self.constant(bits)], QONNX,
                                signed=1, narrow=1, rounding_mode="ROUND")
        self.now, self.first = now, False
        return real

    # Layers

    def normalize(self):
        if self.style != "qonnx":
            return
        channels = self.shape[1]
        draw = [(0.8, 1.2), (-0.1, 0.1), (-0.1, 0.1), (0.8, 1.2)]
        self.add("BatchNormalization",
                 [self.now] + [self.constant(self.random.uniform(low, high, channels)) for low, high in draw])

    def bias(self, channels):
        return [] if self.style == "qonnx" else [self.constant(self.random.uniform(-0.2, 0.2, channels))]

    def conv(self, channels, kernel, stride=1, pads=None, group=1, relu=True, signed=False):
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = [high // 2, wide // 2] * 2 if pads is None else pads
        depth = self.shape[1] // group * high * wide
        weights = self.weights((channels, self.shape[1] // group, high, wide), 0, depth)
        self.add("Conv", [self.now, weights] + self.bias(channels), kernel_shape=[high, wide], strides=[stride, stride],
                 pads=pads, group=group)
        self.shape = [self.shape[0], channels, (self.shape[2] + pads[0] + pads[2] - high) // stride + 1,
                      (self.shape[3] + pads[1] + pads[3] - wide) // stride + 1]
        self.normalize()
        if relu:
            self.add("Relu", [self.now])
        self.activations(signed or not relu)
        return self.now

    def depthwise(self, stride=1):
        return self.conv(self.shape[1], 3, stride, group=self.shape[1])

    def dense(self, channels, last=False):
        weights = self.weights((self.shape[1], channels), 1, self.shape[1])
        if self.style == "qonnx":
            self.add("MatMul", [self.now, weights])
        else:
            self.add("Gemm", [self.now, weights] + self.bias(channels))
        self.shape = [self.shape[0], channels]
        if last:
            if self.style == "qdq":
                self.activations(True)
            return
        self.normalize()
        self.add("Relu", [self.now])
        self.activations()

    def residual(self, left, right, relu):
        self.add("Add", [left, right])
        if relu:
            self.add("Relu", [self.now])
        return self.activations(not relu)

    def max_pool(self, kernel, stride, pad=0, ceil_mode=0):
        self.add("MaxPool", [self.now], kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[pad] * 4,
                 ceil_mode=ceil_mode)
        up = stride - 1 if ceil_mode else 0
        self.shape[2:] = [(extent + 2 * pad - kernel + up) // stride + 1 for extent in self.shape[2:]]

    def average(self):
        self.add("GlobalAveragePool", [self.now])
        self.activations()
        self.flatten([self.shape[0], self.shape[1]])

    def flatten(self, shape):
        self.add("Flatten", [self.now], axis=1)
        self.shape = shape

    def model(self, name):
        output = helper.make_tensor_value_info(self.now, TensorProto.FLOAT, self.shape)
        graph = helper.make_graph(self.nodes, name, [self.input], [output], self.constants)
        imports = [helper.make_opsetid("", 13)] + ([helper.make_opsetid(QONNX, 1)] if self.style == "qonnx" else [])
        model = helper.make_model(graph, opset_imports=imports, producer_name="fard")
        model.ir_version = 7
        if self.style != "qonnx":
            onnx.checker.check_model(model)
        return model


def resnet50(network):
    network.conv(64, 7, 2)
    network.max_pool(3, 2, 1)
    for blocks, width, first_stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            entry, shape = network.now, list(network.shape)
            network.conv(width, 1)
            network.conv(width, 3, stride)
            left = network.conv(4 * width, 1, relu=False)
            right = entry
            if block == 0:
                network.now, network.shape = entry, shape
                right = network.conv(4 * width, 1, stride, relu=False)
            network.residual(left, right, True)
    network.average()
    network.dense(1000, last=True)


def mobilenet_v2(network):
    network.conv(32, 3, 2)
    for expansion, channels, blocks, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                      (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            entry, inputs = network.now, network.shape[1]
            if expansion > 1:
                network.conv(inputs * expansion, 1)
            network.depthwise(first_stride if block == 0 else 1)
            out = network.conv(channels, 1, relu=False)
            if block > 0:
                network.residual(out, entry, False)
    network.conv(1280, 1)
    network.average()
    network.dense(1000, last=True)


def mobilenet_v1(network, width=1.0, classes=1000):
    network.conv(int(32 * width), 3, 2)
    for channels, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
        network.depthwise(stride)
        network.conv(int(channels * width), 1)
    network.average()
    network.dense(classes, last=True)


def squeezenet(network):
    network.conv(64, 3, 2, [0] * 4)
    network.max_pool(3, 2, ceil_mode=1)
    for squeeze, expand, pool in ((16, 64, 0), (16, 64, 1), (32, 128, 0), (32, 128, 1), (48, 192, 0), (48, 192, 0),
                                  (64, 256, 0), (64, 256, 0)):
        network.conv(squeeze, 1)
        squeezed, shape = network.now, list(network.shape)
        narrow = network.conv(expand, 1)
        network.now, network.shape = squeezed, shape
        wide = network.conv(expand, 3)
        network.add("Concat", [narrow, wide], axis=1)
        network.shape[1] = 2 * expand
        if pool:
            network.max_pool(3, 2, ceil_mode=1)
    network.conv(1000, 1)
    network.average()


def ds_cnn(network):
    network.conv(64, (10, 4), 2, [4, 1, 5, 1])
    for _ in range(4):
        network.depthwise()
        network.conv(64, 1)
    network.average()
    network.dense(12, last=True)


def resnet8(network):
    network.conv(16, 3)
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        entry, shape = network.now, list(network.shape)
        network.conv(width, 3, stride)
        left, right = network.conv(width, 3, relu=False), entry
        if stride > 1:
            network.now, network.shape = entry, shape
            right = network.conv(width, 1, stride, relu=False)
        network.residual(left, right, True)
    network.average()
    network.dense(10, last=True)


def dense(*widths):
    def write(network):
        for width in widths[:-1]:
            network.dense(width)
        network.dense(widths[-1], last=True)
    return write


def small_cnn(network):
    """About 73,000 parameters, for MNIST."""
    network.conv(16, 3)
    network.conv(16, 3, 2)
    network.conv(32, 3)
    network.conv(32, 3, 2)
    network.flatten([network.shape[0], 32 * 49])
    network.dense(36)
    network.dense(10, last=True)


def attention(network):
    """One encoder block of 64 tokens and 256 features, four heads, without normalization."""
    def matrix(width):
        weights = network.weights((network.shape[-1], width), 1, network.shape[-1])
        network.add("MatMul", [network.now, weights])
        network.shape[-1] = width
        return network.activations(True)

    def heads(tensor, permutation):
        network.now = tensor
        network.add("Reshape", [tensor, network.constant([1, 64, 4, 64], np.int64)])
        return network.add("Transpose", [network.now], perm=permutation)

    entry, parts = network.now, []
    for permutation in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)):
        network.now = entry
        parts.append(heads(matrix(256), permutation))
    network.add("MatMul", parts[:2])
    network.quantize(0.2, network.activation_bits, True)
    network.add("Softmax", [network.now], axis=-1)
    network.quantize(1 / 256, 8, False)
    network.add("MatMul", [network.now, parts[2]])
    network.activations(True)
    network.add("Transpose", [network.now], perm=(0, 2, 1, 3))
    network.add("Reshape", [network.now, network.constant([1, 64, 256], np.int64)])
    network.residual(matrix(256), entry, False)
    network.shape = [1, 64, 256]
    entry = network.now
    matrix(1024)
    network.add("Relu", [network.now])
    network.activations()
    network.residual(matrix(256), entry, False)


def chain(layers):
    """So many convolutions of random widths, one behind the other."""
    def write(network):
        for place in range(layers):
            stride = 2 if place % 8 == 7 and network.shape[2] > 4 else 1
            network.conv(int(network.random.choice([8, 16, 24, 32])), int(network.random.choice([1, 3])), stride)
    return write


def graph(layers):
    """A series-parallel graph of so many convolutions: now and then two paths side by side that are added."""
    def write(network):
        made = 0
        while made < layers:
            width = int(network.random.choice([8, 16, 32]))
            if layers - made < 4 or network.random.random() < 0.4:
                network.conv(width, 3)
                made += 1
                continue
            entry, shape = network.now, list(network.shape)
            ways = []
            for depth in (2, int(network.random.integers(1, 3))):
                network.now, network.shape = entry, list(shape)
                for _ in range(depth - 1):
                    network.conv(width, 3)
                ways.append(network.conv(width, 1, relu=False))
                made += depth
            network.residual(*ways, True)
    return write


IMAGE, SMALL = [1, 3, 224, 224], [1, 3, 32, 32]
TFC, KWS, UNSW = dense(64, 64, 64, 10), dense(256, 256, 256, 12), dense(64, 64, 64, 1)
NETWORKS = {
    "resnet50_qdq": (resnet50, IMAGE, "qdq", (8, 8)),
    "resnet50_w1a2": (resnet50, IMAGE, "qonnx", (1, 2)),
    "resnet50_w4a4": (resnet50, IMAGE, "qonnx", (4, 4)),
    "mobilenet_v2_qdq": (mobilenet_v2, IMAGE, "qdq", (8, 8)),
    "mobilenet_v2_w4a4": (mobilenet_v2, IMAGE, "qonnx", (4, 4)),
    "mobilenet_v1_w4a4": (mobilenet_v1, IMAGE, "qonnx", (4, 4)),
    "mobilenet_v1_w4a4_pixels": (mobilenet_v1, IMAGE, "qonnx", (4, 4)),
    "squeezenet_float": (squeezenet, IMAGE, "float", (8, 8)),
    "squeezenet_qdq": (squeezenet, IMAGE, "qdq", (8, 8)),
    "squeezenet_qdq_pixels": (squeezenet, IMAGE, "qdq", (8, 8)),
    "ds_cnn_qdq": (ds_cnn, [1, 1, 49, 10], "qdq", (8, 8)),
    "resnet8_qdq": (resnet8, SMALL, "qdq", (8, 8)),
    "autoencoder_qdq": (dense(128, 128, 128, 128, 8, 128, 128, 128, 128, 640), [1, 640], "qdq", (8, 8)),
    "mobilenet_v1_025_qdq": (lambda network: mobilenet_v1(network, 0.25, 2), [1, 3, 96, 96], "qdq", (8, 8)),
    "attention_qdq": (attention, [1, 64, 256], "qdq", (8, 8)),
    "mnist_fcnn_w4a4": (dense(15, 10), [1, 784], "qonnx", (4, 4)),
    "mnist_cnn_w4a4": (small_cnn, [1, 1, 28, 28], "qonnx", (4, 4)),
}
for name, network, inputs, bits in (("tfc", TFC, 784, 2), ("kws_mlp", KWS, 490, 3), ("unsw_nb15", UNSW, 593, 2)):
    for images, behind in ((1, ""), (64, "_x64")):
        NETWORKS[f"{name}_w{bits}a{bits}{behind}"] = (network, [images, inputs], "qonnx", (bits, bits))
        NETWORKS[f"{name}_qdq{behind}"] = (network, [images, inputs], "qdq", (8, 8))


def row_of(name):
    """A network of the table, or one of any size: chain_100_w4a4, graph_100_qdq. None: there is no such network."""
    size = re.fullmatch(r"(chain|graph)_([1-9][0-9]{0,4})_(w4a4|w2a2|qdq)", name)
    if not size:
        return NETWORKS.get(name)
    bits = {"w4a4": (4, 4), "w2a2": (2, 2), "qdq": (8, 8)}[size[3]]
    fill = (chain if size[1] == "chain" else graph)(int(size[2]))
    return fill, SMALL, "qdq" if size[3] == "qdq" else "qonnx", bits


def main():
    names = sys.argv[2:] or list(NETWORKS)
    if len(sys.argv) < 2 or not all(map(row_of, names)):
        sys.exit(__doc__ + "\nNames: " + " ".join(NETWORKS))
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        fill, shape, style, bits = row_of(name)
        network = Network(shape, style, bits, TensorProto.UINT8 if name.endswith("_pixels") else TensorProto.FLOAT)
        fill(network)
        onnx.save(network.model(name), directory / f"{name}.onnx")


if __name__ == "__main__":
    main()
