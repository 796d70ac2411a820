// An overlay on an emulated device that fails, and comes right again.
#include "jobs/overlay_runner.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include "overlays/emulated/board_memory.hpp"
#include "tests/jobs/small_stage.hpp"
#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;

namespace {

struct Rig {
    explicit Rig(const std::string& fault)
        : memory(BoardMemory::make(quick_board(), {parse_fault(fault).value()}).value()), package(classifier(dir.path / "package")) {
        config.name = "classifier";
        config.inputs = package.manifest.inputs;
        config.outputs = package.manifest.outputs;
        config.package_dir = package.dir;
        config.device_id = "fabric0";
        config.device_kind = "emulated";
        config.device_fd = memory.fd();
    }

    // Puts `count` chunks through; what came out, in order, or the error.
    Result<std::vector<std::string>> run(std::uint64_t count) {
        auto runner = OverlayRunner::load(config);
        if (!runner) return fail(runner.error());
        std::vector<std::string> results;
        std::uint64_t put = 0;
        while (results.size() < count) {
            while (put < count && put < results.size() + runner->depth()) {
                Chunk chunk;
                chunk.index = put++;
                chunk.tensors.emplace_back(std::string(package.manifest.inputs[0].wire_bytes(), static_cast<char>(chunk.index)));
                if (auto in = runner->put(std::move(chunk)); !in) return fail(in.error());
            }
            auto done = runner->take();
            if (const auto news = runner->news(); news && news->state == DeviceNews::State::stuck) whys.push_back(news->why);
            if (!done) return fail(done.error());
            if (*done) {
                CHECK((*done)->index == results.size());
                results.emplace_back((*done)->tensors[0].text());
            } else {
                pollfd polled{runner->fd(), POLLIN, 0};
                ::poll(&polled, 1, 1000);
            }
        }
        reloads = runner->reloads();
        return results;
    }

    LinkDir dir;
    BoardMemory memory;
    Package package;
    JobConfig config;
    std::vector<std::string> whys;
    std::uint64_t reloads = 0;
};

}  // namespace

TEST_CASE("a device that fails once is loaded anew, and every chunk comes out right and in order") {
    Rig healthy("freeze@1000:1");
    const auto right = healthy.run(8).value();
    CHECK(healthy.reloads == 1);
    for (const std::string fault : {"load-request@1", "load-init@1", "load-write@1", "load-complete@1", "dma@3", "stuck@3", "wrong@3"}) {
        CAPTURE(fault);
        Rig rig(fault);
        rig.config.params["verify"] = "1";
        const auto results = rig.run(8);
        REQUIRE_MESSAGE(results, results.error().message);
        CHECK(*results == right);
        CHECK(rig.reloads == 2);
        CHECK(rig.whys.size() == 1);
    }
}

TEST_CASE("a device that fails three times in a row ends the job with the reason, told before") {
    Rig rig("load-init@1*");
    const auto error = rig.run(1).error();
    CHECK(error.fault == Fault::io);
    CHECK(error.message.find("write init error") != std::string::npos);
    CHECK(error.message.find("3 times in a row") != std::string::npos);
    CHECK(rig.whys.size() == 3);
}

namespace {

// One chunk in a turn of its own.
std::string in_a_turn(OverlayRunner& runner, const Package& package) {
    REQUIRE(runner.begin_turn());
    Chunk chunk;
    chunk.tensors.emplace_back(std::string(package.manifest.inputs[0].wire_bytes(), '\0'));
    REQUIRE(runner.put(std::move(chunk)));
    for (;;) {
        auto done = runner.take();
        REQUIRE_MESSAGE(done, done.error().message);
        if (*done) {
            runner.end_turn();
            CHECK_FALSE(runner.loaded());
            return std::string((*done)->tensors[0].text());
        }
        pollfd polled{runner.fd(), POLLIN, 0};
        ::poll(&polled, 1, 1000);
    }
}

}  // namespace

TEST_CASE("jobs that take turns at a fabric load it in their turns alone") {
    Rig rig("freeze@1000:1");
    const auto right = rig.run(1).value().front();
    const auto other = classifier(rig.dir.path / "other", "other");
    rig.config.turns = true;
    auto first = OverlayRunner::load(rig.config).value();
    rig.config.package_dir = other.dir;
    auto second = OverlayRunner::load(rig.config).value();
    CHECK(rig.memory->slots[0].loads == 1);  // that of the run without turns
    for (int round = 0; round < 2; ++round) {
        CHECK(in_a_turn(first, rig.package) == right);
        CHECK(in_a_turn(second, other) == right);
    }
    CHECK(first.reloads() == 1);  // it was loaded before its first turn
    CHECK(second.reloads() == 2);
}

TEST_CASE("verify must be a number") {
    Rig rig("dma@1000");
    rig.config.params["verify"] = "often";
    CHECK(rig.run(1).error().fault == Fault::invalid_input);
}
