// From a model to what the search sees of it, and back to names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/layers/cuts.hpp"
#include "model/model.hpp"
#include "splitter/cost/cluster.hpp"
#include "splitter/estimates/folding_file.hpp"
#include "splitter/estimates/options.hpp"

namespace fard::splitter {

struct DescribeSettings {
    OptionSettings estimates;
    bool processors = false;            // no board has a fabric: processors compute every layer
    bool dsp48e1 = false;               // for a board of the 7 series
    const FoldingFile* folding = nullptr;  // every layer as this says; outlives the call
    std::string folding_name;              // for messages
    const ReportFile* report = nullptr;    // what units of that folding took in a build; outlives the call
    std::string report_name;
};

// A network and where its parts come from. Layers, their foldings and cuts have the numbers of `network`.
struct Description {
    Network network;
    std::vector<std::vector<LayerOption>> options;        // by layer, as its foldings
    std::vector<std::vector<model::FinnUnit>> units;      // by layer
    std::vector<model::Layer> layers;                     // as the view has them
    // By layer, of those that were offered in parts (estimates/parts.hpp): [n - 2] for n parts, as the network's.
    std::vector<std::vector<std::vector<LayerOption>>> part_options;
    std::size_t outputs = 1;                              // tensors that the network makes
    std::vector<std::vector<std::string>> cut_tensors;    // by cut: what crosses it; none at the first and the last
    std::vector<std::string> notes;                       // what people should know: layers outside, units without a folding
    model::FinnSettings finn;                             // how FINN is to make the units
    Estimates estimates = Estimates::mended;              // what the foldings' costs are
};

// What boards of this kind want of the settings.
void describe_for(const Cluster& cluster, DescribeSettings& settings);

// Layers that FINN makes no units of: those with products have no folding, so a processor computes them; the others take
// nothing of a fabric. Errors: invalid_input (the folding file is another network's: which unit).
Result<Description> describe(const model::Model& model, const DescribeSettings& settings);

// Matrix units that the folding file has in RTL where FINN makes none: for each, which layer it is, and why.
std::vector<std::string> not_in_rtl(const Description& description, const DescribeSettings& settings);

// That the network is one: each layer has to do with every other, by tensors that are computed or come in. Errors: invalid_input.
Result<> check_connected(const Description& description);

}  // namespace fard::splitter
