#include "tests/soak/zynq_faults.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/e2e/zynq_cluster.hpp"
#include "tests/soak/tally.hpp"

namespace fard::soak {
namespace {

using namespace fard::e2e;
using namespace std::chrono_literals;
using test::TreeBoard;

constexpr int for_good = 1'000'000;  // times
constexpr auto in_flight = 30ms;     // of a DMA that goes on when somebody has died

// What one run meets: the fault is the first board's.
struct Scene {
    ZynqCluster& cluster;
    const BuiltApp& app;
    int at;  // the batch, counted from 1
    bool stays;
    TreeBoard& board() const { return cluster.board(0); }
    pid_t manager() const { return cluster.managers()[0].pid(); }
    fs::path file(const std::string& name) const { return board().roots().dev.parent_path() / name; }
    int times() const { return stays ? for_good : 1; }
};

using Mend = std::function<void()>;  // undoes what stays

struct Kind {
    std::string name;
    int latest;       // a batch of the first board's in a run: it is drawn from 1 to this
    bool may_pass;    // else each one stays until it is mended
    bool may_stay;
    std::string reason;  // what a run that ends of it says
    std::function<Mend(const Scene&)> make;
};

void kill_all(const std::vector<pid_t>& processes) {
    for (const auto process : processes) ::kill(process, SIGKILL);
}

// Programming ends in that state, after everything that was loaded has been forgotten.
auto load_fails(const char* state) {
    return [state](const Scene& scene) -> Mend {
        scene.board().failing_state = state;
        scene.board().load_failures = scene.times();
        return [&board = scene.board()] { board.load_failures = 0; };
    };
}

// A file of the board's that is another one until it is mended.
auto file_is(const std::string& name, const std::string& link) {
    return [name, link](const Scene& scene) -> Mend {
        const auto file = scene.file(name), aside = fs::path(file.string() + ".aside");
        fs::rename(file, aside);
        if (!link.empty()) fs::create_symlink(link, file);
        return [file, aside] {
            fs::remove(file);
            fs::rename(aside, file);
        };
    };
}

Mend none() {
    return [] {};
}

Mend fetch(const Scene& scene) {
    for (const auto& package : scene.app.packages()) {
        const auto part = scene.cluster.stored(0, package.id + ".part");
        fs::create_directories(part);
        std::ofstream(part / "in-the-way") << "x";
    }
    return none();
}

Mend verify(const Scene& scene) {
    if (scene.cluster.submit(scene.app.file(), 1, "before").exit_code != 0) throw std::runtime_error("the run before it failed");
    scene.cluster.stop();
    fs::remove(scene.board().roots().run / "fpga0.loaded");
    for (const auto& package : scene.app.packages())
        if (const auto file = scene.cluster.stored(0, package.id) / "finn-accel.bit"; fs::exists(file)) {
            auto bytes = read_file(file);
            bytes[bytes.size() / 2] ^= 1;
            std::ofstream(file, std::ios::binary) << bytes;
        }
    scene.cluster.start();
    return none();
}

Mend unload(const Scene& scene) {
    const auto record = scene.board().roots().run / "fpga0.loaded";
    fs::create_directories(record / "not-empty");
    return [record] { fs::remove_all(record); };
}

Mend memory(const Scene& scene) {
    const std::string size = "sys/class/u-dma-buf/udmabuf0/size";
    const auto right = scene.board().text(size);
    scene.board().put(size, "4096\n");
    return [&board = scene.board(), size, right] { board.put(size, right); };
}

Mend busy(const Scene& scene) {
    scene.board().busy = scene.times();
    return [&board = scene.board()] { board.busy = 0; };
}

Mend wedge(const Scene& scene) {
    scene.board().on_batch(scene.at, [&board = scene.board(), times = scene.times()] { board.wedges = times; });
    return [&board = scene.board()] { board.wedges = 0; };
}

Mend wrong(const Scene& scene) {
    scene.board().on_batch(scene.at, [&board = scene.board(), times = scene.times()] { board.wrong = times; });
    return [&board = scene.board()] { board.wrong = 0; };
}

// In the middle of a DMA, which ends a while later, or never.
auto death(bool helper, bool job, bool wedged) {
    return [=](const Scene& scene) -> Mend {
        scene.board().on_batch(scene.at, [=, &board = scene.board(), manager = scene.manager()] {
            if (helper) kill_all(helpers_of(manager));
            if (job) kill_all(stages_of(manager));
            if (wedged) board.wedges = 1;
            std::this_thread::sleep_for(in_flight);
        });
        return none();
    };
}

// The steps: fetch, verify, take out, program, map, DMA start, DMA wait, results; and who dies in the middle of a DMA.
std::vector<Kind> all_kinds() {
    const std::string manager = "sys/class/fpga_manager/fpga0/";
    return {
        {"fetch", 1, true, false, "storing a piece", fetch},
        {"verify", 1, true, false, "package", verify},
        {"unload", 1, false, true, "fpga0.loaded", unload},
        {"load-request", 1, true, true, "firmware request error", load_fails("firmware request error")},
        {"load-init", 1, true, true, "write init error", load_fails("write init error")},
        {"load-write", 1, true, true, "write error", load_fails("write error")},
        {"load-complete", 1, true, true, "write complete error", load_fails("write complete error")},
        {"flags", 1, false, true, "nothing was programmed", file_is(manager + "flags", "/dev/null")},
        {"firmware", 1, false, true, "programming failed", file_is(manager + "firmware", "/dev/full")},
        {"map", 1, false, true, "dev/uio1", file_is("dev/uio1", "")},
        {"memory", 1, false, true, "that the fabric can read", memory},
        {"dma-start", 1, true, true, "", busy},
        {"dma-wait", 4, true, true, "did not end", wedge},
        {"wrong", 4, true, true, "wrong result", wrong},
        {"helper-dies", 4, true, false, "", death(true, false, false)},
        {"job-dies", 4, true, false, "", death(false, true, false)},
        {"both-die", 4, true, false, "", death(true, true, false)},
        {"job-dies-dma-stuck", 4, true, false, "", death(false, true, true)},
        {"both-die-dma-stuck", 4, true, false, "", death(true, true, true)},
    };
}

class Campaign {
  public:
    explicit Campaign(const FaultOptions& options)
        : options_(options), random_(options.seed), app_(world_, "two_stage_bnn"), verified_(app_.verified(world_)) {
        ZynqCluster cluster(world_, app_, 2);
        const auto first = submit(cluster);
        if (first.exit_code != 0) throw std::runtime_error(first.err);
        right_ = cluster.uncut(app_, "out");
    }

    bool run() {
        for (const auto& kind : all_kinds())
            for (int i = 0; i < options_.times && (options_.only.empty() || options_.only == kind.name); ++i) one(kind, i);
        return tally_.finish();
    }

  private:
    Outcome submit(const ZynqCluster& cluster) const { return cluster.submit(verified_, options_.chunks, "out", {"--timeout", "120"}); }

    void one(const Kind& kind, int number) {
        const bool stays = !kind.may_pass || (kind.may_stay && number % 4 == 3);
        const int at = 1 + static_cast<int>(random_() % static_cast<unsigned>(kind.latest));
        std::string verdict;
        double seconds = 0;
        try {
            ZynqCluster cluster(world_, app_, 2);
            const auto mend = kind.make({cluster, app_, at, stays});
            fs::remove(cluster.result("out"));
            const auto ran = submit(cluster);
            seconds = ran.took.count();
            verdict = judge(kind, cluster, ran, mend);
        } catch (const std::exception& error) {
            verdict = std::string("WRONG: ") + error.what();
        }
        tally_.add(kind.name, fmt::format("{}@{}{}", kind.name, at, stays ? "*" : ""), verdict, seconds);
    }

    std::string judge(const Kind& kind, ZynqCluster& cluster, const Outcome& ran, const Mend& mend) {
        if (ran.exit_code == 0 && read_file(cluster.result("out")) != right_) return "WRONG: other results than the uncut network's";
        if (ran.exit_code < 0 || ran.exit_code > 3) return fmt::format("WRONG: exit code {}: {}", ran.exit_code, ran.err);
        if (ran.exit_code != 0 && ran.err.find(kind.reason) == std::string::npos) return "WRONG: it ended without the reason: " + ran.err;
        if (!cluster.nothing_leased()) return "WRONG: a board stays leased";
        mend();
        if (const auto next = next_run(cluster); !next.empty()) return next;
        return ran.exit_code == 0 ? "exact" : "ended: " + ran.err.substr(0, ran.err.find('\n'));
    }

    // Once it is mended and said to be, it does the next run; and nothing was ever programmed but the app's own packages.
    std::string next_run(ZynqCluster& cluster) {
        for (const auto* board : {"zynq0", "zynq1"})
            if (const auto said = world_.fard({"mend", board, "--node", cluster.door(0)}); said.exit_code != 0) return "WRONG: mend: " + said.err;
        const auto ran = submit(cluster);
        if (ran.exit_code != 0) return "WRONG: the next run: " + ran.err;
        if (read_file(cluster.result("out")) != right_) return "WRONG: the next run has other results";
        if (!cluster.nothing_leased()) return "WRONG: a board stays leased after the next run";
        const auto designs = app_.designs();
        for (std::size_t i = 0; i < 2; ++i)
            for (const auto& name : cluster.board(i).programmed())
                if (!designs.contains(name)) return "WRONG: programmed " + name;
        return "";
    }

    FaultOptions options_;
    std::mt19937 random_;
    World world_;
    BuiltApp app_;
    fs::path verified_;
    std::string right_;
    Tally tally_;
};

}  // namespace

int run_zynq_faults(const FaultOptions& options) {
    try {
        return Campaign(options).run() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}

}  // namespace fard::soak
