// What a whole run costs, from the call until its jobs are reaped and the boards are free.
//
//   run [--json] [--rounds N]
//
// (1) A two-position `copy` app with one 64-byte chunk, on a warm cluster of two boards. Beside it, in the
// same run, the
//     floor: the two processes started one after the other and waited for, with nothing else.
// (2) `two_stage_bnn` with 20 images on soft devices. The FARD paper's boards took 84 ms (standard
// deviation 7.5 ms): shown
//     beside ours, which run on another machine.
#include <spawn.h>
#include <sys/wait.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "bench/measure.hpp"
#include "client/api.hpp"
#include "client/inputs.hpp"
#include "nlohmann/json.hpp"

namespace {

using namespace fard;
using bench::BenchClock;
namespace po = boost::program_options;

double ms_since(BenchClock::time_point start) {
    return std::chrono::duration<double, std::milli>(BenchClock::now() - start).count();
}

Result<std::unique_ptr<Api>> warm_cluster(std::uint32_t boards) {
    ApiOptions options;
    auto fardd = find_fardd();
    if (!fardd) return fail(fardd.error());
    options.embedded = LocalClusterOptions{.boards = boards, .fardd = *fardd};
    return Api::connect(std::move(options));
}

AppFile copy_app() {
    auto app = parse_app_file(R"(
[app]
name = "copy_64"
[input]
random_chunks = 1
[[input.tensor]]
name = "x"
shape = [1, 64]
type = "UINT8"
[[pipeline.position]]
name = "first"
job = "copy"
[[pipeline.position]]
name = "second"
job = "copy"
)",
                              "bench/run.cpp");
    return app.value();
}

// One process, started and waited for: `copy` without a node manager says so and ends.
double start_and_wait(const std::string& program) {
    const auto start = BenchClock::now();
    for (int i = 0; i < 2; ++i) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
        char* words[] = {const_cast<char*>(program.c_str()), nullptr};
        pid_t child = 0;
        if (posix_spawn(&child, program.c_str(), &actions, nullptr, words, environ) == 0)
            waitpid(child, nullptr, 0);
        posix_spawn_file_actions_destroy(&actions);
    }
    return ms_since(start);
}

struct Samples {
    std::vector<double> ms;
    double mean() const {
        return std::accumulate(ms.begin(), ms.end(), 0.0) / static_cast<double>(ms.size());
    }
    double sd() const {
        double sum = 0;
        for (const auto value : ms)
            sum += (value - mean()) * (value - mean());
        return ms.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(ms.size() - 1));
    }
    double median() const { return bench::median(ms); }
};

Result<JobData> data_of(const AppFile& app, const wire::AppSpec& spec, std::uint64_t chunks) {
    auto inputs = open_inputs(app, {}, spec.positions.front().inputs);
    if (!inputs) return fail(inputs.error());
    JobData data;
    for (std::size_t i = 0; i < inputs->size() && data.chunks.size() < chunks; ++i) {
        auto input = inputs->at(i);
        if (!input) return fail(input.error());
        data.chunks.push_back(std::move(input->tensors));
    }
    return data.first(chunks);
}

Result<nlohmann::json> bench_copy(int rounds) {
    auto api = warm_cluster(2);
    if (!api) return fail(api.error());
    const auto app = copy_app();
    auto id = (*api)->send_app(app);
    if (!id) return fail(id.error());
    auto data = data_of(app, *(*api)->app(*id), 1);
    if (!data) return fail(data.error());
    const std::string program = FARD_COPY_JOB;
    Samples ours, floor;
    for (int round = 0; round < rounds + 5; ++round) {
        const auto start = BenchClock::now();
        auto results = (*api)->send_job_data(*id, data->share(), std::chrono::seconds(20));
        const auto took = ms_since(start);
        if (!results) return fail(results.error());
        const auto processes = start_and_wait(program);
        if (round < 5) continue;  // warm
        ours.ms.push_back(took);
        floor.ms.push_back(processes);
    }
    return nlohmann::json{{"what", "copy, 2 positions, one 64 B chunk"},
                          {"unit", "ms"},
                          {"ours", ours.median()},
                          {"peer", floor.median()},
                          {"peer_is", "two processes started and waited for"},
                          {"ratio", ours.median() / floor.median()},
                          {"goal", 10.0},
                          {"reached", ours.median() <= 10.0}};
}

Result<nlohmann::json> bench_two_stage(const std::filesystem::path& app_file, int runs) {
    auto app = read_app_file(app_file);
    if (!app) return fail(app.error());
    auto api = warm_cluster(2);
    if (!api) return fail(api.error());
    auto id = (*api)->send_app(*app);
    if (!id) return fail(id.error());
    auto data = data_of(*app, *(*api)->app(*id), 20);
    if (!data) return fail(data.error());
    Samples ours;
    for (int run = 0; run < runs + 1; ++run) {
        const auto start = BenchClock::now();
        auto results = (*api)->send_job_data(*id, data->share(), std::chrono::seconds(60));
        if (!results) return fail(results.error());
        if (run > 0) ours.ms.push_back(ms_since(start));  // the first brings the packages to the boards
    }
    return nlohmann::json{{"what", "two_stage_bnn, 20 images, soft devices"},
                          {"unit", "ms"},
                          {"ours", ours.median()},
                          {"ours_mean", ours.mean()},
                          {"ours_sd", ours.sd()},
                          {"peer", 84.0},
                          {"peer_sd", 7.5},
                          {"peer_is", "the FARD paper, two PYNQ-Z1 (published, another machine)"},
                          {"ratio", ours.mean() / 84.0},
                          {"goal", nullptr}};
}

}  // namespace

int main(int argc, char** argv) {
    bool json = false;
    int rounds = 200;
    std::string app = std::string(FARD_SOURCE_ROOT) + "/apps/two_stage_bnn.toml";
    po::options_description described("run");
    described.add_options()("help", "this text")("json", po::bool_switch(&json), "one JSON object with rows")(
        "rounds", po::value(&rounds), "copy runs")("app", po::value(&app), "the two-stage app's file");
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, described), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "run: %s\n", error.what());
        return 2;
    }
    auto first = bench_copy(rounds);
    auto second = first ? bench_two_stage(app, 30) : Result<nlohmann::json>(fail(first.error()));
    if (!second) {
        std::fprintf(stderr, "run: %s\n", second.error().message.c_str());
        return 1;
    }
    const nlohmann::json all{{"bench", "run"}, {"rows", {*first, *second}}};
    if (json) {
        std::printf("%s\n", all.dump(2).c_str());
        return 0;
    }
    std::printf("%s: median %.2f ms (goal 10 ms); %s: %.2f ms; ratio %.2f\n",
                (*first)["what"].get<std::string>().c_str(), (*first)["ours"].get<double>(),
                (*first)["peer_is"].get<std::string>().c_str(), (*first)["peer"].get<double>(),
                (*first)["ratio"].get<double>());
    std::printf("%s: mean %.1f ms, sd %.1f ms; %s: 84 ms, 7.5 ms\n",
                (*second)["what"].get<std::string>().c_str(), (*second)["ours_mean"].get<double>(),
                (*second)["ours_sd"].get<double>(), (*second)["peer_is"].get<std::string>().c_str());
    return 0;
}
