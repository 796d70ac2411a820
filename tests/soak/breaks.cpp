// Runs in which a connection, a process or a cable breaks at a random moment, on boards of their own network: every
// result must come once, in order, bit-identical. Needs root (network namespaces, ss -K).
//
//   soak-breaks [--runs 500] [--kind reset|stop|cable|cut] [--seed S] [--boards 6] [--positions 4] [--longest SECONDS]
//
// `reset`: a TCP connection between two jobs, or of the coordinator or the client with one, or between these two, is
// reset. `stop`: a job or a node manager is stopped for 0.5 to 20 s. `cable`: a board's cable is out for 0.3 to 10 s.
// `cut`: packets between two boards are swallowed until the run has ended. Without --kind they take turns. A moment is
// uniform over an undisturbed run of one second and a half. Prints one line for each run and the figures by kind; exit
// code 1 if any run went wrong. The client is never cut off and there are always slots enough, so no run may fail.
#include <signal.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "tests/e2e/harness.hpp"
#include "tests/soak/lan.hpp"
#include "tests/soak/watch.hpp"

namespace {

using namespace fard;
using namespace fard::soak;
using namespace std::chrono_literals;

struct Settings {
    int runs = 500;
    std::string kind;
    unsigned seed = 1;
    int boards = 6;
    int positions = 4;
    double longest_s = 20;
};

constexpr int chunk_ms = 5, chunks = 300;
constexpr std::size_t chunk_bytes = 4096;

struct Figures {
    std::vector<double> pauses;
    int runs = 0, wrong = 0, unhurt = 0;
};

class Campaign {
  public:
    explicit Campaign(Settings settings) : settings_(std::move(settings)), random_(settings_.seed) {}

    int run() {
        if (!open()) return 1;
        const std::vector<std::string> kinds{"reset", "stop", "cable", "cut"};
        for (int i = 0; i < settings_.runs; ++i)
            one(i, settings_.kind.empty() ? kinds[static_cast<std::size_t>(i) % kinds.size()] : settings_.kind);
        return report();
    }

  private:
    bool open() {
        auto fardd = find_fardd();
        if (!fardd) return complain(fardd.error().message);
        fardd_ = *fardd;
        auto lan = Lan::make(settings_.boards, files_.path());
        if (!lan) return complain(lan.error().message);
        lan_ = std::move(*lan);
        for (int board = 1; board <= settings_.boards; ++board)
            if (auto started = lan_->start_board(board, fardd_, 2); !started) return complain(started.error().message);
        if (!all_there(20s)) return complain("the boards did not find each other");
        ApiOptions options;
        auto door = Address::parse(lan_->door(1));
        if (!door) return complain(door.error().message);
        options.doors = {*door};
        auto api = Api::connect(std::move(options));
        if (!api) return complain(api.error().message);
        api_ = std::move(*api);
        auto app = api_->send_app(write_app());
        if (!app) return complain(app.error().message);
        app_ = *app;
        for (int i = 0; i < chunks; ++i) {
            std::string bytes(chunk_bytes, '\0');
            for (auto& byte : bytes)
                byte = static_cast<char>(random_());
            data_.chunks.emplace_back().emplace_back(std::string_view(bytes));
            expected_.push_back(std::move(bytes));
        }
        return true;
    }

    std::filesystem::path write_app() {
        std::string text =
            "[app]\nname = \"soak\"\n[input]\nrandom_chunks = 1\n[[input.tensor]]\nname = \"x\"\nshape = [1, " +
            std::to_string(chunk_bytes) + "]\ntype = \"UINT8\"\n[pipeline]\n";
        for (int p = 0; p < settings_.positions; ++p)
            text += "[[pipeline.position]]\nname = \"p" + std::to_string(p) +
                    "\"\njob = \"test_faulty\"\nparams = { slow_ms = " + std::to_string(chunk_ms) + " }\n";
        return files_.write("soak.toml", text);
    }

    // Every board is a member for every other, as the first and the last of them tell.
    bool all_there(std::chrono::milliseconds limit) {
        const auto fard = (e2e::build_root() / "cli" / "fard").string();
        return e2e::eventually(
            [&] {
                for (const int board : {1, settings_.boards}) {
                    const auto status =
                        nlohmann::json::parse(output_of(fard + " status --json --node " + lan_->door(board)), nullptr, false);
                    if (!status.is_object() || !status.contains("boards")) return false;
                    std::size_t ready = 0;
                    for (const auto& row : status["boards"])
                        ready += row["devices"].empty() ? 0 : 1;
                    if (ready != static_cast<std::size_t>(settings_.boards)) return false;
                }
                return true;
            },
            limit);
    }

    double uniform(double from, double to) { return std::uniform_real_distribution<double>(from, to)(random_); }
    static Clock::duration seconds(double count) {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
    }

    void one(int number, const std::string& kind) {
        auto& figures = figures_[kind];
        ++figures.runs;
        Watch watch;
        auto started = api_->send_job_data(app_, data_.share(), watch.callbacks(), 180s);
        if (!started) return wrong(number, kind, "", started.error().message);
        std::this_thread::sleep_for(seconds(uniform(0, 1.5)));
        watch.hit();
        const auto what = strike(kind);
        const bool ended = watch.wait_for_end(200s);
        heal();
        if (!ended) return wrong(number, kind, what, "it did not end within 200 s");
        const auto summary = watch.summary();
        if (!summary) return wrong(number, kind, what, summary.error().message);
        if (const auto difference = watch.difference(expected_); !difference.empty())
            return wrong(number, kind, what, difference);
        const auto pause = watch.longest_pause_ms();
        const bool hurt = summary->attempts > 1 || summary->replays > 0 || pause > 300;
        if (hurt) figures.pauses.push_back(pause);
        figures.unhurt += hurt ? 0 : 1;
        std::printf("run %3d ok: %s %s: %u attempt(s), %llu replays, longest pause %.0f ms\n", number, kind.c_str(),
                    what.c_str(), summary->attempts, static_cast<unsigned long long>(summary->replays), pause);
        std::fflush(stdout);
        if (!all_there(30s)) complain("the boards did not find each other again");
    }

    // ---- blows

    std::string strike(const std::string& kind) {
        if (kind == "reset") return reset();
        if (kind == "stop") return stop();
        if (kind == "cable") return pull_cable();
        return cut();
    }

    // Connections that a job has, and those of the client but for the one to a front door.
    std::string reset() {
        std::vector<std::pair<int, Lan::Connection>> candidates;
        for (int board = 0; board <= settings_.boards; ++board) {
            const auto jobs = board == 0 ? std::vector<pid_t>{getpid()} : e2e::jobs_of(lan_->node_manager(board));
            for (const auto& connection : lan_->connections(board)) {
                const bool owned = std::ranges::any_of(
                    connection.owners, [&](pid_t pid) { return std::ranges::find(jobs, pid) != jobs.end(); });
                if (owned && !connection.remote.ends_with(":7000") && !connection.local.ends_with(":7000"))
                    candidates.emplace_back(board, connection);
            }
        }
        if (candidates.empty()) return "nothing";
        const auto& [board, connection] = candidates[random_() % candidates.size()];
        lan_->reset(board, connection);
        return connection.local + " -> " + connection.remote;
    }

    std::string stop() {
        std::vector<pid_t> candidates;
        const bool job = random_() % 2 == 0;
        for (int board = 1; board <= settings_.boards; ++board) {
            const auto jobs = e2e::jobs_of(lan_->node_manager(board));
            if (job) candidates.insert(candidates.end(), jobs.begin(), jobs.end());
            if (!job && !jobs.empty()) candidates.push_back(lan_->node_manager(board));
        }
        if (candidates.empty()) return "nobody";
        const pid_t victim = candidates[random_() % candidates.size()];
        const double nap = uniform(0.5, settings_.longest_s);
        kill(victim, SIGSTOP);
        later(nap, [victim] { kill(victim, SIGCONT); });
        return std::string(job ? "a job" : victim == lan_->node_manager(1) ? "the coordinator" : "a node manager") +
               " for " + std::to_string(nap).substr(0, 4) + " s";
    }

    std::string pull_cable() {
        const int board = 1 + static_cast<int>(random_() % static_cast<unsigned>(settings_.boards));
        const double out = uniform(0.3, std::min(10.0, settings_.longest_s));
        lan_->cable(board, false);
        later(out, [this, board] { lan_->cable(board, true); });
        return "of board " + std::to_string(board) + " for " + std::to_string(out).substr(0, 4) + " s";
    }

    std::string cut() {
        const int one = 1 + static_cast<int>(random_() % static_cast<unsigned>(settings_.boards));
        int other = one;
        while (other == one)
            other = 1 + static_cast<int>(random_() % static_cast<unsigned>(settings_.boards));
        lan_->cut(one, other, true);
        healing_.push_back([this, one, other] { lan_->cut(one, other, false); });
        return "board " + std::to_string(one) + " from " + std::to_string(other);
    }

    void later(double delay_s, std::function<void()> act) {
        healers_.emplace_back([delay_s, act = std::move(act)] {
            std::this_thread::sleep_for(seconds(delay_s));
            act();
        });
    }

    void heal() {
        for (auto& healer : healers_)
            healer.join();
        healers_.clear();
        for (auto& act : healing_)
            act();
        healing_.clear();
    }

    // ---- what came of it

    void wrong(int number, const std::string& kind, const std::string& what, const std::string& why) {
        ++figures_[kind].wrong;
        std::printf("run %3d WRONG: %s %s: %s\n", number, kind.c_str(), what.c_str(), why.c_str());
        std::fflush(stdout);
        if (!all_there(30s)) complain("the boards did not find each other again");
    }

    int report() {
        int bad = 0;
        for (auto& [kind, figures] : figures_) {
            bad += figures.wrong;
            std::ranges::sort(figures.pauses);
            std::printf("%s: %d runs, %d wrong, %d not hurt", kind.c_str(), figures.runs, figures.wrong, figures.unhurt);
            if (!figures.pauses.empty())
                std::printf("; longest pause: median %.0f ms, worst %.0f ms (%zu)",
                            figures.pauses[figures.pauses.size() / 2], figures.pauses.back(), figures.pauses.size());
            std::printf("\n");
        }
        api_->close();
        return bad ? 1 : 0;
    }

    static bool complain(const std::string& what) {
        std::fprintf(stderr, "soak-breaks: %s\n", what.c_str());
        return false;
    }

    Settings settings_;
    std::mt19937 random_;
    e2e::TempDir files_;
    std::filesystem::path fardd_;
    std::unique_ptr<Lan> lan_;
    std::unique_ptr<Api> api_;
    AppId app_;
    JobData data_;
    std::vector<std::string> expected_;
    std::vector<std::thread> healers_;
    std::vector<std::function<void()>> healing_;
    std::map<std::string, Figures> figures_;
};

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    Settings settings;
    po::options_description options("soak-breaks");
    options.add_options()("runs", po::value(&settings.runs))("kind", po::value(&settings.kind))(
        "seed", po::value(&settings.seed))("boards", po::value(&settings.boards))(
        "positions", po::value(&settings.positions))("longest", po::value(&settings.longest_s));
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, options), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "soak-breaks: %s\n", error.what());
        return 2;
    }
    return Campaign(settings).run();
}
