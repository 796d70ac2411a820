#include "model/raw_graph.hpp"

#include <fmt/format.h>

namespace fard::model {

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
