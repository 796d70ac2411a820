// One piece of a plan's work, and the memory that it works on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft {

using BufferId = std::uint32_t;

// Vectors are loaded whole: behind the last element of each buffer lie at least this many readable bytes.
inline constexpr std::size_t buffer_slack = 64;

// Where the buffers of one plan are while it runs.
struct Memory {
    std::byte* const* buffers = nullptr;  // by BufferId
    std::byte* scratch = nullptr;         // of the running step alone, aligned to 64 bytes

    template <typename T>
    T* at(BufferId buffer) const {
        return reinterpret_cast<T*>(buffers[buffer]);
    }
};

// A thread's part of a step: `index` of `count`.
struct Share {
    std::size_t index = 0, count = 1;

    struct Part {
        std::size_t begin, end;
    };
    Part of(std::size_t items) const { return {items * index / count, items * (index + 1) / count}; }
};

// Reads some buffers, writes one whole. Immutable; one step may run on several memories at a time, and its shares on
// one memory, each with a scratch of its own. A step that cannot be shared does everything in the first share.
class Step {
  public:
    Step(std::vector<BufferId> read_buffers, BufferId written_buffer)
        : reads(std::move(read_buffers)), writes(written_buffer) {}
    virtual ~Step() = default;
    virtual Result<> run(const Memory& memory, Share share) const = 0;
    virtual std::size_t scratch_bytes() const { return 0; }
    virtual std::string_view kind() const = 0;        // "matrix", ..., "interpreted"
    virtual std::string how() const { return {}; }    // which kernel was taken, and why; for people
    virtual std::uint64_t macs() const { return 0; }  // multiplications that the layer stands for

    const std::vector<BufferId> reads;
    const BufferId writes;
};

using StepPtr = std::unique_ptr<const Step>;

}  // namespace fard::soft
