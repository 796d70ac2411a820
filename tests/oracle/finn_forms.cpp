// Writes stages of a network and their forms in FINN, for tests/oracle/finn_forms.py: for each range of layers between two
// legal cuts that it picks, NUMBER.stage.onnx, and NUMBER.finn.onnx or NUMBER.refused with the reason. A first line of
// NUMBER.border says how the form's borders differ: "channels_first" or "channels_last".
//   finn-forms MODEL DIRECTORY
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "model/layers/cuts.hpp"
#include "model/layers/finn_form.hpp"
#include "model/layers/subgraph.hpp"

using namespace fard;
using namespace fard::model;

namespace {

void write(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
}

// Every layer by itself, then twos, threes and fives, halves, the whole, and the whole without its first and last layer.
std::set<std::pair<std::size_t, std::size_t>> ranges_of(const LayerView& view) {
    std::vector<std::size_t> begins{0};
    for (const auto& cut : legal_cuts(view))
        if (cut.tensors.size() == 1) begins.push_back(cut.after + 1);
    begins.push_back(view.layers.size());
    std::set<std::pair<std::size_t, std::size_t>> ranges;
    const auto count = begins.size() - 1;
    const auto add = [&](std::size_t from, std::size_t to) {
        if (from < to && to <= count) ranges.emplace(begins[from], begins[to] - 1);
    };
    for (const std::size_t length : {1, 2, 3, 5})
        for (std::size_t i = 0; i < count; i += length)
            add(i, std::min(i + length, count));
    add(0, count / 2), add(count / 2, count), add(0, count), add(1, count - 1);
    return ranges;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const auto model = Model::load(argv[1]);
    if (!model) {
        std::cerr << model.error().message << "\n";
        return 1;
    }
    const std::filesystem::path directory(argv[2]);
    const auto view = layers_of(model->graph());
    std::size_t number = 0;
    for (const auto& [first, last] : ranges_of(view)) {
        const auto name = fmt::format("{:03}", number++);
        const auto graph = subgraph(model->graph(), part_of(view, first, last, "stage_" + name));
        const auto stage = stage_of(graph);
        if (!stage) {
            std::cerr << stage.error().message << "\n";
            return 1;
        }
        write(directory / (name + ".stage.onnx"), stage->onnx);
        const auto form = finn_form(graph);
        if (!form) {
            write(directory / (name + ".refused"), form.error().message);
            continue;
        }
        write(directory / (name + ".finn.onnx"), form->onnx);
        write(directory / (name + ".border"), form->channels_first ? "channels_first" : "channels_last");
    }
}
