// Operators that differ in their function alone: one row each. Whoever reads, computes, bounds, writes or compiles one takes
// what differs from its row.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "model/graph.hpp"

namespace fard::model {

// Functions of one element, in double.
struct FunctionRow {
    std::string_view name;
    double (*of)(double x, double alpha, double beta);
    void (*of_each)(const double* x, double* y, std::size_t count, double alpha, double beta);
    int direction = 0;                      // 1: never falls, -1: never rises; 0: neither, or not a number somewhere
    Range (*integers)(Range x) = nullptr;   // of what integers become, where that are integers
    std::string_view first = {}, second = {};  // the attributes that alpha and beta are
    double alpha = 0, beta = 0;             // without these attributes
    int since = 1;                          // the opset that has it; own_opset: none
    bool truth = false;                     // yields BOOL
};

// Functions of two elements, broadcast.
struct PairwiseRow {
    std::string_view name;
    double (*of)(double a, double b);
    void (*of_each)(const double* a, const double* b, double* y, std::size_t count);
    std::optional<Range> (*integers)(Range a, Range b) = nullptr;
    int since = 1;
    bool truth = false;
};

// Over whole dimensions: total = start; total = add(total, x) for each element in its order; end(total).
struct ReductionRow {
    std::string_view name;
    double start;
    double (*add)(double total, double x);
    double (*fold)(double total, const double* x, std::size_t count);        // of a row of elements
    void (*add_each)(double* totals, const double* x, std::size_t count);    // to each total one
    double (*end)(double total);
    std::optional<Range> (*integers)(Range x, std::int64_t count) = nullptr;
    bool picks = false;  // its result is one of the elements, whatever rising function these are put through
};

inline constexpr int own_opset = 1000;

std::span<const FunctionRow> function_rows();
std::span<const PairwiseRow> pairwise_rows();
std::span<const ReductionRow> reduction_rows();

// nullptr: no row of that name.
const FunctionRow* find_function(std::string_view name);
const PairwiseRow* find_pairwise(std::string_view name);
const ReductionRow* find_reduction(std::string_view name);

}  // namespace fard::model
