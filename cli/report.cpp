#include "cli/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/printable.hpp"
#include "base/result.hpp"
#include "base/size.hpp"

namespace fard::cli {
namespace {

double milliseconds(std::uint64_t nanoseconds) {
    return static_cast<double>(nanoseconds) / 1e6;
}

bool looks_like_number(const std::string& cell) {
    return !cell.empty() && cell.find_first_not_of("0123456789.,-/% kMGB") == std::string::npos;
}

nlohmann::ordered_json top_json(const std::vector<Judged>& top, const std::vector<std::string>& labels) {
    auto rows = nlohmann::ordered_json::array();
    for (const auto& judged : top) {
        auto classes = nlohmann::ordered_json::array();
        for (const auto& score : judged.scores) {
            nlohmann::ordered_json entry{{"class", score.place}, {"value", score.value}};
            if (score.place < labels.size()) entry["name"] = labels[score.place];
            classes.push_back(std::move(entry));
        }
        rows.push_back({{"input", judged.input}, {"classes", std::move(classes)}});
    }
    return rows;
}

double per_s(const RunSummary& summary) {
    return summary.placed_wall_s > 0 ? static_cast<double>(summary.chunks_out) / summary.placed_wall_s : 0;
}

nlohmann::ordered_json plan_json(const Expected& expected, const RunSummary& summary) {
    using nlohmann::ordered_json;
    return {{"wall_s", expected.wall_s},
            {"throughput_per_s", expected.throughput_per_s},
            {"steady_per_s", expected.steady_per_s},
            {"reloads", expected.reloads},
            {"bound", expected.bound_per_s},
            {"period_ms", expected.period_ms},
            {"limit", expected.limit},
            {"energy_j", expected.energy_j ? ordered_json(*expected.energy_j) : ordered_json()},
            {"measured",
             {{"wall_s", summary.placed_wall_s},
              {"throughput_per_s", per_s(summary)},
              {"steady_per_s", summary.steady_per_s},
              {"reloads", summary.reloads},
              {"energy_j", expected.measured_energy_j ? ordered_json(*expected.measured_energy_j) : ordered_json()}}}};
}

std::string plan_text(const Expected& expected, const RunSummary& summary) {
    const auto chunks = static_cast<double>(std::max<std::uint64_t>(1, summary.chunks_out));
    const auto energy = expected.energy_j && expected.measured_energy_j
                            ? fmt::format("energy: {:.3g} J for each chunk, by the plan {:.3g} J\n", *expected.measured_energy_j / chunks, *expected.energy_j / chunks)
                            : "";
    return energy + fmt::format("plan: {:.3f} s from its places to the last result, {:.1f}/s (steady {:.1f}/s), reloads: {}; measured: {:.3f} s ({:+.1f} %), "
                       "{:.1f}/s, reloads: {}\n",
                       expected.wall_s, expected.throughput_per_s, expected.steady_per_s, expected.reloads, summary.placed_wall_s,
                       expected.wall_s > 0 ? (summary.placed_wall_s / expected.wall_s - 1) * 100 : 0, per_s(summary), summary.reloads);
}

}  // namespace

std::string summary_json(const RunSummary& summary, const std::optional<std::vector<Judged>>& top,
                         const std::vector<std::string>& labels, const std::optional<Expected>& expected) {
    using nlohmann::ordered_json;
    ordered_json stages = ordered_json::array();
    for (const auto& row : summary.stages)
        stages.push_back({{"position", row.position},
                          {"replica", row.replica},
                          {"name", row.name},
                          {"board", row.board},
                          {"device", row.device},
                          {"overlay", row.overlay},
                          {"load_ms", milliseconds(row.stats.load_ns)},
                          {"compute_ms", milliseconds(row.stats.compute_ns)},
                          {"wait_ms", milliseconds(row.stats.wait_ns)},
                          {"bytes_out", row.stats.bytes_out},
                          {"late", row.stats.late},
                          {"reloads", row.stats.reloads},
                          {"turns", row.stats.turns}});
    const auto& latency = summary.latency_ms;
    ordered_json json = {{"app", summary.app},
                         {"run_id", summary.run.hex},
                         {"chunks_in", summary.chunks_in},
                         {"chunks_out", summary.chunks_out},
                         {"wall_s", summary.wall_s},
                         {"throughput_per_s", summary.throughput_per_s},
                         {"steady_per_s", summary.steady_per_s},
                         {"latency_ms",
                          {{"mean", latency.mean},
                           {"sd", latency.sd},
                           {"p50", latency.p50},
                           {"p95", latency.p95},
                           {"p99", latency.p99}}},
                         {"stages", std::move(stages)},
                         {"replays", summary.replays},
                         {"duplicates_dropped", summary.duplicates_dropped},
                         {"reloads", summary.reloads},
                         {"turns", summary.turns},
                         {"batch", summary.batch ? ordered_json(summary.batch) : ordered_json()},
                         {"first_result_s", summary.first_result_s}};
    if (const auto late = lateness_text(summary); !late.empty()) json["invalid"] = late.substr(0, late.size() - 1);
    if (expected) json["plan"] = plan_json(*expected, summary);
    if (top) json["top"] = top_json(*top, labels);
    return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string lateness_text(const RunSummary& summary) {
    std::string text;
    for (const auto& row : summary.stages)
        if (row.stats.late * 100 > row.stats.chunks)
            text += fmt::format("{} of {} chunks of '{}' on {} came later than the emulated board would give them (this machine "
                                "is too slow, or too busy): the figures of this run do not count\n",
                                row.stats.late, row.stats.chunks, row.name, row.board);
    return text;
}

std::string table_text(const std::vector<std::string>& head,
                       std::vector<std::vector<std::string>> rows) {
    for (auto& row : rows)
        for (auto& cell : row)
            cell = printable_line(cell);
    std::vector<std::size_t> widths;
    std::vector<bool> right(head.size(), true);
    for (const auto& cell : head)
        widths.push_back(cell.size());
    for (const auto& row : rows) {
        for (std::size_t column = 0; column < head.size(); ++column) {
            widths[column] = std::max(widths[column], row[column].size());
            right[column] = right[column] && looks_like_number(row[column]);
        }
    }
    std::string text;
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string out;
        for (std::size_t column = 0; column < cells.size(); ++column) {
            const auto gap = column ? "  " : "";
            out += right[column] && !rows.empty()
                       ? fmt::format("{}{:>{}}", gap, cells[column], widths[column])
                       : fmt::format("{}{:<{}}", gap, cells[column], widths[column]);
        }
        out.erase(out.find_last_not_of(' ') + 1);
        text += out + "\n";
    };
    line(head);
    for (const auto& row : rows)
        line(row);
    return text;
}

std::string summary_text(const RunSummary& summary, const std::optional<Expected>& expected) {
    const auto& latency = summary.latency_ms;
    auto text = fmt::format("{}: {} of {} results in {:.3f} s, {:.1f}/s (steady {:.1f}/s)\n", summary.app,
                            summary.chunks_out, summary.chunks_in, summary.wall_s, summary.throughput_per_s,
                            summary.steady_per_s);
    text += fmt::format("latency: mean {:.2f} ms, sd {:.2f}, p50 {:.2f}, p95 {:.2f}, p99 {:.2f}\n",
                        latency.mean, latency.sd, latency.p50, latency.p95, latency.p99);
    if (summary.replays || summary.duplicates_dropped || summary.attempts > 1)
        text += fmt::format("replays: {}, duplicates dropped: {}, coordinators: {}\n", summary.replays,
                            summary.duplicates_dropped, summary.attempts);
    if (summary.batch)
        text += fmt::format("turns: {} of up to {} chunks, positions shared slots; reloads: {}\n", summary.turns, summary.batch, summary.reloads);
    if (expected) text += plan_text(*expected, summary);
    text += lateness_text(summary);
    if (summary.stages.empty()) return text;
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : summary.stages)
        rows.push_back({std::to_string(row.position), std::to_string(row.replica), row.name, row.board,
                        row.device, fmt::format("{:.1f}", milliseconds(row.stats.load_ns)),
                        fmt::format("{:.1f}", milliseconds(row.stats.compute_ns)),
                        fmt::format("{:.1f}", milliseconds(row.stats.wait_ns)),
                        bytes_text(row.stats.bytes_out)});
    return text + "\n" +
           table_text(
               {"position", "replica", "name", "board", "device", "load ms", "compute ms", "wait ms", "out"},
               rows);
}

}  // namespace fard::cli
