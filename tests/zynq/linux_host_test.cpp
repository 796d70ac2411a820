// The Linux side, on a tree of files: what is written where, mapped from where, and that results are right.
#include <doctest/doctest.h>

#include <cerrno>
#include <fstream>

#include "tests/zynq/tree_board.hpp"
#include "tests/zynq/zynq_world.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

// All chunks through a device in real time.
std::vector<WireChunk> through_in_real_time(Device& device, const Package& package, const std::vector<WireChunk>& chunks) {
    std::vector<WireChunk> out(chunks.size());
    for (auto& chunk : out)
        for (const auto& tensor : package.manifest.outputs) chunk.emplace_back(tensor.wire_bytes());
    std::size_t sent = 0;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (std::size_t received = 0; received < chunks.size(); ++received) {
        for (; sent < chunks.size() && sent - received < device.depth() / 2; ++sent) {
            const std::vector<Bytes> inputs(chunks[sent].begin(), chunks[sent].end());
            const std::vector<MutableBytes> outputs(out[sent].begin(), out[sent].end());
            REQUIRE(device.submit(sent, inputs, outputs, deadline));
        }
        REQUIRE(await_chunk(device, deadline).value() == received);
    }
    return out;
}

}  // namespace

TEST_CASE("a stage runs through Linux's files as the CPU computes it") {
    for (const std::size_t streams : {1u, 2u}) {
        ZynqWorld world;
        const ScratchDir root;
        StageShape shape;
        shape.streams = streams;
        shape.simd = 3;
        shape.pe = 4;
        const auto package = world.package(shape);
        const auto& build = package.manifest.hardware[0];
        TreeBoard board(root.path(), build.registers, world.design_of(package));
        const auto host = zynq::linux_host();
        zynq::FabricSetup setup;
        setup.roots = board.roots();
        setup.part = "xc7z020clg484-1";
        const auto chunks = random_chunks(package, 100, 11);
        {
            const auto fabric = zynq::Fabric::open(*host, setup).value();
            CHECK(zynq::Fabric::open(*host, setup).error().fault == Fault::refused);
            FabricLoader loader(*fabric);
            const auto device = zynq::make_zynq_device(*host, loader, {"fpga0", setup.part, 8});
            REQUIRE(load_now(*device, package, std::chrono::steady_clock::now() + 60s));
            CHECK(through_in_real_time(*device, package, chunks) == on_soft_device(package, chunks));
            CHECK(device->counts().reloads == 1);
        }
        CHECK(board.chunks == 100);
        CHECK(board.text("sys/class/fpga_manager/fpga0/firmware") == "fard-" + package.id.substr(0, 24) + ".bin");
        CHECK(board.text("sys/class/fpga_manager/fpga0/flags").substr(0, 1) == "0");
        CHECK(board.text("run/fpga0.loaded") == package.id);
        CHECK(std::filesystem::is_empty(root.path() / "lib/firmware"));
        // For the device, from the device; both with their direction and whole cache lines.
        CHECK(board.text("sys/class/u-dma-buf/udmabuf0/sync_for_device").ends_with("5"));
        CHECK(board.text("sys/class/u-dma-buf/udmabuf0/sync_for_cpu").ends_with("9"));

        const auto fabric = zynq::Fabric::open(*host, setup).value();
        FabricLoader loader(*fabric);
        const auto device = zynq::make_zynq_device(*host, loader, {"fpga0", setup.part, 8});
        REQUIRE(load_now(*device, package, std::chrono::steady_clock::now() + 60s));
        CHECK(device->counts().reloads == 0);
        CHECK(through_in_real_time(*device, package, chunks) == on_soft_device(package, chunks));
    }
}

TEST_CASE("Linux's errors come through") {
    const ScratchDir root;
    const auto host = zynq::linux_host();
    CHECK(host->read(root.path() / "none").error() == ENOENT);
    CHECK(host->write(root.path() / "none", "x").error() == ENOENT);
    CHECK(host->list(root.path() / "none").error() == ENOENT);
    CHECK(host->remove_file(root.path() / "none").error() == ENOENT);
    CHECK(host->remove_directory(root.path() / "none").error() == ENOENT);
    CHECK(host->put_file(root.path() / "none" / "f", "x").error() == ENOENT);
    CHECK(host->map_registers(root.path() / "none", 4096).error() == ENOENT);
    CHECK(host->map_memory(root.path() / "none", "", 0, 4096).error() == ENOENT);
    CHECK(host->make_directory(root.path()).error() == EEXIST);
    REQUIRE(host->put_file(root.path() / "f", "text\n"));
    CHECK(host->read(root.path() / "f").value() == "text");
    CHECK(host->list(root.path()).value() == std::vector<std::string>{"f"});
    const auto held = host->lock(root.path() / "lock", "the first");
    REQUIRE(held);
    CHECK(host->lock(root.path() / "lock", "the second").error() == EWOULDBLOCK);
    CHECK(host->read(root.path() / "lock").value() == "the first");
}
