#include "runtime/peer/known_nodes.hpp"

#include <fstream>

#include "base/replace_file.hpp"

namespace fard {

namespace {
constexpr const char* file_name = "nodes";
}  // namespace

std::vector<Address> known_nodes(const std::filesystem::path& directory) {
    std::vector<Address> nodes;
    if (directory.empty()) return nodes;
    std::ifstream lines(directory / file_name);
    for (std::string line; std::getline(lines, line);)
        if (auto address = Address::parse(line)) nodes.push_back(std::move(*address));
    return nodes;
}

Result<> write_nodes(const std::filesystem::path& directory, const std::vector<Address>& nodes) {
    std::string text;
    for (const auto& node : nodes)
        text += node.text() + "\n";
    return replace_file(directory / file_name, text);
}

}  // namespace fard
