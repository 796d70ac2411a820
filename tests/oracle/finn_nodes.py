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
# What there is in RTL; of HLS there is all. A VVAU in RTL needs a Versal part.
IN_RTL = {"MVAU", "ConvolutionInputGenerator", "FMPadding", "Thresholding"}


@dataclass
class Unit:
    kind: str
    language: str                           # that FINN chooses where none is preferred
    of: dict = field(default_factory=dict)  # what PE and SIMD must divide
    depthwise: bool = False                 # a window for a VVAU or a pool
    possible: frozenset = frozenset({"hls"})
    early: str = ""                         # its name before it is specialized
    name: str = ""

    def specialize(self, preferred):
        """FINN takes what is preferred where it can, else the other."""
        if preferred and preferred not in self.possible:
            preferred = next(iter(self.possible - {preferred}))
        self.language = preferred or self.language


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
    """`series7`: an FPGA with DSP48E1, whose matrix units in RTL take no weight that is the least of its type. `separate`: a build with
    standalone_thresholds, where no matrix unit has thresholds. `preferred`: of a specialize-layers configuration."""

    def __init__(self, form, series7, separate=False, preferred=None):
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
        early, counts = Counter(), Counter()
        for unit in self.list:
            unit.early = f"{unit.kind}_{early[unit.kind]}"
            early[unit.kind] += 1
            unit.specialize((preferred or {}).get(unit.early, {}).get("preferred_impl_style", ""))
            key = unit.kind, unit.language
            unit.name = f"{unit.kind}_{unit.language}_{counts[key]}"
            counts[key] += 1

    def put(self, kind, language, depthwise=False, rtl=True, hls=True, **of):
        possible = {"hls"} if hls else set()
        if kind in IN_RTL and rtl:
            possible.add("rtl")
        self.list.append(Unit(kind, language, of, depthwise, frozenset(possible)))

    def attributes(self, node):
        return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}

    def channels(self, name, first):
        shape = self.shapes[name]
        return shape[1] if first and len(shape) == 4 else shape[-1]

    def windows(self, channels, kernel, stride, pads, dilations, depthwise):
        if any(pads):
            self.put("FMPadding", "rtl", SIMD=channels)
        if depthwise or tuple(kernel) != (1, 1) or tuple(stride) != (1, 1):
            self.put("ConvolutionInputGenerator", "rtl", depthwise, hls=kernel[0] == kernel[1] and stride[0] == stride[1] and set(dilations) == {1},
                     SIMD=channels)

    def make_im2col(self, node, before, after):
        given = self.attributes(node)
        self.windows(self.shapes[node.input[0]][-1], given["kernel_size"], given["stride"], given["pad_amount"], given["dilations"], False)

    def make_matmul(self, node, before, after):
        self.product(node, self.stored[node.input[1]], after)

    def make_conv(self, node, before, after):
        given, weights = self.attributes(node), self.stored[node.input[1]]
        depthwise = given.get("group", 1) > 1
        self.windows(self.channels(node.input[0], True), given["kernel_shape"], given["strides"], given["pads"], given.get("dilations", [1, 1]), depthwise)
        if depthwise:
            self.put("VVAU", "hls", PE=weights.shape[0], SIMD=int(np.prod(weights.shape[2:])))
        else:
            self.product(node, weights.reshape(weights.shape[0], -1).T, after)

    def product(self, node, weights, after):
        fused = after is not None and after.op_type == "MultiThreshold" and not self.separate
        kind = self.types[node.input[1]]
        possible = not fused and self.takes_rtl(kind, weights)
        wide = bits_of(kind) >= 4 and bits_of(self.kind) >= 4
        self.put("MVAU", "rtl" if possible and wide else "hls", rtl=possible, SIMD=weights.shape[0], PE=weights.shape[1])

    def takes_rtl(self, kind, weights):
        """Of the type that is annotated, whatever the weights need: FINN narrows it later."""
        if kind.startswith("U") or kind == self.kind == "BIPOLAR":
            return False
        if self.series7 and weights.min() == limits(kind)[0]:
            return False
        return bits_of(kind) <= 8 and bits_of(self.kind) <= (9 if self.kind.startswith("INT") else 8)

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


def name_faults(config, names):
    """What names a configuration has other than these, and Defaults."""
    if config.get("Defaults") != {} or list(config)[0] != "Defaults":
        yield "it does not begin with Defaults"
    given = [name for name in config if name != "Defaults"]
    if sorted(given) != sorted(names):
        yield f"it names {sorted(set(given) - set(names))} too many, and lacks {sorted(set(names) - set(given))}"


def specialization_faults(units, config):
    """What of a specialize-layers configuration FINN would not find, or not do; `units` are those that it makes by it."""
    faults = list(name_faults(config, [unit.early for unit in units]))
    for unit in units:
        given = config.get(unit.early, {})
        if list(given) != ["preferred_impl_style"] or given["preferred_impl_style"] not in ("hls", "rtl"):
            faults.append(f"{unit.early}: {given}")
        elif given["preferred_impl_style"] != unit.language:
            faults.append(f"{unit.early}: {given['preferred_impl_style']} cannot be, FINN makes {unit.name}")
    return faults


def folding_faults(units, folding):
    """What of a folding file FINN would not find, or not take."""
    faults = list(name_faults(folding, [unit.name for unit in units]))
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
