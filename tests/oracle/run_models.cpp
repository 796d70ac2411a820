// Runs models for tests/oracle/compare.py, many in one process: for each path of an ONNX file that it reads from its
// standard input, it takes chunks from PATH.in and leaves what every way of computing them gives in PATH.out. Arrays are in
// the order and the shape that the model declares.
#include <fmt/ranges.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "client/tensor_forms.hpp"
#include "model/build.hpp"
#include "model/expand.hpp"
#include "model/layers/finn_units.hpp"
#include "model/onnx_file.hpp"
#include "model/reference.hpp"
#include "tests/oracle/part_ways.hpp"
#include "tests/overlays/soft_run.hpp"

namespace fard::test {
namespace {

using Chunks = std::vector<Tensors>;

Result<std::string> read_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::stringstream bytes;
    bytes << stream.rdbuf();
    if (!stream) return fail(Fault::io, "{}: cannot be read", path);
    return bytes.str();
}

// The chunks of PATH.in: float32 elements of all inputs in turn.
Result<Chunks> read_chunks(const std::vector<TensorDesc>& inputs, const std::string& bytes) {
    Chunks chunks;
    auto rest = std::as_bytes(std::span(bytes));
    while (!rest.empty()) {
        Tensors chunk;
        for (const auto& desc : inputs) {
            const auto size = desc.elements() * sizeof(float);
            if (rest.size() < size) return fail(Fault::corrupt, "the chunks are cut short");
            chunk.emplace_back(desc.wire_bytes());
            if (auto done = wire_from_array(desc, NpyType::f4, rest.first(size), chunk.back()); !done)
                return fail(done.error());
            rest = rest.subspan(size);
        }
        chunks.push_back(std::move(chunk));
    }
    return chunks;
}

template <typename Number>
void put(std::string& out, Number number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put_text(std::string& out, const std::string& text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}

Result<> put_tensor(std::string& out, const TensorDesc& desc, std::span<const std::byte> wire) {
    const auto type = declared_type(desc);
    const auto array = declared_from_wire(desc, wire);
    if (!type) return fail(type.error());
    if (!array) return fail(array.error());
    put_text(out, std::string(name_of(*type)));
    const auto shape = declared_shape(desc);
    put(out, static_cast<std::uint32_t>(shape.size()));
    for (const auto extent : shape)
        put(out, extent);
    out.append(reinterpret_cast<const char*>(array->data()), array->size());
    return {};
}

// One way of computing: a name, then for each chunk its tensors; or why there are none.
template <typename Run>
std::string results(const std::string& name, const std::vector<TensorDesc>& outputs, const Chunks& chunks,
                    Run run) {
    std::string good, failed;
    put_text(good, name), put_text(failed, name);
    put_text(good, "");
    for (const auto& chunk : chunks) {
        Result<Tensors> made = run(chunk);
        Result<> written = made ? Result<>() : fail(made.error());
        for (std::size_t i = 0; written && i < outputs.size(); ++i)
            written = put_tensor(good, outputs[i], (*made)[i]);
        if (written) continue;
        put_text(failed, written.error().message);
        return failed;
    }
    return good;
}

// The network as the file has it: typed, but before any pass.
Result<model::Graph> before_passes(const std::string& onnx) {
    const auto file = model::OnnxFile::parse(onnx, "drawn", std::nullopt);
    if (!file) return fail(file.error());
    auto raw = file->read();
    if (!raw) return fail(raw.error());
    if (const auto expanded = model::expand_operators(*raw); !expanded) return fail(expanded.error());
    auto draft = model::build_graph(*std::move(raw));
    if (!draft) return fail(draft.error());
    model::drop_unneeded(*draft);
    return std::move(draft->graph);
}

std::vector<std::string> names_of(const model::Graph& graph, const std::vector<model::TensorId>& tensors) {
    std::vector<std::string> names;
    for (const auto id : tensors)
        names.push_back(graph[id].name);
    return names;
}

// The stages of a network that is cut at one place, one after the other, each read again from its bytes.
Result<Tensors> run_cut(const std::vector<model::Stage>& stages, Tensors tensors) {
    for (const auto& stage : stages) {
        const auto part = model::Model::parse(stage.onnx, "stage");
        if (!part) return fail(part.error());
        if (part->inputs() != stage.inputs || part->outputs() != stage.outputs)
            return fail(Fault::failed, "stage {} takes{} and makes{}, but promises{} and{}",
                        &stage - stages.data(), shown(part->inputs()), shown(part->outputs()),
                        shown(stage.inputs), shown(stage.outputs));
        auto made = model::run_reference_wire(part->graph(), views(tensors));
        if (!made) return fail(made.error());
        tensors = *std::move(made);
    }
    return tensors;
}

void append_cuts(std::vector<std::string>& ways, const model::Model& model, const Chunks& chunks,
                 std::size_t number) {
    const auto view = model::layers_of(model.graph());
    for (const auto flow : {model::FinnFlow::early, model::FinnFlow::main, model::FinnFlow::dev})
        for (const auto& unit : model::finn_units(view, {flow, number % 2 == 0}).units)
            if (!model::read_finn_name(name_of(unit, flow))) std::abort();
    if (const auto thresholds = check_thresholds(view); !thresholds)
        ways.push_back(results("thresholds", {}, chunks, [&](const Tensors&) -> Result<Tensors> { return fail(thresholds.error()); }));
    const auto places = model::legal_cuts(view, model::CutInside::before_activations);
    std::vector<std::vector<std::vector<std::string>>> cuts{{}};  // the whole network as a stage, and every legal cut
    for (const auto& place : places)
        cuts.push_back({names_of(model.graph(), place.tensors)});
    for (const auto& cut : cuts) {
        const auto stages = model::cut(model, cut);
        const auto name = fmt::format("cut at {}", cut.empty() ? "nothing" : fmt::format("{}", fmt::join(cut[0], ", ")));
        ways.push_back(results(name, model.outputs(), chunks, [&](const Tensors& chunk) -> Result<Tensors> {
            if (!stages) return fail(stages.error());
            return run_cut(*stages, chunk);
        }));
    }
    if (places.empty()) return;
    const auto& place = places[number % places.size()];
    if (place.before_activation) return;
    const auto name = fmt::format("parts at {}", fmt::join(names_of(model.graph(), place.tensors), ", "));
    ways.push_back(results(name, model.outputs(), chunks,
                           [&](const Tensors& chunk) { return run_parts(view, place, chunk, 2 + number % 3); }));
    if (!chunks.empty() && run_finn_forms(view, place, chunks[0]))
        ways.push_back(results("FINN's form, " + name, model.outputs(), chunks,
                               [&](const Tensors& chunk) { return *run_finn_forms(view, place, chunk); }));
}

Result<std::string> run_model(const std::string& path, std::size_t number) {
    const auto onnx = read_file(path);
    const auto bytes = read_file(path + ".in");
    if (!onnx) return fail(onnx.error());
    if (!bytes) return fail(bytes.error());
    const auto model = model::Model::parse(*onnx, "drawn");
    if (!model) return fail(model.error());
    const auto chunks = read_chunks(model->inputs(), *bytes);
    if (!chunks) return fail(chunks.error());
    std::vector<std::string> ways;
    const auto reference = [](const model::Graph& graph) {
        return [&graph](const Tensors& chunk) { return model::run_reference_wire(graph, views(chunk)); };
    };
    ways.push_back(results("reference", model->outputs(), *chunks, reference(model->graph())));
    const auto before = before_passes(*onnx);
    if (!before) return fail(before.error());
    std::vector<TensorDesc> outputs;
    for (const auto id : before->outputs)
        outputs.push_back(wire_desc((*before)[id]));
    ways.push_back(results("before", outputs, *chunks, reference(*before)));
    std::vector<const soft::Kernels*> rows;
    for (const auto& row : soft::kernel_table())
        if (row.runs_here()) rows.push_back(&row);
    SoftNetwork soft(*model, *rows[number % rows.size()], number % 16 == 0 ? 2 : 1);
    ways.push_back(
        results("soft", model->outputs(), *chunks, [&](const Tensors& chunk) { return soft.run(chunk); }));
    append_cuts(ways, *model, *chunks, number);
    std::string out = "done";
    put(out, static_cast<std::uint32_t>(ways.size()));
    for (const auto& way : ways)
        out += way;
    return out;
}

}  // namespace
}  // namespace fard::test

int main() {
    std::string path;
    for (std::size_t number = 0; std::getline(std::cin, path); ++number) {
        const auto out = fard::test::run_model(path, number);
        std::ofstream(path + ".out", std::ios::binary) << (out ? *out : "fail" + out.error().message);
        std::cout << path << std::endl;
    }
}
