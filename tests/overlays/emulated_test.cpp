// Emulated devices in virtual time: results are computed on a thread of their own, times are the test's.
#include "overlays/emulated/emulated_device.hpp"

#include <thread>

#include "overlays/device/kept_device.hpp"
#include "overlays/soft/soft_device.hpp"
#include "tests/overlays/triple.hpp"
#include "tests/patience.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t ms = 1'000'000;

class TestTime final : public EmulatedTime {
  public:
    explicit TestTime(std::int64_t& now) : now_(now) {}
    std::int64_t now_ns() const override { return now_; }
    void wake_at(std::int64_t time_ns) override { wakes_at = time_ns; }
    void sleep() override { wakes_at = 0; }
    int fd() const override { return -1; }

    std::int64_t wakes_at = 0;

  private:
    std::int64_t& now_;
};

BoardProfile small_board(std::int64_t slots = 1) {
    BoardProfile profile;
    profile.name = "small";
    profile.title = "Small Board";
    profile.part.value = "xc7z020clg484-1";
    for (const auto& [name, count] : std::map<std::string, std::int64_t>{{"lut", 1000}, {"ff", 2000}, {"bram18", 20}, {"uram", 0}, {"dsp", 10}})
        profile.resources[name].value = count * slots;
    profile.fabric.emplace().slots.value = slots;
    profile.fabric->clock_mhz.value = 100;
    profile.host.emplace().us_per_chunk.value = 250;
    profile.host->ns_per_byte.value = 15;
    profile.network.emplace().mbit_per_s.value = 100;
    profile.network->latency_us.value = 100;
    profile.reload.emplace() = {{200, ""}, {100, ""}, {3'000'000, ""}};  // 230 ms
    return profile;
}

// 10 ms of latency, 4 ms between two chunks at 100 MHz.
Hardware build(const std::string& part = "xc7z020clg484-1") {
    Hardware build;
    build.part = part;
    build.clock_mhz = 100;
    build.latency_cycles = 1'000'000;
    build.interval_cycles = 400'000;
    build.resources = {{"lut", 1000}, {"dsp", 3}};
    return build;
}

// One board, and its devices as jobs open them.
struct World {
    explicit World(std::vector<std::string> faults = {}, std::int64_t slots = 1)
        : board(BoardMemory::make(small_board(slots), parsed(faults)).value()) {}

    static std::vector<EmulatedFault> parsed(const std::vector<std::string>& texts) {
        std::vector<EmulatedFault> faults;
        for (const auto& text : texts)
            faults.push_back(parse_fault(text).value());
        return faults;
    }

    std::unique_ptr<Device> open(std::uint32_t slot = 0) {
        auto clock = std::make_unique<TestTime>(now);
        time = clock.get();
        return make_emulated_device("fabric0", slot, BoardMemory::attach(board.fd()).value(), open_soft_device("cpu0").value(),
                                    std::move(clock));
    }

    // Loads, and lets the time pass that it takes.
    void load(Device& device, const Package& package) {
        REQUIRE(device.load(package, TimePoint(std::chrono::nanoseconds(now + 60'000 * ms))));
        await_loaded(device);
    }
    void await_loaded(Device& device) {
        for (;;) {
            const auto loaded = device.loaded();
            REQUIRE_MESSAGE(loaded, loaded.error().message);
            if (*loaded) return;
            if (time->wakes_at > now) now = time->wakes_at;
            std::this_thread::yield();
        }
    }

    // The tag of the chunk that is done now; waits for the computation, never for the clock, which stands still.
    std::optional<std::uint64_t> due(Device& device) {
        const auto end = std::chrono::steady_clock::now() + patience(20s);
        while (std::chrono::steady_clock::now() < end) {
            const auto done = device.complete();
            REQUIRE_MESSAGE(done, done.error().message);
            if (*done) return *done;
            std::this_thread::yield();
        }
        return std::nullopt;
    }
    bool not_yet(Device& device) { return device.complete().value() == std::nullopt; }

    std::int64_t now = 1'000'000 * ms;
    BoardMemory board;
    TestTime* time = nullptr;
    Scratch scratch;
};

struct Buffers {
    std::vector<std::byte> in{std::byte{0x52}};
    std::vector<std::byte> out = std::vector<std::byte>(2);
    bool right() const { return out[0] == std::byte{6 | (15 & 3) << 6} && out[1] == std::byte{15 >> 2}; }
    Result<> submit(Device& device, std::uint64_t tag, TimePoint deadline = TimePoint::max()) {
        const Bytes input(in);
        const MutableBytes output(out);
        return device.submit(tag, {&input, 1}, {&output, 1}, deadline);
    }
};

}  // namespace

TEST_CASE("an emulated device computes what the CPU computes, and hands it out when its board would") {
    World world;
    const auto device = world.open();
    const auto began = world.now;
    world.load(*device, package_of(world.scratch, triple(), {build()}));
    CHECK(world.now == began + 230 * ms);
    CHECK(device->counts().reloads == 1);
    CHECK(device->depth() == 4);
    std::vector<Buffers> chunks(4);
    const auto start = world.now;
    for (std::uint64_t i = 0; i < 4; ++i)
        REQUIRE(chunks[i].submit(*device, i));
    CHECK(Buffers{}.submit(*device, 9).error().fault == Fault::refused);
    for (std::uint64_t i = 0; i < 4; ++i) {
        const auto at = start + (10 + 4 * static_cast<std::int64_t>(i)) * ms;
        world.now = at - 1;
        CHECK(world.not_yet(*device));
        CHECK(world.time->wakes_at == at);
        world.now = at;
        CHECK(world.due(*device) == i);
        CHECK(chunks[i].right());
    }
    CHECK(device->counts().late == 0);
    CHECK(device->complete().error().fault == Fault::refused);
}

TEST_CASE("a chunk that comes late delays none behind it, and is counted beyond 2 ms") {
    World world;
    const auto device = world.open();
    world.load(*device, package_of(world.scratch, triple(), {build()}));
    Buffers first, second, third;
    const auto start = world.now;
    for (auto* chunk : {&first, &second, &third})
        REQUIRE(chunk->submit(*device, 1));
    world.now = start + 12 * ms;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 0);
    world.now = start + 14 * ms - 1;
    CHECK(world.not_yet(*device));
    world.now = start + 16 * ms + 1;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 1);
    world.now = start + 18 * ms;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 1);
}

TEST_CASE("a chunk that waited for room behind the device is not late, but what comes after that is") {
    World world;
    const auto device = world.open();
    world.load(*device, package_of(world.scratch, triple(), {build()}));
    Buffers first, second, third;
    const auto start = world.now;
    for (auto* chunk : {&first, &second, &third})
        REQUIRE(chunk->submit(*device, 1));
    device->taken_from(TimePoint(std::chrono::nanoseconds(start + 100 * ms)));
    world.now = start + 102 * ms;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 0);
    world.now = start + 102 * ms + 1;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 1);
    device->taken_from(TimePoint(std::chrono::nanoseconds(start + 200 * ms)));
    world.now = start + 201 * ms;
    CHECK(world.due(*device));
    CHECK(device->counts().late == 1);
}

TEST_CASE("a chunk that came while the device was full starts when there was room") {
    World world;
    const auto device = world.open();
    world.load(*device, package_of(world.scratch, triple(), {build()}));
    const auto at = [](std::int64_t time) { return TimePoint(std::chrono::nanoseconds(time)); };
    std::vector<Buffers> chunks(6);
    const auto start = world.now;
    for (std::uint64_t i = 0; i < 4; ++i)
        REQUIRE(chunks[i].submit(*device, i));
    const auto take_and_submit = [&](std::uint64_t next) {
        CHECK(world.due(*device) == next - 4);
        device->came_at(at(start));
        REQUIRE(chunks[next].submit(*device, next));
    };
    world.now = start + 13 * ms;  // 3 ms after the first was due, and nobody held it up but the machine
    take_and_submit(4);
    CHECK(device->counts().late == 1);
    device->taken_from(at(start + 100 * ms));
    world.now = start + 101 * ms;
    take_and_submit(5);
    for (std::uint64_t i = 2; i < 5; ++i)
        CHECK(world.due(*device) == i);
    CHECK(world.not_yet(*device));
    world.now = start + 110 * ms;
    CHECK(world.due(*device) == 5);
    CHECK(device->due_at() == at(start + 110 * ms));
    CHECK(device->counts().late == 1);
}

TEST_CASE("a chunk starts when it came, however late it is submitted, and says when it was due") {
    World world;
    const auto device = world.open();
    world.load(*device, package_of(world.scratch, triple(), {build()}));
    const auto at = [](std::int64_t time) { return TimePoint(std::chrono::nanoseconds(time)); };
    Buffers first, second;
    const auto start = world.now;
    world.now = start + 3 * ms;
    device->came_at(at(start));
    REQUIRE(first.submit(*device, 1));
    device->came_at(at(start + 1000 * ms));  // not before it is here
    REQUIRE(second.submit(*device, 2));
    world.now = start + 10 * ms - 1;
    CHECK(world.not_yet(*device));
    world.now = start + 10 * ms;
    CHECK(world.due(*device) == 1);
    CHECK(device->due_at() == at(start + 10 * ms));
    world.now = start + 15 * ms;
    CHECK(world.due(*device) == 2);
    CHECK(device->due_at() == at(start + 14 * ms));
}

TEST_CASE("what is loaded outlives the job; another overlay is loaded for it") {
    World world;
    const auto package = package_of(world.scratch, triple(), {build()});
    world.load(*world.open(), package);
    auto again = world.open();
    const auto before = world.now;
    world.load(*again, package);
    CHECK(world.now == before);
    CHECK(again->counts().reloads == 0);
    auto other_build = build();
    other_build.interval_cycles = 500'000;
    world.load(*again, package_of(world.scratch, triple(), {other_build}, "other"));
    CHECK(world.now == before + 230 * ms);
    CHECK(again->counts().reloads == 1);
}

TEST_CASE("a job that is killed while it loads leaves nothing that counts as loaded") {
    World world;
    const auto package = package_of(world.scratch, triple(), {build()});
    {
        const auto device = world.open();
        REQUIRE(device->load(package, TimePoint::max()));
    }
    const auto device = world.open();
    world.load(*device, package);
    CHECK(device->counts().reloads == 1);
}

TEST_CASE("slots are loaded through one port, and compute side by side") {
    World world({}, 2);
    const auto package = package_of(world.scratch, triple(), {build()});
    const auto first = world.open(0);
    auto* const first_time = world.time;
    const auto second = world.open(1);
    const auto began = world.now;
    REQUIRE(first->load(package, TimePoint::max()));
    REQUIRE(second->load(package, TimePoint::max()));
    world.await_loaded(*second);
    CHECK(world.now == began + 460 * ms);
    world.await_loaded(*first);
    Buffers one, other;
    const auto start = world.now;
    REQUIRE(one.submit(*first, 1));
    REQUIRE(other.submit(*second, 2));
    CHECK(first_time->wakes_at == start + 10 * ms);
    CHECK(world.time->wakes_at == start + 10 * ms);
}

TEST_CASE("what does not fit is refused: what, and by how much") {
    World world;
    const auto device = world.open();
    auto large = build();
    large.resources = {{"lut", 1200}, {"bram18", 20}, {"dsp", 11}};
    const auto error = device->load(package_of(world.scratch, triple(), {large}), TimePoint::max()).error();
    CHECK(error.fault == Fault::refused);
    CHECK(error.message.find("1200 lut of 1000 (200 too many), 11 dsp of 10 (1 too many)") != std::string::npos);
    CHECK(error.message.find("bram18") == std::string::npos);
}

TEST_CASE("packages for other parts, or that say nothing of hardware, are refused with what to do") {
    World world;
    const auto device = world.open();
    const auto refusal = [&](const std::vector<Hardware>& hardware, const std::string& name, Fault fault = Fault::refused) {
        const auto loaded = device->load(package_of(world.scratch, triple(), hardware, name), TimePoint::max());
        CHECK(loaded.error().fault == fault);
        return loaded.error().message;
    };
    CHECK(refusal({}, "bare").find("--profile") != std::string::npos);
    CHECK(refusal({build("xczu9eg-ffvb1156-2-e")}, "other").find("is for xczu9eg-ffvb1156-2-e") != std::string::npos);
    auto slow = build();
    slow.interval_cycles = 0;
    CHECK(refusal({slow}, "slow", Fault::unsupported).find("does not say how fast") != std::string::npos);
    CHECK(device->load(package_of(world.scratch, triple(), {build("")}, "any"), TimePoint::max()));
}

TEST_CASE("loading fails in each state of an FPGA manager, at its time, and goes well again") {
    const std::map<std::string, std::pair<std::string, double>> states{{"load-request", {"firmware request error", 0}},
                                                                       {"load-init", {"write init error", 11.5}},
                                                                       {"load-write", {"write error", 115}},
                                                                       {"load-complete", {"write complete error", 230}}};
    for (const auto& [kind, state] : states) {
        CAPTURE(kind);
        World world({kind + "@1"});
        const auto package = package_of(world.scratch, triple(), {build()});
        const auto device = world.open();
        const auto began = world.now;
        REQUIRE(device->load(package, TimePoint::max()));
        Result<bool> loaded = false;
        while (loaded && !*loaded) {
            loaded = device->loaded();
            if (loaded && world.time->wakes_at > world.now) world.now = world.time->wakes_at;
        }
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().fault == Fault::io);
        CHECK(loaded.error().message.find(state.first) != std::string::npos);
        CHECK(static_cast<double>(world.now - began) == doctest::Approx(state.second * ms));
        world.load(*device, package);
        CHECK(device->counts().reloads == 2);
    }
}

TEST_CASE("registers that cannot be mapped, and an overlay that cannot be taken out, are failures of loading") {
    const auto fails = [](World& world, Device& device, const Package& package) {
        REQUIRE(device.load(package, TimePoint::max()));
        Result<bool> loaded = false;
        while (loaded && !*loaded) {
            loaded = device.loaded();
            if (loaded && world.time->wakes_at > world.now) world.now = world.time->wakes_at;
        }
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().fault == Fault::io);
        return loaded.error().message;
    };
    World world({"map@1", "unload@1"});
    const auto package = package_of(world.scratch, triple(), {build()});
    const auto device = world.open();
    CHECK(fails(world, *device, package).find("registers cannot be mapped") != std::string::npos);
    world.load(*device, package);
    auto other_build = build();
    other_build.interval_cycles = 500'000;
    const auto other = package_of(world.scratch, triple(), {other_build}, "other");
    CHECK(fails(world, *device, other).find("cannot be taken out") != std::string::npos);
    world.load(*device, other);
    CHECK(device->counts().reloads == 4);
}

TEST_CASE("a load that hangs ends with its deadline, and says what it waits for") {
    World world({"load-hang@1"});
    const auto package = package_of(world.scratch, triple(), {build()});
    const auto device = world.open();
    REQUIRE(device->load(package, TimePoint(std::chrono::nanoseconds(world.now) + 3s)));
    CHECK(device->waits_for().find("the fabric") != std::string::npos);
    CHECK_FALSE(device->loaded().value());
    CHECK(world.time->wakes_at == world.now + 3000 * ms);
    world.now = world.time->wakes_at;
    CHECK(device->loaded().error().fault == Fault::timed_out);
    world.load(*device, package);
}

TEST_CASE("faults of chunks: a DMA that hangs, a board that freezes, a wrong bit, a fabric that is stuck") {
    const auto deadline_in = [](const World& world, std::int64_t time) {
        return TimePoint(std::chrono::nanoseconds(world.now + time));
    };
    SUBCASE("the DMA of one chunk never finishes: it is timed out, and the overlay is loaded anew") {
        World world({"dma@2"});
        const auto package = package_of(world.scratch, triple(), {build()});
        const auto device = world.open();
        world.load(*device, package);
        Buffers first, second;
        REQUIRE(first.submit(*device, 1, deadline_in(world, 2000 * ms)));
        REQUIRE(second.submit(*device, 2, deadline_in(world, 2000 * ms)));
        world.now += 10 * ms;
        CHECK(world.due(*device) == 1);
        CHECK(world.not_yet(*device));
        world.now = world.time->wakes_at;
        CHECK(device->complete().error().fault == Fault::timed_out);
        world.load(*device, package);
        CHECK(device->counts().reloads == 2);
        REQUIRE(second.submit(*device, 2));
        world.now += 10 * ms;
        CHECK(world.due(*device) == 2);
        CHECK(second.right());
    }
    SUBCASE("the DMA of a chunk cannot be started: the overlay is loaded anew") {
        World world({"dma-start@2"});
        const auto package = package_of(world.scratch, triple(), {build()});
        const auto device = world.open();
        world.load(*device, package);
        Buffers first, second;
        REQUIRE(first.submit(*device, 1));
        const auto refused = second.submit(*device, 2);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().fault == Fault::io);
        CHECK(refused.error().message.find("the DMA of chunk 2 cannot be started") != std::string::npos);
        world.load(*device, package);
        CHECK(device->counts().reloads == 2);
        REQUIRE(second.submit(*device, 2));
        world.now += 10 * ms;
        CHECK(world.due(*device) == 2);
        CHECK(second.right());
    }
    SUBCASE("a stuck fabric finishes nothing, for the next job neither, until it is loaded anew") {
        World world({"stuck@1"});
        const auto package = package_of(world.scratch, triple(), {build()});
        {
            const auto device = world.open();
            world.load(*device, package);
            Buffers chunk;
            REQUIRE(chunk.submit(*device, 1));
        }
        const auto device = world.open();
        world.load(*device, package);
        CHECK(device->counts().reloads == 1);
        Buffers chunk;
        REQUIRE(chunk.submit(*device, 1));
        world.now += 10 * ms;
        CHECK(world.due(*device) == 1);
    }
    SUBCASE("a frozen board goes on where it was") {
        World world({"freeze@1:500"});
        const auto device = world.open();
        world.load(*device, package_of(world.scratch, triple(), {build()}));
        Buffers first, second;
        const auto start = world.now;
        REQUIRE(first.submit(*device, 1));
        REQUIRE(second.submit(*device, 2));
        world.now = start + 510 * ms;
        CHECK(world.due(*device) == 1);
        CHECK(first.right());
        CHECK(world.not_yet(*device));
        CHECK(device->counts().late == 0);
    }
    SUBCASE("a wrong result has one wrong bit") {
        World world({"wrong@1"});
        const auto device = world.open();
        world.load(*device, package_of(world.scratch, triple(), {build()}));
        Buffers chunk;
        REQUIRE(chunk.submit(*device, 1));
        world.now += 10 * ms;
        CHECK(world.due(*device) == 1);
        CHECK_FALSE(chunk.right());
        chunk.out[0] ^= std::byte{1};
        CHECK(chunk.right());
    }
}

TEST_CASE("faults are written as KIND@N") {
    const auto fault = parse_fault("freeze@3*2:250").value();
    CHECK(fault.kind == EmulatedFault::Kind::freeze);
    CHECK(fault.freeze_ms == 250);
    CHECK_FALSE(fault.meets(2));
    CHECK(fault.meets(3));
    CHECK(fault.meets(4));
    CHECK_FALSE(fault.meets(5));
    CHECK(parse_fault("stuck@7*").value().meets(1'000'000));
    using Occasion = EmulatedFault::Occasion;
    const std::map<std::string, Occasion> occasions{{"fetch", Occasion::piece},     {"verify", Occasion::block}, {"unload", Occasion::unload},
                                                    {"load-request", Occasion::load}, {"load-hang", Occasion::load}, {"map", Occasion::load},
                                                    {"dma-start", Occasion::chunk}, {"dma", Occasion::chunk},    {"stuck", Occasion::chunk}};
    for (const auto& [kind, occasion] : occasions) {
        const auto read = parse_fault(kind + "@1").value();
        CHECK(name_of(read.kind) == kind);
        CHECK(read.at() == occasion);
    }
    for (const char* text : {"", "dma", "dma@", "dma@0", "dma@1*0", "dma@x", "freeze@1", "freeze@1:0", "dma@1:5", "melt@1", "dma@1 "})
        CHECK(parse_fault(text).error().message.find("KIND@N") != std::string::npos);
}

TEST_CASE("a board lists its emulated fabric before the CPU, and tells what it holds") {
    BoardSetup setup{.cpu_slots = 1, .emulated = small_board(), .faults = {}};
    const auto found = find_devices(setup).value();
    REQUIRE(found.size() == 2);
    auto& fabric = *found.front();
    CHECK(fabric.info().id == "fabric0");
    CHECK(fabric.info().part == "xc7z020clg484-1");
    CHECK(fabric.keeps_overlays());
    CHECK(fabric.holds(0).empty());
    const auto fd = fabric.for_job({}).value();
    const Scratch scratch;
    const auto package = package_of(scratch, triple(), {build()});
    const auto device = open_device({.kind = "emulated", .id = "fabric0", .slot = 0, .fd = fd.get()}).value();
    REQUIRE(load_now(*device, package, TimePoint::max()));
    CHECK(fabric.holds(0) == package.id);
    CHECK(fabric.holds(7).empty());
    CHECK(open_device({.kind = "emulated", .id = "fabric0", .slot = 9, .fd = fd.get()}).error().message.find("no slot 9") !=
          std::string::npos);
    CHECK(open_device({.kind = "emulated", .id = "fabric0", .slot = 0, .fd = 0}).error().fault == Fault::corrupt);
    setup.emulated->host.reset();
    CHECK(find_devices(setup).error().message.find("[host]") != std::string::npos);
}
