"""CnvW2A2 and MobileNetV1 W4A4 with learned-step quantizers, as they are trained.

Shapes are NCHW. Activations after the first layer are unsigned integers times a step; weights are signed integers times a
step. The exporter (export.py) reads the same modules and folds steps and batch norms into integer thresholds.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as functional

SMALLEST_STEP = 1e-8


def scale_gradient(x, factor):
    """x, whose gradient is multiplied by `factor`."""
    return (x - x * factor).detach() + x * factor


def round_straight_through(x):
    """x rounded half to even, with the gradient of x."""
    return (x.round() - x).detach() + x


class WeightQuantizer(nn.Module):
    """Symmetric, narrow range [-qmax, qmax], with a learned step for each output channel (or one for the layer).

    A step of zero means that it is still to be set from the first weights that are seen.
    """

    def __init__(self, bits, channels):
        super().__init__()
        self.qmax = 2 ** (bits - 1) - 1
        self.step = nn.Parameter(torch.zeros(channels, 1, 1, 1))

    def initialize(self, weights):
        if float(self.step.abs().sum()) != 0:
            return
        magnitudes = weights.detach().abs()
        mean = magnitudes.mean() if self.step.numel() == 1 else magnitudes.flatten(1).mean(1)
        self.step.data = 2 * mean.view(-1, 1, 1, 1) / math.sqrt(self.qmax)

    def integers(self, weights):
        return torch.clamp(weights / self.positive_step(), -self.qmax, self.qmax).round()

    def positive_step(self):
        return self.step.abs().clamp_min(SMALLEST_STEP)

    def forward(self, weights):
        self.initialize(weights)
        factor = 1 / math.sqrt(weights[0].numel() * self.qmax)
        step = scale_gradient(self.step, factor).abs().clamp_min(SMALLEST_STEP)
        return round_straight_through(torch.clamp(weights / step, -self.qmax, self.qmax)) * step


class ActivationQuantizer(nn.Module):
    """Unsigned, range [0, qmax], with one learned step."""

    def __init__(self, bits):
        super().__init__()
        self.qmax = 2**bits - 1
        self.step = nn.Parameter(torch.tensor(0.0))

    def initialize(self, x):
        if float(self.step.abs()) == 0:
            self.step.data = 2 * x.detach().clamp_min(0).mean() / math.sqrt(self.qmax)

    def forward(self, x):
        self.initialize(x)
        factor = 1 / math.sqrt(x[0].numel() * self.qmax)
        step = scale_gradient(self.step, factor).abs().clamp_min(SMALLEST_STEP)
        return round_straight_through(torch.clamp(x / step, 0, self.qmax)) * step


class Block(nn.Module):
    """Convolution (1x1 for a fully connected layer), batch norm, quantized activation."""

    def __init__(self, inputs, outputs, kernel, weight_bits, activation_bits, stride=1, padding=0, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.qw = WeightQuantizer(weight_bits, outputs)
        self.bn = nn.BatchNorm2d(outputs, momentum=0.05)
        self.act = ActivationQuantizer(activation_bits)

    def forward(self, x):
        conv = self.conv
        x = functional.conv2d(x, self.qw(conv.weight), None, conv.stride, conv.padding, 1, conv.groups)
        return self.act(self.bn(x))


class Head(nn.Module):
    """The scores: one weight step for the whole layer, so that integer scores keep their order; a bias on top."""

    def __init__(self, inputs, outputs, weight_bits):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.qw = WeightQuantizer(weight_bits, 1)

    def forward(self, x):
        return functional.conv2d(x, self.qw(self.conv.weight), self.conv.bias).flatten(1)


class CnvW2A2(nn.Module):
    """Six 3x3 convolutions without padding, two max-pools, three fully connected layers; 32x32 pixels."""

    pixels = 32
    pools_after = (1, 3)

    def __init__(self):
        super().__init__()
        widths = [3, 64, 64, 128, 128, 256, 256]
        self.convs = nn.ModuleList(Block(widths[i], widths[i + 1], 3, 2, 2) for i in range(6))
        self.fcs = nn.ModuleList([Block(256, 512, 1, 2, 2), Block(512, 512, 1, 2, 2)])
        self.head = Head(512, 10, 2)

    def forward(self, x):
        for i, block in enumerate(self.convs):
            x = block(x)
            if i in self.pools_after:
                x = functional.max_pool2d(x, 2)
        for block in self.fcs:
            x = block(x)
        return self.head(x)


class MobileNetV1(nn.Module):
    """MobileNetV1 1.0; the first layer has 8-bit weights, all others 4 bits; 224x224 pixels when exported."""

    pixels = 224
    separable = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]

    def __init__(self):
        super().__init__()
        layers, width = [Block(3, 32, 3, 8, 4, stride=2, padding=1)], 32
        for outputs, stride in self.separable:
            layers.append(Block(width, width, 3, 4, 4, stride, 1, groups=width))
            layers.append(Block(width, outputs, 1, 4, 4))
            width = outputs
        self.layers = nn.ModuleList(layers)
        self.head = Head(1024, 10, 4)

    def forward(self, x):
        for block in self.layers:
            x = block(x)
        return self.head(x.mean((2, 3), keepdim=True))


NETWORKS = {"cnv": CnvW2A2, "mobilenet": MobileNetV1}
