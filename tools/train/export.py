#!/usr/bin/python3
"""Exports a trained checkpoint as integer-only, FINN-style ONNX.

Steps and batch norms are folded into integer thresholds, so that every tensor holds exact integers:
    real = step_w[c] * step_x * acc;  y = norm(real);  q = clip(round(y / step_out), 0, qmax)
    q >= k  <=>  norm(real) / step_out >= k - 1/2  <=>  acc >= threshold[c][k]
Every tensor is annotated with its integer type (finn_datatype).
"""
import argparse
import math

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import networks

DOMAIN = "qonnx.custom_op.general"
WEIGHT_TYPES = {1: "INT2", 7: "INT4", 127: "INT8"}  # by qmax
DEAD_SCALE = 1e-20  # of a channel whose batch norm has switched it off


def accumulator_type(lowest, highest):
    bits = math.ceil(math.log2(max(highest + 1, -lowest, 1))) + 1
    return f"INT{max(bits, 2)}"


class Builder:
    """Collects nodes, initializers and type annotations of a graph."""

    def __init__(self):
        self.nodes, self.initializers, self.annotations = [], [], []

    def constant(self, name, values, datatype):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        self.annotate(name, datatype)
        return name

    def node(self, operator, inputs, name, datatype, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        self.annotate(name, datatype)
        return name

    def annotate(self, tensor, datatype):
        annotation = onnx.TensorAnnotation(tensor_name=tensor)
        annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
        self.annotations.append(annotation)

    def model(self, name, pixels):
        inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, pixels, pixels])]
        outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        graph.quantization_annotation.extend(self.annotations)
        opsets = [helper.make_opsetid("", 11), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, producer_name="fard", opset_imports=opsets)


class Activation:
    """A tensor on its way through the network: its name, and its values as integers in [lowest, highest] times a step."""

    def __init__(self, name, step, lowest, highest):
        self.name, self.step, self.lowest, self.highest = name, step, lowest, highest


def integer_weights(layer):
    return layer.qw.integers(layer.conv.weight).detach().numpy().astype(np.int64)


def folded_norm(block):
    """(scale, bias) of the batch norm as it acts on a real number, for each channel, in double."""
    bn = block.bn
    scale = (bn.weight / torch.sqrt(bn.running_var + bn.eps)).detach().numpy().astype(np.float64)
    bias = (bn.bias - bn.running_mean * torch.from_numpy(scale).float()).detach().numpy().astype(np.float64)
    return scale, bias


def thresholds_of(block, x):
    """(integer weights, thresholds [channel][k], lowest and highest sum); channels of negative scale are turned round."""
    weights = integer_weights(block)
    steps = block.qw.positive_step().detach().numpy().reshape(-1).astype(np.float64)
    scale, bias = folded_norm(block)
    weights[scale < 0] *= -1
    slope = np.abs(scale) * steps * x.step
    positive = np.maximum(weights, 0).reshape(len(weights), -1).sum(1)
    negative = np.maximum(-weights, 0).reshape(len(weights), -1).sum(1)
    highest = positive * x.highest - negative * x.lowest
    lowest = positive * x.lowest - negative * x.highest
    step_out, levels = float(block.act.step.abs()), np.arange(1, block.act.qmax + 1) - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        thresholds = np.ceil((levels[None] * step_out - bias[:, None]) / slope[:, None])
    dead = slope <= DEAD_SCALE
    always = bias[dead, None] / step_out >= levels[None]
    thresholds[dead] = np.where(always, lowest[dead, None], highest[dead, None] + 1)
    return weights, np.clip(thresholds, lowest[:, None], highest[:, None] + 1), int(lowest.min()), int(highest.max())


def export_block(builder, x, index, block, fully_connected=False):
    weights, thresholds, lowest, highest = thresholds_of(block, x)
    sum_type, weight_type = accumulator_type(lowest, highest + 1), WEIGHT_TYPES[block.qw.qmax]
    if fully_connected:
        name = f"MatMul_{index}"
        stored = builder.constant(name + "_W", weights.reshape(len(weights), -1).T, weight_type)
        builder.node("MatMul", [x.name, stored], name, sum_type)
    else:
        name, conv = f"Conv_{index}", block.conv
        stored = builder.constant(name + "_W", weights, weight_type)
        builder.node("Conv", [x.name, stored], name, sum_type, kernel_shape=list(conv.kernel_size),
                     strides=list(conv.stride), pads=list(conv.padding) * 2, dilations=[1, 1], group=conv.groups)
    out = f"Threshold_{'fc' if fully_connected else 'conv'}_{index}"
    steps = builder.constant(out + "_T", thresholds, sum_type)
    datatype = f"UINT{int(math.log2(block.act.qmax + 1))}"
    builder.node("MultiThreshold", [name, steps], out, datatype, domain=DOMAIN, out_scale=1.0, out_bias=0.0,
                 out_dtype=datatype, data_layout="NC" if fully_connected else "NCHW")
    return Activation(out, float(block.act.step.abs()), 0, block.act.qmax)


def export_head(builder, x, index, head):
    weights = integer_weights(head)
    step = float(head.qw.step.abs().reshape(-1)[0]) * x.step
    bias = np.round(head.conv.bias.detach().numpy().astype(np.float64) / step)
    stored = builder.constant(f"MatMul_{index}_W", weights.reshape(len(weights), -1).T, WEIGHT_TYPES[head.qw.qmax])
    scores = builder.node("MatMul", [x.name, stored], f"MatMul_{index}", "INT24")
    builder.node("Add", [scores, builder.constant("Bias", bias, "INT24")], "scores", "INT24")


def export_input(builder):
    """Pixels 0..255; the network computes with pixel - 128, whose step is 1/128."""
    offset = builder.constant("Offset", np.array([128.0]), "UINT8")
    centred = builder.node("Sub", ["pixels", offset], "centred", "INT8")
    builder.annotate("pixels", "UINT8")
    return Activation(centred, 1 / 128, -128, 127)


def export_cnv(network):
    builder = Builder()
    x = export_input(builder)
    for i, block in enumerate(network.convs):
        x = export_block(builder, x, i, block)
        if i in network.pools_after:
            name = f"MaxPool_{network.pools_after.index(i)}"
            x.name = builder.node("MaxPool", [x.name], name, "UINT2", kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)
    x.name = builder.node("Flatten", [x.name], "Flatten_0", "UINT2", axis=1)
    for i, block in enumerate(network.fcs):
        x = export_block(builder, x, i, block, fully_connected=True)
    export_head(builder, x, 2, network.head)
    return builder.model("cnv_w2a2", network.pixels)


def export_mobilenet(network):
    """The mean over 7x7 is a sum; its 1/49 goes into the head's step."""
    builder = Builder()
    x = export_input(builder)
    for i, block in enumerate(network.layers):
        x = export_block(builder, x, i, block)
    name = builder.node("ReduceSum", [x.name], "PoolSum", "UINT10", axes=[2, 3], keepdims=0)
    x = Activation(name, x.step / 49, 0, x.highest * 49)
    export_head(builder, x, 0, network.head)
    return builder.model("mobilenet_v1_w4a4", network.pixels)


EXPORTERS = {"cnv": export_cnv, "mobilenet": export_mobilenet}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=EXPORTERS)
    parser.add_argument("checkpoint", help=".pt file of train.py")
    parser.add_argument("out", help=".onnx file to write")
    options = parser.parse_args()
    network = networks.NETWORKS[options.network]()
    network.load_state_dict(torch.load(options.checkpoint))
    network.eval()
    onnx.save(EXPORTERS[options.network](network), options.out)
    print(options.out)


if __name__ == "__main__":
    main()
