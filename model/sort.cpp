#include "model/sort.hpp"

#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace fard::model {
namespace {

using Producers = std::unordered_map<std::string, std::size_t>;  // tensor -> position of its node

Result<Producers> find_producers(const RawGraph& raw, const std::unordered_set<std::string>& given) {
    Producers producers;
    for (std::size_t i = 0; i < raw.nodes.size(); ++i)
        for (const auto& output : raw.nodes[i].outputs) {
            if (output.empty()) continue;
            if (given.contains(output) || !producers.emplace(output, i).second)
                return fail(Fault::corrupt, "{} makes tensor '{}', which exists already",
                            raw.nodes[i].label(), output);
        }
    return producers;
}

// Marks the nodes that the outputs need.
Result<std::vector<bool>> needed_nodes(const RawGraph& raw, const Producers& producers,
                                       const std::unordered_set<std::string>& given) {
    std::vector<bool> needed(raw.nodes.size());
    std::vector<std::size_t> open;
    const auto want = [&](const std::string& tensor, const std::string& reader) -> Result<> {
        if (tensor.empty() || given.contains(tensor)) return {};
        const auto producer = producers.find(tensor);
        if (producer == producers.end())
            return fail(Fault::corrupt, "{} needs tensor '{}', which nothing makes", reader, tensor);
        if (!needed[producer->second]) open.push_back(producer->second);
        needed[producer->second] = true;
        return {};
    };
    for (const auto& output : raw.outputs)
        if (output.name.empty()) return fail(Fault::corrupt, "the graph has an output without a name");
    for (const auto& output : raw.outputs)
        if (auto done = want(output.name, "the graph's output"); !done) return fail(done.error());
    while (!open.empty()) {
        const auto& node = raw.nodes[open.back()];
        open.pop_back();
        for (const auto& input : node.inputs)
            if (auto done = want(input, node.label()); !done) return fail(done.error());
    }
    return needed;
}

}  // namespace

// Kahn's algorithm over the needed nodes; of those that are ready, the first in the file goes first.
Result<std::vector<std::size_t>> sorted_nodes(const RawGraph& raw) {
    std::unordered_set<std::string> given;
    for (const auto& input : raw.inputs)
        given.insert(input.name);
    for (const auto& stored : raw.initializers)
        given.insert(stored.name);
    const auto producers = find_producers(raw, given);
    if (!producers) return fail(producers.error());
    const auto needed = needed_nodes(raw, *producers, given);
    if (!needed) return fail(needed.error());

    std::vector<std::size_t> waiting(raw.nodes.size());  // operands that are not there yet
    std::vector<std::vector<std::size_t>> readers(raw.nodes.size());
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    std::size_t count = 0;
    for (std::size_t i = 0; i < raw.nodes.size(); ++i) {
        if (!(*needed)[i]) continue;
        ++count;
        for (const auto& input : raw.nodes[i].inputs)
            if (const auto producer = producers->find(input); producer != producers->end()) {
                readers[producer->second].push_back(i);
                ++waiting[i];
            }
        if (waiting[i] == 0) ready.push(i);
    }
    std::vector<std::size_t> order;
    while (!ready.empty()) {
        order.push_back(ready.top());
        ready.pop();
        for (const auto reader : readers[order.back()])
            if (--waiting[reader] == 0) ready.push(reader);
    }
    if (order.size() == count) return order;
    for (std::size_t i = 0; i < raw.nodes.size(); ++i)
        if ((*needed)[i] && waiting[i] > 0)
            return fail(Fault::corrupt, "the nodes form a cycle; {} waits for its own result",
                        raw.nodes[i].label());
    return fail(Fault::corrupt, "the nodes form a cycle");
}

}  // namespace fard::model
