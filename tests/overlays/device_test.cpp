#include "overlays/device/device.hpp"

#include "overlays/device/kept_device.hpp"
#include "overlays/soft/soft_device.hpp"
#include "tests/overlays/triple.hpp"

using namespace fard;

namespace {

const TimePoint soon = TimePoint::max();

}  // namespace

TEST_CASE("the CPU is always there, and is the last of the list") {
    const auto found = find_devices({.cpu_slots = 2}).value();
    REQUIRE_FALSE(found.empty());
    CHECK(found.back()->info().id == "cpu0");
    CHECK(found.back()->info().kind == "soft");
    CHECK(found.back()->info().slots == 2);
    CHECK_FALSE(found.back()->keeps_overlays());
    CHECK(open_device({.kind = "abacus", .id = "a0"}).error().fault == Fault::not_found);
    CHECK(open_soft_device("cpu0", "abacus").error().fault == Fault::not_found);
}

TEST_CASE("soft and reference live the same life") {
    for (const char* kind : {"soft", "reference"}) {
        CAPTURE(kind);
        const Scratch scratch;
        auto device = open_device({.kind = kind, .id = "cpu0"}).value();
        CHECK(device->info().kind == kind);
        const std::vector<std::byte> in{std::byte{0x52}};
        std::vector<std::byte> out(2), other(2);
        const Bytes input(in);
        const MutableBytes output(out), second(other);
        CHECK(device->submit(1, {&input, 1}, {&output, 1}, soon).error().fault == Fault::refused);
        REQUIRE(load_now(*device, package_of(scratch, triple()), soon));
        CHECK(device->complete().error().fault == Fault::refused);
        REQUIRE(device->submit(7, {&input, 1}, {&output, 1}, soon));
        CHECK(device->submit(8, {&input, 1}, {&second, 1}, soon).error().fault == Fault::refused);
        CHECK(await_chunk(*device, soon).value() == 7);
        CHECK(out[0] == std::byte{6 | (15 & 3) << 6});
        CHECK(out[1] == std::byte{15 >> 2});
        CHECK_FALSE(device->submit(9, {}, {&output, 1}, soon));
        const Bytes nothing;
        CHECK(device->submit(9, {&nothing, 1}, {&output, 1}, soon).error().fault == Fault::corrupt);
        REQUIRE(device->submit(9, {&input, 1}, {&second, 1}, soon));  // what failed took no place
        CHECK(await_chunk(*device, soon).value() == 9);
        CHECK(other == out);
        device->unload();
        CHECK_FALSE(device->submit(10, {&input, 1}, {&output, 1}, soon));
    }
}

TEST_CASE("a stage that was compiled in advance is there for the first device that loads it") {
    const Scratch scratch;
    const auto package = package_of(scratch, triple());
    REQUIRE(prepare_soft_stage(package));
    std::filesystem::remove(package.dir / "stage.onnx");
    auto first = open_soft_device("cpu0").value();
    REQUIRE(load_now(*first, package, soon));
    const std::vector<std::byte> in{std::byte{0x52}};
    std::vector<std::byte> out(2);
    const Bytes input(in);
    const MutableBytes output(out);
    REQUIRE(first->submit(7, {&input, 1}, {&output, 1}, soon));
    CHECK(await_chunk(*first, soon).value() == 7);
    CHECK(out[0] == std::byte{6 | (15 & 3) << 6});
    auto second = open_soft_device("cpu1").value();
    CHECK_FALSE(load_now(*second, package, soon));  // it is the first one's
    CHECK_FALSE(prepare_soft_stage(package));
}

TEST_CASE("what a CPU cannot load is said") {
    const Scratch scratch;
    auto device = open_device({.kind = "soft", .id = "cpu0"}).value();
    const auto whole = package_of(scratch, triple());

    SUBCASE("no model") {
        const auto package = Package::write(scratch / "p", whole.manifest, {{"finn-accel.bit", "b"}}).value();
        CHECK(load_now(*device, package, soon).error().fault == Fault::not_found);
    }
    SUBCASE("no ONNX") {
        const auto package =
            Package::write(scratch / "p", whole.manifest, {{"stage.onnx", "rubbish"}}).value();
        CHECK_FALSE(load_now(*device, package, soon));
    }
    SUBCASE("a manifest of another model") {
        auto manifest = whole.manifest;
        manifest.outputs[0].type = DataType::uint(7);
        const auto package = Package::write(scratch / "p", manifest, {{"stage.onnx", triple()}}).value();
        const auto error = load_now(*device, package, soon).error();
        CHECK(error.fault == Fault::corrupt);
        CHECK(error.message.find("UINT7") != std::string::npos);
    }
}
