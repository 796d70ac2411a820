// Runs on emulated boards of which the first does something wrong, in every way and at every step that such boards know
// (overlays/emulated/faults.hpp): each run must complete exactly or end with the reason, no board may stay leased, and the
// boards must do the next run.
//
//   soak-faults [--zynq] [--times 20] [--only KIND] [--seed S] [--chunks 8]
//
// With --zynq the boards have FPGAs of their own, which are plain files, and helpers (tests/soak/zynq_faults.cpp).
// Each kind is tried so many times, at an occasion drawn by chance; each fourth time the fault stays, so that the board never does
// it right again. Prints one line per run and the counts of each kind at the end; exit code 1 if any run went wrong.
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <random>

#include "tests/e2e/harness.hpp"
#include "tests/soak/tally.hpp"
#include "tests/soak/zynq_faults.hpp"

namespace {

using namespace fard;
using namespace fard::e2e;
using namespace fard::soak;
using namespace std::chrono_literals;

struct Kind {
    std::string name;
    int latest;          // an occasion that the first board comes to in a run: it is drawn from 1 to this
    bool may_stay;       // it is tried as one that stays, too; each time costs a minute where only a limit ends it
    std::string reason;  // what a run that ends of it says
};

// The steps: fetch, verify, take out, program, map, DMA start, DMA wait, and results.
const std::vector<Kind> kinds{
    {"fetch", 3, true, "storing a piece"},
    {"verify", 6, true, "package"},
    {"unload", 1, true, "cannot be taken out"},
    {"load-request", 1, true, "firmware request error"},
    {"load-init", 1, true, "write init error"},
    {"load-write", 1, true, "write error"},
    {"load-complete", 1, true, "write complete error"},
    {"load-hang", 1, false, "not loaded"},
    {"map", 1, true, "cannot be mapped"},
    {"dma-start", 8, true, "cannot be started"},
    {"dma", 8, true, "is not done"},
    {"wrong", 8, true, "wrong result"},
    {"freeze", 8, false, ""},
    {"stuck", 8, true, "is not done"},
};

class Campaign {
  public:
    explicit Campaign(const FaultOptions& options) : times_(options.times), chunks_(options.chunks), random_(options.seed) {}

    int run(const std::string& only) {
        if (!prepare()) return 1;
        for (const auto& kind : kinds) {
            if (!only.empty() && kind.name != only) continue;
            for (int i = 0; i < times_; ++i)
                one(kind, i);
        }
        return tally_.finish() ? 0 : 1;
    }

  private:
    // The apps: every result verified, and one with other stages, for which those of the first have to go.
    bool prepare() {
        const auto apps = source_root() / "apps";
        auto text = read_file(apps / "two_stage_bnn.toml");
        for (std::size_t at = 0; (at = text.find("\"two_stage_bnn/", at)) != std::string::npos; at += 10)
            text.replace(at, 1, "\"" + apps.string() + "/");
        for (const auto* job : {"job = \"first_stage\"", "job = \"second_stage\""}) {
            const auto at = text.find(job);
            if (at == std::string::npos) return complain("the app has no " + std::string(job));
            text.insert(at, "params = { verify = 1 }\n");
        }
        app_ = files_.write("app.toml", text);
        const auto cut = text.find("Threshold_conv_");
        if (cut == std::string::npos) return complain("the app has no cut");
        const auto digit = cut + std::string("Threshold_conv_").size();
        text[digit] = text[digit] == '3' ? '4' : '3';
        other_ = files_.write("other.toml", text);

        const World world;
        const auto input = files_.path() / "in.npy", output = files_.path() / "right.npy";
        const auto fed = world.fard({"submit", app_.string(), "--chunks", std::to_string(chunks_), "--prepared", input.string(), "--json"});
        if (fed.exit_code != 0) return complain(fed.err);
        const auto whole = world.fard({"run", (apps / "two_stage_bnn/cnv_w2a2.onnx").string(), "--input", input.string(), "--output",
                                       output.string()});
        if (whole.exit_code != 0) return complain(whole.err);
        right_ = read_file(output);
        return true;
    }

    static bool complain(const std::string& why) {
        std::fprintf(stderr, "%s\n", why.c_str());
        return false;
    }

    Outcome submit(const World& world, const fs::path& app, const fs::path& output) const {
        return world.fard({"submit", app.string(), "--chunks", std::to_string(chunks_), "--output", output.string(), "--json"}, 5min);
    }

    void one(const Kind& kind, int number) {
        const bool stays = kind.may_stay && number % 4 == 3;
        const auto at = 1 + random_() % static_cast<unsigned>(kind.latest);
        const auto fault = fmt::format("{}@{}{}{}", kind.name, at, stays ? "*" : "", kind.name == "freeze" ? ":700" : "");
        World world;
        world.up(2, {"--profile", "zedboard", "--fault", fault});
        const auto output = world.files().path() / "out.npy";
        if (kind.name == "unload" && submit(world, other_, output).exit_code != 0)
            return tally_.add(kind.name, fault, "WRONG: the run before it failed", 0);
        fs::remove(output);
        const auto ran = submit(world, app_, output);
        const auto verdict = judge(kind, world, ran, output, stays);
        tally_.add(kind.name, fault, verdict, ran.took.count());
    }

    // "exact", "ended: ..." or "WRONG: ...".
    std::string judge(const Kind& kind, const World& world, const Outcome& ran, const fs::path& output, bool stays) const {
        if (ran.exit_code == 0 && read_file(output) != right_) return "WRONG: other results than the uncut network's";
        if (ran.exit_code < 0 || ran.exit_code > 3) return fmt::format("WRONG: exit code {}: {}", ran.exit_code, ran.err);
        const bool said = kind.reason.empty() || ran.err.find(kind.reason) != std::string::npos;
        if (ran.exit_code != 0 && !said) return "WRONG: it ended without the reason: " + ran.err;
        if (!eventually([&] { return nothing_leased(world); }, 10s)) return "WRONG: a board stays leased";
        if (!stays)
            if (const auto next = next_run(world, output); !next.empty()) return next;
        return ran.exit_code == 0 ? "exact" : "ended: " + ran.err.substr(0, ran.err.find('\n'));
    }

    // What failed once does the next run, once it is said to be all right.
    std::string next_run(const World& world, const fs::path& output) const {
        const auto status = world.fard({"status", "--json"}).json();
        for (const auto& board : status["boards"])
            if (const auto mended = world.fard({"mend", board["name"]}); mended.exit_code != 0) return "WRONG: mend: " + mended.err;
        const auto ran = submit(world, app_, output);
        if (ran.exit_code != 0) return "WRONG: the next run: " + ran.err;
        return read_file(output) == right_ ? "" : "WRONG: the next run has other results";
    }

    static bool nothing_leased(const World& world) {
        const auto status = world.fard({"status", "--json"}).json();
        if (!status.contains("boards") || status["boards"].size() != 2) return false;
        for (const auto& board : status["boards"])
            for (const auto& device : board["devices"])
                if (device["healthy"] == true && device["slots_free"] != device["slots"]) return false;  // an unhealthy one has none
        return true;
    }

    int times_, chunks_;
    std::mt19937 random_;
    TempDir files_;
    fs::path app_, other_;
    std::string right_;
    Tally tally_;
};

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    FaultOptions options;
    po::options_description table("soak-faults");
    table.add_options()("zynq", "on boards with FPGAs of their own")(
        "times", po::value(&options.times)->default_value(options.times), "of each kind")(
        "only", po::value(&options.only), "this kind alone")("seed", po::value(&options.seed)->default_value(options.seed), "of what is drawn")(
        "chunks", po::value(&options.chunks)->default_value(options.chunks), "of each run")("help", "this");
    po::variables_map values;
    try {
        po::store(po::parse_command_line(argc, argv, table), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
    if (values.count("help")) return std::cout << table, 0;
    return values.count("zynq") ? run_zynq_faults(options) : Campaign(options).run(options.only);
}
