#include "model/raw_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace fard::model {

void RawTensor::add(std::int64_t value) {
    using Limits = std::numeric_limits<std::int32_t>;
    const auto kept = std::clamp<std::int64_t>(value, Limits::min(), Limits::max());
    if (kept != value && !beyond) beyond = value;
    values.integers.push_back(static_cast<std::int32_t>(kept));
}

std::string RawNode::label() const {
    if (!stands_for.empty()) return stands_for;
    const std::string& shown = !name.empty() ? name : !outputs.empty() ? outputs.front() : name;
    return domain.empty() ? fmt::format("node '{}' ({})", shown, op)
                          : fmt::format("node '{}' ({}::{})", shown, domain, op);
}

const std::string* RawGraph::annotation(const std::string& tensor, const std::string& key) const {
    const auto entry = annotations.find(tensor);
    if (entry == annotations.end()) return nullptr;
    const auto value = entry->second.find(key);
    return value == entry->second.end() ? nullptr : &value->second;
}

}  // namespace fard::model
