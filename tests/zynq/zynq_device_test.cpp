#include "overlays/zynq/zynq_device.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include "tests/patience.hpp"
#include "tests/zynq/zynq_world.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

Result<> load(Device& device, const Package& package) {
    return load_now(device, package, std::chrono::steady_clock::now() + patience(10s));
}

struct Opened {
    explicit Opened(ZynqWorld& world, std::size_t max_batch = 16)
        : fabric(world.open_fabric()),
          loader(*fabric),
          device(zynq::make_zynq_device(world.board, loader, {"fpga0", world.setup.part, max_batch})) {}
    std::unique_ptr<zynq::Fabric> fabric;
    FabricLoader loader;
    std::unique_ptr<Device> device;
};

}  // namespace

TEST_CASE("streams of every width and folding come back as the CPU computes them") {
    for (const auto type : {DataType::uint(1), DataType::bipolar(), DataType::uint(2), DataType::sint(2), DataType::uint(3),
                            DataType::uint(4), DataType::sint(4), DataType::uint(8)})
        for (const std::size_t streams : {1u, 2u})
            for (const auto& [simd, pe] : {std::pair{1, 1}, {2, 3}, {3, 2}, {8, 4}, {12, 6}, {24, 12}}) {
                CAPTURE(type.name());
                CAPTURE(streams);
                CAPTURE(simd);
                CAPTURE(pe);
                ZynqWorld world;
                Opened opened(world);
                StageShape shape;
                shape.type = type;
                shape.streams = streams;
                shape.simd = simd;
                shape.pe = pe;
                const auto package = world.package(shape);
                REQUIRE(load(*opened.device, package));
                const auto chunks = random_chunks(package, 10, 3);
                CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
                CHECK(world.board.violations == 0);
            }
}

TEST_CASE("batches of 1 to 64 give the same") {
    for (const std::size_t batch : {1u, 2u, 5u, 16u, 63u, 64u}) {
        CAPTURE(batch);
        ZynqWorld world;
        Opened opened(world, batch);
        const auto package = world.package({});
        REQUIRE(load(*opened.device, package));
        CHECK(opened.device->depth() == batch + 1);
        const auto chunks = random_chunks(package, 200, 5);
        CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
        CHECK(world.board.fabric.chunks == 200);
        if (batch > 1) CHECK(world.board.fabric.runs < 200);
    }
}

TEST_CASE("boards of both families, ways of programming and kinds of memory") {
    for (const auto family : {bitstream::Family::zynq7000, bitstream::Family::zynqmp})
        for (const auto kernel : {FakeKernel::vendor, FakeKernel::overlays_only})
            for (const bool coherent : {false, true}) {
                const bool ultra = family == bitstream::Family::zynqmp;
                FakeBoard::Setup setup{family, kernel};
                setup.coherent = coherent;
                if (ultra) setup.memory_address = 0x8'7000'0000;  // beyond 32 bits
                ZynqWorld world(setup, ultra ? "xczu3eg-sbva484-1-e" : "xc7z020clg484-1");
                Opened opened(world);
                StageShape shape;
                if (ultra) shape.part = "xczu3eg-sbva484-1-e";
                const auto package = world.package(shape);
                const auto loaded = load(*opened.device, package);
                CAPTURE(loaded.error().message);
                REQUIRE(loaded);
                const auto chunks = random_chunks(package, 20, 9);
                CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
                CHECK(world.board.violations == 0);
                CHECK(world.board.rate_hz == 100'000'000);
                CHECK(world.board.programmed == 1);
                for (const auto& [name, content] : world.board.files) CHECK(name.find("/lib/firmware") == std::string::npos);
            }
}

TEST_CASE("what is loaded outlives the device, and the next one attaches") {
    ZynqWorld world;
    const auto first = world.package({}), other = world.package({.fill = 2});
    {
        Opened opened(world);
        REQUIRE(load(*opened.device, first));
        CHECK(opened.device->counts().reloads == 1);
    }
    Opened opened(world);
    CHECK(opened.fabric->loaded() == first.id);
    REQUIRE(load(*opened.device, first));
    CHECK(opened.device->counts().reloads == 0);
    CHECK(world.board.programmed == 1);
    const auto chunks = random_chunks(first, 3, 1);
    CHECK(through(*opened.device, world.board, first, chunks).value() == on_soft_device(first, chunks));
    REQUIRE(load(*opened.device, other));
    CHECK(opened.device->counts().reloads == 1);
    CHECK(opened.fabric->loaded() == other.id);
    CHECK(through(*opened.device, world.board, other, chunks).value() == on_soft_device(other, chunks));
}

TEST_CASE("a wedged accelerator is noticed, loaded anew, and the chunk repeated") {
    ZynqWorld world;
    Opened opened(world);
    const auto package = world.package({});
    REQUIRE(load(*opened.device, package));
    const auto chunks = random_chunks(package, 4, 2);
    for (int time = 0; time < 3; ++time) {
        world.board.faults.wedges = 1;
        const auto stuck = through(*opened.device, world.board, package, chunks, 50ms);
        REQUIRE_FALSE(stuck);
        CHECK(stuck.error().fault == Fault::timed_out);
        CHECK(stuck.error().message.find("did not end in 50 ms (control registers: odma0 0x1") != std::string::npos);
        CHECK(opened.device->complete().error().fault == Fault::timed_out);
        REQUIRE(load(*opened.device, package));
        CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
    }
    CHECK(world.board.programmed == 4);
    CHECK(world.board.violations == 0);
}

TEST_CASE("a job that dies in the middle of a run leaves nothing to the next") {
    ZynqWorld world;
    const auto package = world.package({});
    const auto chunks = random_chunks(package, 2, 2);
    const auto begin = [&](Device& device) {
        std::vector<Bytes> in(chunks[0].begin(), chunks[0].end());
        std::vector<std::byte> out(package.manifest.outputs[0].wire_bytes());
        const MutableBytes outputs(out);
        REQUIRE(device.submit(1, in, {&outputs, 1}, world.board.now() + 1s));
    };
    SUBCASE("the run ends by itself") {
        {
            Opened opened(world);
            REQUIRE(load(*opened.device, package));
            begin(*opened.device);
        }
        Opened opened(world);
        REQUIRE(load(*opened.device, package));
        CHECK(world.board.programmed == 1);
        CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
    }
    SUBCASE("the run never ends") {
        world.board.faults.wedges = 1;
        {
            Opened opened(world);
            REQUIRE(load(*opened.device, package));
            begin(*opened.device);
        }
        Opened opened(world);
        REQUIRE(load(*opened.device, package));
        CHECK(world.board.programmed == 2);
        CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
    }
}

TEST_CASE("a device says what it cannot take") {
    ZynqWorld world;
    Opened opened(world, 1);
    const auto package = world.package({});
    const auto chunks = random_chunks(package, 3, 2);
    CHECK(through(*opened.device, world.board, package, chunks).error().fault == Fault::refused);
    REQUIRE(load(*opened.device, package));
    CHECK(opened.device->complete().error().fault == Fault::refused);
    const std::vector<std::byte> small(1);
    const Bytes input(small);
    std::vector<std::byte> out(package.manifest.outputs[0].wire_bytes());
    const MutableBytes output(out);
    CHECK(opened.device->submit(1, {&input, 1}, {&output, 1}, world.board.now() + 1s).error().fault == Fault::corrupt);
    CHECK(opened.device->submit(1, {}, {&output, 1}, world.board.now() + 1s).error().fault == Fault::corrupt);
    opened.device->let_go();
    CHECK(opened.device->submit(1, {&input, 1}, {&output, 1}, world.board.now() + 1s).error().fault == Fault::refused);
    const auto programmed = world.board.programmed;
    REQUIRE(load(*opened.device, package));
    CHECK(world.board.programmed == programmed);  // it kept its overlay
    opened.device->unload();
    CHECK(opened.device->submit(1, {&input, 1}, {&output, 1}, world.board.now() + 1s).error().fault == Fault::refused);
}

TEST_CASE("runtime weights are written, read back, and run through once") {
    ZynqWorld world;
    Opened opened(world);
    StageShape shape;
    shape.weights = {{"0_0_MVAU_hls_0.dat", "00000001\ndeadbeef\n0000ffff\n"}};
    const auto package = world.package(shape);
    REQUIRE(load(*opened.device, package));
    CHECK(world.board.fabric.read(0x40020004, world.board.now()) == 0xdeadbeef);
    CHECK(world.board.fabric.runs == 1);
    shape.weights = {{"0_0_MVAU_hls_0.dat", "no weight"}};
    shape.fill = 2;
    const auto wrong = load(*opened.device, world.package(shape));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("0_0_MVAU_hls_0.dat: word 0 ('no')") != std::string::npos);
    CHECK(opened.fabric->loaded().empty());
}

TEST_CASE("external weights lie in memory, and their DMA reads them as often as the chunks want") {
    ZynqWorld world;
    Opened opened(world, 4);
    std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }";
    header.resize(128 - 10 - 1, ' ');
    StageShape shape;
    shape.weights = {{"weights0.npy", std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\nabcde"}};
    const auto package = world.package(shape);
    REQUIRE(load(*opened.device, package));
    CHECK(world.board.fabric.read(0x4002001c, world.board.now()) == 3);  // of the run that takes them in
    const auto chunks = random_chunks(package, 9, 2);
    CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
    CHECK(world.board.fabric.read(0x4002001c, world.board.now()) % 3 == 0);
}

TEST_CASE("a board takes the builds of parts that it accepts, its own part's before them") {
    ZynqWorld world;
    world.setup.accepted_parts = {"7z020clg400"};
    const auto fabric = world.open_fabric();
    FabricLoader loader(*fabric);
    const auto device = zynq::make_zynq_device(world.board, loader, {"fpga0", world.setup.part, 16, world.setup.accepted_parts});
    auto package = world.package({.part = "7z020clg400"});
    REQUIRE(load(*device, package));
    const auto chunks = random_chunks(package, 3, 1);
    CHECK(through(*device, world.board, package, chunks).value() == on_soft_device(package, chunks));
    const auto own = world.package({.fill = 2}).manifest.hardware.front();
    package.manifest.hardware.push_back(own);
    CHECK(zynq::build_for(package.manifest, world.setup.part, world.setup.accepted_parts) == &package.manifest.hardware.back());
}

TEST_CASE("the end of a run is told by an interrupt, and found without one that is not wired") {
    for (const bool cut : {false, true}) {
        CAPTURE(cut);
        FakeBoard::Setup setup;
        setup.interrupts = true;
        ZynqWorld world(setup);
        world.board.fabric.lines_cut = cut;
        StageShape shape;
        shape.streams = 2;
        const auto package = world.package(shape);
        {
            Opened opened(world);
            REQUIRE(load(*opened.device, package));
            const auto chunks = random_chunks(package, 50, 5);
            CHECK(through(*opened.device, world.board, package, chunks).value() == on_soft_device(package, chunks));
        }
        const auto fabric = world.open_fabric();
        const auto access = fabric->load(package, false).value();
        const auto accelerator = zynq::Accelerator::open(access, package.manifest.hardware[0], package.manifest.inputs, package.manifest.outputs,
                                                         4, {}, world.board, TimePoint::max()).value();
        const auto fds = accelerator->interrupt_fds();
        REQUIRE(fds.size() == 2);
        const auto told = [&] {
            pollfd wait[] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
            return ::poll(wait, 2, 0);
        };
        for (int run = 0; run < 3; ++run) {
            REQUIRE(accelerator->start(0, 2));
            CHECK(told() == 0);
            world.board.pause(1s);
            CHECK(told() == (cut ? 0 : 2));
            CHECK(accelerator->take_interrupts() == !cut);
            CHECK(told() == 0);
            CHECK(accelerator->done().value());
        }
    }
}
