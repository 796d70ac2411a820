#include "model/graph.hpp"

#include <utility>

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

std::string_view name_of(Op op) {
    switch (op) {
        case Op::add:
            return "Add";
        case Op::sub:
            return "Sub";
        case Op::mul:
            return "Mul";
        case Op::div:
            return "Div";
        case Op::average_pool:
            return "AveragePool";
        case Op::batch_normalization:
            return "BatchNormalization";
        case Op::cast:
            return "Cast";
        case Op::concat:
            return "Concat";
        case Op::conv:
            return "Conv";
        case Op::flatten:
            return "Flatten";
        case Op::gemm:
            return "Gemm";
        case Op::global_average_pool:
            return "GlobalAveragePool";
        case Op::identity:
            return "Identity";
        case Op::matmul:
            return "MatMul";
        case Op::max_pool:
            return "MaxPool";
        case Op::multi_threshold:
            return "MultiThreshold";
        case Op::reduce_sum:
            return "ReduceSum";
        case Op::relu:
            return "Relu";
        case Op::reshape:
            return "Reshape";
        case Op::softmax:
            return "Softmax";
        case Op::transpose:
            return "Transpose";
    }
    return "?";
}

TensorDesc wire_desc(const Tensor& tensor) {
    TensorDesc desc{tensor.name, tensor.shape, "", tensor.type, tensor.declared};
    switch (tensor.layout) {
        case Layout::nchw:
            desc.shape = {tensor.shape[0], tensor.shape[2], tensor.shape[3], tensor.shape[1]};
            [[fallthrough]];
        case Layout::nhwc:
            desc.layout = "NHWC";
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
