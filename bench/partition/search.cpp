#include <algorithm>
#include <cmath>
#include <ctime>

#include "bench/partition/partition.hpp"
#include "splitter/search/labels.hpp"

namespace fard::partition {

using namespace splitter;

std::vector<std::size_t> resources_of(const Task& task) {
    std::vector<std::size_t> found;
    for (const std::size_t resource : {0, 1, 2, 4})
        if (task.board.whole.of[resource] > 0) found.push_back(resource);
    return found;
}

std::int64_t most_of(const Task& task, std::size_t resource) {
    return static_cast<std::int64_t>(std::floor(static_cast<double>(task.board.whole.of[resource]) * most_use + 1e-6));
}

Distances::Distances(const Task& task) : task_(task) {
    Resources sum;
    std::size_t layer = 0;
    for (const auto& cut : task.network.cuts) {
        for (; layer < cut.layers; ++layer)
            sum += task.network.layers[layer].foldings.front().need;
        before_.push_back(sum);
    }
}

double Distances::of(std::size_t begin, std::size_t end) const {
    const auto need = before_[end] - before_[begin];
    double distance = 0;
    for (const auto resource : resources_of(task_))
        distance += std::abs(static_cast<double>(need.of[resource]) / static_cast<double>(task_.board.whole.of[resource]) - ideal_use);
    return distance;
}

double Distances::of(const std::vector<std::size_t>& ends) const {
    double largest = 0;
    std::size_t begin = 0;
    for (const auto end : ends) {
        largest = std::max(largest, of(begin, end));
        begin = end;
    }
    return largest;
}

Solved by_search(const Task& task) {
    const auto start = std::clock();
    Cluster cluster;
    auto board = task.board;
    board.usable = {};
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        board.usable.of[i] = most_of(task, i);
    board.slots = 1;
    cluster.boards.assign(task.boards, board);
    cluster.client = board.way;
    Problem problem(task.network, cluster);
    const Distances distances(task);
    Question question;
    question.least = Question::Least::worst;
    question.of_stage = [&](std::size_t begin, std::size_t end) { return distances.of(begin, end); };
    question.stages = task.boards;
    const auto found = search_labels(problem, question);
    Solved solved;
    solved.proven = found.complete;
    if (found.plan) {
        auto& answer = solved.answer.emplace();
        for (const auto& stage : found.plan->stages)
            answer.ends.push_back(stage.end);
        answer.distance = distances.of(answer.ends);
        solved.bound = found.complete ? answer.distance : 0;
    }
    solved.seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    return solved;
}

}  // namespace fard::partition
