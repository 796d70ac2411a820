#include "model/graph.hpp"

#include <utility>

#include "model/tables.hpp"

namespace fard::model {

std::size_t elements(const Shape& shape) {
    std::size_t count = 1;
    for (const auto each : shape)
        count *= static_cast<std::size_t>(each);
    return count;
}

std::int64_t extent(const Shape& shape, std::size_t axis) {
    return axis < shape.size() ? shape[axis] : 1;
}

std::size_t Tensor::elements() const {
    return model::elements(shape);
}

std::string_view name_of(const Node& node) {
    switch (node.op) {
        case Op::add:
            return "Add";
        case Op::sub:
            return "Sub";
        case Op::mul:
            return "Mul";
        case Op::div:
            return "Div";
        case Op::pow:
            return "Pow";
        case Op::arg_max:
            return node.as<ArgMaxAttributes>().smallest ? "ArgMin" : "ArgMax";
        case Op::average_pool:
            return "AveragePool";
        case Op::batch_normalization:
            return "BatchNormalization";
        case Op::cast:
            return "Cast";
        case Op::clip:
            return "Clip";
        case Op::concat:
            return "Concat";
        case Op::conv:
            return "Conv";
        case Op::dequantize:
            return "Dequantize";
        case Op::flatten:
            return "Flatten";
        case Op::function:
            return node.as<FunctionAttributes>().row->name;
        case Op::gather:
            return "Gather";
        case Op::gemm:
            return "Gemm";
        case Op::global_average_pool:
            return "GlobalAveragePool";
        case Op::hard_sigmoid:
            return "HardSigmoid";
        case Op::identity:
            return "Identity";
        case Op::leaky_relu:
            return "LeakyRelu";
        case Op::lookup:
            return "Gather";
        case Op::matmul:
            return "MatMul";
        case Op::max_pool:
            return "MaxPool";
        case Op::multi_threshold:
            return "MultiThreshold";
        case Op::pad:
            return "Pad";
        case Op::pairwise:
            return node.as<PairwiseAttributes>().row->name;
        case Op::quantize:
            return "Quantize";
        case Op::reduce:
            return node.as<ReductionAttributes>().row->name;
        case Op::reduce_mean:
            return "ReduceMean";
        case Op::reduce_sum:
            return "ReduceSum";
        case Op::relu:
            return "Relu";
        case Op::requantize:
            return "Requantize";
        case Op::resample:
            return "Resample";
        case Op::reshape:
            return "Reshape";
        case Op::sigmoid:
            return "Sigmoid";
        case Op::slice:
            return "Slice";
        case Op::softmax:
            return "Softmax";
        case Op::sqrt:
            return "Sqrt";
        case Op::tanh:
            return "Tanh";
        case Op::top_k_indices:
            return "TopKIndices";
        case Op::top_k_values:
            return "TopKValues";
        case Op::transpose:
            return "Transpose";
        case Op::where:
            return "Where";
    }
    return "?";
}

TensorDesc wire_desc(const Tensor& tensor) {
    TensorDesc desc{tensor.name, tensor.shape, "", tensor.type, tensor.declared};
    switch (tensor.layout) {
        case Layout::nchw:
            desc.shape = {tensor.shape[0], tensor.shape[2], tensor.shape[3], tensor.shape[1]};
            desc.layout = "NHWC";
            break;
        case Layout::nhwc:
            desc.layout = "NHWC";
            desc.model_is_nhwc = true;
            break;
        case Layout::nc:
            desc.layout = "NC";
            break;
        case Layout::none:
            break;
    }
    return desc;
}

}  // namespace fard::model
