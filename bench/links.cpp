// bench/links: chains of fard's copy jobs against bare libzmq, side by side in one run.
//
//   links [--json] [--seconds S] [--rounds N] [--only TEXT] [--keys]
//
// --keys: chains over tcp with keys against the same without, and what libsodium's box, by which CURVE encrypts, takes.
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/chains.hpp"
#include "bench/measure.hpp"
#include "tests/scratch_dir.hpp"

namespace {

using namespace fard;
using namespace fard::bench;

struct Options {
    bool json = false;
    double seconds = 0.05;  // of one measurement
    int rounds = 45;        // of each pair of measurements, interleaved
    std::string only;      // rows whose name contains this
    bool keys = false;
    std::string jobs_dir;
};

struct Row {
    std::string what, unit;
    double ours, bare;
    double ratio;  // the median over the rounds, each side beside the other
    double goal;
    bool at_least;  // the goal is a lower bound of the ratio (throughput), else an upper one (latency)
    bool reached() const { return at_least ? ratio >= goal : ratio <= goal; }
};

constexpr std::uint64_t default_budget = 4 << 20;  // link_bytes of an app that says nothing

ChainSpec spec_of(const std::string& transport, std::uint32_t processes, std::uint64_t bytes,
                  const ScratchDir& scratch, const Options& options) {
    ChainSpec spec{transport, scratch.path().string(), processes, bytes, 1, options.jobs_dir};
    spec.keys = options.keys;
    spec.window = std::max<std::uint64_t>(1, default_budget / (bytes + header_bytes(spec)));
    return spec;
}

struct Pair {
    double ours, bare;
};

// Both chains of one round, started in turns first.
struct Chains {
    std::unique_ptr<Chain> ours, bare;
};

Result<Chains> start_chains(const ChainSpec& spec, int round) {
    Chains chains;
    auto without_keys = spec;
    without_keys.keys = false;
    for (const bool first : {true, false}) {
        const bool is_ours = first == (round % 2 == 0);
        auto chain = is_ours ? make_fard_chain(spec) : spec.keys ? make_fard_chain(without_keys) : make_bare_chain(spec);
        if (!chain) return fail(chain.error());
        (is_ours ? chains.ours : chains.bare) = std::move(*chain);
    }
    return chains;
}

// One after the other, in turns first, so that what else the machine does falls on both alike.
template <typename Measure>
Pair measure_pair(int round, Measure measure, const Chains& chains) {
    if (round % 2 != 0) {
        const double second = measure(*chains.bare);
        return {measure(*chains.ours), second};
    }
    const double first = measure(*chains.ours);
    return {first, measure(*chains.bare)};
}

struct Samples {
    std::vector<double> ours, bare, ratios;
    void add(Pair pair) {
        ours.push_back(pair.ours);
        bare.push_back(pair.bare);
        ratios.push_back(pair.ours / pair.bare);
    }
    Row row(std::string what, const char* unit, double goal, bool at_least) const {
        return {std::move(what), unit, median(ours), median(bare), median(ratios), goal, at_least};
    }
};

// Each round has processes of its own: where a chain's memory lies and on which core its threads have come to rest
// changes its figures by a third, for as long as its processes live.
Result<std::vector<Row>> compare(const ChainSpec& spec, const Options& options) {
    const auto span =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(options.seconds));
    const auto throughput = [span](Chain& chain) { return chain.throughput(span); };
    const auto latency = [span](Chain& chain) { return chain.latency(span); };
    Samples rates, times;
    for (int round = 0; round < options.rounds; ++round) {
        const auto chains = start_chains(spec, round);
        if (!chains) return fail(chains.error());
        chains->ours->throughput(span / 4), chains->bare->throughput(span / 4);  // warms up
        rates.add(measure_pair(round, throughput, *chains));
        times.add(measure_pair(round, latency, *chains));
    }
    const auto name = fmt::format("{} {} processes {} B", spec.transport, spec.processes, spec.chunk_bytes);
    if (spec.keys)  // no goal: what encryption costs is libsodium's
        return std::vector{rates.row(name + " throughput", "chunks/s", 0, true),
                           times.row(name + " latency", "us", 1e9, false)};
    return std::vector{
        rates.row(name + " throughput", "chunks/s", spec.chunk_bytes < 16384 ? 0.80 : 0.95, true),
        times.row(name + " latency", "us", 1.10, false)};
}

void print(const Row& row) {
    const bool has_goal = row.goal > 0 && row.goal < 1e9;
    fmt::print("{:<44} {:>12.1f} {:>12.1f} {:<8} {:>6.3f}  {}\n", row.what, row.ours, row.bare, row.unit, row.ratio,
               !has_goal ? "" : fmt::format("{} {:.2f} {}", row.at_least ? ">=" : "<=", row.goal, row.reached() ? "" : "missed"));
    std::fflush(stdout);
}

nlohmann::json to_json(const Row& row) {
    return {{"what", row.what},   {"unit", row.unit}, {"ours", row.ours},        {"bare", row.bare},
            {"ratio", row.ratio}, {"goal", row.goal}, {"reached", row.reached()}};
}

Result<std::vector<Row>> run(const Options& options) {
    std::vector<Row> rows;
    if (!options.json)
        fmt::print("{:<44} {:>12} {:>12} {:<8} {:>6}  goal\n", "what", options.keys ? "keys" : "ours",
                   options.keys ? "no keys" : "bare", "unit", "ratio");
    for (const char* transport : {"ipc", "tcp"}) {
        if (options.keys && transport == std::string_view("ipc")) continue;  // of one user alone, and never encrypted
        for (const std::uint32_t processes : {2, 3, 6})
            for (const std::uint64_t bytes : {64, 16384, 150'528, 802'816, 4 << 20}) {
                if (fmt::format("{} {} processes {} B", transport, processes, bytes).find(options.only) ==
                    std::string::npos)
                    continue;
                const ScratchDir scratch;
                auto compared = compare(spec_of(transport, processes, bytes, scratch, options), options);
                if (!compared) return fail(compared.error());
                for (auto& row : *compared) {
                    if (!options.json) print(row);
                    rows.push_back(std::move(row));
                }
            }
    }
    return rows;
}

// Bytes per second of one direction of a box with its key at hand, on one core.
double box_bytes_per_s(std::size_t bytes) {
    unsigned char public_key[crypto_box_PUBLICKEYBYTES], secret_key[crypto_box_SECRETKEYBYTES];
    unsigned char shared[crypto_box_BEFORENMBYTES], nonce[crypto_box_NONCEBYTES] = {};
    crypto_box_keypair(public_key, secret_key);
    if (crypto_box_beforenm(shared, public_key, secret_key) != 0) return 0;
    std::vector<unsigned char> plain(bytes), boxed(bytes + crypto_box_MACBYTES);
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t done = 0;
    std::chrono::duration<double> took{};
    do {
        crypto_box_easy_afternm(boxed.data(), plain.data(), bytes, nonce, shared);
        done += bytes;
        took = std::chrono::steady_clock::now() - start;
    } while (took.count() < 0.2);
    return static_cast<double>(done) / took.count();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 5 && std::string_view(argv[1]) == "--bare-relay")
        return run_bare_relay(argv[2], argv[3], std::atoi(argv[4]));
    namespace po = boost::program_options;
    Options options;
    options.jobs_dir = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path() / "jobs";
    po::options_description described("links: chains of copy jobs against bare libzmq PUSH/PULL");
    described.add_options()("help", "this text")("json", po::bool_switch(&options.json),
                                                 "print one JSON object")(
        "seconds", po::value(&options.seconds), "of one measurement (0.05)")(
        "rounds", po::value(&options.rounds), "of measurements, each with new processes (45)")(
        "only", po::value(&options.only), "rows whose name contains this")(
        "keys", po::bool_switch(&options.keys), "fard's chains over tcp with keys against those without");
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, described), values);
        po::notify(values);
        if (values.count("help") != 0) return std::cout << described, 0;
    } catch (const po::error& error) {
        fmt::print(stderr, "links: {}\n", error.what());
        return 2;
    }
    nlohmann::json boxes = nlohmann::json::array();
    if (options.keys) {
        if (sodium_init() < 0) return 1;
        for (const std::size_t bytes : {64, 16384, 150'528, 802'816, 4 << 20}) {
            const auto speed = box_bytes_per_s(bytes);
            boxes.push_back({{"bytes", bytes}, {"bytes_per_s", speed}});
            if (!options.json) fmt::print("libsodium's box of {} B: {:.0f} MB/s\n", bytes, speed / 1e6);
        }
    }
    const auto rows = run(options);
    if (!rows) {
        fmt::print(stderr, "links: {}\n", rows.error().message);
        return 1;
    }
    if (!options.json) return 0;
    nlohmann::json out{{"bench", "links"}, {"rows", nlohmann::json::array()}};
    if (options.keys) out["boxes"] = boxes;
    for (const auto& row : *rows)
        out["rows"].push_back(to_json(row));
    fmt::print("{}\n", out.dump(2));
    return 0;
}
