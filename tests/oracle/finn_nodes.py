"""The hardware nodes that FINN makes of a form, and what it lets each be folded by: derived from the form's own nodes.

Of FINN's main branch, with the steps that depthwise networks need; shares nothing with fard's own.
"""
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

STYLES = {"auto", "block", "distributed", "ultra"}
WORDS = {"ram_style": STYLES, "resType": {"auto", "lut", "dsp"},
         "mem_mode": {"internal_decoupled", "internal_embedded", "external"}}
ATTRIBUTES = {"MVAU": {"PE", "SIMD", "ram_style", "resType", "mem_mode"},
              "VVAU": {"PE", "SIMD", "ram_style", "resType", "mem_mode"},
              "ConvolutionInputGenerator": {"SIMD", "ram_style", "parallel_window"},
              "FMPadding": {"SIMD"},
              "Thresholding": {"PE", "depth_trigger_bram", "depth_trigger_uram"}}


@dataclass
class Unit:
    kind: str
    language: str
    of: dict = field(default_factory=dict)  # what PE and SIMD must divide
    depthwise: bool = False                 # a window for a VVAU or a pool
    name: str = ""


def limits(name):
    if name == "BIPOLAR":
        return -1, 1
    bits = bits_of(name)
    return (0, 2 ** bits - 1) if name.startswith("U") else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)


def smallest(low, high):
    """The type of whole numbers from `low` to `high`."""
    if low >= 0:
        return f"UINT{max(1, int(high).bit_length())}"
    return f"INT{max(int(-low - 1).bit_length(), int(high).bit_length()) + 1}"


def bits_of(name):
    return 1 if name == "BIPOLAR" else int(name.removeprefix("UINT").removeprefix("INT"))


class Units:
    """`series7`: an FPGA with DSP48E1, whose matrix units in RTL need the least weight of their type. `separate`: a build with
    standalone_thresholds, where no matrix unit has thresholds."""

    def __init__(self, form, series7, separate=False):
        self.graph, self.series7, self.separate, self.list = form.graph, series7, separate, []
        self.stored = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.shapes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim]
                       for each in [*self.graph.input, *self.graph.output, *self.graph.value_info]}
        self.types = {each.tensor_name: pair.value for each in self.graph.quantization_annotation
                      for pair in each.quant_parameter_tensor_names if pair.key == "finn_datatype"}
        self.kind = self.types[self.graph.input[0].name]  # of what flows
        nodes = list(self.graph.node)
        for at, node in enumerate(nodes):
            getattr(self, "make_" + node.op_type.lower())(node, nodes[at - 1] if at else None, nodes[at + 1] if at + 1 < len(nodes) else None)
        counts = Counter()
        for unit in self.list:
            key = unit.kind, unit.language
            unit.name = f"{unit.kind}_{unit.language}_{counts[key]}"
            counts[key] += 1

    def put(self, kind, language, depthwise=False, **of):
        self.list.append(Unit(kind, language, of, depthwise))

    def attributes(self, node):
        return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}

    def channels(self, name, first):
        shape = self.shapes[name]
        return shape[1] if first and len(shape) == 4 else shape[-1]

    def windows(self, channels, kernel, stride, pads, dilations, depthwise):
        if any(pads):
            self.put("FMPadding", "rtl", SIMD=channels)
        if depthwise or tuple(kernel) != (1, 1) or tuple(stride) != (1, 1):
            self.put("ConvolutionInputGenerator", "rtl", depthwise, SIMD=channels)

    def make_im2col(self, node, before, after):
        given = self.attributes(node)
        self.windows(self.shapes[node.input[0]][-1], given["kernel_size"], given["stride"], given["pad_amount"], given["dilations"], False)

    def make_matmul(self, node, before, after):
        self.product(self.stored[node.input[1]], after)

    def make_conv(self, node, before, after):
        given, weights = self.attributes(node), self.stored[node.input[1]]
        depthwise = given.get("group", 1) > 1
        self.windows(self.channels(node.input[0], True), given["kernel_shape"], given["strides"], given["pads"], given.get("dilations", [1, 1]), depthwise)
        if depthwise:
            self.put("VVAU", "hls", PE=weights.shape[0], SIMD=int(np.prod(weights.shape[2:])))
        else:
            self.product(weights.reshape(weights.shape[0], -1).T, after)

    def product(self, weights, after):
        fused = after is not None and after.op_type == "MultiThreshold" and not self.separate
        self.put("MVAU", "hls" if fused or not self.fits_rtl(weights) else "rtl", SIMD=weights.shape[0], PE=weights.shape[1])

    def fits_rtl(self, weights):
        low, high = int(weights.min()), int(weights.max())
        if low >= 0 or self.kind == "BIPOLAR":
            return False
        bits = max(int(-low - 1).bit_length(), high.bit_length()) + 1
        widest = 9 if self.kind.startswith("INT") else 8
        if not 4 <= bits <= 8 or not 4 <= bits_of(self.kind) <= widest:
            return False
        return not self.series7 or low == -2 ** (bits - 1)

    def make_multithreshold(self, node, before, after):
        if self.separate or before is None or before.op_type not in ("MatMul", "Conv"):
            self.put("Thresholding", "rtl", PE=self.channels(node.output[0], "data_layout" not in self.attributes(node)))
        self.kind = self.attributes(node)["out_dtype"].decode()

    def pool(self, node, first, streams):
        given = self.attributes(node)
        kernel, strides = given["kernel_shape"], given["strides"]
        pads, channels = given.get("pads", [0] * 4), self.channels(node.input[0], first)
        if streams and list(kernel) == list(strides) and not any(pads):
            return self.put("StreamingMaxPool", "hls", PE=channels)
        self.windows(channels, kernel, strides, pads, [1, 1], True)
        self.put("Pool", "hls", PE=channels)

    def make_maxpool(self, node, before, after):
        self.pool(node, True, True)

    def make_maxpoolnhwc(self, node, before, after):
        self.pool(node, False, True)

    def make_quantavgpool2d(self, node, before, after):
        given = self.attributes(node)
        channels = self.channels(node.input[0], given.get("data_layout", b"NCHW") == b"NCHW")
        self.windows(channels, [given["kernel"]] * 2, [given["stride"]] * 2, [0] * 4, [1, 1], True)
        self.put("Pool", "hls", PE=channels)
        self.kind = f"{'INT' if given['signed'] else 'UINT'}{given['obits']}"

    def make_globalaveragepool(self, node, before, after):
        self.put("GlobalAccPool", "hls", PE=self.channels(node.input[0], True))
        pixels = int(np.prod(self.shapes[node.input[0]][2:]))
        self.kind = smallest(*(limit * pixels for limit in limits(self.kind)))

    def make_mul(self, node, before, after):
        if before is None or before.op_type != "GlobalAveragePool":
            self.channelwise(node, after)

    def make_add(self, node, before, after):
        self.channelwise(node, after)

    def channelwise(self, node, after):
        """Thresholds take what is before them; a choice of classes, what moves all of them alike."""
        alike = after is not None and after.op_type == "TopK" and np.unique(self.stored[node.input[1]]).size == 1
        if not alike and (after is None or after.op_type != "MultiThreshold"):
            self.put("ChannelwiseOp", "hls", PE=self.channels(node.input[0], self.stored[node.input[1]].ndim == 4))
        constants = self.stored[node.input[1]]
        made = [limit * value if node.op_type == "Mul" else limit + value for limit in limits(self.kind) for value in (constants.min(), constants.max())]
        self.kind = smallest(int(min(made)), int(max(made)))

    def make_topk(self, node, before, after):
        self.put("LabelSelect", "hls", PE=self.shapes[node.input[0]][-1])


def folding_faults(form, folding, series7, separate):
    """What of a folding file FINN would not find, or not take."""
    units, faults = Units(form, series7, separate).list, []
    names = [unit.name for unit in units]
    if folding.get("Defaults") != {} or list(folding)[0] != "Defaults":
        faults.append("it does not begin with Defaults")
    given = [name for name in folding if name != "Defaults"]
    if sorted(given) != sorted(names):
        faults.append(f"it names {sorted(set(given) - set(names))} too many, and lacks {sorted(set(names) - set(given))}")
    before = None
    for unit in units:
        values = folding.get(unit.name, {})
        faults += [f"{unit.name}: {key} is none of its attributes" for key in values if key not in ATTRIBUTES.get(unit.kind, {"PE"})]
        faults += [f"{unit.name}: {key} {value}" for key, value in values.items() if key in WORDS and value not in WORDS[key]]
        faults += [f"{unit.name}: {key} {values[key]} does not divide {whole}" for key, whole in unit.of.items()
                   if key in values and (values[key] < 1 or whole % values[key])]
        if before is not None and before.depthwise:
            wide, narrow = folding.get(before.name, {}).get("SIMD"), values.get("PE")
            if wide != narrow:
                faults.append(f"{before.name} has SIMD {wide}, and {unit.name} behind it PE {narrow}")
        before = unit
    return faults
