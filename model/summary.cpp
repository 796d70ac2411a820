#include "model/summary.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace fard::model {
namespace {

using Row = std::vector<std::string>;

constexpr std::size_t first_number = 4;  // column; numbers stand to the right
constexpr std::size_t numbers_end = 7;

std::string lines(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool number = i >= first_number && i < numbers_end;
            line += fmt::format(fmt::runtime(number ? "{:>{}}  " : "{:<{}}  "), row[i], widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::int64_t multiply_accumulates(const Graph& graph, const Node& node) {
    const auto results = static_cast<std::int64_t>(graph[node.outputs[0]].elements());
    const auto& first = graph[node.inputs[0]].shape;
    if (node.op == Op::conv) {
        const auto& weights = graph[node.inputs[1]].shape;
        return results * weights[1] * weights[2] * weights[3];
    }
    if (node.op == Op::gemm) return results * (node.as<GemmAttributes>().transpose_a ? first[0] : first[1]);
    return node.op == Op::matmul ? results * first.back() : 0;
}

std::int64_t parameters(const Graph& graph, const Node& node) {
    std::int64_t count = 0;
    for (const auto id : node.inputs)
        if (graph[id].is_constant()) count += static_cast<std::int64_t>(graph[id].elements());
    return count;
}

std::string grouped(std::int64_t number) {
    std::string digits = std::to_string(number);
    for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
        digits.insert(static_cast<std::size_t>(i), 1, ',');
    return digits;
}

std::uint64_t parameter_bytes(const Graph& graph) {
    std::uint64_t bytes = 0;
    for (const auto& tensor : graph.tensors)
        if (tensor.is_constant()) bytes += wire_desc(tensor).wire_bytes();
    return bytes;
}

std::string layer_table(const Graph& graph, const std::vector<std::string>& cuts) {
    std::vector<Row> rows{{"layer", "operator", "result", "type", "bytes", "parameters", "MACs", "cut"}};
    std::int64_t all_parameters = 0, all_macs = 0;
    const std::unordered_set<std::string_view> places(cuts.begin(), cuts.end());
    for (const auto& node : graph.nodes) {
        const auto& result = graph[node.outputs[0]];
        const auto own = parameters(graph, node), macs = multiply_accumulates(graph, node);
        const bool is_cut = places.contains(result.name);
        rows.push_back({node.name, std::string(name_of(node)), fmt::format("{}", fmt::join(result.shape, "x")),
                        result.type.name(), grouped(static_cast<std::int64_t>(wire_desc(result).wire_bytes())),
                        grouped(own), grouped(macs), is_cut ? result.name : ""});
        all_parameters += own;
        all_macs += macs;
    }
    rows.push_back({fmt::format("{} layers", graph.nodes.size()), "", "", "", "", grouped(all_parameters),
                    grouped(all_macs), fmt::format("{} cuts", cuts.size())});
    return lines(rows);
}

}  // namespace fard::model
