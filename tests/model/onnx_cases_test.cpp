// ONNX's own test cases of the operators that fard runs (Debian's libonnx-testdata), through the reference interpreter
// and the soft device. model/README.md says how many of how many pass.
#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "model/expand.hpp"
#include "model/onnx_tensor.hpp"
#include "model/operators.hpp"
#include "model/reference.hpp"
#include "model/wire_form.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

namespace fs = std::filesystem;

// Cases that do not pass, and why. A name that ends in * stands for all that begin so.
const std::vector<std::pair<std::string, std::string>> excluded{
    {"add_uint8", "integers that wrap around"},
    {"sub_uint8", "integers that wrap around"},
    {"mul_uint8", "integers that wrap around"},
    {"pow_types_float32_uint64", "64-bit integers as data"},
    {"pow_types_float", "powers of integers"},
    {"pow_types_int32_*", "powers of integers"},
    {"pow_types_int64_*", "powers of integers"},
    {"reshape_allowzero_reordered", "tensors without elements"},
    {"slice_start_out_of_bounds", "tensors without elements"},
    {"convtranspose_3d", "a transposed convolution of three spatial dimensions"},
    {"split_zero_size_splits", "tensors without elements"},
    {"tril_zero", "tensors without elements"},
    {"triu_zero", "tensors without elements"},
    {"einsum_*", "double floats as data"},
    {"reduce_log_sum_exp_*", "double floats as data"},
    {"max_float64", "double floats as data"},
    {"min_float64", "double floats as data"},
    {"mod_mixed_sign_float64", "double floats as data"},
    {"max_float16", "half floats as data"},
    {"min_float16", "half floats as data"},
    {"mod_mixed_sign_float16", "half floats as data"},
    {"max_uint32", "unsigned integers of 32 bits"},
    {"min_uint32", "unsigned integers of 32 bits"},
    {"mod_uint32", "unsigned integers of 32 bits"},
    {"max_uint64", "64-bit integers as data"},
    {"min_uint64", "64-bit integers as data"},
    {"mod_uint64", "64-bit integers as data"},
    {"maxpool_with_argmax_2d_*", "the second result of MaxPool"},
    {"batchnorm_*_training_mode", "training mode"},
    {"training_dropout*", "training mode"},
    {"dropout_default_mask*", "the second result of Dropout"},
    {"cast*", "half, double and bfloat16 floats, and strings"},
    {"identity_opt", "an optional"},
    {"identity_sequence", "a sequence"},
    {"constant", "a result that depends on no data"},
    {"constantofshape_*", "a result that depends on no data"},
    {"range_*", "a result that depends on no data"},
    {"blackmanwindow_*expanded", "integers that may leave 32 bits"},
    {"hammingwindow_*expanded", "integers that may leave 32 bits"},
    {"hannwindow_*expanded", "integers that may leave 32 bits"},
    {"dynamicquantizelinear_*expanded", "a scale that is computed, outside of DynamicQuantizeLinear"},
    {"layer_normalization_2d_axis0_expanded", "tensors without elements"},
    {"layer_normalization_3d_axis0_epsilon_expanded", "tensors without elements"},
    {"layer_normalization_4d_axis0_expanded", "tensors without elements"},
    {"layer_normalization_2d_axis_negative_2_expanded", "tensors without elements"},
    {"layer_normalization_3d_axis_negative_3_epsilon_expanded", "tensors without elements"},
    {"layer_normalization_4d_axis_negative_4_expanded", "tensors without elements"},
    {"shape*", "a result that depends on no data"},
    {"size*", "a result that depends on no data"},
};

bool matches(const std::string& pattern, const std::string& name) {
    const auto star = pattern.find('*');
    if (star == std::string::npos) return pattern == name;
    const auto tail = pattern.substr(star + 1);
    return name.starts_with(pattern.substr(0, star)) && name.ends_with(tail);
}

const std::string* reason(const std::string& name) {
    for (const auto& [pattern, why] : excluded)
        if (matches(pattern, name)) return &why;
    return nullptr;
}

std::string read_bytes(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    REQUIRE_MESSAGE(stream, file.string());
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<onnx::TensorProto> read_tensors(const fs::path& directory, const std::string& kind) {
    std::vector<onnx::TensorProto> tensors;
    for (int i = 0; fs::exists(directory / fmt::format("{}_{}.pb", kind, i)); ++i)
        if (!tensors.emplace_back().ParseFromString(read_bytes(directory / fmt::format("{}_{}.pb", kind, i))))
            return {};
    return tensors;
}

struct TestCase {
    std::string name;
    onnx::ModelProto model;
    std::vector<onnx::TensorProto> inputs, outputs;
};

bool is_listed(const onnx::NodeProto& node) {
    static const auto names = supported_operators();
    return std::ranges::binary_search(names, node.op_type());
}

std::vector<TestCase> read_cases(const fs::path& directory) {
    std::set<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(directory))
        folders.insert(entry.path());
    std::vector<TestCase> cases;
    for (const auto& folder : folders) {
        TestCase read{folder.filename().string().substr(5), {}, {}, {}};
        REQUIRE(read.model.ParseFromString(read_bytes(folder / "model.onnx")));
        if (!std::ranges::all_of(read.model.graph().node(), is_listed)) continue;
        read.inputs = read_tensors(folder / "test_data_set_0", "input");
        read.outputs = read_tensors(folder / "test_data_set_0", "output");
        cases.push_back(std::move(read));
    }
    return cases;
}

// Weights, scales, shapes and the like are constants in real networks; the cases have them as inputs.
void freeze_parameters(TestCase& read) {
    auto& graph = *read.model.mutable_graph();
    for (std::size_t i = 1; i < read.inputs.size(); ++i) {
        auto& stored = *graph.add_initializer();
        stored = read.inputs[i];
        stored.set_name(graph.input(static_cast<int>(i)).name());
    }
    read.inputs.resize(std::min<std::size_t>(read.inputs.size(), 1));
}

std::vector<double> as_numbers(const onnx::TensorProto& tensor) {
    const auto read = read_tensor(tensor);
    REQUIRE_MESSAGE(read, read.error().message);
    return numbers(read->values);
}

// ONNX's own tolerances for fractions; none for integers.
bool agree(const std::vector<double>& got, const std::vector<double>& wanted, bool integers) {
    if (got.size() != wanted.size()) return false;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double allowed = integers ? 0 : 1e-7 + 1e-3 * std::abs(wanted[i]);
        if (!(got[i] == wanted[i] || std::abs(got[i] - wanted[i]) <= allowed)) return false;
    }
    return true;
}

Result<std::vector<Values>> run_soft(const Model& model, const std::vector<Values>& inputs) {
    const auto owner = std::make_shared<const Model>(model);
    const auto& graph = owner->graph();
    soft::Plan plan(soft::compile({owner, &graph}, *soft::select_kernels()));
    std::vector<std::vector<std::byte>> in, out;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        in.emplace_back(owner->inputs()[i].wire_bytes());
        if (auto done = values_to_wire(graph[graph.inputs[i]], inputs[i], in.back()); !done)
            return fail(done.error());
    }
    for (const auto& desc : owner->outputs())
        out.emplace_back(desc.wire_bytes());
    const std::vector<std::span<const std::byte>> from(in.begin(), in.end());
    const std::vector<std::span<std::byte>> to(out.begin(), out.end());
    if (auto done = plan.load(from); !done) return fail(done.error());
    if (auto done = plan.run(); !done) return fail(done.error());
    if (auto done = plan.store(to); !done) return fail(done.error());
    std::vector<Values> results;
    for (std::size_t i = 0; i < out.size(); ++i) {
        auto values = values_from_wire(graph[graph.outputs[i]], out[i]);
        if (!values) return fail(values.error());
        results.push_back(*std::move(values));
    }
    return results;
}

Result<> compare(const Graph& graph, const std::vector<Values>& results, const TestCase& wanted,
                 const char* device) {
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto& tensor = graph[graph.outputs[i]];
        if (!agree(numbers(results[i]), as_numbers(wanted.outputs[i]), tensor.declared != "FLOAT32"))
            return fail(Fault::failed, "{}: '{}' differs", device, tensor.name);
    }
    return {};
}

Result<> check(TestCase read) {
    auto model = Model::parse(read.model.SerializeAsString(), read.name);
    if (!model) {
        freeze_parameters(read);
        model = Model::parse(read.model.SerializeAsString(), read.name);
    }
    if (!model) return fail(model.error());
    const auto& graph = model->graph();
    if (graph.inputs.size() != read.inputs.size())
        return fail(Fault::failed, "{} inputs", graph.inputs.size());
    std::vector<Values> inputs;
    for (std::size_t i = 0; i < read.inputs.size(); ++i)
        inputs.push_back(values_for(graph[graph.inputs[i]], as_numbers(read.inputs[i])));
    const auto reference = run_reference(graph, inputs);
    if (!reference) return fail(reference.error());
    if (auto done = compare(graph, *reference, read, "reference"); !done) return done;
    const auto soft = run_soft(*model, inputs);
    if (!soft) return fail(soft.error());
    return compare(graph, *soft, read, "soft");
}

}  // namespace

TEST_CASE("ONNX's operator test cases") {
    const char* named = std::getenv("FARD_ONNX_CASES");
    const fs::path directory = named != nullptr ? named : "/usr/share/libonnx-testdata/data/node";
    if (!fs::exists(directory)) {
        MESSAGE("skipped: ", directory.string(), " is not there");
        return;
    }
    std::size_t all = 0, passed = 0;
    for (auto& each : read_cases(directory)) {
        ++all;
        const auto name = each.name;
        const auto* why = reason(name);
        const auto done = check(std::move(each));
        passed += done.has_value();
        CHECK_MESSAGE(done.has_value() == (why == nullptr), name, ": ",
                      done ? "passes" : done.error().message);
    }
    MESSAGE(passed, " of ", all, " pass");
    CHECK(all > 600);
}
