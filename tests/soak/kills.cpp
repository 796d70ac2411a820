// Runs in which something is killed or stopped at a random moment: every result must come once, in order,
// bit-identical.
//
//   soak-kills [--runs 200] [--victim member|coordinator|sleeper] [--app APP.toml] [--chunks N] [--seed S]
//              [--boards N] [--profile NAME [--batch K | --schedule FILE]] [--within SECONDS]
//
// `member`: a random job, or (every other time) a whole node manager other than the coordinator, by SIGKILL.
// `coordinator`: the coordinating node manager, by SIGKILL. `sleeper`: the coordinator is stopped, wakes up 2 to 20 s
// later, before or after the run's end, and the cluster is used once more. With a profile the boards are emulated ones; fewer of them than
// the app has positions take turns, of K chunks, or as a schedule says that is for boards b0, b1 and so on. Prints one line per run and the
// figures at the end; exit code 1 if any run went wrong.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <map>
#include <random>
#include <thread>

#include "client/api.hpp"
#include "client/batch.hpp"
#include "client/inputs.hpp"
#include "client/packing.hpp"
#include "planner/schedule.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/soak/watch.hpp"

namespace {

using namespace fard;
using namespace std::chrono_literals;
using soak::Clock;
using soak::text_of;
using soak::Watch;

struct Settings {
    int runs = 200;
    std::string victim = "member";
    std::string app;
    std::uint64_t chunks = 0;
    unsigned seed = 1;
    std::uint32_t boards = 6;
    std::string profile;
    std::uint64_t batch = 0;
    std::string schedule;
    double within_s = 0;
};

// A cluster of our own with the app registered and its packages in the boards' stores.
struct Stage {
    std::unique_ptr<Api> api;
    AppId app;
    std::vector<pid_t> boards;  // in the order of their start: the first one coordinates
};

class Campaign {
  public:
    explicit Campaign(const Settings& settings) : settings_(settings), random_(settings.seed) {}

    int run() {
        if (!calibrate()) return 1;
        for (int i = 0; i < settings_.runs; ++i) {
            if (!stage_.api && !open_stage()) return 1;
            one(i);
        }
        return report();
    }

  private:
    bool open_stage() {
        ApiOptions options;
        auto fardd = find_fardd();
        if (!fardd) return complain(fardd.error());
        options.embedded = LocalClusterOptions{.boards = settings_.boards, .profile = settings_.profile, .fardd = *fardd};
        auto api = Api::connect(std::move(options));
        if (!api) return complain(api.error());
        stage_.api = std::move(*api);
        auto file = read_app_file(settings_.app);
        if (!file) return complain(file.error());
        file->cluster.profile = settings_.profile;
        if (settings_.batch > 0) file->batch = settings_.batch;
        auto packed = pack_app(*file);
        if (!packed) return complain(packed.error());
        if (!settings_.schedule.empty() && !follow_schedule(packed->spec)) return false;
        auto app = stage_.api->send_app(std::move(*packed));
        if (!app) return complain(app.error());
        stage_.app = *app;
        stage_.boards = e2e::children_of(getpid());
        std::ranges::sort(stage_.boards);
        if (data_.chunks.empty() && !load_data()) return false;
        auto warm = stage_.api->send_job_data(stage_.app, data_.first(2), 60s);
        return warm ? true : complain(warm.error());
    }

    bool follow_schedule(wire::AppSpec& app) const {
        app.schedule = e2e::read_file(settings_.schedule);
        const auto schedule = planner::parse_schedule(app.schedule);
        if (!schedule) return complain(schedule.error());
        app.batch = schedule->batch;
        app.window_bytes = schedule->window * chunk_bytes_of(app);
        return true;
    }

    bool load_data() {
        auto file = read_app_file(settings_.app);
        if (!file) return complain(file.error());
        auto spec = stage_.api->app(stage_.app);
        auto inputs = open_inputs(*file, {}, spec->positions.front().inputs);
        if (!inputs) return complain(inputs.error());
        for (std::size_t i = 0; i < inputs->size(); ++i) {
            auto input = inputs->at(i);
            if (!input) return complain(input.error());
            data_.chunks.push_back(std::move(input->tensors));
        }
        return true;
    }

    // An undisturbed run: what the results are, and how many chunks make a run of at least one second.
    bool calibrate() {
        if (!open_stage()) return false;
        std::uint64_t chunks = settings_.chunks ? settings_.chunks : 32;
        while (true) {
            auto results = stage_.api->send_job_data(stage_.app, data_.first(chunks), 120s);
            if (!results) return complain(results.error());
            length_ = std::chrono::duration_cast<Clock::duration>(
                std::chrono::duration<double>(results->summary.wall_s));
            if (length_ < 1s) {
                chunks = static_cast<std::uint64_t>(static_cast<double>(chunks) *
                                                    std::clamp(1.3 / results->summary.wall_s, 1.2, 8.0));
                continue;
            }
            for (const auto& output : results->outputs)
                expected_.push_back(text_of(output));
            std::printf("undisturbed: %llu chunks in %.2f s, %llu turns, %llu reloads\n", static_cast<unsigned long long>(chunks),
                        results->summary.wall_s, static_cast<unsigned long long>(results->summary.turns),
                        static_cast<unsigned long long>(results->summary.reloads));
            return true;
        }
    }

    // Moments are uniform over an undisturbed run, or over its first seconds.
    double within_s() const {
        return settings_.within_s > 0 ? settings_.within_s : std::chrono::duration<double>(length_).count();
    }

    Clock::duration moment() {
        return std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(std::uniform_real_distribution<double>(0, within_s())(random_)));
    }

    // Whom to hit now; 0 if there is nobody.
    pid_t choose(bool whole_board) {
        if (settings_.victim != "member") return stage_.boards.front();
        std::vector<pid_t> candidates;
        for (const auto board : stage_.boards) {
            const auto jobs = e2e::jobs_of(board);
            if (!whole_board) candidates.insert(candidates.end(), jobs.begin(), jobs.end());
            // A board without a job would not be missed.
            if (whole_board && board != stage_.boards.front() && !jobs.empty()) candidates.push_back(board);
        }
        return candidates.empty() ? 0 : candidates[random_() % candidates.size()];
    }

    void one(int number) {
        Watch watch;
        const bool whole_board = number % 2 == 1;
        auto started =
            stage_.api->send_job_data(stage_.app, data_.first(expected_.size()), watch.callbacks(), 180s);
        if (!started) return wrong(number, started.error().message);
        std::this_thread::sleep_for(moment());
        const pid_t victim = choose(whole_board);
        const bool sleeper = settings_.victim == "sleeper";
        std::thread waker;
        ++hit_[victim == 0 ? "nobody" : settings_.victim != "member" ? settings_.victim : whole_board ? "board" : "job"];
        if (victim > 0) {
            watch.hit();
            kill(victim, sleeper ? SIGSTOP : SIGKILL);
        }
        if (sleeper) {
            // Every other time it wakes while the client's next attempt runs.
            const auto nap = std::chrono::milliseconds(2000 + random_() % (number % 2 ? 18000 : 500));
            waker = std::thread([victim, nap] {
                std::this_thread::sleep_for(nap);
                kill(victim, SIGCONT);
            });
        }
        const bool ended = watch.wait_for_end(200s);
        if (waker.joinable()) {
            const auto end = Clock::now();
            waker.join();
            woke_before_end_ += Clock::now() - end < 1ms;
            woken(number);
        }
        check(number, ended, watch);
        // A killed board is not coming back, and a coordinator that slept is not the first one any more.
        if (whole_board || settings_.victim != "member") close_stage();
    }

    // The old coordinator is back: the cluster is as good as before.
    void woken(int number) {
        auto again = stage_.api->send_job_data(stage_.app, data_.first(2), 60s);
        if (!again) return wrong(number, "after the coordinator woke up: " + again.error().message);
        for (std::size_t i = 0; i < again->outputs.size(); ++i)
            if (text_of(again->outputs[i]) != expected_[i])
                return wrong(number, "after the coordinator woke up: result " + std::to_string(i) + " differs");
    }

    void check(int number, bool ended, const Watch& watch) {
        if (!ended) return wrong(number, "it did not end within 200 s");
        const auto summary = watch.summary();
        if (!summary) return wrong(number, summary.error().message);
        if (const auto what = watch.difference(expected_); !what.empty()) return wrong(number, what);
        with_replays_ += summary->replays > 0;
        const auto recovery = watch.recovery_ms();
        if (recovery) recoveries_.push_back(*recovery);
        std::printf(
            "run %3d ok: %llu replays, %llu duplicates dropped, %u attempt(s), next result after %s\n",
            number, static_cast<unsigned long long>(summary->replays),
            static_cast<unsigned long long>(summary->duplicates_dropped), summary->attempts,
            recovery ? (std::to_string(static_cast<int>(*recovery)) + " ms").c_str() : "-");
        std::fflush(stdout);
    }

    void close_stage() {
        stage_.api->close();
        stage_ = {};
    }

    void wrong(int number, const std::string& what) {
        ++wrong_;
        std::printf("run %3d WRONG: %s\n", number, what.c_str());
        std::fflush(stdout);
    }

    int report() {
        if (stage_.api) close_stage();
        std::ranges::sort(recoveries_);
        std::printf("%d runs, %d wrong, %d with replays; hit:", settings_.runs, wrong_, with_replays_);
        for (const auto& [whom, times] : hit_)
            std::printf(" %s %d", whom.c_str(), times);
        if (!recoveries_.empty())
            std::printf("; kill to next result: median %.0f ms, p95 %.0f ms, most %.0f ms (%zu)",
                        recoveries_[recoveries_.size() / 2], recoveries_[recoveries_.size() * 95 / 100],
                        recoveries_.back(), recoveries_.size());
        if (settings_.victim == "sleeper") std::printf("; woke before the run's end: %d", woke_before_end_);
        std::printf("\n");
        return wrong_ ? 1 : 0;
    }

    static bool complain(const Error& error) {
        std::fprintf(stderr, "soak-kills: %s\n", error.message.c_str());
        return false;
    }

    Settings settings_;
    std::mt19937 random_;
    Stage stage_;
    JobData data_;
    std::vector<std::string> expected_;
    Clock::duration length_{};
    std::vector<double> recoveries_;
    std::map<std::string, int> hit_;  // how often, by whom
    int wrong_ = 0, with_replays_ = 0, woke_before_end_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    Settings settings;
    po::options_description options("soak-kills");
    options.add_options()("runs", po::value(&settings.runs))("victim", po::value(&settings.victim))(
        "app", po::value(&settings.app)->required())("chunks", po::value(&settings.chunks))(
        "seed", po::value(&settings.seed))("boards", po::value(&settings.boards))(
        "profile", po::value(&settings.profile))("batch", po::value(&settings.batch))("schedule", po::value(&settings.schedule))("within", po::value(&settings.within_s));
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, options), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "soak-kills: %s\n", error.what());
        return 2;
    }
    return Campaign(settings).run();
}
