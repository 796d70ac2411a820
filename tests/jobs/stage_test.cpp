// The generic stage job in its own process, on a stage of a network that is ours.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <random>

#include "model/model.hpp"
#include "overlays/device/device.hpp"
#include "overlays/package/package.hpp"
#include "tests/jobs/driven_job.hpp"
#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;

namespace {

std::filesystem::path under(const char* variable, const char* path) {
    const char* const root = std::getenv(variable);
    return std::filesystem::path(root != nullptr ? root : ".") / path;
}

// The fully connected layers of CnvW2A2.
Package classifier(const std::filesystem::path& dir) {
    const auto network =
        model::Model::load(under("FARD_SOURCE_ROOT", "apps/two_stage_bnn/cnv_w2a2.onnx")).value();
    const auto stages = model::cut(network, {{"Threshold_conv_5"}}).value();
    const auto& stage = stages.at(1);
    Manifest manifest{
        .name = "classifier", .inputs = stage.inputs, .outputs = stage.outputs, .layers = stage.layers};
    return Package::write(dir, manifest, {{"stage.onnx", stage.onnx}}).value();
}

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
