"""More of ONNX's operators in numpy, for evaluate.py: functions of elements, reductions, choices, moves, Resize, transposed
convolutions, normalisations, Einsum and quantization by the data. As there: fractions keep their width, integers stay."""
import math

import numpy as np

TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_}
ERF = np.vectorize(math.erf, otypes=[np.float64])


def kind_of(x):
    """The type of fractions computed from x."""
    return x.dtype if x.dtype in (np.float32, np.float64) else np.dtype(np.float64)


def function(of):
    return lambda n: np.asarray(of(n, n[0].astype(np.float64))).astype(kind_of(n[0]))


def staying(of, jumps=None):
    """Integers stay what they are; `jumps`: the nearest places where the function jumps."""
    def run(n):
        x = n[0].astype(np.float64)
        if jumps is not None:
            n.net.watch(x, jumps(x), tight=True)
        return np.asarray(of(x)).astype(n[0].dtype)
    return run


def halves(x):
    return np.floor(x) + 0.5


def zeros(x):
    return np.zeros_like(x)


def number(n, name, otherwise):
    return np.float64(np.float32(n.get(name, otherwise)))


def softplus(x):
    return np.logaddexp(x, 0)


def gelu(n, x):
    if n.get("approximate", "none") == "tanh":
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))
    return x / 2 * (1 + ERF(x / np.sqrt(2)))


def shrink(n, x):
    bias, limit = number(n, "bias", 0.0), number(n, "lambd", 0.5)
    n.net.watch(np.abs(x), limit, tight=True)
    return np.where(x < -limit, x + bias, np.where(x > limit, x - bias, 0))


def thresholded(n, x):
    n.net.watch(x, number(n, "alpha", 1.0), tight=True)
    return np.where(x > number(n, "alpha", 1.0), x, 0)


def selu(n, x):
    return number(n, "gamma", 1.0507009873554805) * np.where(x > 0, x, number(n, "alpha", 1.6732632423543772) * np.expm1(x))


FUNCTIONS = {
    "Abs": staying(np.abs), "Neg": staying(np.negative), "Sign": staying(np.sign, zeros),
    "Ceil": staying(np.ceil, np.rint),
    "Floor": staying(np.floor, np.rint), "Round": staying(np.rint, halves),
    "Acos": function(lambda n, x: np.arccos(x)), "Acosh": function(lambda n, x: np.arccosh(x)),
    "Asin": function(lambda n, x: np.arcsin(x)), "Asinh": function(lambda n, x: np.arcsinh(x)),
    "Atan": function(lambda n, x: np.arctan(x)), "Atanh": function(lambda n, x: np.arctanh(x)),
    "Celu": function(lambda n, x: np.maximum(x, 0) + np.minimum(0, number(n, "alpha", 1.0) *
                                                                np.expm1(x / number(n, "alpha", 1.0)))),
    "Cos": function(lambda n, x: np.cos(x)), "Cosh": function(lambda n, x: np.cosh(x)),
    "Elu": function(lambda n, x: np.where(x < 0, number(n, "alpha", 1.0) * np.expm1(x), x)),
    "Erf": function(lambda n, x: ERF(x)), "Exp": function(lambda n, x: np.exp(x)), "Gelu": function(gelu),
    "HardSwish": function(lambda n, x: x * np.clip(x / 6 + 0.5, 0, 1)), "Log": function(lambda n, x: np.log(x)),
    "Mish": function(lambda n, x: x * np.tanh(softplus(x))), "Reciprocal": function(lambda n, x: 1 / x),
    "Selu": function(selu), "Shrink": function(shrink), "Sin": function(lambda n, x: np.sin(x)),
    "Sinh": function(lambda n, x: np.sinh(x)), "Softplus": function(lambda n, x: softplus(x)),
    "Softsign": function(lambda n, x: x / (1 + np.abs(x))), "Tan": function(lambda n, x: np.tan(x)),
    "ThresholdedRelu": function(thresholded),
    "IsNaN": lambda n: np.isnan(n[0]), "Not": lambda n: np.logical_not(n[0]),
    "IsInf": lambda n: (np.isposinf(n[0]) & bool(n.get("detect_positive", 1))) |
                       (np.isneginf(n[0]) & bool(n.get("detect_negative", 1))),
}


# ---- two and more operands

def compared(of):
    def run(n):
        n.net.watch(n[0].astype(np.float64), n[1].astype(np.float64), tight=True)
        return of(n[0], n[1])
    return run


def folded(of):
    def run(n):
        out = n[0]
        for each in n.inputs[1:]:
            out = of(out, each)
        return out
    return run


def op_mod(n):
    return np.fmod(n[0], n[1]) if n.get("fmod", 0) else np.mod(n[0], n[1])


def op_prelu(n):
    return np.where(n[0] < 0, n[0] * n[1].astype(np.result_type(n[0], n[1])), n[0])


PAIRS = {
    "Max": folded(np.maximum), "Min": folded(np.minimum), "Sum": folded(np.add), "Mod": op_mod, "PRelu": op_prelu,
    "Mean": lambda n: folded(np.add)(n) / np.float32(len(n.inputs)),
    "Greater": compared(np.greater), "GreaterOrEqual": compared(np.greater_equal), "Less": compared(np.less),
    "LessOrEqual": compared(np.less_equal), "And": lambda n: np.logical_and(n[0], n[1]),
    "Or": lambda n: np.logical_or(n[0], n[1]), "Xor": lambda n: np.logical_xor(n[0], n[1]),
}


# ---- reductions

def reduction(of, stays=False):
    def run(n):
        axes = n.list(1, "axes")
        if not axes:
            if n.get("noop_with_empty_axes", 0):
                return n[0]
            axes = range(n[0].ndim)
        kind = n[0].dtype if stays else kind_of(n[0])
        wide = n[0].astype(np.float64)
        return np.asarray(of(wide, tuple(each % n[0].ndim for each in axes), bool(n.get("keepdims", 1)))).astype(kind)
    return run


def added(of, after=lambda x: x):
    return lambda x, axes, keep: after(of(x).sum(axes, keepdims=keep))


def same(x):
    return x


REDUCTIONS = {
    "ReduceMax": reduction(lambda x, axes, keep: x.max(axes, keepdims=keep), True),
    "ReduceMin": reduction(lambda x, axes, keep: x.min(axes, keepdims=keep), True),
    "ReduceProd": reduction(lambda x, axes, keep: x.prod(axes, keepdims=keep)),
    "ReduceL1": reduction(added(np.abs)), "ReduceL2": reduction(added(np.square, np.sqrt)),
    "ReduceSumSquare": reduction(added(np.square)), "ReduceLogSum": reduction(added(same, np.log)),
    "ReduceLogSumExp": reduction(added(np.exp, np.log)),
}


def op_arg_min(n):
    x, axis = n[0], n.get("axis", 0)
    out = x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis) if n.get("select_last_index", 0) else np.argmin(x, axis)
    return np.expand_dims(out, axis) if n.get("keepdims", 1) else out


# ---- moves

def op_split(n):
    axis = n.get("axis", 0) % n[0].ndim
    sizes = n.list(1, "split")
    count = len(n.proto.output)
    if not sizes:
        each = -(-n[0].shape[axis] // count)
        sizes = [min(each, n[0].shape[axis] - i * each) for i in range(count)]
    return np.split(n[0], np.cumsum(sizes)[:-1], axis)


def op_depth_to_space(n):
    x, b = n[0], n.get("blocksize")
    batch, channels, height, width = x.shape
    out = np.zeros((batch, channels // b // b, height * b, width * b), x.dtype)
    rest = channels // b // b
    for i in range(b):
        for j in range(b):
            if n.get("mode", "DCR") == "CRD":
                part = x[:, (i * b + j)::b * b]
            else:
                part = x[:, (i * b + j) * rest:(i * b + j + 1) * rest]
            out[:, :, i::b, j::b] = part
    return out


def op_space_to_depth(n):
    x, b = n[0], n.get("blocksize")
    batch, channels, height, width = x.shape
    order = x.reshape(batch, channels, height // b, b, width // b, b).transpose(0, 3, 5, 1, 2, 4)
    return order.reshape(batch, channels * b * b, height // b, width // b)


def op_gather_nd(n):
    x, indices, batch = n[0], n[1].astype(np.int64), n.get("batch_dims", 0)
    depth = indices.shape[-1]
    rows = x.reshape((-1,) + x.shape[batch:])
    flat = indices.reshape((rows.shape[0], -1, depth))
    out = [[row[tuple(each)] for each in tuples] for row, tuples in zip(rows, flat)]
    return np.asarray(out, x.dtype).reshape(indices.shape[:-1] + x.shape[batch + depth:])


def op_trilu(n):
    k = 0 if n[1] is None else int(n[1].ravel()[0])
    return np.triu(n[0], k) if n.get("upper", 1) else np.tril(n[0], k)


def op_one_hot(n):
    depth, axis = int(n[1].ravel()[0]), n.get("axis", -1)
    indices = np.mod(n[0].astype(np.int64), depth)
    return np.where(np.stack([indices == i for i in range(depth)], axis), n[2][1], n[2][0])


def op_hardmax(n):
    x, axis = n[0], n.get("axis", 1 if n.opset < 13 else -1)
    flat = x.reshape(int(np.prod(x.shape[:axis % x.ndim])), -1) if n.opset < 13 else np.moveaxis(x, axis, -1)
    hot = (np.arange(flat.shape[-1]) == np.argmax(flat, -1)[..., None]).astype(kind_of(x))
    return hot.reshape(x.shape) if n.opset < 13 else np.moveaxis(hot, -1, axis)


# ---- Resize

def place(how, i, size, count, scale, region):
    """Where element i of the result lies in a line of `size`; `count` may be a fraction."""
    if how == "align_corners":
        return 0.0 if count == 1 else i * (size - 1) / (count - 1)
    if how == "asymmetric":
        return i / scale
    if how == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    if how == "tf_crop_and_resize":
        span = (region[1] - region[0]) * (size - 1)
        return region[0] * (size - 1) + (span / 2 if count == 1 else i * span / (count - 1))
    if how == "pytorch_half_pixel" and count == 1:
        return -0.5
    if how == "half_pixel_symmetric":
        return size / 2 * (1 - math.floor(count) / count) + (i + 0.5) / scale - 0.5
    return (i + 0.5) / scale - 0.5


def neighbours(n, at, size, scale):
    """Pairs of an element's number (perhaps beyond the line) and its weight."""
    mode, low = n.get("mode", "nearest"), math.floor(at)
    if mode == "nearest":
        half = at - low
        how = n.get("nearest_mode", "floor" if n.opset < 11 else "round_prefer_floor")
        up = {"ceil": half > 0, "floor": False, "round_prefer_ceil": half >= 0.5, "round_prefer_floor": half > 0.5}[how]
        return [(low + int(up), 1.0)]
    shrunk = min(scale, 1.0) if n.get("antialias", 0) else 1.0
    a = np.float64(np.float32(n.get("cubic_coeff_a", -0.75)))

    def weight(d):
        d = abs(d) * shrunk
        if mode in ("linear", "bilinear"):
            return max(0.0, 1 - d)
        if d <= 1:
            return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1
        return a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a if d < 2 else 0.0

    reach = math.ceil((2 if mode == "cubic" else 1) / shrunk) + 1
    pairs = [(i, weight(at - i)) for i in range(low - reach, low + reach + 1)]
    if n.get("exclude_outside", 0):
        pairs = [(i, w) for i, w in pairs if 0 <= i < size]
    if n.get("exclude_outside", 0) or n.get("antialias", 0):
        total = sum(w for _, w in pairs)
        pairs = [(i, w / total) for i, w in pairs]
    return pairs


def op_resize(n):
    x = n[0]
    old = n.proto.op_type == "Upsample" or n.opset < 11
    how = n.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    axes = n.get("axes") or list(range(x.ndim))
    scales = n[1] if old else n[2]
    scales = n.get("scales") if scales is None else scales
    sizes = None if old or n[3] is None else [int(each) for each in n[3]]
    roi = None if old or n[1] is None or n[1].size == 0 else n[1].astype(np.float64)
    out, outside = x.astype(np.float64), np.zeros([1] * x.ndim, bool)
    for at, axis in enumerate(axes):
        size = x.shape[axis]
        scale = sizes[at] / size if sizes else float(np.float32(scales[at]))
        counted = sizes[at] if sizes else size * scale
        count = int(math.floor(counted))
        region = (0, 1) if roi is None else (roi[at], roi[at + len(axes)])
        matrix, beyond = np.zeros((count, size)), np.zeros(count, bool)
        for i in range(count):
            where = place(how, i, size, counted, scale, region)
            beyond[i] = how == "tf_crop_and_resize" and not 0 <= where <= size - 1
            for j, weight in neighbours(n, where, size, scale):
                matrix[i, min(max(j, 0), size - 1)] += weight
        out = np.moveaxis(np.tensordot(matrix, out, (1, axis)), 0, axis)
        outside = outside | beyond.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    out = np.where(outside, n.get("extrapolation_value", 0.0), out)
    return out.astype(x.dtype if n.get("mode", "nearest") == "nearest" else kind_of(x))


# ---- ConvTranspose

def op_conv_transpose(n):
    x, w, bias = n[0], n[1], n[2]
    rank = x.ndim - 2
    strides, dilations = n.get("strides") or [1] * rank, n.get("dilations") or [1] * rank
    pads, more = list(n.get("pads") or [0] * 2 * rank), n.get("output_padding") or [0] * rank
    group, auto, wanted = n.get("group", 1), n.get("auto_pad", "NOTSET"), n.get("output_shape")
    full = [(x.shape[2 + i] - 1) * strides[i] + (w.shape[2 + i] - 1) * dilations[i] + 1 + more[i] for i in range(rank)]
    out = np.zeros([x.shape[0], w.shape[1] * group] + full, np.float64)
    per_in, per_out = x.shape[1] // group, w.shape[1]
    wide = x.astype(np.float64)
    for tap in np.ndindex(*w.shape[2:]):
        index = tuple(slice(tap[i] * dilations[i], tap[i] * dilations[i] + (x.shape[2 + i] - 1) * strides[i] + 1, strides[i])
                      for i in range(rank))
        for g in range(group):
            weights = w[(slice(g * per_in, (g + 1) * per_in), slice(None)) + tap].astype(np.float64)
            part = np.tensordot(weights, wide[:, g * per_in:(g + 1) * per_in], (0, 1))
            out[(slice(None), slice(g * per_out, (g + 1) * per_out)) + index] += np.moveaxis(part, 0, 1)
    index = [slice(None), slice(None)]
    for i in range(rank):
        first, count = pads[i], full[i] - pads[i] - pads[i + rank]
        if wanted or auto.startswith("SAME"):
            count = wanted[len(wanted) - rank + i] if wanted else x.shape[2 + i] * strides[i]
            total = max(0, full[i] - count)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
        elif auto == "VALID":
            first, count = 0, full[i]
        if first + count > full[i]:
            out = np.pad(out, [(0, first + count - full[i]) if axis == 2 + i else (0, 0) for axis in range(out.ndim)])
        index.append(slice(first, first + count))
    out = out[tuple(index)]
    kind = np.result_type(kind_of(x), kind_of(w))
    if bias is not None:
        out = out + bias.astype(np.float64).reshape([-1] + [1] * rank)
        kind = np.result_type(kind, kind_of(bias))
    return out.astype(kind)


# ---- normalisations

def normalised(x, axes, epsilon):
    x = x.astype(np.float64)
    mean = x.mean(axes, keepdims=True)
    deviation = np.sqrt(np.square(x - mean).mean(axes, keepdims=True) + epsilon)
    return (x - mean) / deviation, mean, deviation


def op_layer_normalization(n):
    x = n[0]
    axis = n.get("axis", -1) % x.ndim
    out, mean, deviation = normalised(x, tuple(range(axis, x.ndim)), number(n, "epsilon", 1e-5))
    out = out * n[1] if n[2] is None else out * n[1] + n[2]
    kind = kind_of(x)
    return [out.astype(kind), mean.astype(kind), (1 / deviation).astype(kind)]


def along_channels(values, x):
    return values.astype(np.float64).reshape([-1] + [1] * (x.ndim - 2))


def op_instance_normalization(n):
    x = n[0]
    out = normalised(x, tuple(range(2, x.ndim)), number(n, "epsilon", 1e-5))[0]
    return (out * along_channels(n[1], x) + along_channels(n[2], x)).astype(kind_of(x))


def op_group_normalization(n):
    x, groups = n[0], n.get("num_groups")
    out = normalised(x.reshape(x.shape[0], groups, -1), 2, number(n, "epsilon", 1e-5))[0].reshape(x.shape)
    scale, bias = (np.repeat(each, x.shape[1] // each.size) for each in n.inputs[1:3])
    return (out * along_channels(scale, x) + along_channels(bias, x)).astype(kind_of(x))


def op_mean_variance_normalization(n):
    x = n[0].astype(np.float64)
    axes = tuple(n.get("axes", [0, 2, 3]))
    mean = x.mean(axes, keepdims=True)
    return ((x - mean) / (np.sqrt(np.square(x - mean).mean(axes, keepdims=True)) + 1e-9)).astype(kind_of(n[0]))


def op_lrn(n):
    x, size = n[0].astype(np.float64), n.get("size")
    squares = np.pad(np.square(x), [(0, 0), ((size - 1) // 2, size // 2)] + [(0, 0)] * (x.ndim - 2))
    total = sum(squares[:, i:i + x.shape[1]] for i in range(size))
    power = number(n, "bias", 1.0) + number(n, "alpha", 1e-4) / size * total
    return (x / power ** number(n, "beta", 0.75)).astype(kind_of(n[0]))


def op_lp_normalization(n):
    x = n[0].astype(np.float64)
    size = np.abs(x).sum(n.get("axis", -1), keepdims=True) if n.get("p", 2) == 1 else \
        np.sqrt(np.square(x).sum(n.get("axis", -1), keepdims=True))
    return (x / size).astype(kind_of(n[0]))


def op_log_softmax(n):
    x, axis = n[0].astype(np.float64), n.get("axis", 1 if n.opset < 13 else -1)
    if n.opset < 13:
        x, axis = x.reshape(int(np.prod(x.shape[:axis % x.ndim])), -1), 1
    x = x - x.max(axis, keepdims=True)
    return (x - np.log(np.exp(x).sum(axis, keepdims=True))).reshape(n[0].shape).astype(kind_of(n[0]))


# ---- products, and quantization by the data

def op_einsum(n):
    wide = [each.astype(np.float64) for each in n.inputs]
    return np.einsum(n.get("equation"), *wide).astype(np.result_type(*(kind_of(each) for each in n.inputs)))


def op_dynamic_quantize(n):
    x = n[0].astype(np.float32)
    low, high = min(np.float32(0), x.min()), max(np.float32(0), x.max())
    scale = np.float32((high - low) / np.float32(255))
    zero = np.rint(np.clip(np.float32(0) - low / scale, 0, 255))
    n.net.watch_rounding(np.asarray(x / scale), "ROUND")
    n.net.watch_rounding(np.asarray(np.float32(0) - low / scale), "ROUND")
    codes = np.clip(np.rint(x / scale) + zero, 0, 255)
    if not np.isfinite(zero):
        zero, codes = 0, np.zeros(x.shape)
    return [codes.astype(np.uint8), scale, np.asarray(zero).astype(np.uint8)]


def integer_product(n, a, a_zero, b, b_zero):
    zero = 0 if b_zero is None else b_zero.astype(np.int64)
    return np.matmul(a.astype(np.int64) - (0 if a_zero is None else a_zero.astype(np.int64)), b.astype(np.int64) - zero)


def op_dynamic_quantize_matmul(n):
    codes, scale, zero = op_dynamic_quantize(n)
    out = integer_product(n, codes, zero, n[1], n[3]).astype(np.float32) * (scale * n[2])
    return out if n[4] is None else out + n[4]


def op_matmul_integer_to_float(n):
    out = integer_product(n, n[0], n[4], n[1], n[5]).astype(np.float32) * (n[2] * n[3])
    return out if n[6] is None else out + n[6]


def op_cast_like(n):
    return n[0].astype(n[1].dtype)


def op_skip_layer_normalization(n):
    x = n[0] + n[1] if n[4] is None else n[0] + n[1] + n[4]
    out = normalised(x, x.ndim - 1, number(n, "epsilon", 1e-12))[0] * n[2]
    return (out if n[3] is None else out + n[3]).astype(kind_of(x))


def with_bias(of):
    return lambda n: of(n, (n[0] if n[1] is None else n[0] + n[1]).astype(np.float64)).astype(kind_of(n[0]))


def fast_gelu(_, x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


MORE = {
    **FUNCTIONS, **PAIRS, **REDUCTIONS, "ArgMin": op_arg_min, "Split": op_split, "Tile": lambda n: np.tile(n[0], n[1]),
    "DepthToSpace": op_depth_to_space, "SpaceToDepth": op_space_to_depth, "Trilu": op_trilu, "GatherND": op_gather_nd,
    "GatherElements": lambda n: np.take_along_axis(n[0], n[1], n.get("axis", 0)), "OneHot": op_one_hot,
    "Hardmax": op_hardmax, "Resize": op_resize, "Upsample": op_resize, "ConvTranspose": op_conv_transpose,
    "LayerNormalization": op_layer_normalization, "InstanceNormalization": op_instance_normalization,
    "GroupNormalization": op_group_normalization, "MeanVarianceNormalization": op_mean_variance_normalization,
    "LRN": op_lrn, "LpNormalization": op_lp_normalization, "LogSoftmax": op_log_softmax, "Einsum": op_einsum,
    "DynamicQuantizeLinear": op_dynamic_quantize, "CastLike": op_cast_like,
}
MICROSOFT = {
    "DynamicQuantizeMatMul": op_dynamic_quantize_matmul, "MatMulIntegerToFloat": op_matmul_integer_to_float,
    "SkipLayerNormalization": op_skip_layer_normalization, "BiasGelu": with_bias(gelu), "Gelu": with_bias(gelu),
    "FastGelu": with_bias(fast_gelu),
}
