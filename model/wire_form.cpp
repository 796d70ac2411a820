#include "model/wire_form.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace fard::model {
namespace {

// The position in the graph's order of the element at position `at` of the wire.
class WireOrder {
  public:
    explicit WireOrder(const Tensor& tensor) {
        if (tensor.layout != Layout::nchw) return;
        channels_ = static_cast<std::size_t>(tensor.shape[1]);
        pixels_ = static_cast<std::size_t>(tensor.shape[2] * tensor.shape[3]);
    }

    std::size_t in_graph(std::size_t at) const {
        const auto channel = at % channels_, pixel = at / channels_ % pixels_,
                   image = at / channels_ / pixels_;
        return (image * channels_ + channel) * pixels_ + pixel;
    }

  private:
    std::size_t channels_ = 1, pixels_ = 1;  // the same order
};

template <typename Element>
std::vector<Element> to_wire_order(const Tensor& tensor, const std::vector<Element>& values) {
    const WireOrder order(tensor);
    std::vector<Element> out(values.size());
    for (std::size_t at = 0; at < out.size(); ++at)
        out[at] = values[order.in_graph(at)];
    return out;
}

template <typename Element>
std::vector<Element> from_wire_order(const Tensor& tensor, const std::vector<Element>& wire) {
    const WireOrder order(tensor);
    std::vector<Element> out(wire.size());
    for (std::size_t at = 0; at < out.size(); ++at)
        out[order.in_graph(at)] = wire[at];
    return out;
}

Result<> check_count(const Tensor& tensor, const Values& values) {
    const auto count = tensor.type.is_integer() ? values.integers.size() : values.floats.size();
    if (count == tensor.elements()) return {};
    return fail(Fault::invalid_input, "tensor '{}' has {} elements, not {}", tensor.name, tensor.elements(),
                count);
}

}  // namespace

Result<Values> values_from_wire(const Tensor& tensor, std::span<const std::byte> wire) {
    const auto count = tensor.elements();
    if (wire.size() != tensor.type.wire_bytes(count))
        return fail(Fault::corrupt, "tensor '{}' has {} bytes on the wire, not {}", tensor.name,
                    tensor.type.wire_bytes(count), wire.size());
    Values values;
    if (tensor.type.is_integer()) {
        std::vector<std::int32_t> integers(count);
        if (auto done = unpack(tensor.type, wire, integers); !done)
            return fail_in("tensor '" + tensor.name + "'", done.error());
        values.integers = from_wire_order(tensor, integers);
    } else {
        std::vector<float> floats(count);
        if (count > 0) std::memcpy(floats.data(), wire.data(), wire.size());
        values.floats = from_wire_order(tensor, floats);
    }
    return values;
}

Result<> values_to_wire(const Tensor& tensor, const Values& values, std::span<std::byte> wire) {
    if (auto done = check_count(tensor, values); !done) return done;
    const auto bytes = tensor.type.wire_bytes(tensor.elements());
    if (wire.size() != bytes)
        return fail(Fault::invalid_input, "tensor '{}' takes {} bytes on the wire, not {}", tensor.name,
                    bytes, wire.size());
    if (tensor.type.is_integer()) {
        const auto packed = pack(tensor.type, to_wire_order(tensor, values.integers), wire);
        if (!packed) return fail_in("tensor '" + tensor.name + "'", packed.error());
        return {};
    }
    const auto floats = to_wire_order(tensor, values.floats);
    std::memcpy(wire.data(), floats.data(), bytes);
    return {};
}

}  // namespace fard::model
