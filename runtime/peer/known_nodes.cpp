#include "runtime/peer/known_nodes.hpp"

#include <sstream>

#include "base/read_file.hpp"
#include "base/replace_file.hpp"

namespace fard {

namespace {
constexpr const char* file_name = "nodes";
constexpr std::size_t most_bytes = 4u << 20;
}  // namespace

std::vector<Address> known_nodes(const std::filesystem::path& directory) {
    std::vector<Address> nodes;
    if (directory.empty()) return nodes;
    const auto text = read_whole_file(directory / file_name, most_bytes);
    if (!text) return nodes;
    std::istringstream lines(*text);
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
