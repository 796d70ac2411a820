// An accelerator that FINN built, as it lies in the fabric: its DMAs, its memory, its packing. Batches of chunks go through
// it one after the other; while one runs the next is filled.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_desc.hpp"
#include "overlays/finn/packing.hpp"
#include "overlays/package/hardware.hpp"
#include "overlays/zynq/finn_dma.hpp"

namespace fard::zynq {

// What an accelerator is reached through. `operating` is asked before registers are touched: an access to a fabric that is
// not configured stops the processor's bus.
struct FabricAccess {
    std::function<bool()> operating;
    std::function<Result<std::unique_ptr<Registers>>(const RegisterBlock&)> registers;
    std::function<Result<std::unique_ptr<DmaMemory>>(std::uint64_t bytes)> memory;
    bool programmed = false;  // anew, for this load
};

// A file's content by its name in the package.
using ReadPackageFile = std::function<Result<std::string>(const std::string& name)>;

class Accelerator {
  public:
    static constexpr int sets = 2;  // of buffers: one runs, one is filled

    // Opens registers and memory for batches of at most `max_batch` chunks, and writes runtime weights where the fabric was
    // programmed anew. Errors: invalid_input (the build's shapes, types or registers contradict the manifest), io (the
    // fabric is not operating), refused (a DMA is not idle), and those of the access.
    static Result<std::unique_ptr<Accelerator>> open(const FabricAccess& access, const Hardware& build,
                                                     const std::vector<TensorDesc>& inputs,
                                                     const std::vector<TensorDesc>& outputs, std::size_t max_batch,
                                                     const ReadPackageFile& read_file, Host& host, TimePoint deadline);

    std::size_t max_batch() const { return max_batch_; }
    bool fits(std::span<const std::span<const std::byte>> inputs, std::span<const std::span<std::byte>> outputs) const;

    // One chunk, in wire form, to and from its place in a set.
    void put(int set, std::size_t place, std::span<const std::span<const std::byte>> inputs);
    void take(int set, std::size_t place, std::span<const std::span<std::byte>> outputs);

    // FINN's sequence: every output idle, then weights, outputs and inputs are started. Errors: refused (not idle: which),
    // io (not operating; caches).
    Result<> start(int set, std::size_t batch);
    // Whether what was started is over; its results can be taken then. Errors: io (not operating; caches).
    Result<bool> done();
    // The outputs' interrupts, of which each tells of an end; empty where one has none. take_interrupts(): whether there was one.
    std::vector<int> interrupt_fds() const;
    bool take_interrupts();

    // For messages: "odma0 0x0, idma0 0x4".
    std::string registers_text();

  private:
    struct Stream {
        FinnDma dma;
        finn::Packing packing;
        std::uint64_t offset[sets];  // of its buffers in the memory
    };
    struct ExternalWeights {
        FinnDma dma;
        std::uint64_t offset;
        std::uint32_t repetitions;  // for each chunk
    };

    // Where each buffer lies in the memory, while it is laid out.
    struct Layout {
        std::uint64_t bytes = 0;
        std::uint64_t reserve(std::uint64_t size);
    };
    Accelerator() = default;
    Result<> open_streams(const FabricAccess& access, const Hardware& build, const std::vector<TensorDesc>& inputs,
                          const std::vector<TensorDesc>& outputs, Layout& layout);
    // The weights' content comes back, to be written once there is memory.
    Result<std::vector<std::vector<std::byte>>> open_external_weights(const FabricAccess& access, const Hardware& build,
                                                                      const ReadPackageFile& read_file, Layout& layout);
    Result<> write_external_weights(const std::vector<std::vector<std::byte>>& contents);
    Result<> write_register_weights(const FabricAccess& access, const Hardware& build, const ReadPackageFile& read_file);
    Result<> flush_pipeline(Host& host, TimePoint deadline);

    std::function<bool()> operating_;
    std::size_t max_batch_ = 1;
    std::vector<Stream> inputs_, outputs_;
    std::vector<ExternalWeights> weights_;
    std::unique_ptr<DmaMemory> memory_;
    int running_set_ = 0;
    std::size_t running_batch_ = 0;
};

}  // namespace fard::zynq
