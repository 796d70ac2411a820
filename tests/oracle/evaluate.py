"""A second opinion on networks: ONNX's, QONNX's and FINN's operators in numpy, from the texts of the standards.

Shares nothing with fard. What has never been integers is computed in float32, as ONNX says. What stands for integers
(DequantizeLinear, Quant, MultiThreshold and all behind them) is computed in float64 where `wide`, and in float32
otherwise: the first is how fard defines groups between quantizers, the second what the standards' texts say.
"""
import numpy as np
from onnx import helper, numpy_helper

import operators
import own_operators

QUANTIZERS = ("", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general")
INTEGERS = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64}


class Node:
    """One node while it is computed: its operands by number, its attributes by name."""

    def __init__(self, proto, values, opset, net):
        self.proto, self.opset, self.net = proto, opset, net
        self.inputs = [values[name] if name else None for name in proto.input]
        self.attributes = {each.name: helper.get_attribute_value(each) for each in proto.attribute}

    def __getitem__(self, i):
        return self.inputs[i] if i < len(self.inputs) else None

    def get(self, name, otherwise=None):
        value = self.attributes.get(name, otherwise)
        return value.decode() if isinstance(value, bytes) else value

    def list(self, operand, name):
        """A list that newer opsets have as operand and older ones as attribute."""
        if self[operand] is not None:
            return [int(each) for each in self[operand].ravel()]
        return self.get(name)


def real(x):
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def like(x, *others):
    """The type that a result of these has: integers stay, fractions are as wide as the widest."""
    return np.result_type(x.dtype, *(each.dtype for each in others if each is not None))


# ---- windows

def amounts(node, x_shape, kernel, strides, dilations):
    """Padding before and after each spatial dimension, and the number of windows."""
    rank = len(kernel)
    pads = list(node.get("pads") or [0] * 2 * rank)
    auto = node.get("auto_pad", "NOTSET")
    before, after, counts = [], [], []
    for i in range(rank):
        size, reach = x_shape[2 + i], (kernel[i] - 1) * dilations[i] + 1
        low, high = pads[i], pads[i + rank]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            count = -(-size // strides[i])
            total = max(0, (count - 1) * strides[i] + reach - size)
            low = total // 2 if auto == "SAME_UPPER" else total - total // 2
            high = total - low
        else:
            if auto == "VALID":
                low = high = 0
            span = size + low + high - reach
            count = span // strides[i] + 1
            if node.get("ceil_mode", 0) and span % strides[i] and count * strides[i] < size + low:
                count += 1
        before.append(low), after.append(high), counts.append(count)
    return before, after, counts


def places(x, fill, before, counts, kernel, strides, dilations, beyond=0):
    """For each place of the window, in the kernel's order: the elements that lie there, for all windows."""
    rank = len(kernel)
    width = [(0, 0), (0, 0)]
    for i in range(rank):
        last = (counts[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
        width.append((before[i], max(0, last - before[i] - x.shape[2 + i])))
    padded = np.pad(x, width, constant_values=fill)
    for place in np.ndindex(*kernel):
        index = [slice(None), slice(None)]
        for i in range(rank):
            start = place[i] * dilations[i]
            index.append(slice(start, start + (counts[i] - 1) * strides[i] + 1, strides[i]))
        yield place, padded[tuple(index)]


def conv(node, x, w, bias):
    kernel = list(w.shape[2:])
    rank = len(kernel)
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    before, _, counts = amounts(node, x.shape, kernel, strides, dilations)
    group = node.get("group", 1)
    kind = like(x, w)
    wide = np.int64 if np.issubdtype(kind, np.integer) else np.float64
    out = np.zeros([x.shape[0], w.shape[0]] + counts, wide)
    per_in, per_out = x.shape[1] // group, w.shape[0] // group
    for place, part in places(x.astype(wide), 0, before, counts, kernel, strides, dilations):
        for g in range(group):
            weights = w[(slice(g * per_out, (g + 1) * per_out), slice(None)) + place].astype(wide)
            inner = part[:, g * per_in:(g + 1) * per_in]
            out[:, g * per_out:(g + 1) * per_out] += np.moveaxis(np.tensordot(weights, inner, (1, 1)), 0, 1)
    if bias is not None:
        out += bias.astype(wide).reshape([-1] + [1] * rank)
        kind = like(x, w, bias)
    return out.astype(kind)


def pool(node, x, average):
    kernel = list(node.get("kernel_shape"))
    rank = len(kernel)
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    before, after, counts = amounts(node, x.shape, kernel, strides, dilations)
    if not average:
        low = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
        parts = [part for _, part in places(x, low, before, counts, kernel, strides, dilations)]
        return np.max(parts, 0)
    wide = x.astype(np.float64)
    total = sum(part for _, part in places(wide, 0, before, counts, kernel, strides, dilations))
    ones = np.ones_like(wide)
    if node.get("count_include_pad", 0):
        ones = np.pad(ones, [(0, 0), (0, 0)] + list(zip(before, after)), constant_values=1)
        before = [0] * rank
    count = sum(part for _, part in places(ones, 0, before, counts, kernel, strides, dilations))
    return (total / count).astype(real(x).dtype)


# ---- quantizers

def rounding(mode):
    mode = mode.upper()
    if mode in ("ROUND", "HALF_EVEN"):
        return np.rint
    return {"CEIL": np.ceil, "FLOOR": np.floor, "DOWN": np.trunc, "ROUND_TO_ZERO": np.trunc,
            "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
            "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
            "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5)}[mode]


def quant_range(bits, is_signed, narrow):
    if is_signed:
        return -2.0 ** (bits - 1) + (1 if narrow else 0), 2.0 ** (bits - 1) - 1
    return 0.0, 2.0 ** bits - 1 - (1 if narrow else 0)


def codes(node, x, scale, zero, bits, mode="ROUND", is_signed=1, narrow=0):
    y = real(x) / scale.astype(real(x).dtype)
    y = y + zero.astype(y.dtype)
    bits = float(bits)
    if bits == 1 and is_signed:
        node.net.watch(y, 0.0)
        return np.where(y >= 0, 1.0, -1.0)
    low, high = quant_range(bits, is_signed, narrow)
    node.net.watch_rounding(y, mode, low, high)
    return rounding(mode)(np.clip(y, low, high))


def meaning(node, code, scale, zero):
    kind = node.net.kind
    return (code.astype(kind) - zero.astype(kind)) * scale.astype(kind)


def along(values, axis, rank):
    if values.ndim == 0 or values.size == 1:
        return values.reshape([1] * max(rank, 1)) if rank else values.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)


def quantize_linear(node, x, scale, zero, axis, kind):
    x = real(x)
    scale = along(scale, axis, x.ndim).astype(x.dtype)
    y = x / scale
    limits = np.iinfo(kind)
    node.net.watch_rounding(y, "ROUND")
    zero = along(zero, axis, x.ndim).astype(np.float64) if zero is not None else 0.0
    return np.clip(np.rint(y).astype(np.float64) + zero, limits.min, limits.max).astype(kind)


def dequantize_linear(node, x, scale, zero, axis):
    kind = node.net.kind
    wide = x.astype(kind)
    if zero is not None:
        wide = wide - along(zero, axis, x.ndim).astype(kind)
    return wide * along(scale, axis, x.ndim).astype(kind)


def rows_or_columns(node, x, scale, zero, axis):
    """QLinearMatMul's operands: lists along rows or columns, or in the operand's number of dimensions."""
    if scale.ndim > 1:
        wide = x.astype(node.net.kind) - (zero.astype(node.net.kind) if zero is not None else 0)
        return wide * scale.astype(node.net.kind)
    return dequantize_linear(node, x, scale, zero, axis)


# ---- operators

def op_quantize(n):
    kind = n[2].dtype.type if n[2] is not None else INTEGERS[n.get("output_dtype", 0) or 2]
    return quantize_linear(n, n[0], n[1], n[2], n.get("axis", 1), kind)


def op_dequantize(n):
    block, axis = n.get("block_size", 0), n.get("axis", 1)
    if block:
        spread = [None if each is None else np.repeat(each, block, axis).take(range(n[0].shape[axis]), axis)
                  for each in n.inputs[1:]]
        zero = spread[1].astype(n.net.kind) if len(spread) > 1 else 0
        return (n[0].astype(n.net.kind) - zero) * spread[0].astype(n.net.kind)
    return dequantize_linear(n, n[0], n[1], n[2], n.get("axis", 1))


def op_quant(n):
    code = codes(n, n[0], n[1], n[2], n[3], n.get("rounding_mode", "ROUND"), n.get("signed", 1), n.get("narrow", 0))
    return meaning(n, code, n[1], n[2])


def op_bipolar_quant(n):
    n.net.watch(n[0], 0.0)
    return np.where(n[0] >= 0, 1.0, -1.0).astype(n.net.kind) * n[1].astype(n.net.kind)


def op_trunc(n):
    mode = n.get("rounding_mode", "FLOOR")
    whole = codes(n, n[0], n[1], n[2], 64)
    if len(n.inputs) == 5:
        step = 2.0 ** (float(n[3]) - float(n[4]))
        return meaning(n, rounding(mode)(whole / step), n[1], n[2])
    step = 2.0 ** np.rint(np.log2(n[4].astype(np.float64) / n[1].astype(np.float64)))
    low, high = quant_range(float(n[5]), n.get("signed", 1), n.get("narrow", 0))
    less = rounding(mode)(np.clip(whole / step, low, high))
    return meaning(n, less, n[4], n[2].astype(np.float64) / step)


def op_multi_threshold(n):
    x, thresholds = n[0], n[1]
    axis = x.ndim - 1 if n.get("data_layout", "NCHW")[-1] == "C" else 1
    moved = np.moveaxis(real(x), axis, -1)[..., None]
    n.net.watch(moved, thresholds)
    count = np.moveaxis((moved >= thresholds.astype(moved.dtype)).sum(-1), -1, axis)
    scale, bias = np.float32(n.get("out_scale", 1.0)), np.float32(n.get("out_bias", 0.0))
    return (count.astype(np.float64) * np.float64(scale) + np.float64(bias)).astype(n.net.kind)


def matmul(a, b):
    kind = like(a, b)
    wide = np.int64 if np.issubdtype(kind, np.integer) else np.float64
    return np.matmul(a.astype(wide), b.astype(wide)).astype(kind)


def op_gemm(n, a=None, b=None, c=None):
    a, b, c = (n[0], n[1], n[2]) if a is None else (a, b, c)
    a = a.T if n.get("transA", 0) else a
    b = b.T if n.get("transB", 0) else b
    kind = like(a, b, c)
    out = np.float64(np.float32(n.get("alpha", 1.0))) * (a.astype(np.float64) @ b.astype(np.float64))
    if c is not None:
        out = out + np.float64(np.float32(n.get("beta", 1.0))) * c.astype(np.float64)
    return out.astype(kind)


def op_batch_normalization(n):
    x = n[0]
    shape = [1, -1] + [1] * (x.ndim - 2)
    scale, bias, mean, var = (each.astype(np.float64).reshape(shape) for each in n.inputs[1:5])
    out = (x.astype(np.float64) - mean) / np.sqrt(var + np.float32(n.get("epsilon", 1e-5))) * scale + bias
    return out.astype(real(x).dtype)


def op_softmax(n):
    x, axis = n[0], n.get("axis", 1 if n.opset < 13 else -1)
    wide = x.astype(np.float64)
    if n.opset < 13:
        axis = axis if axis >= 0 else axis + x.ndim
        wide = wide.reshape(int(np.prod(x.shape[:axis])), -1)
        axis = 1
    power = np.exp(wide - wide.max(axis, keepdims=True))
    return (power / power.sum(axis, keepdims=True)).reshape(x.shape).astype(real(x).dtype)


def op_clip(n):
    low = n.get("min") if n[1] is None else float(n[1])
    high = n.get("max") if n[2] is None else float(n[2])
    out = n[0]
    out = out if low is None else np.maximum(out, np.asarray(low).astype(out.dtype))
    return out if high is None else np.minimum(out, np.asarray(high).astype(out.dtype))


def op_pad(n):
    x = n[0]
    pads = n.list(1, "pads")
    axes = list(range(x.ndim)) if n[3] is None else [int(each) % x.ndim for each in n[3].ravel()]
    width = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        width[axis] = (pads[i], pads[i + len(axes)])
    cut = tuple(slice(max(0, -low), size - max(0, -high)) for (low, high), size in zip(width, x.shape))
    x = x[cut]
    width = [(max(0, low), max(0, high)) for low, high in width]
    mode = n.get("mode", "constant")
    if mode != "constant":
        return np.pad(x, width, mode=mode)
    value = n[2].ravel()[0] if n[2] is not None else n.get("value", 0.0)
    return np.pad(x, width, constant_values=np.asarray(value).astype(x.dtype))


def op_slice(n):
    x = n[0]
    starts, ends = n.list(1, "starts"), n.list(2, "ends")
    axes = n.list(3, "axes") or list(range(len(starts)))
    steps = n.list(4, "steps") or [1] * len(starts)
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (0, size - 1)
        first = min(max(start + size if start < 0 else start, low), high)
        low, high = (0, size) if step > 0 else (-1, size - 1)
        last = min(max(end + size if end < 0 else end, low), high)
        index[axis] = np.arange(first, last, step)
    for axis, each in enumerate(index):
        if not isinstance(each, slice):
            x = np.take(x, each, axis)
    return x


def op_reduce(n, mean):
    axes = n.list(1, "axes")
    if not axes:
        if n.get("noop_with_empty_axes", 0):
            return n[0]
        axes = list(range(n[0].ndim))
    wide = n[0].astype(np.float64)
    axes, keep = tuple(axes), bool(n.get("keepdims", 1))
    out = wide.mean(axes, keepdims=keep) if mean else wide.sum(axes, keepdims=keep)
    return np.asarray(out).astype(real(n[0]).dtype if mean else n[0].dtype)


def op_reshape(n):
    shape = [int(each) for each in n[1].ravel()]
    if not n.get("allowzero", 0):
        shape = [n[0].shape[i] if each == 0 else each for i, each in enumerate(shape)]
    return n[0].reshape(shape)


def op_squeeze(n):
    axes = n.list(1, "axes")
    return n[0].squeeze() if not axes else n[0].squeeze(tuple(axes))


def op_unsqueeze(n):
    out, axes = n[0], n.list(1, "axes")
    rank = out.ndim + len(axes)
    for axis in sorted(each % rank for each in axes):
        out = np.expand_dims(out, axis)
    return out


def op_arg_max(n):
    x, axis = n[0], n.get("axis", 0)
    if n.get("select_last_index", 0):
        out = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis)
    else:
        out = np.argmax(x, axis)
    return np.expand_dims(out, axis) if n.get("keepdims", 1) else out


def op_top_k(n):
    x, axis = n[0], n.get("axis", -1)
    k = n.get("k") if n[1] is None else int(n[1].ravel()[0])
    order = np.argsort(-x if n.get("largest", 1) else x, axis, kind="stable")
    order = np.take(order, np.arange(k), axis)
    return [np.take_along_axis(x, order, axis), order.astype(np.int64)]


def op_flatten(n):
    axis = n.get("axis", 1)
    axis = axis + n[0].ndim if axis < 0 else axis
    return n[0].reshape(int(np.prod(n[0].shape[:axis])), -1)


def op_shape(n):
    return np.asarray(n[0].shape[n.get("start", 0):n.get("end", None)], np.int64)


def op_constant(n):
    for name, value in n.attributes.items():
        if name == "value":
            return numpy_helper.to_array(value)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
        return np.asarray(value, np.float32)
    return None


def op_div(n):
    if np.issubdtype(n[0].dtype, np.integer):
        return np.trunc(n[0].astype(np.float64) / n[1]).astype(n[0].dtype)
    return n[0] / n[1]


def half(x, kind):
    """What is left of float32 in 16 bits."""
    if kind == 10:
        return x.astype(np.float16).astype(x.dtype)
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return (((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)).astype(x.dtype)


def op_cast(n):
    if n.get("to") == 9:
        return n[0] != 0
    if n.get("to") in (10, 16):
        return half(n[0].astype(real(n[0]).dtype), n.get("to"))
    kind = INTEGERS.get(n.get("to"), np.float32)
    if np.issubdtype(n[0].dtype, np.floating) and kind is not np.float32:
        limits = np.iinfo(np.int32 if kind is np.int64 else kind)
        n.net.watch(n[0], np.rint(n[0]), tight=True)
        return np.clip(np.nan_to_num(np.trunc(n[0].astype(np.float64))), limits.min, limits.max).astype(kind)
    if kind is np.float32 and n[0].dtype == np.float64:
        return n[0]  # it stands for integers still
    return np.trunc(n[0]).astype(kind) if kind is not np.float32 else n[0].astype(n.net.kind)


def unary(function):
    return lambda n: function(n[0].astype(np.float64)).astype(real(n[0]).dtype)


# ---- operators on quantized tensors

def centred(x, zero, shape=None):
    wide = x.astype(np.int64)
    if zero is None:
        return wide
    zero = zero.astype(np.int64)
    return wide - (zero.reshape(shape) if shape and zero.ndim == 1 and zero.size > 1 else zero)


def op_conv_integer(n):
    x, w = centred(n[0], n[2]), centred(n[1], n[3], [-1] + [1] * (n[1].ndim - 1))
    return conv(n, x, w, None).astype(np.int32)


def op_matmul_integer(n):
    return np.matmul(centred(n[0], n[2], [-1, 1]), centred(n[1], n[3])).astype(np.int32)


def op_qlinear_conv(n):
    x = dequantize_linear(n, n[0], n[1], n[2], 0)
    w = dequantize_linear(n, n[3], n[4], n[5], 0)
    bias = None
    if n[8] is not None:
        bias = n[8].astype(n.net.kind) * (n[1].astype(n.net.kind) * n[4].astype(n.net.kind))
    return quantize_linear(n, conv(n, x, w, bias), n[6], n[7], 1, n[7].dtype.type)


def op_qlinear_matmul(n):
    a, b = rows_or_columns(n, n[0], n[1], n[2], -2), rows_or_columns(n, n[3], n[4], n[5], -1)
    return quantize_linear(n, matmul(a, b), n[6], n[7], 1, n[7].dtype.type)


def op_qgemm(n):
    a = dequantize_linear(n, n[0], n[1], n[2], 0)
    b = dequantize_linear(n, n[3], n[4], n[5], 0 if n.get("transB", 0) else 1)
    c = None
    if n[6] is not None:
        alpha = np.float64(np.float32(n.get("alpha", 1.0)))
        c = n[6].astype(np.float64) * alpha * n[1].astype(np.float64) * n[4].astype(np.float64)
    out = op_gemm(n, a, b, c)
    return out if n[7] is None else quantize_linear(n, out, n[7], n[8], 1, n[8].dtype.type)


def qlinear_binary(function):
    def run(n):
        a, b = dequantize_linear(n, n[0], n[1], n[2], 0), dequantize_linear(n, n[3], n[4], n[5], 0)
        kind = n[7].dtype.type if n[7] is not None else n[0].dtype.type
        return quantize_linear(n, function(a, b), n[6], n[7], 0, kind)
    return run


def qlinear_unary(function):
    def run(n):
        x = dequantize_linear(n, n[0], n[1], n[2], 0)
        kind = n[4].dtype.type if n[4] is not None else n[0].dtype.type
        return quantize_linear(n, function(n, x), n[3], n[4], 0, kind)
    return run


def op_qlinear_softmax(n):
    x, axis = dequantize_linear(n, n[0], n[1], n[2], 0), n.get("axis", -1)
    wide = x.astype(np.float64)
    if n.get("opset", 13) < 13:
        wide, axis = wide.reshape(int(np.prod(x.shape[:axis % x.ndim])), -1), 1
    power = np.exp(wide - wide.max(axis, keepdims=True))
    out = (power / power.sum(axis, keepdims=True)).reshape(x.shape).astype(x.dtype)
    return quantize_linear(n, out, n[3], n[4], 0, n[4].dtype.type if n[4] is not None else n[0].dtype.type)


def op_qlinear_concat(n):
    parts = [dequantize_linear(n, *n.inputs[i:i + 3], 0) for i in range(2, len(n.inputs), 3)]
    return quantize_linear(n, np.concatenate(parts, n.get("axis")), n[0], n[1], 0, n[1].dtype.type)


# ---- what qonnx and FINN lower to

def first(x):
    return np.moveaxis(x, -1, 1)


def last(x):
    return np.moveaxis(x, 1, -1)


def op_im2col(n):
    x = first(n[0])
    kernel, strides = n.get("kernel_size"), n.get("stride")
    dilations, pads = n.get("dilations", [1, 1]), n.get("pad_amount", [0, 0, 0, 0])
    counts = [(x.shape[2 + i] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
              for i in range(2)]
    width = [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])]
    padded = np.pad(x, width, constant_values=n.get("pad_value", 0))
    parts = [last(part) for _, part in places(padded, 0, [0, 0], counts, kernel, strides, dilations)]
    return np.concatenate(parts, -1)


def op_quant_avg_pool(n):
    x = first(n[0]) if n.get("data_layout", "NCHW") == "NHWC" else n[0]
    k, s = n.get("kernel"), n.get("stride")
    counts = [(size - k) // s + 1 for size in x.shape[2:]]
    total = np.rint(sum(part.astype(np.float64) for _, part in places(x, 0, [0, 0], counts, [k, k], [s, s], [1, 1])))
    shift = max(0, int((2 ** n.get("ibits") - 1) * k * k).bit_length() - n.get("obits"))
    out = np.right_shift(total.astype(np.int64), shift).astype(n.net.kind)
    return last(out) if n.get("data_layout", "NCHW") == "NHWC" else out


def op_xnor_popcount(n):
    out = (matmul(2 * n[0] - 1, 2 * n[1] - 1) + n[0].shape[-1]) * 0.5
    return out.astype(like(n[0], n[1]))


def global_pool(function):
    return lambda n, x: function(x.astype(np.float64), tuple(range(2, x.ndim)), keepdims=True).astype(real(x).dtype)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def leaky_relu(n, x):
    return np.where(x < 0, x * np.float32(n.get("alpha", 0.01)).astype(x.dtype), x)


def hard_sigmoid(n):
    alpha, beta = (np.float64(np.float32(n.get(*each))) for each in (("alpha", 0.2), ("beta", 0.5)))
    return np.clip(n[0].astype(np.float64) * alpha + beta, 0, 1).astype(real(n[0]).dtype)


def op_constant_of_shape(n):
    value = numpy_helper.to_array(n.get("value")) if n.get("value") is not None else np.zeros(1, np.float32)
    return np.full([int(each) for each in n[0]], value.ravel()[0], value.dtype)


def op_expand(n):
    shape = np.broadcast_shapes(n[0].shape, tuple(int(each) for each in n[1]))
    return np.broadcast_to(n[0], shape)


ONNX = {
    **operators.MORE,
    "ConstantOfShape": op_constant_of_shape, "Expand": op_expand, "Equal": lambda n: n[0] == n[1],
    "Where": lambda n: np.where(n[0], n[1], n[2]), "Range": lambda n: np.arange(n[0], n[1], n[2], n[0].dtype),
    "Add": lambda n: n[0] + n[1], "Sub": lambda n: n[0] - n[1], "Mul": lambda n: n[0] * n[1], "Div": op_div,
    "Pow": lambda n: np.power(n[0].astype(np.float64), n[1]).astype(real(n[0]).dtype),
    "ArgMax": op_arg_max, "AveragePool": lambda n: pool(n, n[0], True), "BatchNormalization": op_batch_normalization,
    "Cast": op_cast, "Clip": op_clip, "Concat": lambda n: np.concatenate(n.inputs, n.get("axis")),
    "Constant": op_constant, "Conv": lambda n: conv(n, n[0], n[1], n[2]), "ConvInteger": op_conv_integer,
    "DequantizeLinear": op_dequantize, "Dropout": lambda n: n[0], "Flatten": op_flatten,
    "Gather": lambda n: np.take(n[0], n[1], n.get("axis", 0)), "Gemm": op_gemm,
    "GlobalAveragePool": lambda n: global_pool(np.mean)(n, n[0]),
    "GlobalMaxPool": lambda n: n[0].max(tuple(range(2, n[0].ndim)), keepdims=True),
    "HardSigmoid": hard_sigmoid, "Identity": lambda n: n[0], "LeakyRelu": lambda n: leaky_relu(n, n[0]),
    "MatMul": lambda n: matmul(n[0], n[1]), "MatMulInteger": op_matmul_integer,
    "MaxPool": lambda n: pool(n, n[0], False), "Pad": op_pad, "QLinearConv": op_qlinear_conv,
    "QLinearMatMul": op_qlinear_matmul, "QuantizeLinear": op_quantize,
    "ReduceMean": lambda n: op_reduce(n, True), "ReduceSum": lambda n: op_reduce(n, False),
    "Relu": lambda n: np.maximum(n[0], n[0].dtype.type(0)), "Reshape": op_reshape, "Shape": op_shape,
    "Sigmoid": unary(sigmoid), "Slice": op_slice, "Softmax": op_softmax, "Sqrt": unary(np.sqrt),
    "Squeeze": op_squeeze, "Tanh": unary(np.tanh), "TopK": op_top_k,
    "Transpose": lambda n: n[0].transpose(n.get("perm")), "Unsqueeze": op_unsqueeze,
}
MICROSOFT = {
    **operators.MICROSOFT, "QLinearSoftmax": op_qlinear_softmax,
    "DequantizeLinear": op_dequantize, "QuantizeLinear": op_quantize, "QGemm": op_qgemm,
    "QLinearAdd": qlinear_binary(np.add), "QLinearMul": qlinear_binary(np.multiply),
    "QLinearAveragePool": qlinear_unary(lambda n, x: pool(n, x, True)), "QLinearConcat": op_qlinear_concat,
    "QLinearGlobalAveragePool": qlinear_unary(global_pool(np.mean)), "QLinearLeakyRelu": qlinear_unary(leaky_relu),
    "QLinearSigmoid": qlinear_unary(lambda n, x: sigmoid(x.astype(np.float64)).astype(x.dtype)),
}
QUANTIZER = {"Quant": op_quant, "IntQuant": op_quant, "BipolarQuant": op_bipolar_quant, "Trunc": op_trunc}
GENERAL = {"MultiThreshold": op_multi_threshold, "Im2Col": op_im2col, "QuantAvgPool2d": op_quant_avg_pool,
           "XnorPopcountMatMul": op_xnor_popcount, "MaxPoolNHWC": lambda n: last(pool(n, first(n[0]), False))}


def channels_last(n):
    n.inputs[0] = first(n.inputs[0])
    return last(np.ascontiguousarray(ONNX[n.proto.op_type](n)))


def find(domain, op):
    if domain == "qonnx.custom_op.channels_last":
        return channels_last
    if domain == "com.microsoft":
        return MICROSOFT[op]
    if domain == "fard":
        return own_operators.OWN[op]
    if domain in QUANTIZERS and op in QUANTIZER:
        return QUANTIZER[op]
    return GENERAL[op] if domain in QUANTIZERS[2:] else ONNX[op]


class Network:
    """A model that can be run; `near` counts elements so close to where a result jumps that roundings decide."""

    def __init__(self, model, wide=True):
        self.model, self.kind = model, np.float64 if wide else np.float32
        self.opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        self.stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        self.near = 0

    def watch(self, x, places, tight=False):
        x = np.asarray(x).astype(np.float64)
        distance = np.abs(x - places)
        near = distance < 1e-5 * np.maximum(1, np.abs(x))
        self.near += int((near & (distance > 0)).sum() if tight else near.sum())

    def watch_rounding(self, y, mode, low=-np.inf, high=np.inf):
        y = y.astype(np.float64)
        inside = (y > low - 1) & (y < high + 1)
        whole = y if mode.upper() in ("CEIL", "FLOOR", "UP", "DOWN", "ROUND_TO_ZERO") else y - 0.5
        self.near += int((inside & (np.abs(whole - np.rint(whole)) < 1e-5 * np.maximum(1, np.abs(y)))).sum())

    def run(self, inputs):
        values = dict(self.stored)
        values.update(inputs)
        for proto in self.model.graph.node:
            result = find(proto.domain, proto.op_type)(Node(proto, values, self.opset, self))
            for name, value in zip(proto.output, result if isinstance(result, list) else [result]):
                if name:
                    values[name] = np.asarray(value)
        return [values[each.name] for each in self.model.graph.output]
