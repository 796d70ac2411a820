"""The networks of networks.py, two to three times as fast: fused batch norm and quantizers (fused.cpp), bfloat16 convolutions.

Parameters and their names stay the same. `enable()` swaps the forward functions of Block and Head.
"""
import ctypes
import math
import os
import subprocess
import tempfile

import torch
import torch.nn.functional as functional

import networks

CHANNELS_LAST = torch.channels_last
_library = None


def _compile():
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fused.cpp")
    with tempfile.TemporaryDirectory() as directory:
        target = os.path.join(directory, "libfused.so")
        subprocess.run(["g++", "-std=c++17", "-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp",
                        "-shared", "-fPIC", source, "-o", target], check=True)
        return ctypes.CDLL(target)


def _call(name, *arguments):
    """Calls a function of fused.cpp; tensors go as pointers, (ctype, value) pairs as they are."""
    converted = [ctypes.c_void_p(a.data_ptr()) if isinstance(a, torch.Tensor) else a[0](a[1]) for a in arguments]
    getattr(_library, name)(*converted)


def _float(value):
    return ctypes.c_float, value


def _int(value):
    return ctypes.c_int, value


def _long(value):
    return ctypes.c_long, value


class NormQuantize(torch.autograd.Function):
    """Batch norm and the activation quantizer after it."""

    @staticmethod
    def forward(ctx, y, norm_weight, norm_bias, step, block, training):
        bn, qmax = block.bn, float(block.act.qmax)
        y = y.contiguous(memory_format=CHANNELS_LAST)
        count, channels, height, width = y.shape
        rows, bfloat16 = count * height * width, int(y.dtype == torch.bfloat16)
        if training:
            mean, variance = torch.empty(channels), torch.empty(channels)
            _call("norm_statistics", y, _long(rows), _int(channels), mean, variance, _int(bfloat16))
            bn.running_mean.mul_(1 - bn.momentum).add_(mean, alpha=bn.momentum)
            bn.running_var.mul_(1 - bn.momentum).add_(variance, alpha=bn.momentum * rows / max(1, rows - 1))
        else:
            mean, variance = bn.running_mean, bn.running_var
        inverse_sigma = torch.rsqrt(variance + bn.eps)
        scale = (norm_weight * inverse_sigma).contiguous()
        shift = (norm_bias - mean * scale).contiguous()
        with torch.no_grad():
            if float(step.abs()) == 0:
                normal = y.float() * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
                step.fill_(float(2 * normal.clamp_min(0).mean() / math.sqrt(qmax)))
        width_of_step = max(abs(float(step)), networks.SMALLEST_STEP)
        out = torch.empty_like(y)
        _call("norm_quantize", y, out, _long(rows), _int(channels), scale, shift, _float(width_of_step), _float(qmax),
              _int(bfloat16))
        ctx.save_for_backward(y, scale, shift, mean, inverse_sigma)
        factor = 1 / math.sqrt(channels * height * width * qmax)
        ctx.constants = width_of_step, qmax, rows, channels, bfloat16, factor if float(step) >= 0 else -factor
        return out

    @staticmethod
    def backward(ctx, gradient):
        y, scale, shift, mean, inverse_sigma = ctx.saved_tensors
        step, qmax, rows, channels, bfloat16, factor = ctx.constants
        gradient = gradient.to(y.dtype).contiguous(memory_format=CHANNELS_LAST)
        d_bias, d_weight, d_step, d_y = torch.empty(channels), torch.empty(channels), torch.empty(1), torch.empty_like(y)
        _call("norm_quantize_backward", y, gradient, d_y, _long(rows), _int(channels), scale, shift, mean, inverse_sigma,
              _float(step), _float(qmax), d_bias, d_weight, d_step, _int(bfloat16))
        return d_y, d_weight, d_bias, (d_step * factor).reshape(()), None, None


class WeightQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, step, qmax):
        weights = weights.contiguous()
        outputs = weights.shape[0]
        steps = step.detach().abs().clamp_min(networks.SMALLEST_STEP).reshape(-1).expand(outputs).contiguous()
        out = torch.empty_like(weights)
        _call("weight_quantize", weights, out, _int(outputs), _int(weights[0].numel()), steps, _float(qmax))
        ctx.save_for_backward(weights, steps, step)
        ctx.qmax = qmax
        return out

    @staticmethod
    def backward(ctx, gradient):
        weights, steps, step = ctx.saved_tensors
        gradient = gradient.float().contiguous()
        outputs, fan_in = weights.shape[0], weights[0].numel()
        d_weights, d_steps = torch.empty_like(weights), torch.empty(outputs)
        _call("weight_quantize_backward", weights, gradient, d_weights, _int(outputs), _int(fan_in), steps,
              _float(ctx.qmax), d_steps)
        d_steps = d_steps / math.sqrt(fan_in * ctx.qmax)
        d_step = d_steps.sum().reshape(step.shape) if step.numel() == 1 else d_steps.view(step.shape)
        return d_weights, d_step * step.sign(), None


def _quantized_weights(layer):
    layer.qw.initialize(layer.conv.weight)
    return WeightQuantize.apply(layer.conv.weight, layer.qw.step, float(layer.qw.qmax))


def _block_forward(block, x):
    weights, conv = _quantized_weights(block), block.conv
    x = x.contiguous(memory_format=CHANNELS_LAST)
    if block.training and BFLOAT16:
        x, weights = x.to(torch.bfloat16), weights.to(torch.bfloat16)
    weights = weights.contiguous(memory_format=CHANNELS_LAST)
    y = functional.conv2d(x, weights, None, conv.stride, conv.padding, 1, conv.groups)
    return NormQuantize.apply(y, block.bn.weight, block.bn.bias, block.act.step, block, block.training)


def _head_forward(head, x):
    return functional.conv2d(x.float(), _quantized_weights(head), head.conv.bias).flatten(1)


BFLOAT16 = True


def enable(bfloat16=True):
    """Compiles fused.cpp and makes every network use it. bfloat16: convolutions in training, as it was done."""
    global _library, BFLOAT16
    _library, BFLOAT16 = _library or _compile(), bfloat16
    networks.Block.forward = _block_forward
    networks.Head.forward = _head_forward
