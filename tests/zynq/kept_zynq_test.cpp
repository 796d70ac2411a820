// The fabric from the node manager's side to a job's.
#include <doctest/doctest.h>

#include "overlays/device/kept_device.hpp"
#include "tests/zynq/tree_board.hpp"
#include "tests/zynq/zynq_world.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

TEST_CASE("a node manager finds the fabric, a job opens it, and what it loaded stays") {
    ZynqWorld world;
    const ScratchDir root;
    const auto package = world.package({});
    TreeBoard board(root.path(), package.manifest.hardware[0].registers, world.design_of(package));
    BoardSetup setup;
    setup.fabric = zynq::FabricSetup{board.roots(), "xc7z020clg484-1", {}, ""};
    const auto devices = find_devices(setup).value();
    REQUIRE(devices.size() == 2);
    CHECK(devices[0]->info().id == "fpga0");
    CHECK(devices[0]->info().kind == "zynq");
    CHECK(devices[0]->info().part == "xc7z020clg484-1");
    CHECK(devices[0]->keeps_overlays());
    CHECK(devices[0]->holds(0).empty());
    const auto use = [&](std::uint64_t reloads) {
        const auto fd = devices[0]->for_job({}).value();
        const auto device = open_device({"zynq", "fpga0", 1, 0, fd.get()}).value();
        REQUIRE(load_now(*device, package, std::chrono::steady_clock::now() + 60s));
        CHECK(device->counts().reloads == reloads);
        const auto chunks = random_chunks(package, 1, 3);
        const std::vector<Bytes> inputs(chunks[0].begin(), chunks[0].end());
        WireChunk out{std::vector<std::byte>(package.manifest.outputs[0].wire_bytes())};
        const MutableBytes output(out[0]);
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        REQUIRE(device->submit(7, inputs, {&output, 1}, deadline));
        CHECK(await_chunk(*device, deadline).value() == 7);
        CHECK(out == on_soft_device(package, chunks)[0]);
    };
    use(1);
    CHECK(devices[0]->holds(0) == package.id);
    use(0);
    CHECK(open_device({"zynq", "fpga0"}).error().fault == Fault::invalid_input);

    setup.fabric->roots = zynq::roots_below(root.path() / "nothing");
    CHECK(find_devices(setup).error().message.find("no FPGA manager") != std::string::npos);
}

TEST_CASE("a fabric is offered where its part is known: by the setup, or by the device tree") {
    const auto found = [](const std::string& compatible, const std::string& part, std::string& noted) -> Result<std::string> {
        const ScratchDir root;
        TreeBoard board(root.path(), {}, TreeBoard::Designs{}, {std::uint64_t{1} << 16, compatible});
        BoardSetup setup;
        setup.fabric = zynq::FabricSetup{board.roots(), part, {}, ""};
        setup.note = [&](const std::string& what) { noted = what; };
        const auto devices = find_devices(setup);
        if (!devices) return fail(devices.error());
        return devices->front()->info().part;
    };
    std::string noted;
    CHECK(found(std::string("avnet,zynq-zed\0xlnx,zynq-7000\0", 30), "", noted).value() == "xc7z020clg484-1");
    CHECK(found(std::string("avnet,zynq-zed\0xlnx,zynq-7000\0", 30), "xc7z020clg400-1", noted).value() == "xc7z020clg400-1");
    CHECK(noted.empty());
    CHECK(found(std::string("somebody,else\0xlnx,zynq-7000\0", 29), "", noted).value().empty());  // the CPU
    CHECK(noted.find("somebody,else xlnx,zynq-7000") != std::string::npos);
    CHECK(noted.find("part = \"xc7z020clg484-1\"") != std::string::npos);
    CHECK(found("", "", noted).value().empty());
    CHECK(found("", "xczu3eg-sbva484-1-e", noted).error().message.find("programs a Zynq-7000") != std::string::npos);

    BoardSetup elsewhere;
    elsewhere.fabric = zynq::FabricSetup{zynq::roots_below("/nonexistent"), "", {}, ""};
    CHECK(find_devices(elsewhere).value().size() == 1);  // most machines have no FPGA manager
}
