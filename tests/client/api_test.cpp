// fard::Api on real node managers and copy jobs.
#include "client/api.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <mutex>
#include <thread>

#include "tests/e2e/harness.hpp"
#include "tests/fakes/endpoints.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

AppFile copy_app(std::size_t positions, std::int64_t bytes = 64) {
    AppFile app;
    app.name = "copy";
    app.input.tensors = {{"bytes", {1, bytes}, "", DataType::uint(8), "UINT8"}};
    for (std::size_t p = 0; p < positions; ++p) {
        AppFile::Position position;
        position.name = "copy" + std::to_string(p);
        position.job = "copy";
        app.positions.push_back(position);
    }
    return app;
}

JobData numbered(std::size_t count, std::size_t bytes = 64) {
    JobData data;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<std::byte> chunk(bytes, static_cast<std::byte>(i * 7));
        std::memcpy(chunk.data(), &i, sizeof i);
        data.add(chunk);
    }
    return data;
}

bool same(const std::vector<Frame>& tensors, const std::vector<Frame>& sent) {
    return tensors.size() == 1 && std::ranges::equal(tensors[0].bytes(), sent[0].bytes());
}

// One embedded cluster for all cases: bringing it up is another test's business.
Api& api() {
    static auto connected = [] {
        ApiOptions options;
        options.embedded = LocalClusterOptions{};
        options.embedded->boards = 3;
        options.embedded->fardd = e2e::build_root() / "runtime/node_manager/fardd";
        auto result = Api::connect(std::move(options));
        if (!result) throw std::runtime_error(result.error().message);
        return std::move(*result);
    }();
    return *connected;
}

}  // namespace

TEST_CASE("job data goes through a pipeline and comes back whole and in order") {
    const auto app = api().send_app(copy_app(2));
    REQUIRE(app);
    const auto data = numbered(500);
    const auto results = api().send_job_data(*app, data.share(), 60s);
    REQUIRE_MESSAGE(results, results.error().message);
    REQUIRE(results->outputs.size() == 500);
    for (std::size_t i = 0; i < 500; ++i)
        CHECK(same(results->outputs[i], data.chunks[i]));
    const auto& summary = results->summary;
    CHECK(summary.chunks_in == 500);
    CHECK(summary.chunks_out == 500);
    CHECK(summary.stages.size() == 2);
    CHECK(summary.replays == 0);
    CHECK(summary.note == "");
    CHECK(summary.latency_ms.p50 > 0);
    CHECK(summary.steady_per_s >= summary.throughput_per_s);
}

TEST_CASE("a chunk that does not fit is refused before anything is sent") {
    const auto app = api().send_app(copy_app(1));
    REQUIRE(app);
    const auto results = api().send_job_data(*app, numbered(3, 63), 10s);
    REQUIRE(!results);
    CHECK(results.error().fault == Fault::invalid_input);
    CHECK(results.error().message.find("63 bytes") != std::string::npos);
    CHECK(api().send_job_data(AppId{"nobody"}, numbered(1), 10s).error().fault == Fault::not_found);
}

TEST_CASE("callbacks: results in order, each once, then the end, last of all") {
    const auto app = api().send_app(copy_app(3, 16384));
    REQUIRE(app);
    const auto data = numbered(200, 16384);
    std::mutex mutex;
    std::condition_variable over;
    std::optional<Result<RunSummary>> outcome;
    std::vector<std::uint64_t> order;
    bool whole = true;
    RunCallbacks callbacks;
    callbacks.result = [&](std::uint64_t index, const std::vector<Frame>& tensors) {
        whole = whole && !outcome && same(tensors, data.chunks[index]);
        order.push_back(index);
    };
    callbacks.ended = [&](Result<RunSummary> ended) {
        const std::lock_guard lock(mutex);
        outcome = std::move(ended);
        over.notify_all();
    };
    const auto run = api().send_job_data(*app, data.share(), std::move(callbacks), 60s);
    REQUIRE(run);
    std::unique_lock lock(mutex);
    REQUIRE(over.wait_for(lock, 60s, [&] { return outcome.has_value(); }));
    REQUIRE_MESSAGE(*outcome, outcome->error().message);
    CHECK((*outcome)->run == *run);
    CHECK(whole);
    CHECK(order.size() == 200);
    CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("a waiting call from a callback is refused instead of hanging") {
    const auto app = api().send_app(copy_app(1));
    REQUIRE(app);
    std::atomic<bool> refused = false, ended = false;
    RunCallbacks callbacks;
    callbacks.result = [&](std::uint64_t, const std::vector<Frame>&) {
        refused = api().send_job_data(*app, numbered(1), 1s).error().fault == Fault::refused;
    };
    callbacks.ended = [&](const Result<RunSummary>&) { ended = true; };
    REQUIRE(api().send_job_data(*app, numbered(1), std::move(callbacks), 30s));
    CHECK(e2e::eventually([&] { return ended.load(); }, 30s));
    CHECK(refused);
}

TEST_CASE("outputs are collected for the app that asked for it, and for no other") {
    const auto collected = api().send_app(copy_app(1)), other = api().send_app(copy_app(1));
    REQUIRE(collected);
    REQUIRE(other);
    REQUIRE(api().set_output_collection(*collected, true));
    const auto data = numbered(5);
    REQUIRE(api().send_job_data(*other, numbered(5), 30s));
    REQUIRE(api().send_job_data(*collected, data.share(), 30s));
    CHECK(!*api().consume_output(*other));
    for (std::uint64_t i = 0; i < 5; ++i) {
        const auto output = api().consume_output(*collected, 1s);
        REQUIRE(output);
        REQUIRE(output->has_value());
        CHECK((*output)->index == i);
        CHECK(same((*output)->tensors, data.chunks[i]));
    }
    const auto none = api().consume_output(*collected, 50ms);
    REQUIRE(none);
    CHECK(!none->has_value());
}

TEST_CASE("killing an app ends its runs and forgets it; restarting keeps it") {
    const auto app = api().send_app(copy_app(2, 1 << 20));
    REQUIRE(app);
    const auto start = [&] {
        auto ended = std::make_shared<std::optional<Error>>();
        RunCallbacks callbacks;
        callbacks.ended = [ended](const Result<RunSummary>& outcome) {
            *ended = outcome ? Error{} : outcome.error();
        };
        REQUIRE(api().send_job_data(*app, numbered(4, 1 << 20).first(20'000), std::move(callbacks)));
        return ended;
    };
    const auto first = start();
    std::this_thread::sleep_for(100ms);
    const auto restarted = api().restart_app(*app);
    REQUIRE_MESSAGE(restarted, restarted.error().message);
    REQUIRE(first->has_value());
    CHECK((*first)->fault == Fault::cancelled);
    const auto second = start();
    std::this_thread::sleep_for(100ms);
    REQUIRE(api().kill_app(*app));
    REQUIRE(second->has_value());
    CHECK((*second)->fault == Fault::cancelled);
    CHECK(api().kill_app(*app).error().fault == Fault::not_found);
    CHECK(api().send_job_data(*app, numbered(1, 1 << 20), 5s).error().fault == Fault::not_found);
}

TEST_CASE("a run that does not end within its limit is cancelled and says so") {
    const auto app = api().send_app(copy_app(2, 1 << 20));
    REQUIRE(app);
    const auto results = api().send_job_data(*app, numbered(4, 1 << 20).first(50'000), 300ms);
    REQUIRE(!results);
    CHECK(results.error().fault == Fault::timed_out);
}

TEST_CASE("an app that no cluster can hold is refused with the reason") {
    const auto app = api().send_app(copy_app(40));
    REQUIRE(app);
    const auto results = api().send_job_data(*app, numbered(1), 10s);
    REQUIRE(!results);
    CHECK(results.error().fault == Fault::refused);
    CHECK_MESSAGE(results.error().message.find("40") != std::string::npos, results.error().message);
}

TEST_CASE("what a short run costs on a warm cluster") {
    const auto app = api().send_app(copy_app(2));
    REQUIRE(app);
    std::vector<double> times;
    for (int i = 0; i < 40; ++i) {
        const auto before = std::chrono::steady_clock::now();
        const auto results = api().send_job_data(*app, numbered(1), 10s);
        REQUIRE_MESSAGE(results, results.error().message);
        times.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
    }
    std::ranges::sort(times);
    std::cerr << "a two-position copy run, one chunk, call to reaped: median " << times[20] << " ms, best "
              << times[0] << " ms\n";
}

TEST_CASE("several clients' runs at once, each with its own results") {
    const auto app = api().send_app(copy_app(2));
    REQUIRE(app);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 6; ++t)
        threads.emplace_back([&, t] {
            const auto data = numbered(50 + t);
            const auto results = api().send_job_data(*app, data.share(), 60s);
            if (!results || results->outputs.size() != data.chunks.size()) return;
            for (std::size_t i = 0; i < data.chunks.size(); ++i)
                if (!same(results->outputs[i], data.chunks[i])) return;
            ++good;
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(good == 6);
}

TEST_CASE("nobody there: connecting says what to do") {
    ApiOptions options;
    options.doors = {address_at("ipc:///tmp/fard-test-nobody/node.ipc")};
    options.timing.answer = 200ms;
    options.timing.route.give_up_after = 1s;
    auto nobody = Api::connect(std::move(options));
    REQUIRE(nobody);
    const auto app = (*nobody)->send_app(copy_app(1));
    const auto results = (*nobody)->send_job_data(*app, numbered(1), 10s);
    REQUIRE(!results);
    CHECK(results.error().fault == Fault::unreachable);
    CHECK(results.error().message.find("/tmp/fard-test-nobody/node.ipc") != std::string::npos);
}
