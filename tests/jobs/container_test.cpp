// The real job container in real processes, driven over the control channel.
#include "jobs/container.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>

#include <cstdlib>
#include <functional>
#include <set>
#include <thread>

#include "base/process.hpp"
#include "overlays/emulated/board_memory.hpp"
#include "runtime/peer/codec.hpp"
#include "tests/jobs/driven_job.hpp"
#include "tests/links/link_world.hpp"
#include "tests/peer/newer.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

namespace {

std::filesystem::path program(const std::string& name) {
    const char* const root = std::getenv("FARD_BUILD_ROOT");
    return std::filesystem::path(root != nullptr ? root : ".") / "jobs" / name;
}

constexpr std::uint64_t link_bytes = 64 * 1024;

bool may_go_before_others() {
    bool may = false;
    std::thread([&] { may = run_before_others(); }).join();
    return may;
}

LinkTerms terms_of(const wire::JobConfig& config, const std::vector<TensorDesc>& tensors) {
    return {.run = config.job.run,
            .epoch = config.job.epoch,
            .tensors = tensors,
            .overlay = config.spec.spec.overlay,
            .positions = config.spec.positions,
            .budget_bytes = config.link_bytes};
}

// One job with our own senders before it and receivers behind it.
struct Bench {
    explicit Bench(const std::string& name, std::map<std::string, std::string> params = {},
                   std::uint32_t senders = 1, std::uint32_t receivers = 1, const std::map<int, int>& descriptors = {},
                   const std::function<void(wire::JobConfig&)>& change = {})
        : config(copy_config(1, 3, {bytes_tensor("x", 1000)}, "ipc", dir.path, link_bytes)),
          job(DrivenJob::start(program(name), descriptors).value()) {
        if (descriptors.contains(job_board_fd)) config.descriptors = job_has_board;
        config.spec.spec.params = std::move(params);
        config.spec.senders = senders;
        config.spec.receivers = receivers;
        if (change) change(config);
        terms = terms_of(config, config.spec.spec.inputs);
        REQUIRE(job.tell(config));
    }

    void wire() {
        const auto up = job.hear<wire::JobUp>();
        REQUIRE_MESSAGE(up, up.error().message);
        REQUIRE(up->links.size() == config.spec.senders);
        CHECK(up->parking == 1);
        place = up->links.front().place;
        for (const auto& link : up->links)
            out.push_back(LinkSender::connect(sockets, link, terms, "0/0").value());
        wire::JobConnect connect;
        for (std::uint32_t i = 0; i < config.spec.receivers; ++i) {
            in.push_back(LinkReceiver::bind(sockets, dir.place(), terms).value());
            connect.receivers.push_back(in.back().endpoint());
        }
        REQUIRE(job.tell(connect));
        for (auto& sender : out)
            until({sender.fd()}, [&] { return sender.open(); });
        const auto linked = job.hear<wire::JobLinked>();
        REQUIRE_MESSAGE(linked, linked.error().message);
    }

    void send(std::uint64_t index, std::size_t to = 0) {
        auto chunk = chunk_of(index, terms);
        until({out[to].fd(), out[to].credit_fd()}, [&] { return out[to].send(chunk); });
    }

    Chunk receive(std::size_t from = 0) {
        std::optional<Chunk> chunk;
        until({in[from].fd()}, [&] { return (chunk = in[from].receive().value()).has_value(); });
        in[from].taken();
        in[from].flush_credit();
        return std::move(*chunk);
    }

    std::string reason() { return job.hear<wire::JobFailed>().value().reason; }

    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    std::uint64_t place = 0;  // of the job
    wire::JobConfig config;
    LinkTerms terms;
    DrivenJob job;
    std::vector<LinkSender> out;
    std::vector<LinkReceiver> in;
};

}  // namespace

TEST_CASE("copy hands chunks on, stamps them, reports, and leaves nothing") {
    Bench bench("copy");
    bench.wire();
    constexpr std::uint64_t total = 200;
    for (std::uint64_t index = 0; index < total; ++index) {
        bench.send(index);
        const auto chunk = bench.receive();
        CHECK(chunk.index == index);
        CHECK(chunk.tensors[0].text() == chunk_of(index, bench.terms).tensors[0].text());
        CHECK(chunk.trace[0] == TraceStamp{});
        CHECK(chunk.trace[1].received != 0);
        CHECK(chunk.trace[1].received <= chunk.trace[1].started);
        CHECK(chunk.trace[1].started <= chunk.trace[1].finished);
        CHECK(chunk.trace[2] == TraceStamp{});
    }
    until({bench.out[0].credit_fd()}, [&] {
        bench.out[0].poll_credit();
        return bench.out[0].unacknowledged() < std::max<std::uint64_t>(2, bench.terms.window() / 2);
    });
    REQUIRE(bench.job.tell(wire::JobDrain{}));
    const auto drained = bench.job.hear<wire::JobDrained>().value();
    CHECK(drained.stats.chunks == total);
    CHECK(drained.stats.bytes_out == total * 1000);
    CHECK(drained.stats.wait_ns > 0);
    CHECK(bench.job.wait() == 0);
    CHECK(bench.job.page().chunks == total);
    CHECK(bench.job.page().busy_since_ns == 0);
    bench.in.clear();
    CHECK(bench.dir.files() == 0);
}

TEST_CASE("the jobs of an emulated board keep chunks back for its processor, which they share") {
    BoardProfile profile;
    profile.name = "slow";
    for (const char* resource : {"lut", "ff", "bram18", "uram", "dsp"})
        profile.resources[resource].value = 1;
    profile.fabric.emplace().slots.value = 1;
    profile.host.emplace().us_per_chunk.value = 10'000;
    profile.network.emplace().mbit_per_s.value = 100;
    profile.reload.emplace() = {{1, ""}, {1, ""}, {1, ""}};
    const auto board = BoardMemory::make(profile, {}).value();
    const std::map<int, int> descriptors{{job_board_fd, board.fd()}};
    Bench one("copy", {}, 1, 1, descriptors, [](wire::JobConfig& config) { config.device_kind = "emulated"; });
    Bench other("copy", {}, 1, 1, descriptors);
    for (auto* bench : {&one, &other}) {
        bench->wire();
        CHECK(bench->place == board.figures().place);
    }
    // The fabric computes on a thread of its own; on the board's CPU the job's thread does.
    const int ours = ::sched_getscheduler(0);
    CHECK(::sched_getscheduler(one.job.pid()) == (may_go_before_others() ? SCHED_FIFO | SCHED_RESET_ON_FORK : ours));
    CHECK(::sched_getscheduler(other.job.pid()) == ours);
    const auto start = std::chrono::steady_clock::now();
    for (auto* bench : {&one, &other})
        for (std::uint64_t index = 0; index < 3; ++index)
            bench->send(index);
    for (auto* bench : {&one, &other})
        for (std::uint64_t index = 0; index < 3; ++index)
            CHECK(bench->receive().index == index);
    CHECK(std::chrono::steady_clock::now() - start >= 120ms);  // six chunks, each at both of its links
    for (auto* bench : {&one, &other}) {
        REQUIRE(bench->job.tell(wire::JobDrain{}));
        const auto drained = bench->job.hear<wire::JobDrained>().value();
        CHECK(drained.stats.chunks == 3);
        CHECK(drained.stats.late <= 3);
    }
}

TEST_CASE("a job that is told of a board, and has none, says so") {
    Bench bench("copy", {}, 1, 1, {{job_board_fd, STDERR_FILENO}});
    CHECK(bench.reason().find("no emulated board's memory") != std::string::npos);
}

TEST_CASE("a credit that finds no connection is sent when there is one, though nothing else happens") {
    Bench bench("copy");
    const auto links = bench.job.hear<wire::JobUp>().value().links;
    wire::LinkEndpoint deaf = links[0];
    deaf.credit = Endpoint::ipc(deaf.credit.path() + "x").value();
    bench.out.push_back(LinkSender::connect(bench.sockets, deaf, bench.terms, "0/0").value());
    bench.in.push_back(LinkReceiver::bind(bench.sockets, bench.dir.place(), bench.terms).value());
    REQUIRE(bench.job.tell(wire::JobConnect{{bench.in[0].endpoint()}, {}}));
    until({bench.out[0].fd()}, [&] { return bench.out[0].open(); });
    const auto half = bench.terms.window() / 2;
    for (std::uint64_t index = 0; index < half; ++index) {
        bench.send(index);
        CHECK(bench.receive().index == index);
    }
    auto credits = bench.sockets.make(SocketKind::pull, {}).value();
    REQUIRE(credits.connect(links[0].credit));
    Message message;
    until({credits.fd()}, [&] { return credits.try_receive(message); });
    const auto told = wire::decode(message.at(0).text()).value();
    CHECK(told.body.as<wire::Credit>()->taken == half);
}

TEST_CASE("a job takes from all its senders and pushes where the fewest are unacknowledged") {
    Bench bench("copy", {}, 3, 2);
    bench.wire();
    std::set<std::uint64_t> results;
    for (std::uint64_t index = 0; index < 30; ++index)
        bench.send(index, index % 3);
    std::vector<int> counts(2);
    until({bench.in[0].fd(), bench.in[1].fd()}, [&] {
        for (std::size_t i = 0; i < 2; ++i)
            while (auto chunk = bench.in[i].receive().value()) {
                CHECK(results.insert(chunk->index).second);
                ++counts[i];
            }
        return results.size() == 30;
    });
    CHECK(counts == std::vector{15, 15});
}

TEST_CASE("when nobody takes its results a job takes no more chunks, and still drains") {
    Bench bench("copy");
    bench.wire();
    // On each of the two links at least a window, by the sockets' marks, and no more than may be unacknowledged.
    const std::uint64_t window = bench.terms.window(), most = bench.terms.lead();
    std::uint64_t sent = 0;
    auto chunk = chunk_of(0, bench.terms);
    const auto deadline = std::chrono::steady_clock::now() + 1s;
    until({bench.out[0].fd(), bench.out[0].credit_fd()}, [&] {
        while (bench.out[0].send(chunk))
            chunk = chunk_of(++sent, bench.terms);
        return std::chrono::steady_clock::now() > deadline;
    });
    CHECK(sent >= 2 * window);
    CHECK(sent <= 2 * most + 1);
    const auto pushed = bench.job.page().chunks.load();
    CHECK(pushed >= window);
    CHECK(pushed <= most);
    REQUIRE(bench.job.tell(wire::JobDrain{}));
    CHECK(bench.job.hear<wire::JobDrained>().value().stats.chunks == pushed);
    CHECK(bench.job.wait() == 0);
}

TEST_CASE("a job that fails says why and exits with 3") {
    struct Row {
        const char *param, *reason;
    };
    for (const auto& row : {Row{"throw_at", "copy (chain), chunk 2: process threw: cannot stand chunk 2"},
                            Row{"fail_at", "copy (chain), chunk 2: will not have chunk 2"},
                            Row{"short_at",
                                "the result of process: chunk 2: tensor 'x' (UINT8 1x1000) has 1 bytes "
                                "instead of 1000"}}) {
        Bench bench("test_faulty", {{row.param, "2"}});
        bench.wire();
        for (std::uint64_t index = 0; index < 3; ++index)
            bench.send(index);
        CHECK(bench.receive().index == 0);
        CHECK(bench.receive().index == 1);
        CHECK(bench.reason() == row.reason);
        const int status = bench.job.wait();
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 3);
    }
    Bench bench("test_faulty", {{"refuse", "no thanks"}});
    CHECK(bench.job.hear<wire::JobUp>());  // before the configuration is looked at
    CHECK(bench.reason() == "no thanks");
}

TEST_CASE("a chunk that is never finished shows in the page, with its index and since when") {
    Bench bench("test_faulty", {{"hang_at", "1"}});
    bench.wire();
    bench.send(0);
    CHECK(bench.receive().index == 0);
    bench.send(1);
    until({}, [&] { return bench.job.page().busy_since_ns != 0 && bench.job.page().busy_index == 1; });
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto now_ns =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
    CHECK(bench.job.page().busy_since_ns <= now_ns);
    CHECK(bench.job.page().busy_since_ns + 5'000'000'000u > now_ns);
    CHECK(bench.job.page().chunks == 1);
}

TEST_CASE("a job ends when its node manager does, in whatever state it is") {
    for (const int state : {0, 1, 2}) {
        Bench bench("copy");
        if (state > 0) bench.wire();
        if (state > 1) bench.send(0);
        bench.job.hang_up();
        const int status = bench.job.wait();
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 1);
    }
}

TEST_CASE("a neighbour that does not fit ends the job with what differs") {
    Bench bench("copy");
    const auto up = bench.job.hear<wire::JobUp>().value();
    bench.terms.tensors[0].shape = {1, 10, 10, 10};
    auto sender = LinkSender::connect(bench.sockets, up.links[0], bench.terms, "0/0").value();
    until({sender.fd()}, [&] { return sender.open(); });
    CHECK(bench.reason().starts_with("the link from 0/0 does not fit: its tensor 0 is 'x' UINT8 1x10x10x10"));
}

TEST_CASE("a job that loses a link says so and ends, unless it is told to drain meanwhile") {
    for (const bool before : {false, true}) {
        for (const bool drained : {false, true}) {
            CAPTURE(before);
            CAPTURE(drained);
            Bench bench("copy");
            bench.wire();
            bench.send(0);
            CHECK(bench.receive().index == 0);
            CHECK(bench.job.page().step == 2);
            (before ? bench.out.clear() : bench.in.clear());
            if (drained) {
                REQUIRE(bench.job.tell(wire::JobDrain{}));
                CHECK(bench.job.hear<wire::JobDrained>().value().stats.chunks == 1);
                CHECK(bench.job.wait() == 0);
                continue;
            }
            const auto failed = bench.job.hear<wire::JobFailed>().value();
            CHECK(failed.fault == static_cast<std::uint8_t>(Fault::unreachable));
            CHECK(failed.reason == std::string("the connection of its link ") + (before ? "from 0/0" : "to 2/0") + " broke");
            CHECK(WEXITSTATUS(bench.job.wait()) == 3);
        }
    }
}

TEST_CASE("the page tells which links are not open, and that the job is not stopped") {
    Bench bench("copy", {}, 2, 1);
    const auto up = bench.job.hear<wire::JobUp>().value();
    bench.out.push_back(LinkSender::connect(bench.sockets, up.links[0], bench.terms, "0/0").value());
    until({bench.out[0].fd()}, [&] { return bench.out[0].open(); });
    until({}, [&] { return bench.job.page().step == 1 && bench.job.page().unopened == 2; });
    const std::uint64_t looked = bench.job.page().looked_ns;
    until({}, [&] { return bench.job.page().looked_ns != looked; });
}

TEST_CASE("started by hand, a job says what it is") {
    const auto status = std::system((program("copy").string() + " 3<&- 2>/dev/null").c_str());
    CHECK(WEXITSTATUS(status) == 2);
}

TEST_CASE("what is no message of a node manager is passed over; what comes too early is not") {
    Bench bench("copy");
    REQUIRE(bench.job.tell(wire::Done{}));
    bench.wire();
    bench.job.tell_raw(newer(wire::encode({}, wire::JobDrain{})));
    bench.send(0);
    CHECK(bench.receive().index == 0);
    auto other = DrivenJob::start(program("copy")).value();
    REQUIRE(other.tell(wire::JobDrain{}));
    CHECK(other.hear<wire::JobUp>().error().message ==
          "the first message to a job is JOB_CONFIG, not JOB_DRAIN");
}

TEST_CASE("a job whose configuration is of a version that it does not know says so") {
    auto job = DrivenJob::start(program("copy")).value();
    job.tell_raw(newer(wire::encode({}, wire::JobConfig{})));
    const auto failed = job.hear<wire::JobFailed>();
    REQUIRE(failed);
    CHECK(failed->fault == static_cast<int>(Fault::unsupported));
    CHECK(failed->reason == "control channel: JOB_CONFIG of version 9, newer than our 1");
    CHECK(WEXITSTATUS(job.wait()) == 3);
}

namespace {

wire::JobReady hear_ready(Bench& bench, const std::function<bool(const wire::JobReady&)>& is) {
    for (;;) {
        const auto ready = bench.job.hear<wire::JobReady>();
        REQUIRE_MESSAGE(ready, ready.error().message);
        if (is(*ready)) return *ready;
    }
}

}  // namespace

TEST_CASE("a job that takes turns takes chunks in as far as it has room, and computes in its turns only") {
    constexpr std::uint64_t room = 200;
    Bench bench("copy", {}, 1, 1, {}, [](wire::JobConfig& config) {
        config.spec.turns = true;
        config.spec.room = room;
    });
    bench.wire();
    REQUIRE(bench.terms.lead() < 150);
    for (std::uint64_t index = 0; index < 150; ++index)
        bench.send(index);
    hear_ready(bench, [](const auto& ready) { return ready.ready && ready.over == 0; });
    CHECK_FALSE(bench.in[0].receive().value());

    REQUIRE(bench.job.tell(wire::JobTurn{1, 100, 10'000}));
    for (std::uint64_t index = 0; index < 100; ++index)
        CHECK(bench.receive().index == index);
    const auto over = hear_ready(bench, [](const auto& ready) { return ready.over == 1; });
    CHECK(over.chunks == 100);
    if (!over.ready) hear_ready(bench, [](const auto& ready) { return ready.ready; });
    CHECK_FALSE(bench.in[0].receive().value());

    REQUIRE(bench.job.tell(wire::JobTurn{2, 100, 50}));
    for (std::uint64_t index = 100; index < 150; ++index)
        CHECK(bench.receive().index == index);
    hear_ready(bench, [](const auto& ready) { return ready.idle; });
    REQUIRE(bench.job.tell(wire::JobTurn{2, 0, 0}));
    CHECK(hear_ready(bench, [](const auto& ready) { return ready.over == 2; }).chunks == 150);
    REQUIRE(bench.job.tell(wire::JobDrain{}));
    const auto drained = bench.job.hear<wire::JobDrained>().value();
    CHECK(drained.stats.chunks == 150);
    CHECK(drained.stats.turns == 2);
    CHECK(bench.job.wait() == 0);
}

TEST_CASE("a turn computes nothing until all its results have room behind it") {
    Bench bench("copy", {}, 1, 1, {}, [](wire::JobConfig& config) {
        config.spec.turns = true;
        config.spec.room = 300;
        config.spec.reserves = 120;  // more than the link behind it holds
    });
    bench.wire();
    for (std::uint64_t index = 0; index < 120; ++index)
        bench.send(index);
    REQUIRE(bench.job.tell(wire::JobTurn{1, 120, 50}));
    hear_ready(bench, [](const auto& ready) { return ready.idle; });
    CHECK_FALSE(bench.in[0].receive().value());
    bench.in[0].reserve(120);
    bench.in[0].flush_credit();
    for (std::uint64_t index = 0; index < 120; ++index)
        CHECK(bench.receive().index == index);
    CHECK(hear_ready(bench, [](const auto& ready) { return ready.over == 1; }).chunks == 120);
}
