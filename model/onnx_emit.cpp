#include "model/onnx_emit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <set>
#include <unordered_set>

#include "model/domains.hpp"
#include "model/onnx_attributes.hpp"
#include "model/onnx_border.hpp"
#include "model/onnx_tensor.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

using onnx::TensorProto;

constexpr std::size_t worth_packing = 256;  // elements of a constant that is stored in bytes and cast

template <typename Stored>
void put_raw(TensorProto& tensor, const std::vector<std::int32_t>& values) {
    std::string& raw = *tensor.mutable_raw_data();
    raw.resize(values.size() * sizeof(Stored));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto value = static_cast<Stored>(values[i]);
        std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, raw.data() + i * sizeof value);
    }
}

void put_integers(TensorProto& tensor, int type, const std::vector<std::int32_t>& values) {
    tensor.set_data_type(type);
    switch (type) {
        case TensorProto::FLOAT:
            return put_raw<float>(tensor, values);
        case TensorProto::BOOL:
        case TensorProto::INT8:
        case TensorProto::UINT8:
            return put_raw<std::int8_t>(tensor, values);
        case TensorProto::INT16:
        case TensorProto::UINT16:
            return put_raw<std::int16_t>(tensor, values);
        case TensorProto::INT64:
            return put_raw<std::int64_t>(tensor, values);
        default:
            tensor.set_data_type(TensorProto::INT32);
            return put_raw<std::int32_t>(tensor, values);
    }
}

class Emitter {
  public:
    Emitter(const Graph& graph, const EmittedPart& part)
        : graph_(graph), part_(part), annotations_(*model_.mutable_graph()) {
        model_.set_ir_version(8);
        model_.set_producer_name("fard");
        for (const auto& [domain, version] :
             {std::pair{std::string_view(""), written_opset}, std::pair{qonnx_domain, 1}, std::pair{own_domain, 1}}) {
            auto* import = model_.add_opset_import();
            import->set_domain(std::string(domain));
            import->set_version(version);
        }
        for (const auto& tensor : graph.tensors)
            names_.insert(tensor.name);
    }

    std::string run() {
        target().set_name(part_.name);
        for (const auto id : part_.nodes)
            add_node(graph_.nodes[id]);
        for (const auto id : part_.inputs)
            describe_border(*target().add_input(), graph_[id]), annotations_.set_input(graph_[id]);
        for (const auto id : part_.outputs) {
            describe_border(*target().add_output(), graph_[id]);
            annotations_.set_type(graph_[id]);
            annotations_.set_layout(graph_[id]);
        }
        if (graph_.exact_fractions) say_exact_fractions(model_);
        return model_.SerializeAsString();
    }

  private:
    onnx::GraphProto& target() { return *model_.mutable_graph(); }

    std::string fresh(const std::string& hint) {
        auto name = hint;
        while (!names_.insert(name).second)
            name += "_";
        return name;
    }

    onnx::NodeProto& put(const std::string& op, const std::vector<std::string>& inputs,
                         const std::string& output) {
        auto& node = *target().add_node();
        node.set_op_type(op);
        node.set_name(output);
        for (const auto& input : inputs)
            node.add_input(input);
        node.add_output(output);
        return node;
    }

    std::string cast(const std::string& name, const std::string& to, const std::string& output) {
        set(put("Cast", {name}, output), "to", std::int64_t{element_type_of(to)});
        return output;
    }

    void add_constant(TensorId id) {
        if (!constants_.insert(id).second) return;
        const auto& tensor = graph_[id];
        const auto& values = *tensor.constant;
        auto& stored = *target().add_initializer();
        for (const auto extent : tensor.shape)
            stored.add_dims(extent);
        stored.set_name(tensor.name);
        if (values.integers.empty()) {
            stored.set_data_type(TensorProto::FLOAT);
            stored.set_raw_data(values.floats.data(), values.floats.size() * sizeof(float));
            return;
        }
        annotations_.set_type(tensor);
        const auto range = *tensor.range;
        const bool bytes = range.min >= -128 && range.max <= 127;
        if (tensor.declared == "FLOAT32" && bytes && values.integers.size() >= worth_packing) {
            stored.set_name(fresh(tensor.name + "_stored"));
            put_integers(stored, TensorProto::INT8, values.integers);
            cast(stored.name(), "FLOAT32", tensor.name);
        } else {
            put_integers(stored, element_type_of(tensor.declared), values.integers);
        }
    }

    std::string list(const std::string& hint, const std::vector<std::int64_t>& values, const Shape& shape) {
        auto& stored = *target().add_initializer();
        stored.set_name(fresh(hint));
        stored.set_data_type(TensorProto::INT64);
        for (const auto extent : shape)
            stored.add_dims(extent);
        for (const auto value : values)
            stored.add_int64_data(value);
        return stored.name();
    }
    std::string list(const std::string& hint, const std::vector<std::int64_t>& values) {
        return list(hint, values, {static_cast<std::int64_t>(values.size())});
    }
    std::string number(const std::string& hint, double value, const std::string& declared) {
        auto& stored = *target().add_initializer();
        stored.set_name(fresh(hint));
        if (declared == "FLOAT32") {
            stored.set_data_type(TensorProto::FLOAT);
            stored.add_float_data(static_cast<float>(value));
        } else {
            put_integers(stored, element_type_of(declared), {static_cast<std::int32_t>(value)});
        }
        return stored.name();
    }

    // The element type that an operand must have; none: any.
    std::optional<std::string> wanted(const Node& node, std::size_t operand) const {
        constexpr Op mixed[] = {Op::arg_max,  Op::cast,       Op::dequantize,   Op::multi_threshold,
                                Op::quantize, Op::requantize, Op::top_k_indices};
        if (std::ranges::find(mixed, node.op) != std::end(mixed)) return std::nullopt;
        if (node.op == Op::function && node.as<FunctionAttributes>().row->truth) return std::nullopt;
        if ((node.op == Op::lookup && operand == 1) || (node.op == Op::where && operand == 0)) return std::nullopt;
        if (node.op == Op::pairwise && node.as<PairwiseAttributes>().row->truth) {
            const auto &a = graph_[node.inputs[0]], &b = graph_[node.inputs[1]];
            if (a.declared == b.declared) return std::nullopt;
            return a.type.is_integer() && b.type.is_integer() ? "INT32" : "FLOAT32";
        }
        return graph_[node.outputs[0]].declared;
    }

    // The names of a node's operands; those that are of another element type are cast.
    std::vector<std::string> operands(const Node& node) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const auto& tensor = graph_[node.inputs[i]];
            if (tensor.is_constant()) add_constant(node.inputs[i]);
            const auto type = wanted(node, i);
            names.push_back(!type || tensor.declared == *type ? tensor.name
                                                              : cast(tensor.name, *type, fresh(tensor.name + "_cast")));
        }
        return names;
    }

    void add_node(const Node& node) {
        const auto& x = graph_[node.inputs[0]];
        const auto& output = graph_[node.outputs[0]];
        auto inputs = operands(node);
        if (node.op == Op::softmax && node.as<SoftmaxAttributes>().flattened)
            return flattened_softmax(node, inputs[0]);
        const auto& name = output.name;
        if (node.op == Op::reshape) inputs.push_back(list(name + "_shape", output.shape));
        if (node.op == Op::reduce_sum) {
            const auto& axes = node.as<ReduceAttributes>().axes;
            inputs.push_back(list(name + "_axes", {axes.begin(), axes.end()}));
        }
        if (const auto* gather = std::get_if<GatherAttributes>(&node.attributes)) {
            const auto begin = output.shape.begin() + gather->axis;
            const auto rank = output.shape.size() + 1 - x.shape.size();
            inputs.push_back(
                list(name + "_indices", gather->indices, {begin, begin + static_cast<std::ptrdiff_t>(rank)}));
        }
        if (const auto* slice = std::get_if<SliceAttributes>(&node.attributes))
            add_slice(*slice, output, inputs);
        if (const auto* pad = std::get_if<PadAttributes>(&node.attributes)) {
            auto pads = pad->before;
            pads.insert(pads.end(), pad->after.begin(), pad->after.end());
            inputs.push_back(list(name + "_pads", pads));
            if (pad->mode == PadAttributes::Mode::constant)
                inputs.push_back(number(name + "_value", pad->value, output.declared));
        }
        if (const auto* clip = std::get_if<ClipAttributes>(&node.attributes)) {
            inputs.push_back(std::isinf(clip->min) ? "" : number(name + "_min", clip->min, output.declared));
            inputs.push_back(std::isinf(clip->max) ? "" : number(name + "_max", clip->max, output.declared));
            while (inputs.back().empty())
                inputs.pop_back();
        }
        const bool counts = node.op == Op::multi_threshold && output.declared != "FLOAT32";
        const auto result = counts ? fresh(name + "_counts") : name;  // as floats, which is what it makes
        auto& made = put(std::string(name_of(node)), inputs, result);
        made.set_name(node.name);
        write_attributes(made, node, x, output);
        if (counts) cast(result, output.declared, name);
        if (output.type.is_integer()) annotations_.set_type(output);
        annotations_.set_layout(output);
    }

    void add_slice(const SliceAttributes& slice, const Tensor& output, std::vector<std::string>& inputs) {
        std::vector<std::int64_t> ends, axes;
        for (std::size_t i = 0; i < slice.starts.size(); ++i) {
            const auto last = slice.starts[i] + (output.shape[i] - 1) * slice.steps[i];
            const auto end = slice.steps[i] > 0 ? last + 1 : last - 1;
            ends.push_back(end < 0 ? std::numeric_limits<std::int32_t>::min() : end);
            axes.push_back(static_cast<std::int64_t>(i));
        }
        inputs.push_back(list(output.name + "_starts", slice.starts));
        inputs.push_back(list(output.name + "_ends", ends));
        inputs.push_back(list(output.name + "_dimensions", axes));
        inputs.push_back(list(output.name + "_steps", slice.steps));
    }

    // Since opset 13 Softmax is over one dimension alone.
    void flattened_softmax(const Node& node, const std::string& x) {
        const auto& output = graph_[node.outputs[0]];
        const auto axis = node.as<SoftmaxAttributes>().axis;
        const auto flat = fresh(output.name + "_flat"), soft = fresh(output.name + "_soft");
        set(put("Flatten", {x}, flat), "axis", std::int64_t{axis});
        set(put("Softmax", {flat}, soft), "axis", std::int64_t{1});
        put("Reshape", {soft, list(output.name + "_shape", output.shape)}, output.name).set_name(node.name);
    }

    const Graph& graph_;
    const EmittedPart& part_;
    onnx::ModelProto model_;
    Annotations annotations_;
    std::unordered_set<std::string> names_;
    std::set<TensorId> constants_;  // that are written already
};

}  // namespace

Result<std::string> emit_onnx(const Graph& graph, const EmittedPart& part) try {
    return Emitter(graph, part).run();
} catch (const std::exception& error) {
    return fail(Fault::failed, "stage '{}' could not be written ({})", part.name, error.what());
}

}  // namespace fard::model
