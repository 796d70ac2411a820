#include "tests/zynq/mapped_fabric.hpp"

#include <algorithm>
#include <atomic>

#include "overlays/zynq/finn_dma.hpp"

namespace fard::test {

volatile std::uint32_t* MappedFabric::registers(std::uint64_t address) const {
    return reinterpret_cast<volatile std::uint32_t*>(at_(address, zynq::FinnDma::register_bytes));
}

bool MappedFabric::all_started(const FakeDesign& design) const {
    const auto started = [&](const FakeStream& stream) { return (registers(stream.address)[0] & 1) != 0; };
    return std::ranges::all_of(design.inputs, started) && std::ranges::all_of(design.outputs, started);
}

std::uint32_t MappedFabric::batch(const FakeDesign& design) const {
    return registers(design.inputs[0].address)[7];
}

std::span<std::byte> MappedFabric::place(const FakeStream& stream, std::uint32_t chunk) const {
    const auto* words = registers(stream.address);
    const auto address = std::uint64_t{words[5]} << 32 | words[4];
    const auto size = stream.packing.packed_bytes();
    return {at_(address + chunk * size, size), size};
}

void MappedFabric::run_batch(const FakeDesign& design, const std::function<void(FakeDesign::Wire&)>& spoil) const {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto chunks = batch(design);
    for (std::uint32_t i = 0; i < chunks; ++i) {
        FakeDesign::Wire in;
        for (const auto& stream : design.inputs) {
            in.emplace_back(stream.packing.wire_bytes());
            stream.packing.unpack(place(stream, i), in.back());
        }
        auto out = design.compute(in);
        spoil(out);
        for (std::size_t o = 0; o < out.size(); ++o) design.outputs[o].packing.pack(out[o], place(design.outputs[o], i));
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (const auto* streams : {&design.inputs, &design.outputs})
        for (const auto& stream : *streams) registers(stream.address)[0] = 0xe;
}

}  // namespace fard::test
