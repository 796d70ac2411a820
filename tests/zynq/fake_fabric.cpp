#include "tests/zynq/fake_fabric.hpp"

#include <algorithm>
#include <stdexcept>

namespace fard::test {

void FakeFabric::become(const FakeDesign* design) {
    design_ = design;
    dmas_.clear();
    words_.clear();
    busy_ = wedged = output_busy = false;
    if (!design) return;
    for (const auto* streams : {&design->inputs, &design->outputs})
        for (const auto& stream : *streams) dmas_[stream.address] = {};
    for (const auto address : design->weight_dmas) dmas_[address] = {};
    for (const auto& [address, count] : design->plain_words) words_[address].resize(count);
}

std::uint32_t FakeFabric::read(std::uint64_t address, TimePoint now) {
    finish_if_due(now);
    for (const auto& [base, words] : words_)
        if (address >= base && address - base < 4 * words.size()) return words[(address - base) / 4];
    const auto base = address & ~std::uint64_t{0xfff};
    const auto found = dmas_.find(base);
    if (found == dmas_.end()) return 0;
    auto& dma = found->second;
    switch (address - base) {
        case 0x00: {
            const bool is_output = design_ && std::ranges::any_of(design_->outputs, [&](const auto& s) { return s.address == base; });
            if (dma.running || (output_busy && is_output)) return 0x1;
            const std::uint32_t control = 0x4 | (std::exchange(dma.done, false) ? 0xau : 0u);
            return control;
        }
        case 0x04: return dma.enabled;
        case 0x08: return dma.enabled_when;
        case 0x0c: return dma.told;
        case 0x10: return dma.low;
        case 0x14: return dma.high;
        case 0x1c: return dma.repetitions;
        default: return 0;
    }
}

void FakeFabric::write(std::uint64_t address, std::uint32_t value, TimePoint now) {
    finish_if_due(now);
    for (auto& [base, words] : words_)
        if (address >= base && address - base < 4 * words.size()) words[(address - base) / 4] = value;
    const auto base = address & ~std::uint64_t{0xfff};
    const auto found = dmas_.find(base);
    if (found == dmas_.end()) return;
    auto& dma = found->second;
    switch (address - base) {
        case 0x00:
            if ((value & 1) && !dma.running) {
                dma.running = true;
                dma.done = false;
                begin_if_complete(now);
            }
            break;
        case 0x04: dma.enabled = value; break;
        case 0x08: dma.enabled_when = value; break;
        case 0x0c: dma.told ^= value; break;
        case 0x10: dma.low = value; break;
        case 0x14: dma.high = value; break;
        case 0x1c: dma.repetitions = value; break;
        default: break;
    }
}

void FakeFabric::begin_if_complete(TimePoint now) {
    if (busy_ || !std::ranges::all_of(dmas_, [](const auto& entry) { return entry.second.running; })) return;
    busy_ = true;
    const auto batch = dmas_.at(design_->inputs.front().address).repetitions;
    ends_ = now + design_->latency + design_->interval * (batch - 1);
}

void FakeFabric::finish_if_due(TimePoint now) {
    if (!busy_ || wedged || now < ends_) return;
    compute_all();
    busy_ = false;
    ++runs;
    for (auto& [address, dma] : dmas_) {
        dma.running = false;
        dma.done = true;
        if (!(dma.enabled & dma.enabled_when & 1) || std::exchange(dma.told, 1) == 1 || lines_cut) continue;
        auto& line = lines_[address];
        if (std::exchange(line.open, false) && line.tell) line.tell();
    }
}

std::span<std::byte> FakeFabric::real(std::uint64_t address, std::size_t bytes) {
    if (address < memory_.address || address - memory_.address > memory_.real.size() - bytes)
        throw std::runtime_error("a DMA reaches outside of the memory that it was given");
    return std::span(memory_.real).subspan(address - memory_.address, bytes);
}

void FakeFabric::compute_all() {
    const auto batch = dmas_.at(design_->inputs.front().address).repetitions;
    for (std::uint32_t i = 0; i < batch; ++i, ++chunks) {
        FakeDesign::Wire in;
        for (const auto& stream : design_->inputs) {
            const auto size = stream.packing.packed_bytes();
            in.emplace_back(stream.packing.wire_bytes());
            stream.packing.unpack(real(dmas_.at(stream.address).address() + i * size, size), in.back());
        }
        auto out = design_->compute(in);
        for (std::size_t o = 0; o < out.size(); ++o) {
            const auto& stream = design_->outputs[o];
            const auto size = stream.packing.packed_bytes();
            if (wrong_result) out[o][0] ^= std::byte{1};
            stream.packing.pack(out[o], real(dmas_.at(stream.address).address() + i * size, size));
        }
    }
}

FakeDesign design_of_build(const Hardware& build, const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs,
                           std::function<FakeDesign::Wire(const FakeDesign::Wire&)> compute) {
    FakeDesign design;
    const auto streams = [&](const std::vector<HardwareTensor>& tensors, const std::vector<TensorDesc>& descs,
                             std::vector<FakeStream>& out) {
        for (std::size_t i = 0; i < tensors.size(); ++i)
            for (const auto& block : build.registers)
                if (block.name == tensors[i].dma)
                    out.push_back({block.name, block.address,
                                   finn::Packing(descs[i].type, descs[i].elements(), static_cast<std::size_t>(tensors[i].folded.back()))});
    };
    streams(build.inputs, inputs, design.inputs);
    streams(build.outputs, outputs, design.outputs);
    design.compute = std::move(compute);
    return design;
}

}  // namespace fard::test
