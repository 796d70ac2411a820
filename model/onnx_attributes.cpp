#include "model/onnx_attributes.hpp"

#include "model/domains.hpp"
#include "model/onnx_tensor.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

using onnx::AttributeProto;

AttributeProto& add(onnx::NodeProto& node, const std::string& name, AttributeProto::AttributeType type) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return attribute;
}

std::vector<std::int64_t> wide(const auto& list) {
    return {list.begin(), list.end()};
}

void write_pads(onnx::NodeProto& made, const Pads& pads) {
    set(made, "pads", std::vector{pads.top, pads.left, pads.bottom, pads.right});
}

void write_extent(onnx::NodeProto& made, const std::string& name, const Extent2& extent) {
    set(made, name, std::vector{extent.height, extent.width});
}

// One overload for each kind of attributes.
struct Writer {
    onnx::NodeProto& made;
    const Node& node;
    const Tensor& x;
    const Tensor& output;

    void window(const auto& read) const {
        write_extent(made, "kernel_shape", read.kernel);
        write_extent(made, "strides", read.strides);
        write_extent(made, "dilations", read.dilations);
        write_pads(made, read.pads);
    }
    void affine(const Affine& read) const {
        made.set_domain(std::string(own_domain));
        set(made, "scale", read.scale);
        set(made, "zero_point", wide(read.zero_point));
        set(made, "axis", std::int64_t{read.axis});
    }
    void range(const Range& read) const {
        set(made, "range", std::vector{read.min, read.max});
        set(made, "to", std::int64_t{element_type_of(output.declared)});
    }

    void operator()(std::monostate) const {}
    void operator()(const CastAttributes&) const {
        set(made, "to", std::int64_t{element_type_of(output.declared)});
    }
    // Operators of newer opsets than the one that is written are our own.
    void own_unless(int since) const {
        if (since > written_opset) made.set_domain(std::string(own_domain));
    }
    void operator()(const FunctionAttributes& read) const {
        own_unless(read.row->since);
        if (read.row->name == "IsInf") {
            set(made, "detect_negative", static_cast<std::int64_t>(read.alpha));
            set(made, "detect_positive", static_cast<std::int64_t>(read.beta));
            return;
        }
        if (!read.row->first.empty()) set(made, std::string(read.row->first), read.alpha);
        if (!read.row->second.empty()) set(made, std::string(read.row->second), read.beta);
    }
    void operator()(const PairwiseAttributes& read) const { own_unless(read.row->since); }
    void operator()(const ReductionAttributes& read) const {
        set(made, "axes", wide(read.axes));
        set(made, "keepdims", std::int64_t{read.keep_dims});
    }
    void operator()(const ResampleAttributes& read) const {
        made.set_domain(std::string(own_domain));
        set(made, "axis", std::int64_t{read.axis});
        set(made, "taps", static_cast<std::int64_t>(read.taps));
        set(made, "indices", read.indices);
        set(made, "weights", read.weights);
    }
    void operator()(const ConvAttributes& read) const {
        window(read);
        set(made, "group", read.group);
    }
    void operator()(const PoolAttributes& read) const {
        window(read);
        set(made, "ceil_mode", std::int64_t{read.ceil_mode});
        if (node.op == Op::average_pool) {
            set(made, "count_include_pad", std::int64_t{read.count_include_pad});
            if (read.dilations == Extent2{}) drop("dilations");
        }
    }
    // Only newer opsets know it for AveragePool.
    void drop(const std::string& name) const {
        auto& list = *made.mutable_attribute();
        for (int i = 0; i < list.size(); ++i)
            if (list[i].name() == name) return list.DeleteSubrange(i, 1);
    }
    void operator()(const MultiThresholdAttributes& read) const {
        const bool last = read.channel_axis == 3 && x.shape.size() == 4;
        const bool plain = x.shape.size() > 1 && (read.channel_axis == 1 || last);
        made.set_domain(std::string(plain ? qonnx_domain : own_domain));
        set(made, "out_scale", read.scale);
        set(made, "out_bias", read.bias);
        set(made, "out_dtype", output.type.name());
        if (plain)
            set(made, "data_layout", std::string(last ? "NHWC" : x.shape.size() == 2 ? "NC" : "NCHW"));
        else
            set(made, "channel_axis", std::int64_t{read.channel_axis});
    }
    void operator()(const ReduceAttributes& read) const {
        if (node.op == Op::reduce_mean) set(made, "axes", wide(read.axes));
        set(made, "keepdims", std::int64_t{read.keep_dims});
    }
    void operator()(const AxisAttributes& read) const { set(made, "axis", std::int64_t{read.axis}); }
    void operator()(const SoftmaxAttributes& read) const { set(made, "axis", std::int64_t{read.axis}); }
    void operator()(const TransposeAttributes& read) const { set(made, "perm", wide(read.permutation)); }
    void operator()(const GemmAttributes& read) const {
        set(made, "alpha", read.alpha);
        set(made, "beta", read.beta);
        set(made, "transA", std::int64_t{read.transpose_a});
        set(made, "transB", std::int64_t{read.transpose_b});
    }
    void operator()(const BatchNormalizationAttributes& read) const { set(made, "epsilon", read.epsilon); }
    void operator()(const QuantizeAttributes& read) const {
        affine(read.affine);
        range(read.range);
        set(made, "rounding", std::int64_t(read.rounding));
        set(made, "add_then_round", std::int64_t{read.add_then_round});
    }
    void operator()(const DequantizeAttributes& read) const { affine(read.affine); }
    void operator()(const RequantizeAttributes& read) const {
        made.set_domain(std::string(own_domain));
        std::vector<double> multipliers;
        std::vector<std::int64_t> counts, zero_points;
        for (const auto& operand : read.operands) {
            multipliers.insert(multipliers.end(), operand.multiplier.begin(), operand.multiplier.end());
            counts.push_back(static_cast<std::int64_t>(operand.multiplier.size()));
            zero_points.push_back(operand.zero_point);
        }
        set(made, "multipliers", multipliers);
        set(made, "counts", counts);
        set(made, "zero_points", zero_points);
        if (!read.offset.empty()) set(made, "offset", read.offset);
        set(made, "zero_point", std::int64_t{read.zero_point});
        set(made, "axis", std::int64_t{read.axis});
        range(read.range);
    }
    void operator()(const ClipAttributes&) const {}
    void operator()(const LeakyReluAttributes& read) const { set(made, "alpha", read.alpha); }
    void operator()(const HardSigmoidAttributes& read) const {
        set(made, "alpha", read.alpha);
        set(made, "beta", read.beta);
    }
    void operator()(const ArgMaxAttributes& read) const {
        set(made, "axis", std::int64_t{read.axis});
        set(made, "keepdims", std::int64_t{read.keep_dims});
        set(made, "select_last_index", std::int64_t{read.last});
    }
    void operator()(const TopKAttributes& read) const {
        made.set_domain(std::string(own_domain));
        set(made, "axis", std::int64_t{read.axis});
        set(made, "largest", std::int64_t{read.largest});
        set(made, "k", output.shape[static_cast<std::size_t>(read.axis)]);
    }
    void operator()(const GatherAttributes& read) const { set(made, "axis", std::int64_t{read.axis}); }
    void operator()(const SliceAttributes&) const {}
    void operator()(const PadAttributes& read) const {
        set(made, "mode",
            std::string(read.mode == PadAttributes::Mode::edge      ? "edge"
                        : read.mode == PadAttributes::Mode::reflect ? "reflect"
                                                                    : "constant"));
    }
};

}  // namespace

void set(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    add(node, name, AttributeProto::INT).set_i(value);
}
void set(onnx::NodeProto& node, const std::string& name, double value) {
    add(node, name, AttributeProto::FLOAT).set_f(static_cast<float>(value));
}
void set(onnx::NodeProto& node, const std::string& name, const std::string& value) {
    add(node, name, AttributeProto::STRING).set_s(value);
}
void set(onnx::NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values) {
    auto& attribute = add(node, name, AttributeProto::INTS);
    for (const auto value : values)
        attribute.add_ints(value);
}
void set(onnx::NodeProto& node, const std::string& name, const std::vector<double>& values) {
    auto& tensor = *add(node, name, AttributeProto::TENSOR).mutable_t();
    tensor.set_data_type(onnx::TensorProto::DOUBLE);
    tensor.add_dims(static_cast<std::int64_t>(values.size()));
    for (const auto value : values)
        tensor.add_double_data(value);
}

void write_attributes(onnx::NodeProto& made, const Node& node, const Tensor& x, const Tensor& output) {
    std::visit(Writer{made, node, x, output}, node.attributes);
}

}  // namespace fard::model
