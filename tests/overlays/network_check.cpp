#include "tests/overlays/network_check.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/reference.hpp"
#include "tests/overlays/soft_run.hpp"

namespace fard::test {
namespace {

// Within what ONNX allows its operators, and what adding in single precision leaves of a sum whose terms are as large as
// `largest` and cancel out.
bool close(float a, float b, float largest) {
    return a == b || (std::isnan(a) && std::isnan(b)) ||
           std::abs(a - b) <= 1e-7F + 1e-3F * std::abs(b) + 2e-6F * largest;
}

bool agree(const TensorDesc& desc, const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
    if (desc.type.is_integer()) return a == b;
    std::vector<float> left(desc.elements()), right(desc.elements());
    REQUIRE((a.size() == left.size() * sizeof(float) && b.size() == a.size()));
    std::memcpy(left.data(), a.data(), a.size());
    std::memcpy(right.data(), b.data(), b.size());
    float largest = 0;
    for (const float each : right)
        if (std::isfinite(each)) largest = std::max(largest, std::abs(each));
    return std::ranges::equal(left, right, [&](float x, float y) { return close(x, y, largest); });
}

bool agree(const model::Model& model, const Tensors& a, const Tensors& b) {
    const auto descs = model.outputs();
    for (std::size_t i = 0; i < descs.size(); ++i)
        if (!agree(descs[i], a.at(i), b.at(i))) return false;
    return true;
}

std::vector<const soft::Kernels*> rows_here() {
    std::vector<const soft::Kernels*> rows;
    for (const auto& row : soft::kernel_table())
        if (row.runs_here()) rows.push_back(&row);
    return rows;
}

// The stages of a network that is cut at one place, one after the other.
Result<Tensors> run_cut(const model::Model& model, const std::string& place, const soft::Kernels& row,
                        Tensors tensors) {
    const auto stages = model::cut(model, {{place}});
    if (!stages) return fail(stages.error());
    for (const auto& stage : *stages) {
        auto part = model::Model::parse(stage.onnx, "stage");
        if (!part) return fail(part.error());
        if (part->inputs() != stage.inputs || part->outputs() != stage.outputs)
            return fail(Fault::failed, "the stage has other borders");
        auto results = SoftNetwork(*std::move(part), row).run(tensors);
        if (!results) return fail(results.error());
        tensors = *std::move(results);
    }
    return tensors;
}

}  // namespace

bool check_network(const RandomNetwork& network, std::uint32_t seed, Checked& checked) {
    const auto what = fmt::format("seed {}: {}", seed, network.description);
    const auto model = model::Model::parse(network.onnx, "random");
    if (!model) {
        const auto& message = model.error().message;
        const bool too_large = message.find("32 bits") != std::string::npos;
        CHECK_MESSAGE(too_large, what, message);
        return false;
    }
    ++checked.networks;
    std::mt19937 random(seed);
    const auto inputs = random_inputs(*model, random);
    const auto expected = model::run_reference_wire(model->graph(), views(inputs));
    REQUIRE_MESSAGE(expected, what, expected.error().message);
    const auto rows = rows_here();
    Tensors whole;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        SoftNetwork soft(*model, *rows[i], seed % 8 == 0 ? 2 : 1);
        soft.count_kinds(checked.kinds);
        const auto results = soft.run(inputs);
        REQUIRE_MESSAGE(results, rows[i]->name, " ", what, results.error().message);
        CHECK_MESSAGE(agree(*model, *results, *expected), rows[i]->name, " ", what);
        if (i == seed % rows.size()) whole = *results;
    }
    for (const auto& place : model->cut_tensors()) {
        ++checked.cuts;
        const auto results = run_cut(*model, place, *rows[seed % rows.size()], inputs);
        CHECK_MESSAGE(results, "cut at ", place, " ", what, results ? "" : results.error().message);
        if (results) CHECK_MESSAGE(*results == whole, "cut at ", place, " ", what);
    }
    return true;
}

}  // namespace fard::test
