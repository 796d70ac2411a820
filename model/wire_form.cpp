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

// Calls `use` with a value of the C++ type of a declared element type. Errors: unsupported.
template <typename Use>
auto with_declared(std::string_view declared, Use use) -> decltype(use(float{})) {
    if (declared == "FLOAT32") return use(float{});
    if (declared == "INT8") return use(std::int8_t{});
    if (declared == "UINT8") return use(std::uint8_t{});
    if (declared == "INT16") return use(std::int16_t{});
    if (declared == "UINT16") return use(std::uint16_t{});
    if (declared == "INT32") return use(std::int32_t{});
    if (declared == "INT64") return use(std::int64_t{});
    return fail(Fault::unsupported, "'{}' is not an element type that fard stores", declared);
}

template <typename Stored>
Result<Values> read_array(const Tensor& tensor, std::span<const std::byte> array) {
    const auto count = tensor.elements();
    if (array.size() != count * sizeof(Stored))
        return fail(Fault::invalid_input, "tensor '{}' needs {} elements of {} ({} bytes), and got {} bytes",
                    tensor.name, count, tensor.declared, count * sizeof(Stored), array.size());
    Values values;
    for (std::size_t i = 0; i < count; ++i) {
        Stored value;
        std::memcpy(&value, array.data() + i * sizeof(Stored), sizeof(Stored));
        if (!tensor.type.is_integer()) {
            values.floats.push_back(static_cast<float>(value));
            continue;
        }
        const auto number = static_cast<double>(value);
        const bool bipolar_zero = tensor.type == DataType::bipolar() && number == 0;
        if (!(number >= static_cast<double>(tensor.type.min()) &&
              number <= static_cast<double>(tensor.type.max())) ||
            number != std::rint(number) || bipolar_zero)
            return fail(Fault::invalid_input, "tensor '{}' cannot hold {} (element {}): its type is {}",
                        tensor.name, number, i, tensor.type.name());
        values.integers.push_back(static_cast<std::int32_t>(number));
    }
    return values;
}

template <typename Stored>
std::vector<std::byte> write_array(const Values& values) {
    std::vector<Stored> array;
    if (!values.integers.empty())
        for (const auto value : values.integers)
            array.push_back(static_cast<Stored>(value));
    else
        for (const auto value : values.floats)
            array.push_back(static_cast<Stored>(value));
    const auto bytes = std::as_bytes(std::span(array));
    return {bytes.begin(), bytes.end()};
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

Result<std::size_t> declared_bytes(std::string_view declared) {
    return with_declared(declared, [](auto element) -> Result<std::size_t> { return sizeof(element); });
}

Result<Values> values_from_declared(const Tensor& tensor, std::span<const std::byte> array) {
    return with_declared(tensor.declared, [&](auto element) -> Result<Values> {
        return read_array<decltype(element)>(tensor, array);
    });
}

Result<std::vector<std::byte>> values_to_declared(const Tensor& tensor, const Values& values) {
    if (auto done = check_count(tensor, values); !done) return fail(done.error());
    return with_declared(tensor.declared, [&](auto element) -> Result<std::vector<std::byte>> {
        return write_array<decltype(element)>(values);
    });
}

Result<std::vector<std::byte>> wire_to_declared(const Tensor& tensor, std::span<const std::byte> wire) {
    const auto values = values_from_wire(tensor, wire);
    if (!values) return fail(values.error());
    return values_to_declared(tensor, *values);
}

Result<std::vector<std::byte>> declared_to_wire(const Tensor& tensor, std::span<const std::byte> array) {
    const auto values = values_from_declared(tensor, array);
    if (!values) return fail(values.error());
    std::vector<std::byte> wire(tensor.type.wire_bytes(tensor.elements()));
    if (auto done = values_to_wire(tensor, *values, wire); !done) return fail(done.error());
    return wire;
}

}  // namespace fard::model
