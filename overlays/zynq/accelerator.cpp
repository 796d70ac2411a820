#include "overlays/zynq/accelerator.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/npy.hpp"
#include "overlays/zynq/weights.hpp"

namespace fard::zynq {
namespace {

constexpr std::uint64_t alignment = 64;  // of buffers: a cache line of every processor of these boards

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

std::size_t product(const std::vector<std::int64_t>& shape) {
    std::size_t count = 1;
    for (const auto extent : shape) count *= static_cast<std::size_t>(extent);
    return count;
}

Result<const RegisterBlock*> block_named(const Hardware& build, const std::string& name) {
    const auto found = std::ranges::find(build.registers, name, &RegisterBlock::name);
    if (found != build.registers.end()) return &*found;
    return fail(Fault::invalid_input, "the manifest lists no registers of '{}', which its tensors or weights name", name);
}

Result<FinnDma> open_dma(const FabricAccess& access, const Hardware& build, const std::string& name) {
    const auto block = block_named(build, name);
    if (!block) return fail(block.error());
    auto registers = access.registers(**block);
    if (!registers) return fail(registers.error());
    if ((*registers)->bytes() < FinnDma::register_bytes)
        return fail(Fault::invalid_input, "{} has {} bytes of registers, and a DMA of FINN's has {}", name, (*registers)->bytes(),
                    FinnDma::register_bytes);
    return FinnDma(name, std::move(*registers));
}

// How the stream's words lie in memory, held against the tensor.
Result<finn::Packing> packing_of(const HardwareTensor& stream, const TensorDesc& tensor) {
    const auto type = stream.type.empty() ? Result<DataType>(tensor.type) : DataType::parse(stream.type);
    if (!type) return fail(type.error());
    if (*type != tensor.type || product(stream.folded) != tensor.elements() || stream.folded.empty())
        return fail(Fault::invalid_input, "tensor {} has {} elements of {}, and its stream {} of {}", tensor.name, tensor.elements(),
                    tensor.type.name(), product(stream.folded), type->name());
    const finn::Packing packing(*type, tensor.elements(), static_cast<std::size_t>(stream.folded.back()));
    if (!stream.packed.empty() && product(stream.packed) != packing.packed_bytes())
        return fail(Fault::invalid_input, "tensor {} takes {} bytes as FINN packs it, and the manifest says {}", tensor.name,
                    packing.packed_bytes(), product(stream.packed));
    return packing;
}

}  // namespace

std::uint64_t Accelerator::Layout::reserve(std::uint64_t size) {
    return std::exchange(bytes, bytes + aligned(size));
}

Result<> Accelerator::open_streams(const FabricAccess& access, const Hardware& build, const std::vector<TensorDesc>& inputs,
                                   const std::vector<TensorDesc>& outputs, Layout& layout) {
    const auto add = [&](const HardwareTensor& stream, const TensorDesc& tensor, std::vector<Stream>& to) -> Result<> {
        const auto packing = packing_of(stream, tensor);
        if (!packing) return fail(packing.error());
        auto dma = open_dma(access, build, stream.dma);
        if (!dma) return fail(dma.error());
        const auto size = packing->packed_bytes() * max_batch_;
        to.push_back({std::move(*dma), *packing, {layout.reserve(size), layout.reserve(size)}});
        return {};
    };
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (auto added = add(build.inputs[i], inputs[i], inputs_); !added) return added;
    for (std::size_t i = 0; i < outputs.size(); ++i)
        if (auto added = add(build.outputs[i], outputs[i], outputs_); !added) return added;
    return {};
}

Result<std::vector<std::vector<std::byte>>> Accelerator::open_external_weights(const FabricAccess& access, const Hardware& build,
                                                                               const ReadPackageFile& read_file, Layout& layout) {
    std::vector<std::vector<std::byte>> contents;
    for (const auto& weights : build.weights) {
        if (!weights.file.ends_with(".npy")) continue;
        const auto content = read_file(weights.file);
        if (!content) return fail(content.error());
        auto array = parse_npy(std::as_bytes(std::span(*content)), weights.file);
        if (!array) return fail(array.error());
        auto dma = open_dma(access, build, weights.block);
        if (!dma) return fail(dma.error());
        weights_.push_back({std::move(*dma), layout.reserve(array->bytes.size()), static_cast<std::uint32_t>(weights.repeats)});
        contents.push_back(std::move(array->bytes));
    }
    return contents;
}

Result<> Accelerator::write_external_weights(const std::vector<std::vector<std::byte>>& contents) {
    for (std::size_t i = 0; i < contents.size(); ++i) {
        const auto offset = weights_[i].offset;
        std::ranges::copy(contents[i], memory_->bytes().begin() + static_cast<std::ptrdiff_t>(offset));
        if (const auto flushed = memory_->flush(offset, contents[i].size()); !flushed)
            return fail(Fault::io, "{}", explain(flushed.error(), "the memory's caches"));
    }
    return {};
}

Result<std::unique_ptr<Accelerator>> Accelerator::open(const FabricAccess& access, const Hardware& build,
                                                       const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs,
                                                       std::size_t max_batch, const ReadPackageFile& read_file, Host& host,
                                                       TimePoint deadline) {
    if (inputs.empty() || build.inputs.size() != inputs.size() || build.outputs.size() != outputs.size())
        return fail(Fault::invalid_input, "the manifest has {} inputs and {} outputs, and its build for {} moves {} and {}: it cannot "
                    "run on hardware", inputs.size(), outputs.size(), build.part, build.inputs.size(), build.outputs.size());
    if (!access.operating()) return fail(Fault::io, "the fabric is not operating; none of its registers is touched");
    std::unique_ptr<Accelerator> made(new Accelerator);
    made->operating_ = access.operating;
    made->max_batch_ = max_batch;
    Layout layout;
    if (auto opened = made->open_streams(access, build, inputs, outputs, layout); !opened) return fail(opened.error());
    const auto external = made->open_external_weights(access, build, read_file, layout);
    if (!external) return fail(external.error());
    auto memory = access.memory(layout.bytes);
    if (!memory) return fail(memory.error());
    made->memory_ = std::move(*memory);
    if (auto written = made->write_external_weights(*external); !written) return fail(written.error());
    if (!access.programmed || build.weights.empty()) return made;
    if (auto written = made->write_register_weights(access, build, read_file); !written) return fail(written.error());
    if (auto flushed = made->flush_pipeline(host, deadline); !flushed) return fail(flushed.error());
    return made;
}

Result<> Accelerator::write_register_weights(const FabricAccess& access, const Hardware& build, const ReadPackageFile& read_file) {
    for (const auto& weights : build.weights) {
        if (!weights.file.ends_with(".dat")) continue;
        const auto block = block_named(build, weights.block);
        if (!block) return fail(block.error());
        auto registers = access.registers(**block);
        if (!registers) return fail(registers.error());
        const auto content = read_file(weights.file);
        if (!content) return fail(content.error());
        const auto words = parse_weight_words(*content, weights.file);
        if (!words) return fail(words.error());
        if (auto written = write_weight_words(**registers, *words, weights.file); !written) return written;
    }
    return {};
}

// Weights that the streamers had read ahead are used up by one run whose result nobody wants.
Result<> Accelerator::flush_pipeline(Host& host, TimePoint deadline) {
    if (auto started = start(0, 1); !started) return started;
    for (;;) {
        const auto over = done();
        if (!over) return fail(over.error());
        if (*over) return {};
        if (host.now() >= deadline)
            return fail(Fault::timed_out, "the run that takes the new weights does not end (control registers: {})", registers_text());
        host.pause(std::chrono::microseconds(100));
    }
}

bool Accelerator::fits(std::span<const std::span<const std::byte>> inputs, std::span<const std::span<std::byte>> outputs) const {
    const auto same = [](const auto& buffers, const std::vector<Stream>& streams) {
        return std::ranges::equal(buffers, streams, {}, [](const auto& buffer) { return buffer.size(); },
                                  [](const Stream& stream) { return stream.packing.wire_bytes(); });
    };
    return same(inputs, inputs_) && same(outputs, outputs_);
}

void Accelerator::put(int set, std::size_t place, std::span<const std::span<const std::byte>> inputs) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const auto size = inputs_[i].packing.packed_bytes();
        inputs_[i].packing.pack(inputs[i], memory_->bytes().subspan(inputs_[i].offset[set] + place * size, size));
    }
}

void Accelerator::take(int set, std::size_t place, std::span<const std::span<std::byte>> outputs) {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
        const auto size = outputs_[i].packing.packed_bytes();
        outputs_[i].packing.unpack(memory_->bytes().subspan(outputs_[i].offset[set] + place * size, size), outputs[i]);
    }
}

Result<> Accelerator::start(int set, std::size_t batch) {
    assert(batch >= 1 && batch <= max_batch_);
    if (!operating_()) return fail(Fault::io, "the fabric is not operating; none of its registers is touched");
    for (auto& output : outputs_)
        if (!output.dma.idle())
            return fail(Fault::refused, "{} is not idle (control registers: {}): an earlier run never ended", output.dma.name(),
                        registers_text());
    for (const auto& input : inputs_)
        if (const auto flushed = memory_->flush(input.offset[set], batch * input.packing.packed_bytes()); !flushed)
            return fail(Fault::io, "{}", explain(flushed.error(), "the memory's caches"));
    const auto repetitions = static_cast<std::uint32_t>(batch);
    for (auto& weights : weights_) weights.dma.start(memory_->address() + weights.offset, repetitions * weights.repetitions);
    for (auto& output : outputs_) output.dma.expect_interrupt();
    for (auto& output : outputs_) output.dma.start(memory_->address() + output.offset[set], repetitions);
    for (auto& input : inputs_) input.dma.start(memory_->address() + input.offset[set], repetitions);
    running_set_ = set;
    running_batch_ = batch;
    return {};
}

Result<bool> Accelerator::done() {
    if (!operating_()) return fail(Fault::io, "the fabric is not operating; none of its registers is touched");
    for (auto& output : outputs_)
        if (!output.dma.done()) return false;
    for (const auto& output : outputs_)
        if (const auto ready = memory_->invalidate(output.offset[running_set_], running_batch_ * output.packing.packed_bytes()); !ready)
            return fail(Fault::io, "{}", explain(ready.error(), "the memory's caches"));
    return true;
}

std::vector<int> Accelerator::interrupt_fds() const {
    std::vector<int> fds;
    for (const auto& output : outputs_) fds.push_back(output.dma.interrupt_fd());
    return std::ranges::find(fds, -1) == fds.end() ? fds : std::vector<int>{};
}

bool Accelerator::take_interrupts() {
    bool any = false;
    for (auto& output : outputs_) any = output.dma.take_interrupt() || any;
    return any;
}

std::string Accelerator::registers_text() {
    std::string text;
    if (!operating_()) return "not read, the fabric is not operating";
    for (auto* streams : {&outputs_, &inputs_})
        for (auto& stream : *streams)
            text += fmt::format("{}{} 0x{:x}", text.empty() ? "" : ", ", stream.dma.name(), stream.dma.control());
    return text;
}

}  // namespace fard::zynq
