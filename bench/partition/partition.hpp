// The question that finn-plus gives to its ILP solver (PartitionForMultiFPGA, spring 2026): a row of layers on so many FPGAs of one
// kind in a chain, such that all are filled alike.
//
// Every layer is on one FPGA; layers between two cuts stay together; neighbours are on the same FPGA or on the next one; an FPGA has
// two ports; the first layer is on the first FPGA and the last on the last; none is empty, and none is filled beyond `most_use`. Made
// least is the largest distance of an FPGA: the sum over its resources of how far their use is from `ideal_use`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "splitter/cost/cluster.hpp"
#include "splitter/network.hpp"

namespace fard::partition {

inline constexpr double most_use = 0.85, ideal_use = 0.75;

struct Task {
    std::string name;
    splitter::Network network;  // each layer with one folding; cuts where one tensor passes
    splitter::Board board;
    std::size_t boards = 2;
};

// Behind which cuts FPGAs end, the last one included, and what that is worth.
struct Answer {
    std::vector<std::size_t> ends;
    double distance = 0;
};

struct Solved {
    std::optional<Answer> answer;
    bool proven = false;  // nothing is better, or there is no answer
    double bound = 0;     // no answer is below
    double seconds = 0;   // of the processor
};

// What one FPGA has of the resources that count, of those that its kind has: LUT, FF, BRAM18, DSP.
std::vector<std::size_t> resources_of(const Task& task);
std::int64_t most_of(const Task& task, std::size_t resource);

// Of one FPGA with the layers between two cuts.
class Distances {
  public:
    explicit Distances(const Task& task);
    double of(std::size_t begin, std::size_t end) const;
    double of(const std::vector<std::size_t>& ends) const;  // the largest

  private:
    const Task& task_;
    std::vector<splitter::Resources> before_;  // by cut: what all layers before it take
};

Solved by_search(const Task& task);  // splitter/search
bool has_cbc();
Solved by_cbc(const Task& task, double seconds);  // the ILP, as finn-plus states it; it is stopped after so much of the processor

}  // namespace fard::partition
