#include "cli/stages.hpp"

#include <nlohmann/json.hpp>

#include "base/size.hpp"
#include "cli/report.hpp"
#include "model/model.hpp"
#include "model/summary.hpp"

namespace fard::cli {
namespace {

std::uint64_t bytes_of(const std::vector<TensorDesc>& tensors) {
    std::uint64_t bytes = 0;
    for (const auto& tensor : tensors)
        bytes += tensor.wire_bytes();
    return bytes;
}

StageRow row_of(const AppFile::Position& position) {
    StageRow row;
    row.name = position.name;
    row.job = position.job;
    row.replicas = position.replicas;
    row.parts = position.parts;
    return row;
}

}  // namespace

Result<std::vector<StageRow>> stage_rows(const AppFile& app) {
    std::vector<StageRow> rows;
    for (const auto& position : app.positions)
        rows.push_back(row_of(position));
    if (!app.model) {
        for (auto& row : rows)
            row.bytes_in = row.bytes_out = bytes_of(app.input.tensors);
        return rows;
    }
    const auto network = model::Model::load(app.model->file);
    if (!network) return fail_in(app.at("file in [model]"), network.error());
    const auto stages = model::cut(*network, app.model->cuts);
    if (!stages) return fail_in(app.file.string(), stages.error());
    for (std::size_t i = 0; i < stages->size(); ++i) {
        const auto& stage = (*stages)[i];
        const auto part = model::Model::parse(stage.onnx, rows[i].name);
        if (!part) return fail(part.error());
        const auto& graph = part->graph();
        rows[i].layers = graph.nodes.size();
        for (const auto& node : graph.nodes) {
            rows[i].macs += model::multiply_accumulates(graph, node);
            rows[i].parameters += model::parameters(graph, node);
        }
        rows[i].parameter_bytes = model::parameter_bytes(graph);
        rows[i].bytes_in = bytes_of(stage.inputs);
        rows[i].bytes_out = bytes_of(stage.outputs);
    }
    return rows;
}

std::string stages_text(const AppFile& app, const std::vector<StageRow>& rows) {
    const auto number = [](std::uint64_t value) { return model::grouped(static_cast<std::int64_t>(value)); };
    std::vector<std::vector<std::string>> cells;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        cells.push_back({std::to_string(i), row.name, row.job, row.parts ? fmt::format("{} parts", row.parts) : std::to_string(row.replicas), number(row.layers),
                         model::grouped(row.macs), model::grouped(row.parameters), bytes_text(row.parameter_bytes),
                         number(row.bytes_in), number(row.bytes_out)});
    }
    return fmt::format("{}: {} positions\n\n", app.name, rows.size()) +
           table_text({"position", "name", "job", "replicas", "layers", "MACs", "parameters", "weights", "bytes in",
                       "bytes out"},
                      cells);
}

std::string stages_json(const AppFile& app, const std::vector<StageRow>& rows) {
    nlohmann::ordered_json stages = nlohmann::ordered_json::array();
    for (const auto& row : rows)
        stages.push_back({{"name", row.name},
                          {"job", row.job},
                          {"replicas", row.replicas},
                          {"parts", row.parts},
                          {"layers", row.layers},
                          {"macs", row.macs},
                          {"parameters", row.parameters},
                          {"parameter_bytes", row.parameter_bytes},
                          {"bytes_in", row.bytes_in},
                          {"bytes_out", row.bytes_out}});
    const nlohmann::ordered_json json{{"app", app.name}, {"stages", std::move(stages)}};
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace fard::cli
