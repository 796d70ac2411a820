#include "tests/zynq/tree_board.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace fard::test {
namespace fs = std::filesystem;

TreeBoard::TreeBoard(const fs::path& root, const std::vector<RegisterBlock>& blocks, FakeDesign design, std::uint64_t memory_bytes)
    : root_(root), design_(std::move(design)) {
    put("sys/class/fpga_manager/fpga0/name", "Xilinx Zynq FPGA Manager\n");
    put("sys/class/fpga_manager/fpga0/state", "operating\n");
    put("sys/class/fpga_manager/fpga0/flags", "0\n");
    put("sys/class/fpga_manager/fpga0/firmware", "");
    put("sys/class/u-dma-buf/udmabuf0/phys_addr", fmt::format("0x{:x}\n", memory_address));
    put("sys/class/u-dma-buf/udmabuf0/size", fmt::format("{}\n", memory_bytes));
    put("sys/class/u-dma-buf/udmabuf0/dma_coherent", "0\n");
    put("sys/class/u-dma-buf/udmabuf0/sync_for_cpu", "");
    put("sys/class/u-dma-buf/udmabuf0/sync_for_device", "");
    fs::create_directories(root_ / "lib/firmware");
    memory_ = map("dev/udmabuf0", memory_bytes);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto uio = fmt::format("sys/class/uio/uio{}/", i);
        put(uio + "name", blocks[i].name + "\n");
        put(uio + "maps/map0/addr", fmt::format("0x{:08x}\n", blocks[i].address));
        put(uio + "maps/map0/size", fmt::format("0x{:x}\n", blocks[i].bytes));
        put(uio + "maps/map0/offset", "0x0\n");
        blocks_[blocks[i].address] = map(fmt::format("dev/uio{}", i), blocks[i].bytes);
        *registers(blocks[i].address) = 0x4;
    }
    thread_ = std::thread([this] { serve(); });
}

TreeBoard::~TreeBoard() {
    stop_ = true;
    thread_.join();
    ::munmap(memory_.data(), memory_.size());
    for (const auto& [address, block] : blocks_) ::munmap(block.data(), block.size());
}

zynq::Roots TreeBoard::roots() const {
    return {root_ / "sys", root_ / "configfs", root_ / "lib/firmware", root_ / "dev", root_ / "run"};
}

void TreeBoard::put(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
}

std::string TreeBoard::text(const std::string& file) const {
    std::ifstream stream(root_ / file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::span<std::byte> TreeBoard::map(const fs::path& file, std::uint64_t bytes) {
    fs::create_directories((root_ / file).parent_path());
    const int fd = ::open((root_ / file).c_str(), O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) throw std::runtime_error("tree board: " + file.string());
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("tree board: mmap");
    return {static_cast<std::byte*>(at), bytes};
}

volatile std::uint32_t* TreeBoard::registers(std::uint64_t address) const {
    return reinterpret_cast<volatile std::uint32_t*>(blocks_.at(address).data());
}

bool TreeBoard::all_started() const {
    const auto started = [&](const FakeStream& stream) { return (registers(stream.address)[0] & 1) != 0; };
    return std::ranges::all_of(design_.inputs, started) && std::ranges::all_of(design_.outputs, started);
}

void TreeBoard::serve() {
    while (!stop_) {
        if (all_started()) run_batch();
        else std::this_thread::yield();
    }
}

void TreeBoard::run_batch() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto place = [&](const FakeStream& stream, std::uint32_t i) {
        const auto* words = registers(stream.address);
        const auto address = std::uint64_t{words[5]} << 32 | words[4];
        const auto size = stream.packing.packed_bytes();
        return memory_.subspan(address - memory_address + i * size, size);
    };
    const auto batch = registers(design_.inputs[0].address)[7];
    for (std::uint32_t i = 0; i < batch; ++i, ++chunks) {
        FakeDesign::Wire in;
        for (const auto& stream : design_.inputs) {
            in.emplace_back(stream.packing.wire_bytes());
            stream.packing.unpack(place(stream, i), in.back());
        }
        const auto out = design_.compute(in);
        for (std::size_t o = 0; o < out.size(); ++o) design_.outputs[o].packing.pack(out[o], place(design_.outputs[o], i));
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (const auto* streams : {&design_.inputs, &design_.outputs})
        for (const auto& stream : *streams) registers(stream.address)[0] = 0xe;
}

}  // namespace fard::test
