#!/usr/bin/python3
"""Holds fused.cpp against networks.py in float32: outputs, running statistics and all gradients of single layers.

Single layers, because a value on a quantizer's edge may fall on either side, and a whole network makes much of little.
"""
import copy
import sys

import torch

import fused
import networks

TOLERANCE = 2e-3  # of a tensor's length


def one_step(layer, x):
    """Everything that a training step on a fixed loss leaves behind, by name."""
    x = x.clone().requires_grad_()
    out = layer(x)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    (out * weights).sum().backward()
    left = {"output": out.detach(), "input's gradient": x.grad}
    left.update({f"{name}'s gradient": p.grad for name, p in layer.named_parameters()})
    left.update({name: b for name, b in layer.named_buffers() if "running" in name})
    return left


def main():
    torch.manual_seed(1)
    x = torch.randn(4, 8, 12, 12)
    layers = {
        "block of 4 bits": networks.Block(8, 16, 3, 4, 4, padding=1),
        "depthwise block": networks.Block(8, 8, 3, 4, 4, 2, 1, groups=8),
        "block of 2 bits": networks.Block(8, 16, 3, 2, 2),
        "head": networks.Head(8 * 12, 10, 4),
    }
    inputs = {"head": x.reshape(48, 96, 1, 1)}
    copies = {}
    expected = {}
    for name, layer in layers.items():
        with torch.no_grad():
            layer(inputs.get(name, x))  # sets the steps
        copies[name] = copy.deepcopy(layer)
        expected[name] = one_step(layer, inputs.get(name, x))
    fused.enable(bfloat16=False)
    wrong = 0
    for name, layer in copies.items():
        for what, value in one_step(layer, inputs.get(name, x)).items():
            wanted = expected[name][what]
            difference = float((value - wanted).norm() / wanted.norm().clamp_min(1e-6))
            if not difference <= TOLERANCE:
                print(f"{name}: {what} is off by {difference:.2g}")
                wrong += 1
    print("fused.cpp", "differs from" if wrong else "agrees with", "networks.py")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
