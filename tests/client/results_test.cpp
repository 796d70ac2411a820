#include "client/results.hpp"

#include <doctest/doctest.h>

#include "client/submission_chunks.hpp"
#include "client/submission_route.hpp"
#include "tests/fakes/endpoints.hpp"

using namespace fard;
using namespace std::chrono_literals;

TEST_CASE("latency figures of known values") {
    std::vector<double> values;
    for (int i = 100; i >= 1; --i)
        values.push_back(i);
    const auto latency = latency_of(values);
    CHECK(latency.mean == doctest::Approx(50.5));
    CHECK(latency.sd == doctest::Approx(29.011).epsilon(1e-4));
    CHECK(latency.p50 == doctest::Approx(50.5));
    CHECK(latency.p95 == doctest::Approx(95.05));
    CHECK(latency.p99 == doctest::Approx(99.01));
    CHECK(latency_of({}).mean == 0);
    CHECK(latency_of({3}).p99 == 3);
    CHECK(latency_of({3}).sd == 0);
}

TEST_CASE("a run's times: latency from the first sending, the steady rate from first to last result") {
    const TimePoint start = TimePoint{} + 1h;
    RunTimes times(start, 3);
    times.sent(0, start + 10ms);
    times.sent(0, start + 500ms);  // again, after a loss
    times.sent(1, start + 20ms);
    times.sent(2, start + 30ms);
    times.arrived(0, start + 1000ms);
    times.arrived(1, start + 1100ms);
    times.arrived(2, start + 1200ms);
    RunSummary summary;
    times.fill(summary, start + 1500ms);
    CHECK(summary.chunks_out == 3);
    CHECK(summary.wall_s == doctest::Approx(1.5));
    CHECK(summary.throughput_per_s == doctest::Approx(2));
    CHECK(summary.steady_per_s == doctest::Approx(10));
    CHECK(summary.first_result_s == doctest::Approx(1));
    CHECK(summary.latency_ms.p50 == doctest::Approx(1080));
}

TEST_CASE("one result alone has no steady rate of its own") {
    const TimePoint start = TimePoint{} + 1h;
    RunTimes times(start, 1);
    times.sent(0, start);
    times.arrived(0, start + 100ms);
    RunSummary summary;
    times.fill(summary, start + 200ms);
    CHECK(summary.steady_per_s == doctest::Approx(5));
}

namespace {

SubmissionChunks four_chunks() {
    return SubmissionChunks(std::vector<std::vector<Frame>>(4));
}
Chunk chunk_of(std::uint64_t index) {
    Chunk chunk;
    chunk.index = index;
    return chunk;
}

}  // namespace

TEST_CASE("results come out in order whatever order they come in, each once") {
    auto chunks = four_chunks();
    while (auto chunk = chunks.next_to_send())
        chunks.sent(chunk->index);
    CHECK(chunks.result(chunk_of(1)));
    CHECK(!chunks.next_result());
    CHECK(!chunks.result(chunk_of(1)));
    CHECK(chunks.result(chunk_of(0)));
    CHECK(chunks.next_result()->index == 0);
    CHECK(chunks.next_result()->index == 1);
    CHECK(!chunks.next_result());
    CHECK(chunks.remaining() == 2);
    CHECK(chunks.duplicates() == 1);
}

TEST_CASE("results of chunks that were never sent or do not exist are dropped") {
    auto chunks = four_chunks();
    CHECK(!chunks.result(chunk_of(0)));
    CHECK(!chunks.result(chunk_of(4)));
    CHECK(!chunks.result(chunk_of(~0ull)));
    CHECK(chunks.remaining() == 4);
}

TEST_CASE("the next attempt sends what has no result, and nothing else") {
    auto chunks = four_chunks();
    for (int i = 0; i < 3; ++i)
        chunks.sent(chunks.next_to_send()->index);
    CHECK(chunks.result(chunk_of(0)));
    CHECK(chunks.result(chunk_of(2)));
    chunks.next_attempt();
    std::vector<std::uint64_t> sent;
    while (auto chunk = chunks.next_to_send()) {
        sent.push_back(chunk->index);
        chunks.sent(chunk->index);
    }
    CHECK(sent == std::vector<std::uint64_t>{1, 3});
    CHECK(chunks.replays() == 1);
}

namespace {

std::vector<wire::Member> members(std::initializer_list<const char*> doors) {
    std::vector<wire::Member> list;
    for (const auto* door : doors)
        list.push_back({PeerId{door}, door, at(door), {}, {}, {}});
    return list;
}

}  // namespace

TEST_CASE("the members after the lost one are asked first, the lost one last") {
    const TimePoint start = TimePoint{} + 1h;
    SubmissionRoute route({address_at("b")}, start, {});
    CHECK(route.next(start)->door == address_at("b"));
    route.taken(members({"b", "a", "c"}));
    route.lost("silent", start + 5min);
    CHECK(route.next(start + 5min)->door == address_at("a"));
    route.lost("no answer", start + 5min + 1s);
    CHECK(route.next(start + 5min + 1s)->door == address_at("c"));
    route.lost("no answer", start + 5min + 2s);
    CHECK(route.next(start + 5min + 2s)->door == address_at("b"));
    CHECK(route.round_over());
    route.lost("no answer", start + 5min + 3s);
    const auto again = route.next(start + 5min + 3s);
    CHECK(again->door == address_at("a"));
    CHECK(again->not_before == start + 5min + 3s + 200ms);
    route.lost("no answer", start + 5min + 10s);
    const auto over = route.next(start + 5min + 11s);
    REQUIRE(!over);
    CHECK(over.error().fault == Fault::unreachable);
    for (const auto* text : {"a: no answer", "b: no answer", "c: no answer"})
        CHECK(over.error().message.find(text) != std::string::npos);
}

TEST_CASE("members that left are not asked, new ones are") {
    const TimePoint start = TimePoint{} + 1h;
    SubmissionRoute route({address_at("a")}, start, {});
    CHECK(route.next(start)->door == address_at("a"));
    route.taken(members({"a", "b", "c"}));
    route.members(members({"a", "d"}));
    route.lost("silent", start);
    CHECK(route.next(start)->door == address_at("d"));
    route.lost("no answer", start);
    CHECK(route.next(start)->door == address_at("a"));
}
