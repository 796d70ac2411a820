// Runs whose positions have parallel parts.
#include <doctest/doctest.h>

#include "tests/node_manager/run_bench.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

namespace {

// Position 1 of three in parts of 40 and 24 channels.
wire::Submit submission_in_parts(Bench& bench) {
    auto submit = bench.submission(3);
    auto& position = submit.app.positions[1];
    for (const std::int64_t channels : {40, 24}) {
        auto tensor = position.outputs[0];
        tensor.shape[1] = channels;
        position.parts.push_back({std::string(64, static_cast<char>('a' + position.parts.size())), {tensor}});
        bench.packages.insert(position.parts.back().overlay);
    }
    return submit;
}

}  // namespace

TEST_CASE("each part is a job with a package and outputs of its own, and its neighbours know") {
    Bench bench{"a", "b", "c"};
    for (auto& view : bench.boards.views)
        view.state.overlays = {std::string(64, 'a'), std::string(64, 'b')};
    const auto submit = submission_in_parts(bench);
    REQUIRE(bench.submit(submit).is<wire::Admitted>());
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    const auto& jobs = bench.boards.jobs;
    REQUIRE(jobs.size() == 4);
    const auto& parts = submit.app.positions[1].parts;
    CHECK(jobs.at({0, 0}).to_each);
    CHECK(jobs.at({0, 0}).receivers == 2);
    CHECK(jobs.at({0, 0}).joins.empty());
    for (const std::uint32_t part : {0, 1}) {
        const auto& job = jobs.at({1, part});
        CHECK(job.spec.overlay == parts[part].overlay);
        CHECK(job.spec.outputs == parts[part].outputs);
        CHECK(job.senders == 1);
        CHECK(job.receivers == 1);
        CHECK(!job.to_each);
        CHECK(job.joins.empty());
        CHECK(bench.boards.wires.at({1, part}).receivers.size() == 1);
    }
    CHECK(jobs.at({2, 0}).joins == parts);
    CHECK(jobs.at({2, 0}).senders == 2);
    CHECK(!jobs.at({2, 0}).to_each);
    CHECK(bench.boards.wires.at({0, 0}).receivers.size() == 2);
    const auto states = bench.coordinator.states();
    for (const auto& place : states.front().places)
        CHECK(place.parts == (place.position == 1 ? 2u : 0u));
}

TEST_CASE("a lost part starts the next wiring, as any lost job does") {
    Bench bench{"a", "b"};
    for (auto& view : bench.boards.views)
        view.state.overlays = {std::string(64, 'a'), std::string(64, 'b')};
    bench.submit(submission_in_parts(bench));
    bench.live(100ms);
    auto loss = bench.loss(1, {0, 0});
    loss.job.replica = 1;
    bench.coordinator.job_lost({"b"}, loss);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
}

TEST_CASE("parts that do not make up their position are refused") {
    Bench bench{"a", "b", "c"};
    const auto refused = [&](const std::function<void(wire::PositionSpec&)>& spoil) {
        auto submit = submission_in_parts(bench);
        spoil(submit.app.positions[1]);
        const auto answer = bench.submit(submit);
        const auto* no = answer.as<wire::Refused>();
        return no ? no->reason : std::string();
    };
    CHECK(refused([](auto& position) { position.replicas = 2; }).find("replicas and parts") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts.pop_back(); }).find("has 1 parts; 2 to 8") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts[1] = position.parts[0]; }).find("do not make up") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts[0].outputs.clear(); }).find("makes 0 tensors") != std::string::npos);
}
