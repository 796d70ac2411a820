"""Small networks of the kinds that were once read or computed wrongly, each in the shortest form that shows it."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import evaluate

GENERAL, LAST, MICROSOFT = "qonnx.custom_op.general", "qonnx.custom_op.channels_last", "com.microsoft"
FLOAT = TensorProto.FLOAT


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attributes)


def model(nodes, inputs, outputs, constants=(), opset=13, notes=()):
    info = helper.make_tensor_value_info
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()]
    graph = helper.make_graph(nodes, "case", [info(name, FLOAT, shape) for name, shape in inputs.items()],
                              [info(name, kind, shape) for name, (kind, shape) in outputs.items()], stored)
    for tensor, key, value in notes:
        graph.quantization_annotation.add(tensor_name=tensor).quant_parameter_tensor_names.add(key=key, value=value)
    domains = {each.domain for each in nodes} - {""}
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(each, 1) for each in domains]
    return helper.make_model(graph, opset_imports=imports)


def counted(*shape, low=-8, high=8):
    """Whole numbers between these in an order that repeats late."""
    count = int(np.prod(shape))
    return (np.arange(count) * 7919 % (high - low + 1) + low).reshape(shape)


def fractions(*shape):
    return (counted(*shape) / 4).astype(np.float32)


def bytes_of(*shape, kind=np.int8):
    return counted(*shape, low=-7 if kind is np.int8 else 0, high=7).astype(kind)


def one(shape):
    return {"y": (FLOAT, shape)}


F = np.float32
Q3 = dict(s=F(0.5), z=F(0), b=F(3))


def cases():
    """Name, model, and inputs by name: two chunks each."""
    image = {"x": [1, 1, 2, 3]}
    yield "grey to RGB", model([node("Concat", "x x x", "y", axis=1)], image, one([1, 3, 2, 3]))
    yield "a quantizer that is nothing, beside its operand", model(
        [node("Quant", "x s z b", "a", GENERAL, signed=1), node("Quant", "a s z b", "q", GENERAL, signed=1),
         node("Concat", "a q", "y", axis=1)], image, one([1, 2, 2, 3]), Q3)
    yield "an output with channels last", model([node("Relu", "x", "r"), node("Transpose", "r", "y", perm=[0, 2, 3, 1])],
                                                {"x": [1, 2, 3, 4]}, one([1, 3, 4, 2]))
    yield "an input with channels last", model([node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Relu", "t", "y")],
                                               {"x": [1, 3, 4, 2]}, one([1, 2, 3, 4]))
    yield "an input that says that its channels are last", model(
        [node("Relu", "x", "y")], {"x": [1, 3, 4, 2]}, one([1, 3, 4, 2]),
        notes=[("x", "tensor_layout", "['N', 'H', 'W', 'C']")])
    for narrow in (0, 1):
        yield f"one signed bit, narrow {narrow}", model(
            [node("Quant", "x s z b", "y", GENERAL, signed=1, narrow=narrow)], image, one([1, 1, 2, 3]), {**Q3, "b": F(1)})
    yield "weights of one signed bit", model(
        [node("Quant", "v s z one", "w", GENERAL, signed=1, narrow=1), node("Quant", "x s z b", "q", GENERAL, signed=1),
         node("Conv", "q w", "y")], {"x": [1, 2, 3, 3]}, one([1, 3, 2, 2]),
        {**Q3, "one": F(1), "v": fractions(3, 2, 2, 2)})
    yield "a float image and ties", model([node("Div", "x d", "f"), node("QuantizeLinear", "f s z", "q"),
                                           node("DequantizeLinear", "q s z", "y")], {"x": [1, 256]}, one([1, 256]),
                                          dict(d=F(255), s=F(2) / F(255), z=np.uint8(0)))
    yield "a scale with an output type", model(
        [node("QuantizeLinear", "x s", "q", output_dtype=TensorProto.INT8), node("DequantizeLinear", "q s", "y")],
        {"x": [1, 12]}, one([1, 12]), dict(s=F(0.5)), opset=21)
    for name, signs in (("rows", F([1, -1, 1, -1]).reshape(4, 1)), ("columns", F([1, -1, 1, -1]))):
        yield f"signs along {name}", model(
            [node("Quant", "x s z b", "q", GENERAL, signed=1), node("MatMul", "q w", "m"), node("Mul", "m signs", "n"),
             node("MultiThreshold", "n t", "y", GENERAL, out_dtype="UINT2", data_layout="NC")], {"x": [4, 4]}, one([4, 4]),
            {**Q3, "w": counted(4, 4, low=-2, high=2).astype(F), "signs": signs, "t": F([[-2, 0, 3]])})
    yield "signs along rows of three dimensions", model(
        [node("Quant", "x s z b", "q", GENERAL, signed=1), node("MatMul", "q w", "m"), node("Mul", "m signs", "n"),
         node("MultiThreshold", "n t", "y", GENERAL, out_dtype="UINT2", data_layout="NWC")], {"x": [2, 3, 3]},
        one([2, 3, 3]), {**Q3, "w": counted(2, 3, 3, low=-2, high=2).astype(F), "signs": F([1, -1, 1]),
                         "t": F([[-2, 0, 3]])})
    quantized = [node("QuantizeLinear", "x s zx", "q")]
    integers = dict(s=F(0.5), zx=np.uint8(3))
    yield "zero points of weights in a list", model(
        quantized + [node("ConvInteger", "q w zx zw", "c"), node("Cast", "c", "y", to=1)], {"x": [1, 2, 4, 4]},
        one([1, 3, 2, 2]), {**integers, "w": bytes_of(3, 2, 3, 3), "zw": np.int8([1, -2, 3])})
    yield "zero points of rows in a list", model(
        quantized + [node("MatMulInteger", "q w za zw", "c"), node("Cast", "c", "y", to=1)], {"x": [3, 3]}, one([3, 3]),
        {**integers, "w": bytes_of(3, 3), "za": np.uint8([1, 2, 3]), "zw": np.int8([1, -2, 3])})
    for layout, shape in (("NC", [1, 3, 3]), ("NWC", [1, 3, 3]), ("NCW", [1, 3, 3]), ("NC", [1, 2, 2, 2]),
                          ("NHWC", [1, 3, 2, 2]), ("NCHW", [1, 2, 3, 2])):
        yield f"thresholds in {layout} of {len(shape)} dimensions", model(
            [node("MultiThreshold", "x t", "y", GENERAL, out_dtype="UINT2", data_layout=layout)], {"x": shape}, one(shape),
            dict(t=F([[-1, 0, 1], [0, 1, 2], [-2, 1, 1.5]])[:3 if 3 in shape[-1:] or layout == "NCW" else 2]))
    yield "alpha and a bias", model(
        quantized + [node("QGemm", "q s zx w sw zw c sy zx", "g", MICROSOFT, alpha=2.0, transB=1),
                     node("DequantizeLinear", "g sy zx", "y")], {"x": [2, 4]}, one([2, 3]),
        {**integers, "w": bytes_of(3, 4, kind=np.uint8), "sw": F(0.25), "zw": np.uint8(4), "sy": F(2),
         "c": np.int32([40, -60, 90])})
    yield "thresholds of a negative scale behind a pool", model(
        [node("Quant", "x s z b", "q", GENERAL, signed=1), node("MaxPool", "q", "p", kernel_shape=[2, 2]),
         node("MultiThreshold", "p t", "y", GENERAL, out_dtype="INT3", out_scale=-1.0)], {"x": [1, 1, 4, 4]},
        one([1, 1, 3, 3]), {**Q3, "t": F([[-1, -0.5, 0.5]])})
    yield "a bias with scales along its rows", model(
        quantized + [node("DequantizeLinear", "q s zx", "f"), node("DequantizeLinear", "w sw", "v", axis=1),
                     node("DequantizeLinear", "c sc", "d", axis=0), node("Gemm", "f v d", "g"),
                     node("QuantizeLinear", "g sy zx", "h"), node("DequantizeLinear", "h sy zx", "y")],
        {"x": [3, 4]}, one([3, 3]), {**integers, "w": bytes_of(4, 3), "sw": F([0.5, 1, 2]), "sc": F([0.25, 0.5, 1]),
                                     "c": counted(3, 3, low=-40, high=40).astype(np.int32), "sy": F(2)})
    yield "sums that are rounded by themselves", model(
        [node("QuantizeLinear", "x one z", "a"), node("QLinearAdd", "a sa z a sb z sy z", "q", MICROSOFT),
         node("DequantizeLinear", "q sy z", "y")], {"x": [1, 12]}, one([1, 12]),
        dict(one=F(1), z=np.int8(0), sa=F(0.1), sb=F(0.03), sy=F(0.6)))
    yield "weights that stand for whole numbers", model(
        [node("Quant", "x s z b", "q", GENERAL, signed=1), node("DequantizeLinear", "w sw", "v", axis=0),
         node("MatMul", "q v", "m"), node("Relu", "m", "y")], {"x": [1, 3]}, one([1, 2]),
        {**Q3, "w": bytes_of(3, 2), "sw": F([1, 2, 4])})
    yield "notes that say nothing to fard", model(
        [node("Quant", "x s z b", "q", GENERAL, signed=1), node("Relu", "q", "y")], image, one([1, 1, 2, 3]), Q3,
        notes=[("q", "finn_datatype", "SCALEDINT<3>"), ("y", "finn_datatype", "FIXED<8,4>")])
    yield "a bias of 32 bits", model(
        [node("Quant", "x s z b", "q", GENERAL, signed=1), node("Quant", "c sc z most", "d", GENERAL, signed=1),
         node("Gemm", "q w d", "y")], {"x": [1, 3]}, one([1, 2]),
        {**Q3, "w": counted(3, 2, low=-2, high=2).astype(F), "c": fractions(2), "sc": F(0.125), "most": F(32)})
    yield "IntQuant and Trunc with a scale behind it", model(
        [node("IntQuant", "x s z b", "q", GENERAL, signed=1), node("Trunc", "q s z b sy less", "y", GENERAL, signed=1)],
        {"x": [1, 9]}, one([1, 9]), dict(s=F(0.25), z=F(0), b=F(8), sy=F(1), less=F(3)))
    yield "lists in Constant nodes", model(
        [node("Constant", "", "shape", value_ints=[1, 6]), node("Constant", "", "by", value_floats=[0.5] * 6),
         node("Reshape", "x shape", "r"), node("Mul", "r by", "y")], image, one([1, 6]))
    yield "shapes that are divided", model(
        [node("Shape", "x", "shape"), node("Gather", "shape i", "n"), node("Div", "n two", "half"),
         node("Concat", "minus half", "to", axis=0), node("Reshape", "x to", "y")], {"x": [1, 6]}, one([2, 3]),
        dict(i=np.int64([1]), two=np.int64([2]), minus=np.int64([-1])))
    yield "ends beyond 32 bits", model(
        [node("Slice", "x from to axis step", "y")], {"x": [1, 6]}, one([1, 6]),
        {"from": np.int64([-1]), "to": np.int64([-2 ** 63 + 1]), "axis": np.int64([1]), "step": np.int64([-1])})
    yield "constants that nothing reads", model([node("Relu", "x", "y")], image, one([1, 1, 2, 3]),
                                                dict(count=np.int64(2 ** 40), half=np.float16(1)))
    yield "a small product of constants", model([node("MatMul", "a b", "w"), node("MatMul", "x w", "y")], {"x": [1, 4]},
                                                one([1, 3]), dict(a=fractions(4, 5), b=fractions(5, 3)))
    yield "a pool with padding and dilations", model(
        [node("MaxPool", "x", "y", kernel_shape=[3, 3], pads=[1] * 4, dilations=[2, 2])], {"x": [1, 1, 5, 5]},
        one([1, 1, 3, 3]))
    yield "windows as rows", model(
        [node("Im2Col", "x", "c", GENERAL, stride=[1, 2], kernel_size=[2, 3], pad_amount=[1, 0, 0, 1],
              input_shape="(1,4,5,2)"), node("MatMul", "c w", "y")], {"x": [1, 4, 5, 2]}, one([1, 4, 2, 3]),
        dict(w=fractions(12, 3)))
    yield "products of bits", model(
        [node("Quant", "x s z one", "q", GENERAL, signed=0), node("XnorPopcountMatMul", "q w", "y", GENERAL)],
        {"x": [1, 5]}, one([1, 3]), {**Q3, "s": F(1), "one": F(1), "w": counted(5, 3, low=0, high=1).astype(F)})
    yield "pools with channels last", model(
        [node("MaxPoolNHWC", "x", "p", GENERAL, kernel_shape=[2, 2], strides=[1, 1], pads=[0] * 4),
         node("Quant", "p s z b", "q", GENERAL, signed=0),
         node("QuantAvgPool2d", "q", "y", GENERAL, kernel=2, stride=1, ibits=3, obits=4, signed=0, data_layout="NHWC")],
        {"x": [1, 4, 4, 2]}, one([1, 2, 2, 2]), {**Q3, "s": F(1)})
    yield "a convolution with channels last", model([node("Conv", "x w", "y", LAST, kernel_shape=[2, 2])],
                                                    {"x": [1, 4, 4, 2]}, one([1, 3, 3, 3]), dict(w=fractions(3, 2, 2, 2)))
    yield "scales of blocks", model(
        [node("DequantizeLinear", "w s", "v", axis=0, block_size=2), node("MatMul", "x v", "y")], {"x": [1, 5]},
        one([1, 2]), dict(w=bytes_of(5, 2), s=np.abs(fractions(3, 2)) + F(1)), opset=21)
    yield "pads of some axes", model(
        [node("Pad", "x pads zero axes", "y")], image, one([1, 1, 5, 4]),
        dict(pads=np.int64([1, 0, 2, 1]), zero=F(0.5), axes=np.int64([2, -1])), opset=18)
    yield "shapes computed of constants", model(
        [node("ConstantOfShape", "three", "ones", value=numpy_helper.from_array(np.int64([1]))),
         node("Mul", "ones m", "minus"), node("Equal", "shape minus", "same"), node("Where", "same ones shape", "to"),
         node("Expand", "v to", "wide"), node("Add", "x wide", "y")], {"x": [1, 3, 4]}, one([1, 3, 4]),
        dict(three=np.int64([3]), m=np.int64(-1), shape=np.int64([-1, 3, 4]), v=fractions(1, 1, 4)))
    yield "a bias that is a number", model([node("Gemm", "x w c", "y", transB=1)], {"x": [3, 4]}, one([3, 1]),
                                           dict(w=fractions(1, 4), c=F(-0.75)))
    yield "two inputs", model([node("Add", "a b", "y")], {"a": [1, 4], "b": [1, 4]}, one([1, 4]))
    yield "two outputs", model([node("Relu", "x", "y"), node("Sub", "x y", "z")], image,
                               {"y": (FLOAT, [1, 1, 2, 3]), "z": (FLOAT, [1, 1, 2, 3])})


def untyped_output():
    made = model([node("Relu", "x", "y")], {"x": [1, 4]}, one([1, 4]))
    made.graph.output[0].ClearField("type")
    return made


def wrong_shape():
    return model([node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)],
                 {"x": [1, 1, 8, 8]}, one([1, 1, 6, 6]))


def refused():
    """Name, model, and what the refusal says."""
    x = {"x": [1, 4]}
    yield "an old opset", model([node("Add", "x b", "y", broadcast=1, axis=1)], x, one([1, 4]), dict(b=fractions(4)),
                                opset=6), "opset 6"
    yield "an opset of the future", model([node("Relu", "x", "y")], x, one([1, 4]), opset=99), "opset 99"
    yield "an attribute that nobody reads", model([node("Relu", "x", "y", alpha=2.0)], x, one([1, 4])), "attribute 'alpha'"
    yield "training", model([node("BatchNormalization", "x a a a a", "y m v n w")], x, one([1, 4]),
                            dict(a=F([1, 2, 3, 4])), opset=9), "training mode"
    yield "FloatQuant", model([node("FloatQuant", "x s s s s s", "y", GENERAL)], x, one([1, 4]), dict(s=F(1))), "FloatQuant"
    yield "an integer that is too large", model(
        [node("Gather", "x i", "y", axis=1)], x, one([1, 1]), dict(i=np.int64([2 ** 40]))), "1099511627776"


def write(directory, make, more_cases=(), more_refused=()):
    """All of them, and more, as files below `directory`, each made into a case by `make`."""
    random = np.random.default_rng(1)
    written = []
    made = list(cases()) + list(more_cases) + [("an output without a type", untyped_output()), ("an output of another shape", wrong_shape())]
    for number, (name, proto) in enumerate(made):
        home = directory / f"own-{number}"
        home.mkdir()
        onnx.save(proto, str(home / "model.onnx"))
        shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in proto.graph.input}
        chunks = [{tensor: np.asarray(random.integers(-30, 31, shape) / 8, F) for tensor, shape in shapes.items()}
                  for _ in range(2)]
        if "ties" in name:
            for chunk in chunks:
                chunk["x"] = np.arange(256, dtype=F).reshape(1, 256)
        inputs, outputs = [], {}
        for tensor in shapes:
            np.save(home / f"{tensor}.npy", stack([chunk[tensor] for chunk in chunks]))
            inputs.append(f"{tensor}={home / tensor}.npy" if len(shapes) > 1 else home / f"{tensor}.npy")
        with np.errstate(all="ignore"):
            results = [evaluate.Network(proto).run(chunk) for chunk in chunks]
        for i, output in enumerate(proto.graph.output):
            expected = home / f"expected_{output.name}.npy"
            np.save(expected, stack([result[i] for result in results]))
            outputs[output.name if len(proto.graph.output) > 1 else ""] = expected
        written.append(make(name, home / "model.onnx", inputs, outputs))
    for number, (name, proto, words) in enumerate(list(refused()) + list(more_refused)):
        home = directory / f"refused-{number}"
        home.mkdir()
        onnx.save(proto, str(home / "model.onnx"))
        shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
        np.save(home / "x.npy", np.zeros(shape, F))
        written.append(make(name, home / "model.onnx", [home / "x.npy"], {}, words))
    return written


def stack(chunks):
    """Along the batch where it is 1, else along a new first dimension: as `fard run` has arrays of chunks."""
    return np.concatenate(chunks) if chunks[0].ndim and chunks[0].shape[0] == 1 else np.stack(chunks)
