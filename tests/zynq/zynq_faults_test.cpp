// Every step of a load and of a run fails once, and the board goes on afterwards.
#include <doctest/doctest.h>
#include <unistd.h>

#include "tests/patience.hpp"
#include "tests/zynq/zynq_world.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

struct Bench {
    explicit Bench(FakeBoard::Setup setup = {}) : world(setup), fabric(world.open_fabric()), loader(*fabric) {
        device = zynq::make_zynq_device(world.board, loader, {"fpga0", world.setup.part, 4});
    }
    Error load_fails(const Package& package) {
        const auto loaded = load_now(*device, package, std::chrono::steady_clock::now() + patience(10s));
        REQUIRE_FALSE(loaded);
        CHECK(world.board.violations == 0);
        CHECK(fabric->loaded().empty());
        return loaded.error();
    }
    void works(const Package& package) {
        REQUIRE(load_now(*device, package, std::chrono::steady_clock::now() + patience(10s)));
        const auto chunks = random_chunks(package, 6, 4);
        CHECK(through(*device, world.board, package, chunks).value() == on_soft_device(package, chunks));
        CHECK(world.board.violations == 0);
    }
    ZynqWorld world;
    std::unique_ptr<zynq::Fabric> fabric;
    FabricLoader loader;
    std::unique_ptr<Device> device;
};

bool says(const Error& error, const std::vector<std::string>& words) {
    for (const auto& word : words)
        if (error.message.find(word) == std::string::npos) {
            MESSAGE(error.message, " lacks ", word);
            return false;
        }
    return true;
}

}  // namespace

TEST_CASE("programming fails in each state of the driver, twenty times each") {
    for (int time = 0; time < 20; ++time) {
        Bench bench;
        auto& faults = bench.world.board.faults;
        const auto package = bench.world.package({});
        faults.firmware_request = 1;
        CHECK(says(bench.load_fails(package), {"fpga0", "state 'firmware request error'", "firmware path"}));
        faults.write_init = 1;
        CHECK(says(bench.load_fails(package), {"state 'write init error'", "2.5 s"}));
        faults.write = 1;
        CHECK(says(bench.load_fails(package), {"state 'write error'", "transfer"}));
        faults.write_complete = 1;
        CHECK(says(bench.load_fails(package), {"state 'write complete error'", "another part"}));
        faults.no_room = 1;
        CHECK(says(bench.load_fails(package), {"/lib/firmware/fard-", "no room"}));
        faults.flags_lost = 1;
        bench.world.board.flags = 1;
        CHECK(says(bench.load_fails(package), {"flags", "nothing was programmed"}));
        CHECK(bench.world.board.programmed == 0);
        bench.works(package);
    }
}

TEST_CASE("flags that somebody left behind do no harm") {
    Bench bench;
    bench.world.board.flags = 0x25;
    bench.works(bench.world.package({}));
    CHECK(bench.world.board.flags == 0);
}

TEST_CASE("an overlay that the driver silently did not apply is noticed") {
    for (const auto kernel : {FakeKernel::vendor, FakeKernel::overlays_only}) {
        Bench bench({bitstream::Family::zynq7000, kernel});
        const auto package = bench.world.package({});
        bench.world.board.faults.overlay_silent = 1;
        CHECK(says(bench.load_fails(package), {"overlays/fard", "was not applied", "kernel's log"}));
        bench.works(package);
    }
}

TEST_CASE("a fabric that stops operating is never touched") {
    Bench bench;
    const auto package = bench.world.package({});
    bench.works(package);
    bench.world.board.state = "unknown";
    const auto chunks = random_chunks(package, 2, 4);
    const auto stuck = through(*bench.device, bench.world.board, package, chunks);
    REQUIRE_FALSE(stuck);
    CHECK(says(stuck.error(), {"not operating"}));
    CHECK(bench.world.board.violations == 0);
    bench.works(package);
    CHECK(bench.world.board.programmed == 2);
}

TEST_CASE("a chunk that comes to a device that is stuck already says so, and is no chunk that the device refuses") {
    Bench bench;
    const auto package = bench.world.package({});
    bench.works(package);
    bench.world.board.fabric.output_busy = true;
    const auto chunks = random_chunks(package, 2, 4);
    std::vector<WireChunk> out(2, WireChunk{std::vector<std::byte>(package.manifest.outputs[0].wire_bytes())});
    const auto submit = [&](std::size_t i) {
        const std::vector<Bytes> inputs(chunks[i].begin(), chunks[i].end());
        const MutableBytes output(out[i][0]);
        return bench.device->submit(i, inputs, {&output, 1}, bench.world.board.now() + 1s);
    };
    REQUIRE(submit(0));
    const auto second = submit(1);
    REQUIRE_FALSE(second);
    CHECK(second.error().fault == Fault::timed_out);
    CHECK(says(second.error(), {"is stuck", "odma0 is not idle"}));
    bench.works(package);
}

TEST_CASE("a fabric that something else resets before its first register is touched may be loaded anew") {
    Bench bench;
    struct Reset final : zynq::Loader {
        explicit Reset(Bench& on) : bench(on) {}
        Result<zynq::FabricAccess> load(const Package& package, bool anew) override {
            auto access = bench.fabric->load(package, anew);
            bench.world.board.state = "unknown";
            return access;
        }
        Result<> unload() override { return bench.fabric->unload(); }
        Bench& bench;
    } loader(bench);
    const auto package = bench.world.package({});
    const auto device = zynq::make_zynq_device(bench.world.board, loader, {"fpga0", bench.world.setup.part, 4});
    const auto failed = load_now(*device, package, std::chrono::steady_clock::now() + patience(10s));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().fault == Fault::io);
    CHECK(says(failed.error(), {"not operating"}));
    CHECK(bench.world.board.violations == 0);
    bench.works(package);
    CHECK(bench.world.board.programmed == 2);
}

TEST_CASE("faults of a run, twenty times each") {
    Bench bench;
    auto& board = bench.world.board;
    const auto package = bench.world.package({});
    bench.works(package);
    const auto chunks = random_chunks(package, 6, 4);
    const auto fails_with = [&](const std::vector<std::string>& words) {
        const auto stuck = through(*bench.device, board, package, chunks, 20ms);
        REQUIRE_FALSE(stuck);
        CHECK(stuck.error().fault == Fault::timed_out);
        CHECK(says(stuck.error(), words));
        bench.works(package);
    };
    for (int time = 0; time < 20; ++time) {
        board.faults.wedges = 1;
        fails_with({"did not end in 20 ms"});
        board.fabric.output_busy = true;
        fails_with({"odma0 is not idle"});
        board.faults.cache_errors = 1;
        fails_with({"caches"});
    }
}

TEST_CASE("devices without rights, memory or registers say what helps") {
    Bench bench;
    auto& board = bench.world.board;
    const auto package = bench.world.package({});
    board.no_rights = {"/sys/class/fpga_manager/fpga0/flags"};
    CHECK(says(bench.load_fails(package), {"fpga0/flags", "Permission denied", "rights on it"}));
    board.no_rights = {"/dev/uio0"};
    CHECK(says(bench.load_fails(package), {"/dev/uio0", "Permission denied"}));
    board.no_rights = {"/dev/udmabuf0"};
    CHECK(says(bench.load_fails(package), {"/dev/udmabuf0", "Permission denied"}));
    board.no_rights = {"/lib/firmware"};
    CHECK(says(bench.load_fails(package), {"/lib/firmware/fard-", "Permission denied"}));
    board.no_rights.clear();
    bench.works(package);

    FakeBoard::Setup small;
    small.memory_bytes = 100;
    Bench tight(small);
    CHECK(says(tight.load_fails(tight.world.package({})), {"no memory of", "udmabuf0 (100 bytes)", "u-dma-buf"}));
}

TEST_CASE("registers outside of what the device tree maps are refused") {
    FakeBoard::Setup setup;
    Bench bench(setup);
    bench.world.board.add_uio("idma0", 0x40000000, 0x1000);  // the package says 64 KiB
    bench.world.board.add_uio("odma0", 0x40010000, 0x10000);
    CHECK(says(bench.load_fails(bench.world.package({})), {"idma0", "0x40000000", "outside", "uio0", "different designs"}));
}

TEST_CASE("what the gate refuses is never programmed") {
    Bench bench;
    StageShape shape;
    shape.part = "7z020clg400";
    auto package = bench.world.package(shape);
    package.manifest.hardware[0].part = "";  // a manifest that keeps it to itself
    CHECK(says(bench.load_fails(package), {"finn-accel.bit", "7z020clg400", "same die", "accept_parts"}));
    package.manifest.files["finn-accel.bit"] = std::string(64, '0');
    CHECK(says(bench.load_fails(package), {"SHA-256"}));
    CHECK(bench.world.board.programmed == 0);
    const auto named = bench.world.package({.fill = 2, .part = "7z020clg400"});  // one that says so
    CHECK(says(bench.load_fails(named), {"finn-accel.bit", "7z020clg400", "same die", "accept_parts"}));
    CHECK(bench.world.board.programmed == 0);
    const auto foreign = bench.world.package({.fill = 3, .part = "xczu3eg-sbva484-1-e"});
    CHECK(bench.load_fails(foreign).fault == Fault::unsupported);
}

TEST_CASE("kernels that cannot, and boards that are in use, say so") {
    ZynqWorld without({bitstream::Family::zynq7000, FakeKernel::without_manager});
    CHECK(says(zynq::Fabric::open(without.board, without.setup).error(), {"no FPGA manager", "CONFIG_FPGA_MGR_ZYNQ_FPGA"}));

    Bench mainline({bitstream::Family::zynq7000, FakeKernel::mainline});
    CHECK(says(mainline.load_fails(mainline.world.package({})), {"mainline kernel has no way", "docs/boards.md"}));

    Bench first;
    const auto second = zynq::Fabric::open(first.world.board, first.world.setup);
    REQUIRE_FALSE(second);
    CHECK(second.error().fault == Fault::refused);
    CHECK(says(second.error(), {"fpga0 is in use", "another node manager", fmt::format("process {}", ::getpid())}));
    first.works(first.world.package({}));
}

TEST_CASE("a build whose streams contradict the manifest is refused before anything is moved") {
    Bench bench;
    const auto package = bench.world.package({});
    auto wrong = package;
    wrong.manifest.hardware[0].inputs[0].folded = {1, 5, 5};
    CHECK(says(bench.load_fails(wrong), {"24 elements", "25"}));
    wrong = package;
    wrong.manifest.hardware[0].inputs[0].type = "UINT3";
    CHECK(says(bench.load_fails(wrong), {"UINT3"}));
    wrong = package;
    wrong.manifest.hardware[0].outputs[0].dma = "odma7";
    CHECK(says(bench.load_fails(wrong), {"no registers of 'odma7'"}));
    wrong = package;
    wrong.manifest.hardware[0].outputs.clear();
    CHECK(says(bench.load_fails(wrong), {"cannot run on hardware"}));
    bench.works(package);
}
