"""More draws for draw.Draw: the operators of operators.py in every form that fard reads."""
import numpy as np
from onnx import TensorProto, helper

MICROSOFT = "com.microsoft"
SINGLE = ("Acos", "Asinh", "Atan", "Celu", "Cos", "Elu", "Erf", "Exp", "HardSwish", "Log", "Mish", "Reciprocal", "Selu",
          "Shrink", "Sin", "Sinh", "Softplus", "Softsign", "Gelu")
EXACT = ("Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "ThresholdedRelu")


class MoreDraws:
    """Needs what draw.Draw has: pick, chance, int, node, constant, ..."""

    def list_of(self, *values):
        return self.constant(np.asarray(values, np.int64))

    def outputs(self, op, inputs, shapes, x, **attributes):
        """A node of several outputs, all of the kind of x."""
        names = [self.name() for _ in shapes]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        for name, shape in zip(names, shapes):
            self.pool.append(type(x)(name, shape, x.kind, x.last and len(shape) == 4))

    # ---- functions of one element, and of several

    def single(self, x):
        op = self.pick(*EXACT) if self.exact or self.chance(0.4) else self.pick(*SINGLE)
        attributes = {}
        if op == "ThresholdedRelu":
            attributes["alpha"] = self.pick(None, 0.5, -0.25)
        if op in ("Elu", "Celu"):
            attributes["alpha"] = self.pick(None, 0.5, 1.5)
        if op == "Shrink":
            attributes = dict(bias=self.pick(None, 0.25), lambd=self.pick(None, 0.125))
        if op == "Gelu":
            if self.opset < 20:
                return self.node(self.pick("Gelu", "FastGelu"), [x.name], x.shape, None, x.last, MICROSOFT)
            attributes["approximate"] = self.pick(None, "none", "tanh")
        if op in ("Log", "Acos", "Reciprocal"):  # of what is far enough from where they have no value
            x = self.node("Sigmoid", [x.name], x.shape, None, x.last, keep=False)
        return self.node(op, [x.name], x.shape, None, x.last, **attributes)

    def several(self, x):
        op = self.pick("Max", "Min", "Max", "Min", "Sum", "Mean", "PRelu", "Mod")
        if op == "Mod" and (self.opset < 10 or not self.exact):
            op = "Max"
        if op == "Mod":
            divisors = np.asarray(self.random.choice([0.5, 1, 2, 4], self.broadcast(x)), np.float32)
            return self.node("Mod", [x.name, self.constant(divisors)], x.shape, None, x.last, fmod=1)
        if op == "PRelu":
            return self.node(op, [x.name, self.constant(self.factor(*self.broadcast(x)))], x.shape, None, x.last)
        operands = [x.name]
        for _ in range(self.int(0, 2)):
            other = self.fraction(lambda each: each.shape == x.shape and each.last == x.last)
            operands.append(other.name if other is not None and self.chance(0.5) else
                            self.constant(self.fractions(*self.broadcast(x))))
        if op == "Mean" and self.exact and len(operands) == 3:
            operands.pop()
        self.random.shuffle(operands)
        return self.node(op, operands, x.shape, None, x.last)

    def whole_several(self, x):
        """Of integers as ONNX has them."""
        if x.kind is None or x.kind is np.bool_ or self.opset < 13:
            return None
        limits = np.iinfo(x.kind)
        other = np.asarray(self.random.integers(max(limits.min, -9), min(limits.max, 9) + 1, self.broadcast(x)), x.kind)
        made = self.node(self.pick("Max", "Min"), [x.name, self.constant(other)], x.shape, x.kind, x.last)
        return made

    def compare(self, x):
        op = self.pick("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")
        if op.endswith("OrEqual") and self.opset < 12 or op == "Equal" and self.opset < 11:
            op = "Less"
        limit = self.constant(self.fractions(*self.broadcast(x)))
        made = self.node(op, [x.name, limit], x.shape, np.bool_, x.last)
        if self.chance(0.3):
            made = self.node("Not", [made.name], x.shape, np.bool_, x.last)
        if self.chance(0.3):
            mask = self.constant(self.random.random(self.broadcast(x)) < 0.5)
            made = self.node(self.pick("And", "Or", "Xor"), [made.name, mask], x.shape, np.bool_, x.last)
        if self.chance(0.3):
            return self.node("Cast", [made.name], x.shape, None, x.last, to=TensorProto.FLOAT)
        return self.where(x, made)

    def where(self, x, condition=None):
        if condition is None:
            condition = self.any(lambda each: each.kind is np.bool_ and each.shape == x.shape and each.last == x.last)
        name = condition.name if condition is not None else self.constant(self.random.random(self.broadcast(x)) < 0.5)
        other = self.constant(self.fractions(*self.broadcast(x)))
        operands = [x.name, other] if self.chance(0.5) else [other, x.name]
        return self.node("Where", [name] + operands, x.shape, None, x.last)

    def cast(self, x):
        kind, number = self.pick((np.int32, TensorProto.INT32), (np.int8, TensorProto.INT8), (np.int64, TensorProto.INT64),
                                 (np.uint8, TensorProto.UINT8))
        bounded = self.node("Clip", [x.name], x.shape, None, x.last, min=-100.0, max=100.0, keep=False) \
            if self.opset < 11 else self.node("Clip", [x.name, self.constant(np.float32(-100)), self.constant(np.float32(100))],
                                              x.shape, None, x.last, keep=False)
        made = self.node("Cast", [bounded.name], x.shape, kind, x.last, to=number)
        return self.node("Cast", [made.name], x.shape, None, x.last, to=TensorProto.FLOAT)

    def half(self, x):
        if self.exact:
            return None
        target = self.pick(TensorProto.FLOAT16, TensorProto.BFLOAT16 if self.opset >= 13 else TensorProto.FLOAT16)
        made = self.node("Cast", [x.name], x.shape, None, x.last, keep=False, to=target)
        return self.node("Cast", [made.name], x.shape, None, x.last, to=TensorProto.FLOAT)

    # ---- reductions

    def more_reduce(self, x):
        if not x.rank:
            return None
        ops = ("ReduceMax", "ReduceMin", "ReduceL1")
        if not self.exact:
            ops += ("ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd")
        op = self.pick(*ops)
        axes = sorted({self.int(0, x.rank - 1) for _ in range(self.int(1, 3))})
        keep = self.pick(0, 1, None)
        shape = [1 if i in axes else each for i, each in enumerate(x.shape) if i not in axes or keep != 0]
        last = x.last and len(shape) == 4
        if self.chance(0.5):
            axes = [each - x.rank for each in axes] if self.opset >= 11 else axes
        if self.opset >= 18:
            return self.node(op, [x.name, self.list_of(*axes)], shape, None, last, keepdims=keep)
        return self.node(op, [x.name], shape, None, last, axes=axes, keepdims=keep)

    # ---- moves

    def split(self, x):
        if not x.rank:
            return None
        axis = self.int(0, x.rank - 1)
        size = x.shape[axis]
        count = self.int(1, min(size, 3))
        cuts = sorted(int(each) for each in self.random.choice(np.arange(1, size), count - 1, False)) if size > 1 else []
        sizes = [b - a for a, b in zip([0] + cuts, cuts + [size])]
        equal = size % count == 0 and self.chance(0.4)
        if equal:
            sizes = [size // count] * count
        shapes = [[each if i == axis else other for i, other in enumerate(x.shape)] for each in sizes]
        axis = self.pick(axis, axis - x.rank) if self.opset >= 11 else axis
        if equal and self.opset >= 18:
            return self.outputs("Split", [x.name], shapes, x, axis=axis, num_outputs=count)
        if self.opset >= 13:
            return self.outputs("Split", [x.name] + ([] if equal else [self.list_of(*sizes)]), shapes, x, axis=axis)
        return self.outputs("Split", [x.name], shapes, x, axis=axis, split=None if equal else sizes)

    def tile(self, x):
        if not x.rank or x.size > 500:
            return None
        repeats = [self.pick(1, 1, 2) for _ in x.shape]
        shape = [a * b for a, b in zip(x.shape, repeats)]
        return self.node("Tile", [x.name, self.list_of(*repeats)], shape, x.kind, x.last)

    def expand(self, x):
        if x.size > 500:
            return None
        shape = [self.pick(1, each) if each > 1 else self.pick(1, 2, 3) for each in x.shape]
        result = [max(a, b) for a, b in zip(shape, x.shape)]
        if x.rank < 4 and self.chance(0.3):
            extra = self.int(1, 2)
            shape, result = [extra] + shape, [extra] + result
        if not shape:
            return None
        return self.node("Expand", [x.name, self.list_of(*shape)], result, x.kind, x.last and len(result) == x.rank)

    def blocks(self, x):
        if x.rank != 4 or x.last:
            return None
        n, c, h, w = x.shape
        if c % 4 == 0 and self.chance(0.6):
            mode = self.pick(None, "DCR", "CRD") if self.opset >= 11 else None
            return self.node("DepthToSpace", [x.name], [n, c // 4, h * 2, w * 2], x.kind, blocksize=2, mode=mode)
        b = self.pick(1, 2, 3)
        if h % b or w % b:
            return None
        return self.node("SpaceToDepth", [x.name], [n, c * b * b, h // b, w // b], x.kind, blocksize=b)

    def trilu(self, x):
        if x.rank < 2 or self.opset < 14:
            return None
        operands = [x.name] + ([self.constant(np.asarray(self.int(-2, 2), np.int64))] if self.chance(0.6) else [])
        return self.node("Trilu", operands, x.shape, None, x.last, upper=self.pick(None, 0, 1))

    # ---- Resize

    def resize(self, x):
        if not x.rank or x.size > 400:
            return None
        modes = ("nearest", "nearest", "linear") if self.exact else ("nearest", "linear", "cubic")
        mode = self.pick(*modes)
        if x.kind is not None:
            mode = "nearest"
        if self.opset < 11:
            scales = [self.pick(1.0, 1.0, 2.0) for _ in x.shape]
            shape = [int(a * b) for a, b in zip(x.shape, scales)]
            op = "Resize" if self.opset == 10 else "Upsample"
            return self.node(op, [x.name, self.constant(np.asarray(scales, np.float32))], shape, x.kind, x.last,
                             mode="nearest" if mode == "cubic" else mode)
        how = self.pick("half_pixel", "asymmetric") if self.exact else self.pick(
            "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
        attributes = dict(mode=mode, coordinate_transformation_mode=how)
        if mode == "nearest":
            attributes["nearest_mode"] = self.pick(None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        if mode == "cubic":
            attributes.update(cubic_coeff_a=self.pick(None, -0.5), exclude_outside=self.pick(None, 0, 1))
        if mode != "nearest" and self.opset >= 18 and how == "half_pixel" and not self.exact:
            attributes["antialias"] = self.pick(None, 0, 1)
        empty = self.pick("", self.constant(np.zeros(0, np.float32)))
        choices = (1.0, 1.0, 2.0, 0.5) if self.exact else (1.0, 1.0, 2.0, 0.5, 1.5, 3.0)
        scales = [self.pick(*choices) for _ in x.shape]
        shape = [int(np.floor(a * b)) for a, b in zip(x.shape, scales)]
        if min(shape) < 1:
            return None
        exact_sizes = all(a * b == c for a, b, c in zip(x.shape, scales, shape))
        if self.chance(0.4) and (exact_sizes or not self.exact):
            return self.node("Resize", [x.name, empty, "", self.list_of(*shape)], shape, x.kind, x.last, **attributes)
        return self.node("Resize", [x.name, empty, self.constant(np.asarray(scales, np.float32))], shape, x.kind, x.last,
                         **attributes)

    # ---- windows

    def conv_transpose(self, x):
        if x.rank not in (3, 4) or x.last or x.size > 300:
            return None
        rank, channels = x.rank - 2, x.shape[1]
        group = self.pick(1, 1, channels)
        kernel, strides = [self.int(1, 3) for _ in range(rank)], [self.int(1, 3) for _ in range(rank)]
        dilations = [self.pick(1, 1, 2) for _ in range(rank)]
        pads = [self.pick(0, 0, 1) for _ in range(2 * rank)]
        more = [self.int(0, max(strides[i], dilations[i]) - 1) if self.chance(0.3) else 0 for i in range(rank)]
        out = [(x.shape[2 + i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + more[i] - pads[i] - pads[i + rank]
               for i in range(rank)]
        attributes = dict(kernel_shape=self.pick(None, kernel), strides=strides, dilations=dilations, pads=pads,
                          output_padding=more if any(more) else None, group=group if group > 1 else None)
        if self.chance(0.2):
            auto = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
            attributes.update(auto_pad=auto, pads=None, output_padding=None)
            full = [(x.shape[2 + i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 for i in range(rank)]
            out = full if auto == "VALID" else [x.shape[2 + i] * strides[i] for i in range(rank)]
        if min(out) < 1:
            return None
        each = self.int(1, 3)
        operands = [x.name, self.weights([channels, each] + kernel, 1 if group == 1 else 0)]
        if self.chance(0.4):
            operands.append(self.bias(each * group, x))
        return self.node("ConvTranspose", operands, [x.shape[0], each * group] + out, **attributes)

    def other_windows(self, x):
        """Windows of one and three dimensions."""
        if x.rank == 3:
            extents = x.shape[2:]
        elif x.rank == 4 and not x.last:
            x = self.node("Unsqueeze", [x.name], x.shape[:2] + [1] + x.shape[2:], axes=[2]) if self.opset < 13 else \
                self.node("Unsqueeze", [x.name, self.list_of(2)], x.shape[:2] + [1] + x.shape[2:])
            extents = x.shape[2:]
        elif x.rank == 5:
            extents = x.shape[2:]
        else:
            return None
        rank, form = len(extents), self.pick("conv", "conv", "max", "average", "global")
        if form == "global":
            op = self.pick("GlobalMaxPool", "GlobalAveragePool")
            if self.exact and not self.is_power(int(np.prod(extents))):
                op = "GlobalMaxPool"
            return self.node(op, [x.name], x.shape[:2] + [1] * rank)
        kernel = [self.pick(1, 2) if form == "average" else self.int(1, 3) for _ in range(rank)]
        strides = [self.int(1, 2) for _ in range(rank)]
        dilations = [self.pick(1, 1, 2) if form == "conv" else 1 for _ in range(rank)]
        pads = [self.int(0, min(1, k - 1)) for k in kernel * 2]
        attributes = dict(kernel_shape=kernel, strides=strides, pads=pads if any(pads) else None)
        out = []
        for i in range(rank):
            span = extents[i] + pads[i] + pads[i + rank] - (kernel[i] - 1) * dilations[i] - 1
            if span < 0:
                return None
            out.append(span // strides[i] + 1)
        if form == "conv":
            group = self.pick(1, 1, x.shape[1])
            shape = [self.int(1, 3) * group, x.shape[1] // group] + kernel
            operands = [x.name, self.weights(shape, 0)] + ([self.bias(shape[0], x)] if self.chance(0.3) else [])
            return self.node("Conv", operands, [x.shape[0], shape[0]] + out, group=group if group > 1 else None,
                             dilations=dilations if max(dilations) > 1 else None, **attributes)
        if form == "average":
            attributes["count_include_pad"] = 1 if self.exact else self.pick(None, 0, 1)
        return self.node("MaxPool" if form == "max" else "AveragePool", [x.name], x.shape[:2] + out, **attributes)

    # ---- normalisations

    def normalise(self, x):
        if self.exact or x.rank < 2:
            return None
        form = self.pick("layer", "instance", "group", "lrn", "log_softmax", "lp", "mvn", "skip")
        if form == "layer" and self.opset >= 17:
            axis = self.int(1, x.rank - 1)
            operands = [x.name, self.constant(self.factor(*x.shape[axis:]))]
            if self.chance(0.7):
                operands.append(self.constant(self.fractions(*x.shape[axis:])))
            return self.node("LayerNormalization", operands, x.shape, None, x.last, axis=self.pick(axis, axis - x.rank),
                             epsilon=0.01)
        if form == "skip" and x.rank == 3:
            count = x.shape[-1]
            operands = [x.name, self.constant(self.fractions(*x.shape)), self.constant(self.factor(count)),
                        self.constant(self.fractions(count))]
            return self.node("SkipLayerNormalization", operands, x.shape, domain=MICROSOFT, epsilon=0.01)
        if form == "instance" and x.rank > 2 and not x.last:
            operands = [x.name, self.constant(self.factor(x.shape[1])), self.constant(self.fractions(x.shape[1]))]
            return self.node("InstanceNormalization", operands, x.shape, epsilon=0.01)
        if form == "group" and x.rank > 2 and not x.last and self.opset >= 18:
            groups = self.pick(*[each for each in range(1, x.shape[1] + 1) if x.shape[1] % each == 0])
            count = groups if self.opset < 21 else x.shape[1]
            operands = [x.name, self.constant(self.factor(count)), self.constant(self.fractions(count))]
            return self.node("GroupNormalization", operands, x.shape, num_groups=groups, epsilon=0.01)
        if form == "lrn" and x.rank == 4 and not x.last:
            return self.node("LRN", [x.name], x.shape, size=self.int(1, 5), alpha=0.1, beta=self.pick(None, 0.5), bias=2.0)
        if form == "log_softmax":
            return self.node("LogSoftmax", [x.name], x.shape, None, x.last, axis=self.pick(None, self.int(0, x.rank - 1)))
        return None

    # ---- products, and quantization by the data

    def einsum(self, x):
        if x.rank not in (2, 3) or self.opset < 12 or x.shape[-1] > 64:
            return None
        n = self.int(1, 4)
        letters = "bij" if x.rank == 3 else "ij"
        right = self.constant(self.fractions(x.shape[-1], n))
        form = self.pick("product", "turned", "dots", "sum")
        if form == "turned":
            right = self.constant(self.fractions(n, x.shape[-1]))
            return self.node("Einsum", [x.name, right], x.shape[:-1] + [n], equation=f"{letters},kj->{letters[:-1]}k")
        if form == "dots":
            return self.node("Einsum", [x.name, right], x.shape[:-1] + [n], equation="...j,jk->...k")
        if form == "sum":
            return self.node("Einsum", [x.name], x.shape[:-1], equation=f"{letters} -> {letters[:-1]}")
        return self.node("Einsum", [x.name, right], [n] + x.shape[:-1], equation=f"{letters},jk->k{letters[:-1]}")

    def dynamic(self, x):
        if x.rank != 2 or x.shape[-1] > 64 or self.exact or self.opset < 11:
            return None
        n = self.int(1, 4)
        b, scale = self.constant(self.integers(np.int8, x.shape[-1], n, narrow=True)), self.constant(self.scale())
        zero = self.constant(self.integers(np.int8, narrow=True))
        if self.chance(0.3):
            return self.node("DynamicQuantizeMatMul", [x.name, b, scale, zero], [x.shape[0], n], domain=MICROSOFT)
        names = [self.name() for _ in range(3)]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x.name], names))
        made = self.node("MatMulInteger", [names[0], b, names[2], zero], [x.shape[0], n], np.int32, keep=False)
        wide = self.node("Cast", [made.name], made.shape, keep=False, to=TensorProto.FLOAT)
        factor = self.node("Mul", [names[1], scale], [], keep=False)
        return self.node("Mul", [wide.name, factor.name], made.shape)

    def qlinear_softmax(self, x):
        if self.exact:
            return None
        q, operands = self.parts(x if x.rank else None)
        if not q.rank:
            return None
        return self.result("QLinearSoftmax", operands, q.shape, q.kind, MICROSOFT, last=q.last,
                           axis=self.int(0, q.rank - 1), opset=self.pick(11, 13))

    def lookup(self, x):
        """Rows of a table by what the network computes."""
        if x.rank > 2:
            return None
        count = self.int(2, 5)
        bounds = [self.constant(np.float32(-count)), self.constant(np.float32(count - 1))]
        whole = self.node("Clip", [x.name] + bounds, x.shape, keep=False) if self.opset >= 11 else \
            self.node("Clip", [x.name], x.shape, keep=False, min=-float(count), max=float(count - 1))
        indices = self.node("Cast", [whole.name], x.shape, np.int64, keep=False, to=TensorProto.INT64)
        width = self.int(1, 3)
        return self.node("Gather", [self.weights([count, width], 1), indices.name], x.shape + [width])

    def more_choices(self, x, anything, image):
        small = x if x is not None and x.size <= 500 else None
        choices = [(self.single, x, 3), (self.several, x, 2), (self.whole_several, anything, 0.7), (self.compare, x, 1),
                   (self.where, x, 0.7), (self.cast, x, 0.7), (self.half, x, 0.3), (self.more_reduce, x, 1.5),
                   (self.split, anything, 1.5), (self.tile, anything, 0.7), (self.expand, anything, 0.7),
                   (self.blocks, anything, 1), (self.trilu, x, 0.4), (self.resize, anything, 1.5),
                   (self.normalise, small, 2), (self.einsum, x, 0.7), (self.dynamic, x, 0.7),
                   (self.qlinear_softmax, x, 0.5), (self.lookup, x, 0.4), (self.other_windows, x, 1.5),
                   (self.conv_transpose, x, 1)]
        if image is not None and image.size <= 2000:
            choices += [(self.conv_transpose, image, 1), (self.other_windows, image, 0.7), (self.blocks, image, 0.5),
                        (self.resize, image, 0.7)]
        return choices
