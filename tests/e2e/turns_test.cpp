// More positions than FPGAs: they take turns, and nobody can tell by the results.
#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <cstring>
#include <random>
#include <thread>

#include "client/api.hpp"
#include "client/batch.hpp"
#include "client/inputs.hpp"
#include "client/packing.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/model/large_layer.hpp"

using namespace fard::e2e;
using nlohmann::json;

namespace {

// The app with the keys of [pipeline] replaced, its paths made absolute.
fs::path app(const World& world, const std::string& name, const std::string& window = "", const std::string& more = "") {
    auto text = read_file(source_root() / "apps" / (name + ".toml"));
    for (const auto* directory : {"\"two_stage_bnn/", "\"mobilenet_six_stage/"}) {
        const auto absolute = "\"" + (source_root() / "apps").string() + "/";
        for (std::size_t at = 0; (at = text.find(directory, at)) != std::string::npos; at += absolute.size())
            text.replace(at, 1, absolute);
    }
    if (!window.empty()) {
        const auto at = text.find("window = ");
        text.replace(at, text.find('\n', at) - at, "window = \"" + window + "\"");
    }
    if (!more.empty()) text.insert(text.find("window = "), more + "\n");
    return world.files().write(name + ".toml", text);
}

struct Ran {
    json summary;
    std::string results, notes;
};

Ran submit(const World& world, const fs::path& file, int chunks, std::vector<std::string> more = {}) {
    const auto output = world.files().path() / "out.npy";
    std::vector<std::string> arguments{"submit", file.string(), "--chunks", std::to_string(chunks), "--output", output.string(), "--prepared",
                                       (world.files().path() / "in.npy").string(), "--json", "--timeout", "120"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = world.fard(arguments);
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return {outcome.json(), read_file(output), outcome.err};
}

// What the whole network makes of the last submission's inputs.
std::string uncut(const World& world, const fs::path& model) {
    const auto output = world.files().path() / "whole.npy";
    const auto outcome = world.fard({"run", (source_root() / "apps" / model).string(), "--input", (world.files().path() / "in.npy").string(),
                                     "--output", output.string()});
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return read_file(output);
}

// So that turns can be counted on a machine that is busy.
const std::string patient = "turn_wait = \"10 s\"";

// Some boards, and the two-stage app for them; it can be fed by a position on the CPU that takes a while for each chunk.
struct Boards {
    explicit Boards(std::uint32_t count, std::uint32_t replicas = 1, std::uint32_t parts = 0) {
        auto fardd = fard::find_fardd();
        REQUIRE(fardd.has_value());
        fard::ApiOptions options;
        options.embedded = fard::LocalClusterOptions{.boards = count, .profile = "zedboard", .fardd = *fardd};
        auto connected = fard::Api::connect(std::move(options));
        REQUIRE_MESSAGE(connected.has_value(), connected.error().message);
        api = std::move(*connected);
        const auto profile = fard::load_board_profile(source_root() / "overlays/boards", "zedboard");
        REQUIRE(profile.has_value());
        file = *fard::read_app_file(source_root() / "apps/two_stage_bnn.toml");
        file.positions.front().replicas = replicas;
        file.positions.back().parts = parts;
        auto made = fard::pack_app(file, {*profile});
        REQUIRE_MESSAGE(made.has_value(), made.error().message);
        packed = std::move(*made);
    }

    fard::JobData data(std::size_t chunks) const {
        auto inputs = fard::open_inputs(file, {}, packed.inputs());
        REQUIRE(inputs.has_value());
        fard::JobData data;
        for (std::size_t i = 0; i < std::min(chunks, inputs->size()); ++i)
            data.chunks.push_back(std::move(inputs->at(i)->tensors));
        return data.first(chunks);
    }

    std::vector<std::string> run(const fard::PackedApp& app, std::size_t chunks) {
        const auto id = api->send_app(app);
        REQUIRE_MESSAGE(id.has_value(), id.error().message);
        const auto got = api->send_job_data(*id, data(chunks), std::chrono::minutes(2));
        REQUIRE_MESSAGE(got.has_value(), got.error().message);
        summary = got->summary;
        std::vector<std::string> results;
        for (const auto& tensors : got->outputs)
            results.emplace_back(tensors.front().text());
        return results;
    }

    fard::PackedApp trickling(int ms) const {
        auto app = packed;
        fard::wire::PositionSpec drops;
        drops.name = "drops";
        drops.program = "test_faulty";
        drops.inputs = drops.outputs = packed.inputs();
        drops.params = {{"slow_ms", std::to_string(ms)}};
        app.spec.positions.insert(app.spec.positions.begin(), std::move(drops));
        return app;
    }

    std::unique_ptr<fard::Api> api;
    fard::AppFile file;
    fard::PackedApp packed;
    fard::RunSummary summary;
};

// Kills a job of each of so many runs, at some moment of it; `command`: what follows `fard submit`.
void kill_some(const World& world, std::vector<std::string> command, int runs, unsigned seed, const std::string& right) {
    std::mt19937 random(seed);
    command.insert(command.begin(), "submit");
    command.insert(command.end(), {"--output", (world.files().path() / "killed.npy").string(), "--json", "--timeout", "120"});
    for (int i = 0; i < runs; ++i) {
        CAPTURE(i);
        auto run = world.start(command);
        REQUIRE(eventually([&] { return !world.jobs().empty(); }, std::chrono::seconds(20)));
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));
        const auto jobs = world.jobs();
        if (!jobs.empty()) kill(jobs[random() % jobs.size()], SIGKILL);
        const auto outcome = run.wait();
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        CHECK(read_file(world.files().path() / "killed.npy") == right);
    }
}

const fs::path mobilenet = "mobilenet_six_stage/mobilenet_v1_w4a4.onnx", cnv = "two_stage_bnn/cnv_w2a2.onnx";

}  // namespace

TEST_CASE("six positions on three emulated Zedboards: exact, and each is loaded once for one batch") {
    World world;
    world.up(3, {"--profile", "zedboard"});
    const auto file = app(world, "mobilenet_six_stage", "", patient);
    const auto ran = submit(world, file, 16, {"--batch", "auto"});
    CHECK(ran.results == uncut(world, mobilenet));
    CHECK(ran.summary["reloads"] == 6);
    CHECK(ran.summary["turns"] == 6);
    CHECK(ran.summary["batch"] == 16);
    CHECK(ran.summary["replays"] == 0);
    const auto& plan = ran.summary["plan"];
    CHECK(plan["reloads"] == 6);
    CHECK(plan["wall_s"] > 2 * 0.2298);
    CHECK(plan["throughput_per_s"].get<double>() <= plan["bound"].get<double>() * 1.001);
    CHECK(plan["measured"]["throughput_per_s"].get<double>() <= plan["bound"].get<double>() * 1.01);
    const auto again = submit(world, file, 16, {"--batch", "5"});
    CHECK(again.results == ran.results);
    CHECK(again.summary["turns"] == 24);
    const auto status = world.fard({"status", "--json"}).json();
    for (const auto& board : status["boards"])
        for (const auto& device : board["devices"])
            CHECK(device["slots_free"] == device["slots"]);
    CHECK(status["runs"].back()["shared_slots"] == 3);
    CHECK(status["runs"].back()["batch"] == 5);
}

TEST_CASE("without a word of turns, positions take them where there are too few FPGAs, and say so") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    const auto ran = submit(world, app(world, "two_stage_bnn"), 6);
    CHECK(ran.results == uncut(world, cnv));
    CHECK(ran.summary["turns"] == 2);
    CHECK(ran.summary["reloads"] == 2);
    CHECK(world.fard({"status"}).out.find("1 of its slots are shared: turns of 6 chunks") != std::string::npos);
    CHECK(submit(world, app(world, "two_stage_bnn"), 6).summary["reloads"] == 2);
}

TEST_CASE("windows from one chunk to the whole input, inputs around a batch: exact, and nothing stands still") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    constexpr int batch = 4, chunk_bytes = 32 * 32 * 3;
    for (const int window : {1, batch - 1, batch, batch + 1, 10 * batch}) {
        CAPTURE(window);
        const auto file = app(world, "two_stage_bnn", std::to_string(window * chunk_bytes) + " B", patient);
        for (const int chunks : {1, batch - 1, batch, batch + 1, 10 * batch}) {
            if (window < batch && chunks == 10 * batch && window == 1) continue;  // 40 rounds of reloads
            CAPTURE(chunks);
            const auto ran = submit(world, file, chunks, {"--batch", std::to_string(batch)});
            CHECK(ran.results == uncut(world, cnv));
            CHECK(ran.summary["batch"] == std::min(window, batch));
            CHECK((ran.notes.find("the app's window of") != std::string::npos) == (window < batch));
            const int turns = (chunks + std::min(window, batch) - 1) / std::min(window, batch);
            CHECK(ran.summary["turns"] == 2 * turns);
        }
    }
}

TEST_CASE("jobs that are killed in the middle of turns and reloads: every result once") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    const auto file = app(world, "two_stage_bnn", "", "batch = 4");
    const auto right = submit(world, file, 48).results;
    kill_some(world, {file.string(), "--chunks", "48"}, 4, 7, right);
}

TEST_CASE("an input that trickles, one chunk each 50 ms: exact, whatever the batch, the window and how long an idle turn lasts") {
    Boards board(1);
    constexpr std::size_t chunks = 12;
    const auto right = board.run(board.packed, chunks);
    struct Case {
        std::uint64_t batch, window, wait_ms;
    };
    for (const Case& one : {Case{4, 12, 500}, Case{12, 12, 500}, Case{5, 5, 2000}, Case{8, 12, 20}, Case{1, 1, 500}}) {
        CAPTURE(one.batch);
        CAPTURE(one.wait_ms);
        auto trickling = board.trickling(50);
        trickling.spec.batch = one.batch;
        trickling.spec.window_bytes = one.window * fard::chunk_bytes_of(trickling.spec);
        trickling.spec.turn_wait_ms = one.wait_ms;
        CHECK(board.run(trickling, chunks) == right);
        CHECK(board.summary.batch == std::min(one.batch, one.window));
        CHECK(board.summary.replays == 0);
        CHECK(board.summary.reloads >= 2 * (one.wait_ms == 20 ? 1 : chunks / one.batch) - 1);  // the first may be there already
    }
}

TEST_CASE("an input that trickles into replicas and out of parts that take turns: exact") {
    constexpr std::size_t chunks = 12;
    std::vector<std::string> right;
    {
        Boards board(1);
        right = board.run(board.packed, chunks);
    }
    struct Case {
        std::uint32_t boards, replicas, parts;
    };
    for (const Case& jobs : {Case{2, 2, 0}, Case{1, 1, 2}, Case{2, 2, 2}}) {
        CAPTURE(jobs.replicas);
        CAPTURE(jobs.parts);
        Boards boards(jobs.boards, jobs.replicas, jobs.parts);
        for (const auto& [batch, window, wait_ms] :
             {std::array{4, 12, 500}, std::array{12, 12, 500}, std::array{3, 3, 500}, std::array{5, 12, 20}, std::array{1, 1, 500}}) {
            CAPTURE(batch);
            CAPTURE(wait_ms);
            auto trickling = boards.trickling(50);
            trickling.spec.batch = static_cast<std::uint64_t>(batch);
            trickling.spec.window_bytes = static_cast<std::uint64_t>(window) * fard::chunk_bytes_of(trickling.spec);
            trickling.spec.turn_wait_ms = static_cast<std::uint64_t>(wait_ms);
            CHECK(boards.run(trickling, chunks) == right);
            CHECK(boards.summary.batch == static_cast<std::uint64_t>(std::min(batch, window)));
            CHECK(boards.summary.replays == 0);
            CHECK(boards.summary.turns > 0);
        }
    }
}

TEST_CASE("a schedule from a file is followed: seats, order of turns, batch and window") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    const auto file = app(world, "two_stage_bnn", "", patient);
    const auto own = world.files().write("own.txt",
                                         "fard-schedule 1\nbatch 4\nwindow 16\nboard b0\nposition room 16 staged next at 0.0\n"
                                         "position room 16 staged next at 0.0\nturns 0.0 0 0 1 1\n");
    const auto ran = submit(world, file, 16, {"--schedule", own.string()});
    CHECK(ran.results == uncut(world, cnv));
    CHECK(ran.summary["turns"] == 8);
    CHECK(ran.summary["reloads"] == 4);  // two turns of a position follow each other
    CHECK(ran.summary["plan"]["reloads"] == 4);
    const auto elsewhere = world.files().write("elsewhere.txt",
                                               "fard-schedule 1\nbatch 4\nwindow 16\nboard b7\nposition room 16 staged next at 0.0\n"
                                               "position room 16 staged next at 0.0\nturns 0.0 0 1\n");
    const auto other = submit(world, file, 8, {"--schedule", elsewhere.string()});  // as without one
    CHECK(other.results == uncut(world, cnv));
    CHECK_FALSE(other.summary.contains("plan"));
}

TEST_CASE("what `fard plan --schedule` writes for the cluster that is up, `fard submit --schedule` follows; what is loaded counts") {
    World world;
    world.up(3, {"--profile", "zedboard"});
    const auto file = app(world, "mobilenet_six_stage", "", patient);
    const auto schedule = world.files().path() / "planned.txt";
    const auto planned = [&] {
        const auto outcome = world.fard({"plan", file.string(), "--node", "", "--chunks", "12", "--batch", "4", "--schedule", schedule.string(), "--json"});
        REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
        return outcome.json();
    };
    const auto first = planned();
    const auto ran = submit(world, file, 12, {"--schedule", schedule.string()});
    CHECK(ran.results == uncut(world, mobilenet));
    CHECK(ran.summary["batch"] == 4);
    CHECK(ran.summary["reloads"] == first["reloads"]);
    CHECK(ran.summary["plan"]["wall_s"] == first["wall_s"]);
    const auto second = planned();
    CHECK(second["reloads"].get<int>() <= first["reloads"].get<int>());
    const auto again = submit(world, file, 12, {"--schedule", schedule.string()});
    CHECK(again.results == ran.results);
    CHECK(again.summary["reloads"] == second["reloads"]);
}

namespace {

// The two-stage app with a key more for a position.
fs::path with_jobs(const World& world, const std::string& position, const std::string& key, const std::string& window, const std::string& more) {
    const auto file = app(world, "two_stage_bnn", window, more);
    auto text = read_file(file);
    const auto name = "name = \"" + position + "\"";
    const auto at = text.find(name);
    REQUIRE(at != std::string::npos);
    text.insert(at + name.size(), "\n" + key);
    return world.files().write("jobs.toml", text);
}

// With so many replicas of it.
fs::path replicated(const World& world, const std::string& position, int replicas, const std::string& more = "") {
    return with_jobs(world, position, "replicas = " + std::to_string(replicas), "", more);
}

}  // namespace

TEST_CASE("replicas take turns, a batch each: exact, as planned, also when jobs are killed") {
    World world;
    world.up(2, {"--profile", "zedboard"});
    for (const auto* position : {"first", "second"}) {
        CAPTURE(position);
        const auto file = replicated(world, position, 2, patient);
        const auto ran = submit(world, file, 32, {"--batch", "8"});
        CHECK(ran.results == uncut(world, cnv));
        CHECK(ran.summary["batch"] == 8);
        CHECK(ran.summary["replays"] == 0);
        CHECK(ran.summary["stages"].size() == 3);
        REQUIRE(ran.summary.contains("plan"));
        const auto& plan = ran.summary["plan"];
        CHECK(plan["measured"]["throughput_per_s"].get<double>() <= plan["bound"].get<double>() * 1.01);
        std::size_t chunks = 0;
        for (const auto& stage : ran.summary["stages"])
            if (stage["name"] == position) {
                CHECK(stage["turns"].get<int>() <= 2);
                ++chunks;
            }
        CHECK(chunks == 2);
        const auto by_itself = submit(world, replicated(world, position, 2, patient), 12);  // no plan: the boards' own rules
        CHECK(by_itself.results == uncut(world, cnv));
        CHECK(by_itself.summary["batch"] == 6);
    }
    const auto file = replicated(world, "first", 2, "batch = 4");
    const auto right = submit(world, file, 48).results;
    kill_some(world, {file.string(), "--chunks", "48"}, 3, 11, right);
    const auto three = submit(world, replicated(world, "second", 3, patient), 12, {"--batch", "4"});  // on two slots: no plan has that
    CHECK(three.results == uncut(world, cnv));
    CHECK_FALSE(three.summary.contains("plan"));
}

TEST_CASE("replicas and parts in turns, windows from one chunk to the whole input, inputs around a batch: exact, and nothing stands still") {
    World world;
    world.up(2, {"--profile", "zedboard"});
    constexpr int batch = 3, chunk_bytes = 32 * 32 * 3;
    for (const std::string jobs : {"replicas = 2", "parts = 2"})
        for (const int window : {1, batch - 1, batch, batch + 1, 10 * batch}) {
            CAPTURE(jobs);
            CAPTURE(window);
            const auto file = with_jobs(world, "second", jobs, std::to_string(window * chunk_bytes) + " B", patient);
            for (const int chunks : {1, batch - 1, batch, batch + 1, 10 * batch}) {
                if (window < batch && chunks == 10 * batch) continue;  // 15 or 30 rounds of reloads
                CAPTURE(chunks);
                const auto ran = submit(world, file, chunks, {"--batch", std::to_string(batch)});
                CHECK(ran.results == uncut(world, cnv));
                CHECK(ran.summary["batch"] == std::min(window, batch));
                CHECK(ran.summary["replays"] == 0);
                const int turns = (chunks + std::min(window, batch) - 1) / std::min(window, batch);
                CAPTURE(ran.summary["turns"].get<int>());
                CHECK(ran.summary["turns"] <= (jobs == "parts = 2" ? 3 : 2) * turns);
            }
        }
}

TEST_CASE("parallel parts take turns on slots that others use too, and on one slot: exact, as planned, also when jobs are killed") {
    for (const int boards : {1, 2}) {
        CAPTURE(boards);
        World world;
        world.up(boards, {"--profile", "zedboard"});
        const auto model = world.files().write("large.onnx", fard::model::test::large_layer());
        const auto out = world.files().path() / "parts";
        const auto split = world.fard({"split", model.string(), "--board", "zedboard", "--boards", std::to_string(boards), "--batch", "4", "--chunks", "32",
                                       "--out", out.string()});
        REQUIRE_MESSAGE(split.exit_code == 0, split.err);
        const auto file = out / "large.toml";
        CHECK(read_file(file).find("parts = ") != std::string::npos);
        auto values = std::string(std::size_t{32} * 1024 * sizeof(float), '\0');
        std::mt19937 random(3);
        for (std::size_t i = 0; i < values.size(); i += sizeof(float)) {
            const auto value = static_cast<float>(static_cast<int>(random() % 31) - 15);
            std::memcpy(values.data() + i, &value, sizeof value);
        }
        auto header = std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (32, 1024), }");
        header.resize(128 - 10 - 1, ' ');
        const auto input = world.files().write("input.npy", std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + values);
        auto text = read_file(file);
        text.insert(text.find("[pipeline]\n") + 11, patient + "\n");
        const auto ran = submit(world, world.files().write("patient.toml", text), 32, {"--input", input.string()});
        const auto whole = world.files().path() / "whole.npy";
        const auto uncut = world.fard({"run", model.string(), "--input", input.string(), "--output", whole.string()});
        REQUIRE_MESSAGE(uncut.exit_code == 0, uncut.err);
        CHECK(ran.results == read_file(whole));
        CHECK(ran.summary["replays"] == 0);
        REQUIRE(ran.summary.contains("plan"));
        CHECK(ran.summary["reloads"] == ran.summary["plan"]["reloads"]);
        kill_some(world, {file.string(), "--input", input.string()}, 3, 5, ran.results);
    }
}
