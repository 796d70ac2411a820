"""Each operator of operators.py by itself, in the forms that networks have, and the blocks that exporters make of them."""
import numpy as np
from onnx import TensorProto

import operators
from own_cases import FLOAT, MICROSOFT, F, bytes_of, counted, fractions, model, node, one

IMAGE = [1, 4, 4, 6]
SINCE = {"Celu": 12, "Gelu": 20, "HardSwish": 14, "Mish": 18, "GreaterOrEqual": 12, "LessOrEqual": 12, "Not": 13}


def of_one():
    for op in sorted(operators.FUNCTIONS):
        opset = SINCE.get(op, 13)
        if op in ("IsNaN", "IsInf"):
            made = [node("Log", "x", "l"), node(op, "l", "b"), node("Cast", "b", "y", to=1)]
        elif op == "Not":
            made = [node("Greater", "x zero", "g"), node("Not", "g", "b"), node("Cast", "b", "y", to=1)]
        elif op in ("Acos", "Asin", "Atanh", "Log", "Reciprocal"):
            made = [node("Sigmoid", "x", "s"), node(op, "s", "y")]
        elif op == "Acosh":
            made = [node("Abs", "x", "a"), node("Add", "a by", "b"), node(op, "b", "y")]
        else:
            made = [node(op, "x", "y")]
        yield op, model(made, {"x": [1, 3, 5]}, one([1, 3, 5]), dict(zero=F(0), by=F(1.5)), opset)
    yield "Gelu by tanh", model([node("Gelu", "x", "y", approximate="tanh")], {"x": [1, 5]}, one([1, 5]), opset=20)
    yield "Shrink, Selu and Elu with numbers of their own", model(
        [node("Shrink", "x", "a", bias=0.5, lambd=1.0), node("Selu", "a", "b", alpha=2.0, gamma=0.5),
         node("Elu", "b", "c", alpha=0.25), node("ThresholdedRelu", "c", "y", alpha=-0.1)], {"x": [1, 9]}, one([1, 9]))
    yield "functions of bytes", model(
        [node("QuantizeLinear", "x s z", "q"), node("Sign", "q", "a"), node("DequantizeLinear", "a s z", "y")], {"x": [1, 9]},
        one([1, 9]), dict(s=F(0.25), z=np.int8(0)))
    yield "functions that rise and fall, from bytes to bytes", model(
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "f"), node("Mul", "f two", "m"),
         node("HardSwish", "m", "h"), node("Add", "h by", "a"), node("QuantizeLinear", "a s z", "r"),
         node("DequantizeLinear", "r s z", "y")], {"x": IMAGE}, one(IMAGE),
        dict(s=F(0.25), z=np.uint8(90), two=F(2), by=F([[0.5]])), 14)
    yield "a function that falls between quantizers", model(
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "f"), node("Neg", "f", "n"),
         node("Exp", "n", "e"), node("QuantizeLinear", "e s z", "r"), node("DequantizeLinear", "r s z", "y")],
        {"x": [1, 2, 3, 3]}, one([1, 2, 3, 3]), dict(s=F(0.25), z=np.uint8(9)))


def of_two():
    c = dict(c=fractions(3, 1), d=fractions(1, 5), m=(counted(3, 5) > 0))
    for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"):
        yield op, model([node(op, "x c", "b"), node("Cast", "b", "y", to=1)], {"x": [1, 3, 5]}, one([1, 3, 5]), c)
    for op in ("And", "Or", "Xor"):
        yield op, model([node("Greater", "x d", "a"), node(op, "a m", "b"), node("Cast", "b", "y", to=1)],
                        {"x": [1, 3, 5]}, one([1, 3, 5]), c)
    for op in ("Max", "Min", "Sum", "Mean"):
        yield f"{op} of one", model([node(op, "x", "y")], {"x": [1, 4]}, one([1, 4]))
        yield f"{op} of three", model([node(op, "x c d", "y")], {"x": [1, 3, 5]}, one([1, 3, 5]), c)
    yield "Mod of fractions", model([node("Mod", "x c", "y", fmod=1)], {"x": [1, 3, 5]}, one([1, 3, 5]), dict(c=F(0.75)))
    for fmod in (0, 1):
        yield f"Mod of integers, fmod {fmod}", model(
            [node("Cast", "x", "i", to=6), node("Mod", "i c", "r", fmod=fmod), node("Cast", "r", "y", to=1)],
            {"x": [1, 3, 5]}, one([1, 3, 5]), dict(c=np.int32(3)))
    yield "slopes of channels", model([node("PRelu", "x c", "y")], {"x": IMAGE}, one(IMAGE), dict(c=fractions(4, 1, 1)))
    yield "Where", model([node("Where", "m x c", "y")], {"x": [1, 3, 5]}, one([1, 3, 5]), c)
    yield "bounds that are computed", model(
        [node("ReduceMean", "x", "low"), node("Abs", "low", "high"), node("Clip", "x low high", "y")], {"x": [1, 9]}, one([1, 9]))
    yield "truth as an output", model([node("Less", "x c", "y")], {"x": [1, 3, 5]}, {"y": (TensorProto.BOOL, [1, 3, 5])}, c)


def over_dimensions():
    for op in sorted(operators.REDUCTIONS):
        x = "a" if op == "ReduceLogSum" else "x"
        before = [node("Abs", "x", "a")] if x == "a" else []
        yield op, model(before + [node(op, x, "y", axes=[2, 3], keepdims=0)], {"x": IMAGE}, one([1, 4]))
        yield f"{op} of opset 18", model(before + [node(op, f"{x} axes", "y")], {"x": IMAGE}, one([1, 1, 4, 6]),
                                         dict(axes=np.int64([1])), 18)
        yield f"{op} of everything", model(before + [node(op, x, "r"), node("Add", "x r", "y")], {"x": [1, 6]}, one([1, 6]))
    for op in ("ReduceMax", "ReduceMin"):
        yield f"{op} between quantizers", model(
            [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "f"), node(op, "f", "m", axes=[2, 3]),
             node("QuantizeLinear", "m t z", "r"), node("DequantizeLinear", "r t z", "y")], {"x": IMAGE}, one([1, 4, 1, 1]),
            dict(s=F(0.25), t=F(0.5), z=np.uint8(9)))
    for op in ("ArgMin", "ArgMax"):
        yield op, model([node(op, "x", "y", axis=2, keepdims=0)], {"x": [1, 2, 5]}, {"y": (TensorProto.INT64, [1, 2])})


def moves():
    two = {"y": (FLOAT, [1, 1, 4, 6]), "z": (FLOAT, [1, 3, 4, 6])}
    yield "Split of opset 11", model([node("Split", "x", "y z", axis=1, split=[1, 3])], {"x": IMAGE}, two, opset=11)
    yield "Split of opset 13", model([node("Split", "x sizes", "y z", axis=-3)], {"x": IMAGE}, two,
                                     dict(sizes=np.int64([1, 3])))
    yield "Split of opset 18", model([node("Split", "x", "a b y", axis=3, num_outputs=3)], {"x": [1, 2, 2, 7]},
                                     one([1, 2, 2, 1]), opset=18)
    yield "Split of codes", model(
        [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "f"), node("Split", "f", "a b", axis=1),
         node("Conv", "a w", "c"), node("Concat", "b c", "j", axis=1), node("QuantizeLinear", "j s z", "r"),
         node("DequantizeLinear", "r s z", "y")], {"x": IMAGE}, one([1, 4, 4, 6]),
        dict(s=F(0.25), z=np.uint8(100), w=counted(2, 2, 1, 1).astype(F)))
    yield "Tile", model([node("Tile", "x by", "y")], {"x": [1, 2, 3]}, one([1, 4, 9]), dict(by=np.int64([1, 2, 3])))
    yield "Expand", model([node("Expand", "x to", "e"), node("Reshape", "e all", "y")], {"x": [1, 3, 1]}, one([1, 24]),
                          dict(to=np.int64([2, 1, 1, 4]), all=np.int64([1, 24])))
    for mode in ("DCR", "CRD"):
        yield f"DepthToSpace {mode}", model([node("DepthToSpace", "x", "y", blocksize=2, mode=mode)], {"x": [1, 8, 2, 3]},
                                            one([1, 2, 4, 6]))
    yield "SpaceToDepth", model([node("SpaceToDepth", "x", "y", blocksize=2)], {"x": IMAGE}, one([1, 16, 2, 3]))
    yield "a triangle", model([node("Trilu", "x k", "y", upper=0)], {"x": [1, 4, 5]}, one([1, 4, 5]), dict(k=np.int64(1)), 14)
    yield "one hot", model([node("Cast", "x", "i", to=7), node("OneHot", "i n v", "y", axis=1)], {"x": [1, 5]}, one([1, 4, 5]),
                           dict(n=np.int64(4), v=F([-1, 2])))
    yield "the hottest", model([node("Hardmax", "x", "y", axis=1)], {"x": [1, 5, 3]}, one([1, 5, 3]))
    yield "rows of a table", model(
        [node("Clip", "x low high", "c"), node("Cast", "c", "i", to=7), node("Gather", "t i", "y")], {"x": [1, 5]},
        one([1, 5, 3]), dict(low=F(-4), high=F(3), t=fractions(4, 3)))
    for batch, indices, out in ((0, [[0, 1], [0, -1]], [2, 4]), (1, [[[2], [0]]], [1, 2, 4])):
        yield f"GatherND with {batch} batches", model(
            [node("GatherND", "x i", "g", batch_dims=batch), node("Reshape", "g to", "y")], {"x": [1, 3, 4]},
            one([1] + out), dict(i=np.int64(indices), to=np.int64([1] + out)), 12)
    yield "GatherElements", model([node("GatherElements", "x i", "y", axis=2)], {"x": [1, 3, 4]}, one([1, 3, 2]),
                                  dict(i=np.int64([[[0, -1], [2, 2], [3, 1]]])))
    yield "casts to whole numbers", model([node("Cast", "x", "i", to=2), node("Cast", "i", "y", to=1)], {"x": [1, 30]},
                                          one([1, 30]))
    for kind, to in (("half", 10), ("bfloat16", 16)):
        yield f"casts to {kind}", model([node("Mul", "x c", "m"), node("Cast", "m", "h", to=to), node("Cast", "h", "y", to=1)],
                                        {"x": [1, 30]}, one([1, 30]), dict(c=F(0.377)))
    yield "weights of half precision", model(
        [node("Cast", "x", "h", to=10), node("MatMul", "h w", "m"), node("Cast", "m", "y", to=1)], {"x": [1, 4]}, one([1, 3]),
        dict(w=fractions(4, 3).astype(np.float16)))


def resizes():
    scales, sizes = F([1, 1, 2, 0.5]), np.int64([1, 4, 7, 9])
    for mode in ("nearest", "linear", "cubic"):
        for how in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize"):
            roi = F([0, 0, 0.2, -0.2, 1, 1, 0.9, 0.7]) if how == "tf_crop_and_resize" else F([])
            by = {"mode": mode, "coordinate_transformation_mode": how}
            yield f"Resize {mode} {how} by scales", model([node("Resize", "x roi scales", "y", **by)], {"x": IMAGE},
                                                          one([1, 4, 8, 3]), dict(roi=roi, scales=scales))
            resize = node("Resize", "x roi none sizes", "y", extrapolation_value=0.5, **by)
            resize.input[2] = ""
            yield f"Resize {mode} {how} by sizes", model([resize], {"x": IMAGE}, one([1, 4, 7, 9]), dict(roi=roi, sizes=sizes))
    for how in ("round_prefer_ceil", "floor", "ceil"):
        yield f"Resize nearest {how}", model(
            [node("Resize", "x roi scales", "y", mode="nearest", nearest_mode=how)], {"x": IMAGE}, one([1, 4, 10, 4]),
            dict(roi=F([]), scales=F([1, 1, 2.6, 0.7])))
    for mode in ("linear", "cubic"):
        yield f"Resize {mode} with antialias", model(
            [node("Resize", "x roi scales", "y", mode=mode, antialias=1)], {"x": IMAGE}, one([1, 4, 2, 3]),
            dict(roi=F([]), scales=F([1, 1, 0.6, 0.5])), 18)
    yield "Resize of some axes", model(
        [node("Resize", "x roi scales", "y", mode="linear", axes=[3, 2], coordinate_transformation_mode="half_pixel_symmetric")],
        {"x": IMAGE}, one([1, 4, 6, 15]), dict(roi=F([]), scales=F([2.6, 1.7])), 19)
    yield "Resize of opset 10", model([node("Resize", "x scales", "y", mode="linear")], {"x": IMAGE}, one([1, 4, 8, 18]),
                                      dict(scales=F([1, 1, 2, 3])), 10)
    yield "Upsample", model([node("Upsample", "x scales", "y")], {"x": IMAGE}, one([1, 4, 8, 18]),
                            dict(scales=F([1, 1, 2, 3])), 9)
    yield "Upsample of opset 7", model([node("Upsample", "x", "y", scales=[1.0, 1.0, 2.0, 2.0])], {"x": IMAGE},
                                       one([1, 4, 8, 12]), opset=7)
    yield "Resize of codes", model(
        [node("QuantizeLinear", "x s z", "q"), node("Resize", "q roi scales", "r", mode="nearest"),
         node("DequantizeLinear", "r s z", "y")], {"x": IMAGE}, one([1, 4, 8, 12]),
        dict(s=F(0.25), z=np.uint8(7), roi=F([]), scales=F([1, 1, 2, 2])))


def windows():
    w = dict(w=fractions(4, 3, 3, 3), b=fractions(3))
    for name, out, attributes in (
            ("strides", [9, 13], dict(strides=[2, 2])), ("padding", [7, 11], dict(strides=[2, 2], pads=[1, 1, 1, 1])),
            ("more at the end", [8, 12], dict(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])),
            ("dilations", [11, 20], dict(strides=[2, 3], dilations=[2, 2])),
            ("a wanted shape", [10, 20], dict(strides=[3, 3], output_shape=[10, 20])),
            ("auto_pad", [12, 18], dict(strides=[3, 3], auto_pad="SAME_UPPER")),
            ("strides beyond the kernel", [18, 28], dict(strides=[5, 5])), ("nothing else", [6, 8], {})):
        yield f"ConvTranspose with {name}", model([node("ConvTranspose", "x w b", "y", **attributes)], {"x": IMAGE},
                                                  one([1, 3] + out), w)
    yield "ConvTranspose in groups", model([node("ConvTranspose", "x w", "y", group=2, strides=[2, 1])], {"x": IMAGE},
                                           one([1, 6, 9, 8]), w)
    yield "ConvTranspose of one dimension", model([node("ConvTranspose", "x w", "y", strides=[2])], {"x": [1, 2, 5]},
                                                  one([1, 3, 11]), dict(w=fractions(2, 3, 3)))
    yield "ConvTranspose of codes", model(
        [node("QuantizeLinear", "x s zx", "q"), node("DequantizeLinear", "q s zx", "f"),
         node("DequantizeLinear", "w sw", "v", axis=1), node("ConvTranspose", "f v", "c", strides=[2, 2]),
         node("QuantizeLinear", "c sy zx", "r"), node("DequantizeLinear", "r sy zx", "y")], {"x": IMAGE}, one([1, 3, 9, 13]),
        dict(s=F(0.25), zx=np.uint8(100), w=bytes_of(4, 3, 3, 3), sw=F([0.25, 0.5, 1]), sy=F(2)))
    for rank, x, kernel in ((1, [1, 4, 9], [3]), (3, [1, 2, 4, 5, 6], [2, 3, 1])):
        name, ones = f"{rank} dimension{'s' if rank > 1 else ''}", [1] * rank
        weights = fractions(4, x[1], *kernel)
        full = [size - k + 1 for size, k in zip(x[2:], kernel)]
        padded = [(size + 2 - 2 * (k - 1) - 1) // 2 + 1 for size, k in zip(x[2:], kernel)]
        yield f"Conv of {name}", model([node("Conv", "x w b", "y")], {"x": x}, one([1, 4] + full), dict(w=weights, b=fractions(4)))
        yield f"Conv of {name} with everything", model(
            [node("Conv", "x w", "y", group=2, strides=[2] * rank, dilations=[2] * rank, pads=ones * 2)], {"x": x},
            one([1, 4] + padded), dict(w=weights[:, :x[1] // 2]))
        for op in ("MaxPool", "AveragePool"):
            yield f"{op} of {name}", model([node(op, "x", "y", kernel_shape=[2] * rank, strides=[2] * rank, ceil_mode=1)],
                                           {"x": x}, one(x[:2] + [-(-size // 2) for size in x[2:]]))
            yield f"{op} of {name}, the same size", model(
                [node(op, "x", "y", kernel_shape=[3] * rank, auto_pad="SAME_LOWER")], {"x": x}, one(x))
        for op in ("GlobalMaxPool", "GlobalAveragePool"):
            yield f"{op} of {name}", model([node(op, "x", "y")], {"x": x}, one(x[:2] + ones))
    yield "LRN", model([node("LRN", "x", "y", size=3, alpha=0.5, beta=0.6, bias=2.0)], {"x": IMAGE}, one(IMAGE))


def normalisations():
    for axis, shape in ((-1, [5]), (1, [3, 5])):
        yield f"LayerNormalization from axis {axis}", model(
            [node("LayerNormalization", "x s b", "y", axis=axis)], {"x": [1, 3, 5]}, one([1, 3, 5]),
            dict(s=fractions(*shape), b=fractions(*shape)), 17)
    yield "LayerNormalization with its mean", model(
        [node("LayerNormalization", "x s", "y m d")], {"x": [1, 3, 5]},
        {"y": (FLOAT, [1, 3, 5]), "m": (FLOAT, [1, 3, 1]), "d": (FLOAT, [1, 3, 1])}, dict(s=fractions(5)), 17)
    for rank, x in ((3, [1, 4, 6]), (4, IMAGE)):
        yield f"InstanceNormalization of {rank} dimensions", model(
            [node("InstanceNormalization", "x s b", "y", epsilon=0.01)], {"x": x}, one(x), dict(s=fractions(4), b=fractions(4)))
        for opset, count in ((18, 2), (21, 4)):
            yield f"GroupNormalization of {rank} dimensions, opset {opset}", model(
                [node("GroupNormalization", "x s b", "y", num_groups=2)], {"x": x}, one(x),
                dict(s=fractions(count), b=fractions(count)), opset)
    yield "MeanVarianceNormalization", model([node("MeanVarianceNormalization", "x", "y", axes=[2, 3])], {"x": IMAGE}, one(IMAGE))
    for p in (1, 2):
        yield f"LpNormalization {p}", model([node("LpNormalization", "x", "y", axis=1, p=p)], {"x": IMAGE}, one(IMAGE))
    for opset in (11, 13):
        yield f"LogSoftmax of opset {opset}", model([node("LogSoftmax", "x", "y", axis=1)], {"x": [1, 3, 5]}, one([1, 3, 5]),
                                                    opset=opset)
    yield "SkipLayerNormalization", model(
        [node("SkipLayerNormalization", "x r g b c", "y", MICROSOFT, epsilon=1e-5)], {"x": [1, 3, 5]}, one([1, 3, 5]),
        dict(r=fractions(1, 3, 5), g=fractions(5), b=fractions(5), c=fractions(5)))
    for op in ("BiasGelu", "FastGelu"):
        yield op, model([node(op, "x b", "y", MICROSOFT)], {"x": [1, 3, 5]}, one([1, 3, 5]), dict(b=fractions(5)))


def attention(dynamic):
    """One block of a transformer: as it is exported, or as ONNX Runtime's dynamic quantizer writes it."""
    def linear(x, w, y):
        if not dynamic:
            return [node("MatMul", f"{x} {w}", y)]
        return [node("DynamicQuantizeLinear", x, f"{y}_q {y}_s {y}_z"),
                node("MatMulInteger", f"{y}_q {w}_q {y}_z {w}_z", f"{y}_i"), node("Cast", f"{y}_i", f"{y}_f", to=1),
                node("Mul", f"{y}_s {w}_s", f"{y}_t"), node("Mul", f"{y}_f {y}_t", y)]
    nodes = [node("LayerNormalization", "x g b", "n")]
    for name in "qkv":
        order = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
        nodes += linear("n", f"w{name}", f"{name}0")
        nodes += [node("Reshape", f"{name}0 heads", f"{name}1"), node("Transpose", f"{name}1", name, perm=order)]
    nodes += [node("MatMul", "q k", "s0"), node("Div", "s0 root", "s1"), node("Where", "mask s1 far", "s2"),
              node("Softmax", "s2", "s", axis=-1), node("MatMul", "s v", "a0"),
              node("Transpose", "a0", "a1", perm=[0, 2, 1, 3]), node("Reshape", "a1 flat", "a")]
    nodes += linear("a", "wo", "o") + [node("Add", "o x", "r"), node("LayerNormalization", "r g b", "m")]
    nodes += linear("m", "wu", "u") + [node("Div", "u two", "u1"), node("Erf", "u1", "u2"), node("Add", "u2 one", "u3"),
                                       node("Mul", "u u3", "u4"), node("Mul", "u4 half", "h")]
    nodes += linear("h", "wd", "d") + [node("Add", "d r", "y")]
    width = 8
    stored = dict(g=fractions(width), b=fractions(width), heads=np.int64([0, 0, 2, 4]), flat=np.int64([0, 0, width]),
                  root=F(2), mask=np.tril(np.ones((5, 5), bool)), far=F(-1e4), two=F(1.4142135), one=F(1), half=F(0.5))
    for name, inner, outer in (("q", 8, 8), ("k", 8, 8), ("v", 8, 8), ("o", 8, 8), ("u", 8, 16), ("d", 16, 8)):
        if dynamic:
            stored.update({f"w{name}_q": bytes_of(inner, outer), f"w{name}_z": np.int8(1), f"w{name}_s": F(0.0625)})
        else:
            stored[f"w{name}"] = (fractions(inner, outer) / 4).astype(F)
    return model(nodes, {"x": [1, 5, width]}, one([1, 5, width]), stored, 17)


def products():
    for equation, shapes, out in (("bij,jk->bik", [(5, 3)], [1, 4, 3]), ("bij,bkj->bik", [(1, 3, 5)], [1, 4, 3]),
                                  ("...j,jk", [(5, 3)], [1, 4, 3]), ("bij,bij->bi", [(1, 4, 5)], [1, 4]),
                                  ("bij->bji", [], [1, 5, 4]), ("bij->b", [], [1]), ("bij,kl->bkl", [(2, 3)], [1, 2, 3])):
        yield f"Einsum {equation}", model([node("Einsum", "x w" if shapes else "x", "y", equation=equation)],
                                          {"x": [1, 4, 5]}, one(out), dict(w=fractions(*(shapes or [(1,)])[0])))
    yield "attention as it is exported", attention(False)
    yield "attention, quantized by its data", attention(True)
    quantized = dict(w=bytes_of(5, 3), s=F(0.25), z=np.int8(2), c=fractions(3))
    yield "DynamicQuantizeMatMul", model([node("DynamicQuantizeMatMul", "x w s z c", "y", MICROSOFT)], {"x": [1, 5]},
                                         one([1, 3]), quantized)
    yield "MatMulIntegerToFloat", model(
        [node("DynamicQuantizeLinear", "x", "q qs qz"), node("MatMulIntegerToFloat", "q w qs s qz z c", "y", MICROSOFT)],
        {"x": [1, 5]}, one([1, 3]), quantized)
    for axis, opset in ((1, 13), (2, 13), (1, 11)):
        yield f"QLinearSoftmax along {axis}, opset {opset}", model(
            [node("QuantizeLinear", "x s z", "q"), node("QLinearSoftmax", "q s z t z", "p", MICROSOFT, axis=axis, opset=opset),
             node("DequantizeLinear", "p t z", "y")], {"x": [1, 3, 5]}, one([1, 3, 5]),
            dict(s=F(0.25), z=np.uint8(3), t=F(1 / 128)))


def cases():
    for family in (of_one, of_two, over_dimensions, moves, resizes, windows, normalisations, products):
        yield from family()


def refused():
    """Name, model, and what the refusal says."""
    x = {"x": IMAGE}
    yield "an operator that fard does not have", model([node("Reluu", "x", "y")], x, one(IMAGE)), "did you mean"
    yield "a resized image of bytes", model(
        [node("QuantizeLinear", "x s z", "q"), node("Resize", "q r t", "p", mode="linear"), node("DequantizeLinear", "p s z", "y")],
        x, one([1, 4, 8, 12]), dict(s=F(1), z=np.uint8(0), r=F([]), t=F([1, 1, 2, 2]))), "dequantize before it"
    yield "a transposed convolution of three dimensions", model(
        [node("ConvTranspose", "x w", "y")], {"x": [1, 1, 2, 2, 2]}, one([1, 1, 2, 2, 2]), dict(w=fractions(1, 1, 1, 1, 1))), \
        "one or two spatial dimensions"
    yield "an Einsum with a diagonal", model([node("Einsum", "x", "y", equation="bcii->bci")], {"x": [1, 2, 3, 3]},
                                             one([1, 2, 3])), "without diagonals"
    yield "sizes that depend on the data", model(
        [node("ReduceMax", "x", "m", keepdims=0), node("Cast", "m", "i", to=7), node("Unsqueeze", "i zero", "n"),
         node("Tile", "x n", "y")], {"x": [4]}, one([4]), dict(zero=np.int64([0]))), "not a constant list"
    yield "FLOAT16 for data", with_type(TensorProto.FLOAT16), "FLOAT16"


def with_type(kind):
    made = model([node("Relu", "x", "y")], {"x": IMAGE}, one(IMAGE))
    for each in (made.graph.input[0], made.graph.output[0]):
        each.type.tensor_type.elem_type = kind
    return made
