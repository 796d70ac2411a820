// Small and large problems of a seed, for searches.
#pragma once

#include <cstdint>
#include <random>

#include "splitter/cost/cluster.hpp"
#include "splitter/network.hpp"

namespace fard {

struct RandomProblem {
    splitter::Network network;
    splitter::Cluster cluster;
};

// Chains and series-parallel graphs of at most 7 layers with at most 3 foldings each, for at most 3 boards of several kinds
// and 4 slots. Some have layers for processors only, some an input or a result on a board.
RandomProblem small_problem(std::uint32_t seed);

// A chain or series-parallel graph of three or four layers with at most 3 foldings each, for two boards of one or two kinds that hold
// one stage each and load another in a while. Most need more stages than two.
RandomProblem turning_problem(std::uint32_t seed);

// A chain or series-parallel graph of so many layers, each with foldings as a matrix unit has them, for boards of so many
// kinds, each with its own rate.
RandomProblem large_problem(std::uint32_t seed, std::size_t layers, std::size_t boards, std::size_t kinds);

}  // namespace fard
