// What the worker of an emulated device compiles, and how often.
#include "overlays/emulated/stage_worker.hpp"
#include "tests/patience.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace fard;
using namespace std::chrono_literals;

namespace {

// Counts how often it is loaded, which takes until it is let.
class Compiler final : public Device {
  public:
    struct Count {
        std::atomic<int> loads{0};
        std::atomic<bool> goes_on{true};
    };
    explicit Compiler(Count& count) : count_(count) {}

    DeviceInfo info() const override { return {"cpu0", "counting", 1, ""}; }
    Result<> load(const Package&, TimePoint) override {
        ++count_.loads;
        return {};
    }
    Result<bool> loaded() override { return count_.goes_on.load(); }
    void unload() override {}
    std::size_t depth() const override { return 1; }
    Result<> submit(std::uint64_t, std::span<const Bytes>, std::span<const MutableBytes>, TimePoint) override { return {}; }
    Result<std::optional<std::uint64_t>> complete() override { return 0; }
    int ready_fd() const override { return -1; }

  private:
    Count& count_;
};

Package package(const std::string& id) {
    Package package;
    package.id = id;
    return package;
}

bool comes_up(const StageWorker& worker) {
    const auto end = std::chrono::steady_clock::now() + patience(20s);
    while (!worker.loaded() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return worker.loaded().has_value();
}

}  // namespace

TEST_CASE("a package that is being compiled is not compiled once more") {
    Compiler::Count count;
    count.goes_on = false;
    StageWorker worker(std::make_unique<Compiler>(count));
    REQUIRE(worker.load(package("a")));
    while (count.loads == 0) std::this_thread::yield();
    REQUIRE(worker.load(package("a")));
    count.goes_on = true;
    CHECK(comes_up(worker));
    REQUIRE(worker.load(package("a")));
    CHECK(count.loads == 1);
    REQUIRE(worker.load(package("b")));
    CHECK(comes_up(worker));
    CHECK(count.loads == 2);
}
