"""Random networks of every form that fard reads. The same seed gives the same network."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from draw_more import MoreDraws

GENERAL, LAST, MICROSOFT = "qonnx.custom_op.general", "qonnx.custom_op.channels_last", "com.microsoft"
MODES = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "HALF_EVEN", "ROUND_TO_ZERO")


class Tensor:
    """One of the network: integers of ONNX have their `type`, fractions have none; `last`: an image with channels last."""

    def __init__(self, name, shape, kind=None, last=False):
        self.name, self.shape, self.kind, self.last = name, list(shape), kind, last

    @property
    def rank(self):
        return len(self.shape)

    @property
    def size(self):
        return int(np.prod(self.shape))


class Draw(MoreDraws):
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.exact = self.chance(0.6)  # all numbers are sums of few powers of two: nothing is ever rounded
        self.opset = int(self.random.integers(9, 22))
        self.nodes, self.stored, self.pool, self.annotations = [], {}, [], []
        self.inputs, self.count, self.values_of = [], 0, {}
        self.weight_scale = None  # of the last weights, where they are integers with zero points of 0

    # ---- numbers

    def chance(self, p):
        return self.random.random() < p

    def pick(self, *things):
        return things[int(self.random.integers(len(things)))]

    def int(self, low, high):
        return int(self.random.integers(low, high + 1))

    def scale(self, *shape):
        if self.exact:
            return np.asarray(2.0 ** self.random.integers(-3, 2, shape), np.float32)
        return np.asarray(self.random.uniform(0.02, 1.5, shape), np.float32)

    def fractions(self, *shape):
        if self.exact:
            return np.asarray(self.random.integers(-8, 9, shape) / 4, np.float32)
        return np.asarray(self.random.normal(size=shape), np.float32)

    def integers(self, kind, *shape, narrow=False):
        limits = np.iinfo(kind)
        low, high = max(limits.min, -128), min(limits.max, 255)
        if narrow:
            low, high = max(low, -7), min(high, 7)
        return np.asarray(self.random.integers(low, high + 1, shape), kind)

    def factor(self, *shape):
        if self.exact:
            return np.asarray(self.random.choice([-2, -1, -0.5, 0.5, 1, 2], shape), np.float32)
        return np.asarray(self.random.choice([-1, 1], shape) * self.random.uniform(0.3, 2, shape), np.float32)

    # ---- making things

    def name(self, hint="t"):
        self.count += 1
        return f"{hint}{self.count}"

    def constant(self, array):
        array = np.asarray(array)
        name = self.name("c")
        self.values_of[name] = array
        if self.chance(0.1):
            tensor = numpy_helper.from_array(array, name + "_value")
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.stored[name] = array
        return name

    def node(self, op, inputs, shape, kind=None, last=False, domain="", keep=True, **attributes):
        name = self.name()
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, inputs, [name], name if self.chance(0.8) else "", domain=domain,
                                           **attributes))
        made = Tensor(name, shape, kind, last)
        if keep:
            self.pool.append(made)
        return made

    # A tensor of the pool, one of the newest more often.
    def any(self, fits=lambda tensor: True):
        found = [each for each in self.pool if fits(each)]
        if not found:
            return None
        return found[-1 - int(min(self.random.geometric(0.4) - 1, len(found) - 1))]

    def fraction(self, fits=lambda tensor: True):
        return self.any(lambda tensor: tensor.kind is None and fits(tensor))

    def image(self):
        return self.fraction(lambda tensor: tensor.rank == 4 and not tensor.last)

    # ---- quantizers

    def channel_scale(self, x, axis):
        return self.scale(x.shape[axis])

    def quantize(self, x):
        kind = self.pick(np.uint8, np.int8)
        axis = self.int(0, x.rank - 1) if self.opset >= 13 and x.rank and self.chance(0.25) else None
        count = [] if axis is None else [x.shape[axis]]
        scale = self.constant(np.asarray(self.scale(*count) * np.float32(2 if self.exact else 1), np.float32))
        zero = self.constant(self.integers(kind, *count, narrow=True)) if self.chance(0.8) else ""
        kind = kind if zero else np.uint8
        domain = MICROSOFT if axis is None and zero and self.chance(0.1) else ""
        q = self.node("QuantizeLinear", [x.name, scale] + ([zero] if zero else []), x.shape, kind, x.last, domain, axis=axis)
        q.affine = (scale, zero, axis)
        if self.chance(0.9):
            self.dequantize(q)
        return q

    def dequantize(self, q):
        scale, zero, axis = q.affine
        made = self.node("DequantizeLinear", [q.name, scale] + ([zero] if zero else []), q.shape, None, q.last, axis=axis)
        made.scale = self.values_of[scale] if axis is None else None
        return made

    def quant_name(self):
        return self.pick("Quant", "Quant", "IntQuant")

    def quant(self, x):
        bits = self.int(1, 8)
        is_signed = self.int(0, 1)
        axis = self.int(0, x.rank - 1) if x.rank and self.chance(0.3) else None
        shape = [] if axis is None else [x.shape[i] if i == axis else 1 for i in range(x.rank)]
        if axis is not None and self.chance(0.3):
            shape = shape[axis:]
        zero = np.zeros([], np.float32)
        if self.chance(0.2) and not (bits == 1 and is_signed):
            zero = np.float32(self.int(-3, 3))
        operands = [x.name, self.constant(self.scale(*shape)), self.constant(zero), self.constant(np.float32(bits))]
        return self.node(self.quant_name(), operands, x.shape, None, x.last, GENERAL, signed=is_signed,
                         narrow=self.int(0, 1) if bits > 1 or is_signed else 0, rounding_mode=self.pick(*MODES))

    def bipolar_quant(self, x):
        return self.node("BipolarQuant", [x.name, self.constant(self.scale())], x.shape, None, x.last, GENERAL)

    def trunc(self, x):
        scale, zero, before = self.constant(np.float32(0.125)), self.constant(np.float32(0)), self.constant(np.float32(8))
        q = self.node("Quant", [x.name, scale, zero, before], x.shape, None, x.last, GENERAL, keep=False, signed=1,
                      narrow=0, rounding_mode="ROUND")
        after = self.constant(np.float32(self.int(2, 6)))
        mode = self.pick("FLOOR", "ROUND", "CEIL")
        if self.chance(0.5):
            return self.node("Trunc", [q.name, scale, zero, before, after], x.shape, None, x.last, GENERAL,
                             rounding_mode=mode)
        behind = self.constant(np.float32(0.125 * 2 ** self.int(0, 4)))
        return self.node("Trunc", [q.name, scale, zero, before, behind, after], x.shape, None, x.last, GENERAL,
                         rounding_mode=mode, signed=1, narrow=self.int(0, 1))

    def multi_threshold(self, x):
        if x.rank < 2:
            return None
        layout = self.pick("NCHW", "NHWC", "NC", None) if x.rank in (2, 4) else self.pick("NCW", "NWC", "NCHW", "NC")
        axis = x.rank - 1 if layout and layout[-1] == "C" else 1
        rows = self.pick(1, x.shape[axis])
        steps = self.int(1, 15)
        thresholds = np.asarray(self.random.integers(-40, 41, (rows, steps)), np.float32) * np.float32(
            self.pick(1, 0.5, 0.25) if self.exact else 0.317)
        if self.chance(0.8):
            thresholds = np.sort(thresholds, 1)
        scale = self.pick(1.0, 1.0, 2.0, 0.5, -1.0)
        bias = self.pick(0.0, -1.0, -float(steps // 2), 0.5)
        return self.node("MultiThreshold", [x.name, self.constant(thresholds)], x.shape, None, x.last, GENERAL,
                         out_dtype="FLOAT32" if scale % 1 or bias % 1 else "INT8", out_scale=scale, out_bias=bias,
                         data_layout=layout)

    # ---- products

    # Weights as fractions, or as integers that are dequantized in one of the ways that exporters write.
    def weights(self, shape, channels):
        form = self.pick("fractions", "dq", "dq", "quant", "quant", "bipolar", "integers")
        self.weight_scale = None
        per_channel = self.chance(0.5)
        if form == "fractions":
            return self.constant(self.fractions(*shape))
        if form == "integers":
            return self.constant(np.asarray(self.random.integers(-3, 4, shape), np.float32))
        if form == "dq":
            kind = self.pick(np.int8, np.uint8)
            if self.opset < 13:
                per_channel = False
            count = [shape[channels]] if per_channel else []
            operands = [self.constant(self.integers(kind, *shape, narrow=True)), self.constant(self.scale(*count))]
            if self.chance(0.6):
                operands.append(self.constant(self.integers(kind, *count, narrow=True)))
            axis = channels if per_channel else None
            self.weight_scale = self.values_of[operands[1]]
            if axis is not None and self.chance(0.3):
                axis -= len(shape)
            return self.node("DequantizeLinear", operands, shape, keep=False, axis=axis).name
        along = [shape[i] if i == channels else 1 for i in range(len(shape))] if per_channel else []
        operands = [self.constant(self.fractions(*shape)), self.constant(self.scale(*along))]
        if form == "bipolar":
            return self.node("BipolarQuant", operands, shape, keep=False, domain=GENERAL).name
        operands += [self.constant(np.float32(0)), self.constant(np.float32(self.int(1, 8)))]
        return self.node(self.quant_name(), operands, shape, keep=False, domain=GENERAL, signed=1,
                         narrow=self.int(0, 1), rounding_mode=self.pick("ROUND", "FLOOR", "HALF_UP")).name

    def bias(self, count, x=None):
        scale = getattr(x, "scale", None)
        if scale is not None and self.weight_scale is not None and self.chance(0.7):  # as exporters write it
            scale = self.constant(np.asarray(scale * self.weight_scale, np.float32))
            whole = self.constant(np.asarray(self.random.integers(-60, 61, count), np.int32))
            return self.node("DequantizeLinear", [whole, scale], [count], keep=False, axis=0 if self.opset >= 13 else None).name
        if self.chance(0.3):
            operands = [self.constant(self.fractions(count)), self.constant(self.scale()), self.constant(np.float32(0)),
                        self.constant(np.float32(self.pick(16, 32)))]
            return self.node("Quant", operands, [count], keep=False, domain=GENERAL, signed=1, narrow=0,
                             rounding_mode="ROUND").name
        return self.constant(self.fractions(count))

    # Attributes of a window that fits, and its outputs; `small`: its area is a power of two.
    def window(self, shape, power=False, conv=False):
        if self.opset < 11 and not conv:
            dilations = [1, 1]
        else:
            dilations = [self.pick(1, 1, 1, 2), self.pick(1, 1, 1, 2)]
        kernel = [self.pick(1, 2, 4) if power else self.int(1, 3) for _ in range(2)]
        strides = [self.int(1, 3) for _ in range(2)]
        auto = self.pick(None, None, None, "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
        attributes = dict(kernel_shape=kernel, strides=strides)
        if dilations != [1, 1] or self.chance(0.2):
            if conv or self.opset >= 11:
                attributes["dilations"] = dilations
        pads = [0] * 4
        if auto in (None, "NOTSET"):
            most = [min(k - 1, 1) if not conv else 2 for k in kernel] * 2
            pads = [self.int(0, each) for each in most]
            attributes["pads"] = pads if any(pads) or self.chance(0.3) else None
        attributes["auto_pad"] = auto
        if not conv and self.opset >= 10 and auto in (None, "NOTSET"):
            attributes["ceil_mode"] = self.pick(None, 0, 1)
        out = []
        for i in range(2):
            size, reach = shape[2 + i], (kernel[i] - 1) * dilations[i] + 1
            if auto in ("SAME_UPPER", "SAME_LOWER"):
                out.append(-(-size // strides[i]))
                continue
            span = size + pads[i] + pads[i + 2] - reach
            if span < 0:
                return None, None
            count = span // strides[i] + 1
            if attributes.get("ceil_mode") and span % strides[i] and count * strides[i] < size + pads[i]:
                count += 1
            out.append(count)
        return attributes, out

    def conv(self, x):
        attributes, out = self.window(x.shape, conv=True)
        if out is None:
            return None
        channels = x.shape[1]
        group = self.pick(1, 1, channels, *[g for g in (2, 3) if channels % g == 0])
        per_group = self.int(1, 4)
        shape = [per_group * group, channels // group] + attributes["kernel_shape"]
        operands = [x.name, self.weights(shape, 0)]
        if self.chance(0.4):
            operands.append(self.bias(shape[0], x))
        if self.chance(0.2) and attributes.get("auto_pad") is None:
            attributes["kernel_shape"] = None
        return self.node("Conv", operands, [x.shape[0], shape[0]] + out, group=group if group > 1 else None, **attributes)

    def max_pool(self, x):
        attributes, out = self.window(x.shape)
        if out is None or attributes.get("dilations", [1, 1]) != [1, 1]:
            return None
        if attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER") and max(attributes["strides"]) > 1:
            return None
        return self.node("MaxPool", [x.name], x.shape[:2] + out, **attributes)

    def average_pool(self, x):
        attributes, out = self.window(x.shape, power=self.exact)
        if out is None:
            return None
        attributes.pop("dilations", None)
        if self.exact:  # every divisor a power of two
            attributes["ceil_mode"], attributes["auto_pad"] = None, None
            if attributes.get("pads"):
                attributes["count_include_pad"] = 1
        elif self.chance(0.3):
            attributes["count_include_pad"] = 1
        shape = self.window_outputs(x.shape, attributes)
        return shape and self.node("AveragePool", [x.name], x.shape[:2] + shape, **attributes)

    @staticmethod
    def window_outputs(shape, attributes):
        out, pads = [], attributes.get("pads") or [0] * 4
        for i in range(2):
            size, stride = shape[2 + i], attributes["strides"][i]
            if attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
                out.append(-(-size // stride))
                continue
            span = size + pads[i] + pads[i + 2] - attributes["kernel_shape"][i]
            if span < 0:
                return None
            count = span // stride + 1
            if attributes.get("ceil_mode") and span % stride and count * stride < size + pads[i]:
                count += 1
            out.append(count)
        return out

    def matmul(self, x):
        if x.rank < 2 or x.shape[-1] > 64:
            return None
        n = self.int(1, 6)
        if self.chance(0.15):
            other = self.fraction(lambda each: each.rank == x.rank and each.shape[:-2] == x.shape[:-2] and
                                  each.shape[-2] == x.shape[-1] and each.shape[-1] <= 16)
            if other is not None:
                return self.node("MatMul", [x.name, other.name], x.shape[:-1] + other.shape[-1:])
        shape = [x.shape[-1], n]
        if self.chance(0.1) and x.rank > 2:
            shape = [x.shape[-3] if x.rank == 3 else 1] + shape
            return self.node("MatMul", [x.name, self.constant(self.fractions(*shape))], x.shape[:-1] + [n])
        return self.node("MatMul", [x.name, self.weights(shape, 1)], x.shape[:-1] + [n])

    def gemm(self, x):
        if x.rank != 2:
            return None
        trans_b, n = self.int(0, 1), self.int(1, 6)
        trans_a = self.pick(0, 0, 0, 1)
        rows, inner = (x.shape[1], x.shape[0]) if trans_a else x.shape
        shape = [n, inner] if trans_b else [inner, n]
        operands = [x.name, self.weights(shape, 0 if trans_b else 1)]
        if self.chance(0.6):
            operands.append(self.bias(n, x) if self.chance(0.6) else
                            self.constant(self.fractions(*self.pick([n], [1, n], [rows, 1], [rows, n], []))))
        plain = self.chance(0.7)
        return self.node("Gemm", operands, [rows, n], transB=trans_b, transA=trans_a or None,
                         alpha=None if plain else self.pick(2.0, 0.5, -1.0), beta=None if plain else self.pick(2.0, 0.5))

    # ---- operators on quantized tensors

    def parts(self, x):
        """An integer tensor with its scale and zero point as operands: made by quantizing x."""
        q = self.any(lambda each: each.kind is not None and hasattr(each, "affine") and each.affine[2] is None and
                     each.affine[1] and (x is None or each.shape == x.shape))
        if q is None:
            x = x or self.fraction(lambda each: each.rank >= 2) or self.fraction()
            kind = self.pick(np.uint8, np.int8)
            scale, zero = self.constant(np.float32(self.scale() * 2)), self.constant(self.integers(kind, narrow=True))
            q = self.node("QuantizeLinear", [x.name, scale, zero], x.shape, kind, x.last)
            q.affine = (scale, zero, None)
        return q, [q.name, q.affine[0], q.affine[1]]

    def result(self, op, operands, shape, kind, domain, first=False, last=False, **attributes):
        scale, zero = self.constant(np.float32(self.scale() * 4)), self.constant(self.integers(kind, narrow=True))
        operands = [scale, zero] + operands if first else operands + [scale, zero]
        made = self.node(op, operands, shape, kind, last, domain, **attributes)
        made.affine = (scale, zero, None)
        return made

    def qlinear_conv(self, x):
        q, operands = self.parts(x if x.rank == 4 else None)
        if q.rank != 4 or q.last:
            return None
        attributes, out = self.window(q.shape, conv=True)
        if out is None:
            return None
        shape = [self.int(1, 4), q.shape[1]] + attributes["kernel_shape"]
        kind = self.pick(np.int8, q.kind)
        count = [shape[0]] if self.chance(0.5) else []
        operands += [self.constant(self.integers(kind, *shape, narrow=True)), self.constant(self.scale(*count)),
                     self.constant(self.integers(kind, *count, narrow=True))]
        scale, zero = self.constant(np.float32(self.scale() * 4)), self.constant(self.integers(q.kind, narrow=True))
        operands += [scale, zero]
        if self.chance(0.5):
            operands.append(self.constant(np.asarray(self.random.integers(-50, 51, shape[0]), np.int32)))
        made = self.node("QLinearConv", operands, [q.shape[0], shape[0]] + out, q.kind, **attributes)
        made.affine = (scale, zero, None)
        return made

    def qlinear_matmul(self, x):
        q, operands = self.parts(x if x.rank in (2, 3) else None)
        if q.rank not in (2, 3) or q.shape[-1] > 64:
            return None
        n = self.int(1, 5)
        kind = q.kind
        count = self.pick([], [n])
        operands += [self.constant(self.integers(kind, q.shape[-1], n, narrow=True)), self.constant(self.scale(*count)),
                     self.constant(self.integers(kind, *count, narrow=True))]
        return self.result("QLinearMatMul", operands, q.shape[:-1] + [n], kind, "")

    def qgemm(self, x):
        q, operands = self.parts(x if x.rank == 2 else None)
        if q.rank != 2 or q.shape[-1] > 64:
            return None
        trans_b, n = self.int(0, 1), self.int(1, 5)
        shape = [n, q.shape[1]] if trans_b else [q.shape[1], n]
        count = self.pick([], [n])
        operands += [self.constant(self.integers(q.kind, *shape, narrow=True)), self.constant(self.scale(*count)),
                     self.constant(self.integers(q.kind, *count, narrow=True)),
                     self.constant(np.asarray(self.random.integers(-50, 51, n), np.int32))]
        return self.result("QGemm", operands, [q.shape[0], n], q.kind, MICROSOFT, transB=trans_b,
                           alpha=self.pick(None, 1.0, 2.0, 0.5))

    def conv_integer(self, x):
        q, operands = self.parts(x if x.rank == 4 else None)
        if q.rank != 4 or q.last:
            return None
        attributes, out = self.window(q.shape, conv=True)
        if out is None:
            return None
        shape = [self.int(1, 4), q.shape[1]] + attributes["kernel_shape"]
        kind = self.pick(np.int8, np.uint8)
        zero = self.pick("", self.constant(self.integers(kind, narrow=True)),
                         self.constant(self.integers(kind, shape[0], narrow=True)))
        operands = [q.name, self.constant(self.integers(kind, *shape, narrow=True)), operands[2]]
        made = self.node("ConvInteger", operands + ([zero] if zero else []), [q.shape[0], shape[0]] + out, np.int32,
                         **attributes)
        return self.node("Cast", [made.name], made.shape, to=TensorProto.FLOAT)

    def matmul_integer(self, x):
        q, operands = self.parts(x if x.rank == 2 else None)
        if q.rank != 2 or q.shape[-1] > 64:
            return None
        n = self.int(1, 5)
        kind = self.pick(np.int8, np.uint8)
        zero = self.pick("", self.constant(self.integers(kind, narrow=True)), self.constant(self.integers(kind, n, narrow=True)))
        rows = self.constant(self.integers(q.kind, q.shape[0], narrow=True)) if self.chance(0.4) else operands[2]
        operands = [q.name, self.constant(self.integers(kind, q.shape[1], n, narrow=True)), rows] + ([zero] if zero else [])
        made = self.node("MatMulInteger", operands, [q.shape[0], n], np.int32)
        return self.node("Cast", [made.name], made.shape, to=TensorProto.FLOAT)

    def qlinear_binary(self, x):
        a, left = self.parts(x if x.rank else None)
        b, right = (a, left) if self.chance(0.3) else self.parts(a)
        if a.shape != b.shape or a.kind != b.kind:
            b, right = a, left
        return self.result(self.pick("QLinearAdd", "QLinearMul"), left + right, a.shape, a.kind, MICROSOFT, last=a.last)

    def qlinear_concat(self, x):
        q, operands = self.parts(x if x.rank else None)
        if not q.rank:
            return None
        axis, times = self.int(0, q.rank - 1), self.int(1, 3)
        shape = list(q.shape)
        shape[axis] *= times
        return self.result("QLinearConcat", operands * times, shape, q.kind, MICROSOFT, True, q.last, axis=axis)

    def qlinear_pool(self, x):
        q, operands = self.parts(x if x.rank == 4 else None)
        if q.rank != 4 or q.last or (self.exact and not self.is_power(q.shape[2] * q.shape[3])):
            return None
        return self.result("QLinearGlobalAveragePool", operands, q.shape[:2] + [1, 1], q.kind, MICROSOFT)

    # ---- single elements

    @staticmethod
    def is_power(count):
        return count & (count - 1) == 0

    def broadcast(self, x):
        shape = list(x.shape)
        form = self.pick("same", "one", "scalar", "axis", "axis")
        if form == "same":
            return shape
        if form == "one" or not shape:
            return [1] * len(shape)
        if form == "scalar":
            return []
        axis = self.int(0, x.rank - 1)
        kept = [shape[i] if i == axis else 1 for i in range(x.rank)]
        return kept[axis:] if self.chance(0.5) else kept

    def binary(self, x):
        op = self.pick("Add", "Sub", "Mul", "Add", "Mul", "Div")
        same = self.fraction(lambda each: each.shape == x.shape and each.last == x.last)
        if self.chance(0.35) and op != "Div" and same is not None:
            return self.node(op, [x.name, same.name], x.shape, None, x.last)
        shape = self.broadcast(x)
        values = self.factor(*shape) if op in ("Mul", "Div") else self.fractions(*shape)
        operands = [x.name, self.constant(values)]
        if op != "Div" and self.chance(0.3):
            operands.reverse()
        return self.node(op, operands, x.shape, None, x.last)

    def function(self, x):
        op = self.pick("Relu", "Relu", "LeakyRelu", "Clip", "Identity", "Dropout", "Sigmoid", "Tanh", "HardSigmoid")
        if self.exact and op in ("Sigmoid", "Tanh", "HardSigmoid"):
            op = "Relu"
        operands, attributes = [x.name], {}
        if op == "LeakyRelu":
            attributes["alpha"] = self.pick(0.5, 0.25) if self.exact else 0.1
        if op == "HardSigmoid":
            attributes = dict(alpha=0.25, beta=0.5)
        if op == "Clip":
            bounds = self.pick((-1.0, 1.0), (0.0, 6.0), (-2.0, None), (None, 3.0))
            if self.opset < 11:
                attributes = dict(min=bounds[0], max=bounds[1])
            else:
                operands += ["" if each is None else self.constant(np.float32(each)) for each in bounds]
                while operands[-1] == "":
                    operands.pop()
        return self.node(op, operands, x.shape, None, x.last, **attributes)

    def batch_normalization(self, x):
        if x.rank not in (2, 4) or x.last:
            return None
        count = x.shape[1]
        var = self.random.choice([0.25, 1.0, 4.0], count) if self.exact else self.random.uniform(0.2, 3, count)
        operands = [self.constant(each) for each in (self.factor(count), self.fractions(count), self.fractions(count),
                                                     np.asarray(var, np.float32))]
        return self.node("BatchNormalization", [x.name] + operands, x.shape, epsilon=0.0 if self.exact else 1e-3)

    def softmax(self, x):
        if self.exact or not x.rank:
            return None
        return self.node("Softmax", [x.name], x.shape, None, x.last, axis=self.pick(None, self.int(0, x.rank - 1)))

    # ---- moves

    def concat(self, x):
        if not x.rank:
            return None
        axis = self.int(0, x.rank - 1)
        if x.rank == 4 and self.chance(0.6):
            axis = 3 if x.last else 1
        parts = [x]
        for _ in range(self.int(0, 2)):
            other = x if self.chance(0.4) else self.any(
                lambda each: each.kind == x.kind and each.rank == x.rank and each.last == x.last and
                all(a == b for i, (a, b) in enumerate(zip(each.shape, x.shape)) if i != axis))
            parts.append(other or x)
        self.random.shuffle(parts)
        shape = list(x.shape)
        shape[axis] = sum(each.shape[axis] for each in parts)
        return self.node("Concat", [each.name for each in parts], shape, x.kind, x.last,
                         axis=self.pick(axis, axis - x.rank))

    def transpose(self, x):
        if x.rank == 4 and self.chance(0.7):
            perm = [0, 3, 1, 2] if x.last else [0, 2, 3, 1]
            return self.node("Transpose", [x.name], [x.shape[i] for i in perm], x.kind, not x.last, perm=perm)
        perm = [int(each) for each in self.random.permutation(x.rank)]
        last = False if x.rank != 4 else x.last
        return self.node("Transpose", [x.name], [x.shape[i] for i in perm], x.kind, last, perm=perm)

    def reshape(self, x):
        if self.chance(0.3) and x.rank > 1:
            axis = self.int(1, x.rank)
            shape = [int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:]))]
            return self.node("Flatten", [x.name], shape, x.kind, axis=axis)
        shape = self.pick([x.size], [1, x.size], [x.size, 1], x.shape[:1] + [x.size // x.shape[0]] if x.rank else [1])
        if x.rank == 4 and self.chance(0.3):
            shape = [x.shape[0], x.shape[1], x.shape[2] * x.shape[3]]
        wanted = list(shape)
        if self.chance(0.5):
            wanted[self.int(0, len(wanted) - 1)] = -1
        return self.node("Reshape", [x.name, self.constant(np.asarray(wanted, np.int64))], shape, x.kind)

    def squeeze(self, x):
        axes = [i for i, each in enumerate(x.shape) if each == 1]
        if axes and self.chance(0.5):
            axes = axes[:self.int(1, len(axes))]
            shape = [each for i, each in enumerate(x.shape) if i not in axes]
            op = "Squeeze"
        else:
            if x.rank > 3:
                return None
            axes, op = [self.int(0, x.rank)], "Unsqueeze"
            shape = x.shape[:axes[0]] + [1] + x.shape[axes[0]:]
        if self.opset < 13:
            return self.node(op, [x.name], shape, x.kind, axes=axes)
        return self.node(op, [x.name, self.constant(np.asarray(axes, np.int64))], shape, x.kind)

    def slice(self, x):
        if not x.rank:
            return None
        axis = self.int(0, x.rank - 1)
        size, step = x.shape[axis], self.pick(1, 1, 2, -1)
        start, end = (0, self.pick(size, 2 ** 31 - 1, 2 ** 63 - 1)) if step > 0 else (-1, self.pick(-size - 1, -2 ** 63 + 1))
        if step > 0 and size > 1 and self.chance(0.5):
            start = self.int(0, size - 1)
        shape = list(x.shape)
        shape[axis] = len(range(start, size, step)) if step > 0 else size
        if self.opset < 10:
            if step != 1:
                return None
            return self.node("Slice", [x.name], shape, x.kind, x.last, starts=[start], ends=[end], axes=[axis])
        lists = [self.constant(np.asarray([each], np.int64)) for each in (start, end, axis, step)]
        return self.node("Slice", [x.name] + lists, shape, x.kind, x.last)

    def gather(self, x):
        if not x.rank:
            return None
        axis = self.int(0, x.rank - 1)
        count = self.int(1, 3)
        indices = self.random.integers(-x.shape[axis] if self.opset >= 11 else 0, x.shape[axis], count)
        shape = list(x.shape)
        shape[axis] = count
        return self.node("Gather", [x.name, self.constant(np.asarray(indices, np.int64))], shape, x.kind, x.last, axis=axis)

    def pad(self, x):
        if not x.rank or x.kind is not None:
            return None
        pads = [self.pick(0, 0, 1, 2) for _ in range(2 * x.rank)]
        mode = self.pick(None, "constant", "edge", "reflect")
        if mode == "reflect":
            pads = [min(each, size - 1) for each, size in zip(pads, x.shape * 2)]
        shape = [size + pads[i] + pads[i + x.rank] for i, size in enumerate(x.shape)]
        value = self.pick(0.0, 0.0, 1.0, 0.5)
        if self.opset < 11:
            return self.node("Pad", [x.name], shape, None, x.last, pads=pads, mode=mode, value=value)
        operands = [x.name, self.constant(np.asarray(pads, np.int64))]
        if value and mode in (None, "constant"):
            operands.append(self.constant(np.float32(value)))
        return self.node("Pad", operands, shape, None, x.last, mode=mode)

    def reduce(self, x):
        if not x.rank:
            return None
        op = self.pick("ReduceSum", "ReduceMean")
        axes = sorted({self.int(0, x.rank - 1) for _ in range(self.int(1, 2))})
        if self.exact and op == "ReduceMean" and not self.is_power(int(np.prod([x.shape[i] for i in axes]))):
            return None
        keep = self.pick(0, 1, None)
        shape = [1 if i in axes else each for i, each in enumerate(x.shape) if i not in axes or keep != 0]
        last = x.last and len(shape) == 4
        if op == "ReduceSum" and self.opset >= 13 or self.opset >= 18:
            return self.node(op, [x.name, self.constant(np.asarray(axes, np.int64))], shape, None, last, keepdims=keep)
        return self.node(op, [x.name], shape, None, last, axes=axes, keepdims=keep)

    def global_pool(self, x):
        op = self.pick("GlobalAveragePool", "GlobalMaxPool")
        if self.exact and op == "GlobalAveragePool" and not self.is_power(x.shape[2] * x.shape[3]):
            op = "GlobalMaxPool"
        return self.node(op, [x.name], x.shape[:2] + [1, 1])

    def arg_max(self, x):
        if not x.rank:
            return None
        axis, keep = self.int(0, x.rank - 1), self.pick(0, 1, None)
        shape = [1 if i == axis else each for i, each in enumerate(x.shape) if i != axis or keep != 0]
        return self.node("ArgMax", [x.name], shape, np.int64, x.last and len(shape) == 4, axis=axis, keepdims=keep,
                         select_last_index=self.pick(None, 0, 1) if self.opset >= 12 else None)

    # ---- what qonnx and FINN lower to

    def lowered(self, x):
        if x.rank != 4:
            return None
        if not x.last:
            x = self.node("Transpose", [x.name], [x.shape[i] for i in (0, 2, 3, 1)], None, True, perm=[0, 2, 3, 1])
        n, height, width, channels = x.shape
        form = self.pick("pool", "conv", "im2col", "average")
        kernel = [self.int(1, min(2, height)), self.int(1, min(2, width))]
        out = [height - kernel[0] + 1, width - kernel[1] + 1]
        if form == "pool":
            return self.node("MaxPoolNHWC", [x.name], [n] + out + [channels], None, True, GENERAL, kernel_shape=kernel,
                             strides=[1, 1], pads=[0] * 4)
        if form == "conv":
            shape = [self.int(1, 3), channels] + kernel
            return self.node("Conv", [x.name, self.weights(shape, 0)], [n] + out + shape[:1], None, True, LAST,
                             kernel_shape=kernel)
        if form == "average":
            k = self.int(1, min(2, height, width))
            scale, zero, bits = self.constant(np.float32(1)), self.constant(np.float32(0)), self.constant(np.float32(4))
            q = self.node("Quant", [x.name, scale, zero, bits], x.shape, None, True, GENERAL, signed=0, narrow=0,
                          rounding_mode="ROUND")
            out = [height - k + 1, width - k + 1]
            return self.node("QuantAvgPool2d", [q.name], [n] + out + [channels], None, True, GENERAL, kernel=k, stride=1,
                             ibits=4, obits=self.int(2, 6), signed=0, data_layout="NHWC")
        pads = [0] * 4 if min(height, width) == 1 else [self.int(0, 1) for _ in range(4)]
        out = [size + pads[i] + pads[i + 2] for i, size in enumerate(out)]
        rows = self.node("Im2Col", [x.name], [n] + out + [kernel[0] * kernel[1] * channels], None, True, GENERAL,
                         kernel_size=kernel, stride=[1, 1], pad_amount=pads, pad_value=0,
                         input_shape=str(tuple(x.shape)))
        return self.matmul(rows)

    def xnor(self, x):
        if x.rank != 2 or x.shape[-1] > 64:
            return None
        ones = self.constant(np.float32(1)), self.constant(np.float32(0)), self.constant(np.float32(1))
        q = self.node("Quant", [x.name, *ones], x.shape, None, False, GENERAL, keep=False, signed=0, narrow=0,
                      rounding_mode="ROUND")
        n = self.int(1, 4)
        bits = self.constant(np.asarray(self.random.integers(0, 2, (x.shape[1], n)), np.float32))
        return self.node("XnorPopcountMatMul", [q.name, bits], [x.shape[0], n], domain=GENERAL)

    # ---- the network

    def add_input(self):
        form = self.pick("image", "image", "image", "rows", "vector", "tokens")
        batch = self.pick(1, 1, 1, 2)
        shape = {"image": [batch, self.int(1, 4), self.int(1, 7), self.int(1, 7)], "rows": [batch, self.int(1, 12)],
                 "vector": [self.int(1, 9)], "tokens": [batch, self.int(1, 5), self.int(1, 8)]}[form]
        name, last, kind = self.name("in"), False, None
        if form == "image" and self.chance(0.25):
            shape = [shape[0], shape[2], shape[3], shape[1]]
            last = True
        if last and self.chance(0.7):
            self.annotations.append((name, "tensor_layout", "['N', 'H', 'W', 'C']"))
        whole = self.chance(0.3)
        if self.chance(0.15):
            kind = self.pick(np.uint8, np.int8)
            made = Tensor(name, shape, kind, last)
            made.affine = (self.constant(self.scale()), self.constant(self.integers(kind, narrow=True)), None)
            self.inputs.append((made, kind.__name__))
            self.pool.append(made)
            self.dequantize(made)
            return made
        if whole:
            self.annotations.append((name, "finn_datatype", self.pick("INT4", "UINT4", "INT8", "UINT2", "BIPOLAR")))
        made = Tensor(name, shape, kind, last)
        self.inputs.append((made, self.annotations[-1][2] if whole else None))
        self.pool.append(made)
        return made

    def values(self, tensor, annotated):
        limits = {"INT4": (-8, 7), "UINT4": (0, 15), "INT8": (-128, 127), "UINT2": (0, 3)}
        if tensor.kind is not None:
            return self.integers(tensor.kind, *tensor.shape)
        if annotated == "BIPOLAR":
            return np.asarray(self.random.choice([-1, 1], tensor.shape), np.float32)
        if annotated in limits:
            low, high = limits[annotated]
            return np.asarray(self.random.integers(low, high + 1, tensor.shape), np.float32)
        if self.exact:
            return np.asarray(self.random.integers(-40, 41, tensor.shape) / 8, np.float32)
        return np.asarray(self.random.normal(size=tensor.shape) * 2, np.float32)

    def step(self):
        x = self.fraction(lambda each: each.size <= 2000)
        image = self.image()
        anything = self.any(lambda each: each.size <= 2000)
        choices = [(self.quantize, x, 4), (self.quant, x, 5), (self.bipolar_quant, x, 1), (self.trunc, x, 1),
                   (self.multi_threshold, x, 3), (self.matmul, x, 2), (self.gemm, x, 3), (self.binary, x, 5),
                   (self.function, x, 4), (self.batch_normalization, x, 2), (self.softmax, x, 1),
                   (self.concat, anything, 3), (self.transpose, anything, 2), (self.reshape, anything, 2),
                   (self.squeeze, anything, 1), (self.slice, anything, 1), (self.gather, anything, 1), (self.pad, x, 1),
                   (self.reduce, x, 1), (self.qlinear_matmul, x, 1), (self.qgemm, x, 1), (self.matmul_integer, x, 1),
                   (self.qlinear_binary, x, 1), (self.qlinear_concat, x, 1), (self.lowered, x, 1), (self.xnor, x, 0.5)]
        if image is not None and image.size <= 2000:
            choices += [(self.conv, image, 6), (self.max_pool, image, 2), (self.average_pool, image, 1.5),
                        (self.global_pool, image, 0.7), (self.qlinear_conv, image, 1), (self.conv_integer, image, 1),
                        (self.qlinear_pool, image, 0.5)]
        choices += self.more_choices(x, anything, image)
        weights = np.asarray([each[2] for each in choices], float)
        make, operand, _ = choices[int(self.random.choice(len(choices), p=weights / weights.sum()))]
        if operand is not None:
            make(operand)

    def network(self):
        for _ in range(self.pick(1, 1, 1, 1, 2)):
            self.add_input()
        wanted = self.int(1, 9)
        for _ in range(60):
            if len(self.nodes) >= wanted:
                break
            self.step()
        if self.chance(0.05):
            x = self.fraction()
            if x is not None:
                self.arg_max(x)
        return self.model()

    def model(self):
        read = {name for node in self.nodes for name in node.input}
        given = {each.name for each, _ in self.inputs}
        ends = [each for each in self.pool if each.name not in read and each.name not in given]
        if not ends:
            return None
        if len(ends) > 1 and self.chance(0.6):
            ends = ends[-1:]
        kinds = {None: TensorProto.FLOAT, np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8,
                 np.int32: TensorProto.INT32, np.int64: TensorProto.INT64, np.bool_: TensorProto.BOOL}
        needed, names = [], {each.name for each in ends}
        for node in reversed(self.nodes):
            if names.intersection(node.output):
                needed.append(node)
                names.update(node.input)
        if not names.intersection(given):
            return None
        self.nodes = needed[::-1] if self.chance(0.7) else self.nodes
        info = helper.make_tensor_value_info
        inputs = [info(each.name, kinds[each.kind], each.shape) for each, _ in self.inputs]
        outputs = [info(each.name, kinds[each.kind], each.shape) for each in ends]
        stored = [numpy_helper.from_array(value, name) for name, value in self.stored.items()]
        graph = helper.make_graph(self.nodes, "drawn", inputs, outputs, stored)
        for name, key, value in self.annotations:
            entry = graph.quantization_annotation.add(tensor_name=name)
            entry.quant_parameter_tensor_names.add(key=key, value=value)
        domains = {node.domain for node in self.nodes} - {""}
        imports = [helper.make_opsetid("", self.opset)] + [helper.make_opsetid(each, 1) for each in sorted(domains)]
        return helper.make_model(graph, opset_imports=imports)
