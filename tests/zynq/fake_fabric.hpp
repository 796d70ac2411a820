// A fabric's registers and what runs behind them: FINN's DMAs as HLS makes them (done is cleared by reading, idle while
// nothing runs), a cache between processor and memory, and the stage itself as a function.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/tensor_desc.hpp"
#include "overlays/finn/packing.hpp"
#include "overlays/package/hardware.hpp"

namespace fard::test {

// One stream of a design, in the order of the tensors.
struct FakeStream {
    std::string name;  // "idma0"
    std::uint64_t address = 0;
    finn::Packing packing;
};

// What a bitstream makes of the fabric.
struct FakeDesign {
    using Wire = std::vector<std::vector<std::byte>>;  // one for each tensor
    std::vector<FakeStream> inputs, outputs;
    std::function<Wire(const Wire&)> compute;  // one chunk
    Duration latency{std::chrono::microseconds(50)}, interval{std::chrono::microseconds(20)};
    std::vector<std::uint64_t> weight_dmas;  // addresses of those that read weights from memory
    std::map<std::uint64_t, std::size_t> plain_words;  // address of blocks of plain registers -> how many
};

// What a package's bitstream makes of the fabric: its streams, and `compute` behind them.
FakeDesign design_of_build(const Hardware& build, const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs,
                           std::function<FakeDesign::Wire(const FakeDesign::Wire&)> compute);

// Processor's and fabric's view of the same memory.
struct FakeMemory {
    std::uint64_t address = 0;
    std::vector<std::byte> cached, real;
};

class FakeFabric {
  public:
    explicit FakeFabric(FakeMemory& memory) : memory_(memory) {}

    void become(const FakeDesign* design);  // null: nothing that answers
    std::uint32_t read(std::uint64_t address, TimePoint now);
    void write(std::uint64_t address, std::uint32_t value, TimePoint now);

    void pass(TimePoint now) { finish_if_due(now); }
    // The line of a block's interrupt; it goes up once until it is let through again.
    void on_interrupt(std::uint64_t address, std::function<void()> tell) { lines_[address].tell = std::move(tell); }
    void let_through(std::uint64_t address) { lines_[address].open = true; }

    bool lines_cut = false;         // interrupts that no design has wired
    bool wedged = false;            // what is started never ends, until configured again
    bool wrong_result = false;      // flips a bit of each
    bool output_busy = false;       // outputs are never idle
    std::uint64_t runs = 0, chunks = 0;

  private:
    struct Dma {
        std::uint32_t low = 0, high = 0, repetitions = 0;
        std::uint32_t enabled = 0, enabled_when = 0, told = 0;  // of its interrupt
        bool running = false, done = false;
        std::uint64_t address() const { return std::uint64_t{high} << 32 | low; }
    };
    void begin_if_complete(TimePoint now);
    void finish_if_due(TimePoint now);
    void compute_all();
    std::span<std::byte> real(std::uint64_t address, std::size_t bytes);

    FakeMemory& memory_;
    const FakeDesign* design_ = nullptr;
    std::map<std::uint64_t, Dma> dmas_;  // by address of their block
    std::map<std::uint64_t, std::vector<std::uint32_t>> words_;
    struct Line {
        std::function<void()> tell;
        bool open = false;
    };
    std::map<std::uint64_t, Line> lines_;
    bool busy_ = false;
    TimePoint ends_;
};

}  // namespace fard::test
