// The generic stage job in its own process, on a stage of a network that is ours.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <time.h>

#include <random>
#include <thread>

#include "overlays/device/device.hpp"
#include "overlays/emulated/board_memory.hpp"
#include "overlays/package/package.hpp"
#include "tests/jobs/driven_job.hpp"
#include "tests/jobs/small_stage.hpp"
#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;

namespace {

Chunk random_chunk(std::uint64_t index, const std::vector<TensorDesc>& tensors) {
    std::mt19937 random(static_cast<unsigned>(index));
    Chunk chunk;
    chunk.index = index;
    for (const auto& tensor : tensors)
        for (auto& byte : chunk.tensors.emplace_back(tensor.wire_bytes()).writable())
            byte = static_cast<std::byte>(random());
    return chunk;
}

std::string on_reference(const Package& package, const Chunk& chunk) {
    auto device = open_device({.kind = "reference", .id = "cpu0"}).value();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    REQUIRE(load_now(*device, package, deadline));
    std::string out(wire_bytes(package.manifest.outputs), '\0');
    const Bytes inputs[] = {chunk.tensors[0].bytes()};
    const MutableBytes outputs[] = {std::as_writable_bytes(std::span(out))};
    REQUIRE(device->submit(0, inputs, outputs, deadline));
    REQUIRE(await_chunk(*device, deadline));
    return out;
}

wire::JobConfig stage_config(const Package& package, const LinkDir& dir) {
    auto config = copy_config(0, 1, package.manifest.inputs, "ipc", dir.path, 1 << 20);
    config.spec.spec.program = "stage";
    config.spec.spec.overlay = package.id;
    config.spec.spec.outputs = package.manifest.outputs;
    config.package_dir = package.dir;
    return config;
}

LinkTerms terms_of(const wire::JobConfig& config, const std::vector<TensorDesc>& tensors) {
    return {.run = config.job.run,
            .epoch = config.job.epoch,
            .tensors = tensors,
            .overlay = config.spec.spec.overlay,
            .positions = 1,
            .budget_bytes = config.link_bytes};
}

}  // namespace

TEST_CASE("a stage job computes what the reference computes, and says how long loading took") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto package = classifier(dir.path / "package");
    const auto config = stage_config(package, dir);
    auto job = DrivenJob::start(under("FARD_BUILD_ROOT", "jobs/stage")).value();
    REQUIRE(job.tell(config));
    const auto up = job.hear<wire::JobUp>().value();
    auto sink = LinkReceiver::bind(sockets, dir.place(), terms_of(config, package.manifest.outputs)).value();
    REQUIRE(job.tell(wire::JobConnect{{sink.endpoint()}, {}}));
    auto source =
        LinkSender::connect(sockets, up.links.at(0), terms_of(config, package.manifest.inputs), "coordinator")
            .value();
    until({source.fd()}, [&] { return source.open(); });
    const auto linked = job.hear<wire::JobLinked>(std::chrono::seconds(60));
    REQUIRE_MESSAGE(linked, linked.error().message);
    for (std::uint64_t index = 0; index < 3; ++index) {
        auto chunk = random_chunk(index, package.manifest.inputs);
        const auto expected = on_reference(package, chunk);
        until({source.blocked_fd()}, [&] { return source.send(chunk); });
        std::optional<Chunk> result;
        until({sink.fd()}, [&] { return (result = sink.receive().value()).has_value(); });
        CHECK(result->index == index);
        CHECK(result->tensors[0].text() == expected);
    }
    REQUIRE(job.tell(wire::JobDrain{}));
    CHECK(job.hear<wire::JobDrained>().value().stats.load_ns > 0);
    CHECK(job.wait() == 0);
}

namespace {

std::chrono::nanoseconds processor_time_of(pid_t process) {
    clockid_t clock{};
    timespec time{};
    REQUIRE(::clock_getcpuclockid(process, &clock) == 0);
    REQUIRE(::clock_gettime(clock, &time) == 0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

TEST_CASE("a stage job whose results nobody takes waits without a processor, though its device has more") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto package = classifier(dir.path / "package");
    const auto board = BoardMemory::make(quick_board(), {}).value();
    auto config = stage_config(package, dir);
    config.device_kind = "emulated";
    config.spec.device = "fabric0";
    config.descriptors = job_has_device;
    config.link_bytes = 4 * terms_of(config, package.manifest.inputs).chunk_bytes();  // one that is held, and three in the device
    auto job = DrivenJob::start(under("FARD_BUILD_ROOT", "jobs/stage"), {{job_device_fd, board.fd()}}).value();
    REQUIRE(job.tell(config));
    const auto up = job.hear<wire::JobUp>().value();
    auto sink = LinkReceiver::bind(sockets, dir.place(), terms_of(config, package.manifest.outputs)).value();
    REQUIRE(job.tell(wire::JobConnect{{sink.endpoint()}, {}}));
    auto source = LinkSender::connect(sockets, up.links.at(0), terms_of(config, package.manifest.inputs), "coordinator").value();
    until({source.fd()}, [&] { return source.open(); });
    REQUIRE(job.hear<wire::JobLinked>(std::chrono::seconds(60)));
    until({sink.fd()}, [&] {
        REQUIRE_FALSE(sink.receive().value());
        return sink.opened();
    });
    const auto window = terms_of(config, package.manifest.outputs).window();
    const auto total = window + 4;  // those that the link holds, one that the job holds, and what the device takes
    for (std::uint64_t index = 0; index < total; ++index) {
        auto chunk = random_chunk(index, package.manifest.inputs);
        until({source.blocked_fd()}, [&] { return source.send(chunk); });
    }
    while (job.page().chunks < window)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto before = processor_time_of(job.pid());
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    CHECK(processor_time_of(job.pid()) - before < std::chrono::milliseconds(50));
    for (std::uint64_t index = 0; index < total; ++index) {
        std::optional<Chunk> result;
        until({sink.fd()}, [&] { return (result = sink.receive().value()).has_value(); });
        CHECK(result->index == index);
        sink.taken();
        sink.flush_credit();
    }
}

TEST_CASE("a stage job refuses an overlay that is damaged, is none, or is not its position's") {
    LinkDir dir;
    const auto package = classifier(dir.path / "package");
    const auto reason_of = [&](const wire::JobConfig& config) {
        auto job = DrivenJob::start(under("FARD_BUILD_ROOT", "jobs/stage")).value();
        REQUIRE(job.tell(config));
        CHECK(job.hear<wire::JobUp>());
        const auto reason = job.hear<wire::JobFailed>(std::chrono::seconds(60)).value().reason;
        CHECK(WEXITSTATUS(job.wait()) == 3);
        return reason;
    };
    const auto config = stage_config(package, dir);
    auto other = config;
    other.spec.spec.outputs[0].shape.back() += 1;
    CHECK(reason_of(other).find("output tensor 0 of the overlay is") != std::string::npos);
    other = config;
    other.package_dir.clear();
    CHECK(reason_of(other).find("names no overlay") != std::string::npos);
    other = config;
    other.device_kind = "abacus";
    CHECK(reason_of(other).find("abacus") != std::string::npos);
    std::filesystem::resize_file(package.dir / "stage.onnx", 100);
    CHECK(reason_of(config).find("stage.onnx") != std::string::npos);
}
