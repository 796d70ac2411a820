// bench/emulated: whether emulated boards keep the times that they promise, on this machine.
//
//   emulated [--json] [--chunks N]
//   emulated --flows N [--port IMAGES_PER_S] [--chunks N]    only the rate from N boards at one client's port
//   emulated --sink PLACE --flows N | --source DATA CREDIT --number I     for bench/emulated_port.py
//
// A board's interval and latency against its manifest's and its links'; a link of a Zedboard against its rate; six boards that
// share the way into one client. Everything is measured where chunks arrive.
#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/emulated.hpp"
#include "client/client_pacer.hpp"
#include "runtime/emulated/board_pacer.hpp"

namespace {

using namespace fard;
using bench::Flow;
using bench::Row;
using nlohmann::json;

constexpr std::size_t boards = 6;
constexpr double promised_per_s = 78.8;  // images of 150,528 bytes at 94.9 Mbit/s

Result<BoardProfile> zedboard() {
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    return load_board_profile(*directory, "zedboard");
}

wire::NetworkWay port_of(const BoardFigures& figures, double per_s) {
    const double ps = per_s > 0 ? 1e12 / (per_s * static_cast<double>(bench::image_chunk_bytes())) : figures.way_ns_per_byte * 1e3;
    return {static_cast<std::uint64_t>(std::llround(ps)), static_cast<std::uint64_t>(figures.way_latency_ns)};
}

// From so many Zedboards at a port that lets so many images through (0: a Zedboard's); the boards' own ports are like it.
Result<Flow> flow_at(std::size_t count, double per_s, int chunks) {
    auto profile = zedboard();
    if (!profile) return fail(profile.error());
    const auto figures = figures_of(*profile);
    if (!figures) return fail(figures.error());
    const auto port = port_of(*figures, per_s);
    profile->network->mbit_per_s.value *= figures->way_ns_per_byte * 1e3 / static_cast<double>(port.ps_per_byte);
    ClientPacer client(port);
    return bench::flow_from(count, *profile, client, chunks);
}

Result<std::vector<Row>> all_rows(int chunks) {
    std::vector<Row> rows;
    const auto profile = zedboard();
    if (!profile) return fail(profile.error());
    for (const auto& [latency, interval] : {std::pair{1'000'000, 400'000}, std::pair{150'671, 139'202}, std::pair{6'000'000, 1'270'000}}) {
        auto measured = bench::measure_board(*profile, latency, interval, chunks);
        if (!measured) return fail(measured.error());
        rows.insert(rows.end(), measured->begin(), measured->end());
    }
    auto memory = BoardMemory::make(*profile, {});
    if (!memory) return fail(memory.error());
    BoardPacer board(std::move(*memory));
    const auto one = bench::flow_from(1, *profile, board, chunks);
    if (!one) return fail(one.error());
    rows.push_back({"board to board, 150,528 B", "chunks/s", one->per_s, promised_per_s, 0.01});
    const auto six = flow_at(boards, 0, chunks);
    if (!six) return fail(six.error());
    rows.push_back({"six boards to one client, together", "chunks/s", six->per_s, promised_per_s, 0.01});
    rows.push_back({"six boards to one client, the least share", "of all", six->least_share, 1.0 / boards, 0.05});
    return rows;
}

int report(const std::vector<Row>& rows, bool as_json) {
    auto list = json::array();
    bool all = true;
    for (const auto& row : rows) {
        all = all && row.reached();
        list.push_back({{"what", row.what}, {"unit", row.unit}, {"measured", row.measured}, {"promised", row.promised},
                        {"bar", row.bar()}, {"reached", row.reached()}});
        if (!as_json)
            fmt::print("{:<44} {:>10.3f}  promised {:>8.3f}, within {:.3f} {:<9}{}\n", row.what, row.measured, row.promised,
                       row.bar(), row.unit, row.reached() ? "" : "MISSED");
    }
    if (as_json) fmt::print("{}\n", json{{"rows", list}}.dump());
    return all ? 0 : 1;
}

int report(const Result<Flow>& flow) {
    if (!flow) return fmt::print(stderr, "{}\n", flow.error().message), 1;
    fmt::print("{}\n", json{{"per_s", flow->per_s}, {"least_share", flow->least_share}}.dump());
    return 0;
}

int run_source(const std::vector<std::string>& ends, std::uint32_t number) {
    auto data = Endpoint::parse(ends.at(0)), credit = Endpoint::parse(ends.at(1));
    if (!data || !credit) return fmt::print(stderr, "no endpoints: {} {}\n", ends[0], ends[1]), 2;
    const auto served = bench::serve_source({*data, *credit, {}}, number);
    return served ? 0 : (fmt::print(stderr, "{}\n", served.error().message), 1);
}

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    bool as_json = false;
    int chunks = 1000;
    std::size_t flows = 0;
    double port = 0;
    std::uint32_t number = 0;
    std::string sink;
    std::vector<std::string> source;
    po::options_description table("emulated");
    table.add_options()("json", po::bool_switch(&as_json), "print one JSON object")(
        "chunks", po::value(&chunks)->default_value(chunks), "of each measurement")(
        "flows", po::value(&flows), "boards that send at once")("port", po::value(&port), "images in a second that a port lets through")(
        "sink", po::value(&sink), "where to wait for chunks: tcp:ADDRESS")(
        "source", po::value(&source)->multitoken(), "where to send chunks: a sink's two endpoints")(
        "number", po::value(&number), "of the source")("help", "this");
    po::variables_map values;
    try {
        po::store(po::parse_command_line(argc, argv, table), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
    if (values.count("help")) return std::cout << table, 0;
    chunks = std::max(chunks, 10);
    if (source.size() == 2) return run_source(source, number);
    if (!sink.empty()) return report(bench::serve_sink(sink, flows, chunks));
    if (flows > 0) return report(flow_at(flows, port, chunks));
    const auto rows = all_rows(chunks);
    if (!rows) return fmt::print(stderr, "{}\n", rows.error().message), 1;
    return report(*rows, as_json);
}
