#include "tests/zynq/tree_board.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "base/process.hpp"

namespace fard::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

// All states have the same length, so that whoever reads meanwhile reads the one or the other, as of drivers.
std::string state_text(std::string state) {
    constexpr std::size_t longest = 24;
    state.resize(longest, '\n');
    return state;
}

}  // namespace

TreeBoard::TreeBoard(const fs::path& root, const std::vector<RegisterBlock>& blocks, Designs designs, Setup setup)
    : root_(root), designs_(std::move(designs)), news_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    put("sys/class/fpga_manager/fpga0/name", "Xilinx Zynq FPGA Manager\n");
    put("sys/class/fpga_manager/fpga0/state", state_text("operating"));
    put("sys/class/fpga_manager/fpga0/flags", "0\n");
    put("sys/class/fpga_manager/fpga0/firmware", "");
    put("sys/class/u-dma-buf/udmabuf0/phys_addr", fmt::format("0x{:x}\n", memory_address));
    put("sys/class/u-dma-buf/udmabuf0/size", fmt::format("{}\n", setup.memory_bytes));
    put("sys/class/u-dma-buf/udmabuf0/dma_coherent", "0\n");
    put("sys/class/u-dma-buf/udmabuf0/sync_for_cpu", "");
    put("sys/class/u-dma-buf/udmabuf0/sync_for_device", "");
    if (!setup.compatible.empty()) put("sys/firmware/devicetree/base/compatible", setup.compatible);
    fs::create_directories(root_ / "lib/firmware");
    if (::inotify_add_watch(news_.get(), (root_ / "lib/firmware").c_str(), IN_MOVED_TO) < 0)
        throw std::runtime_error("tree board: inotify");
    memory_ = map("dev/udmabuf0", setup.memory_bytes);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto uio = fmt::format("sys/class/uio/uio{}/", i);
        put(uio + "name", blocks[i].name + "\n");
        put(uio + "maps/map0/addr", fmt::format("0x{:08x}\n", blocks[i].address));
        put(uio + "maps/map0/size", fmt::format("0x{:x}\n", blocks[i].bytes));
        put(uio + "maps/map0/offset", "0x0\n");
        blocks_[blocks[i].address] = map(fmt::format("dev/uio{}", i), blocks[i].bytes);
    }
    reset();
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
    constexpr std::size_t most_text = 1 << 16;
    std::ifstream stream(root_ / file);
    std::string text(most_text, '\0');  // a test may put a link to /dev/full in the file's place
    stream.read(text.data(), most_text);
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return text;
}

std::vector<std::string> TreeBoard::programmed() const {
    const std::lock_guard lock(mutex_);
    return programmed_;
}

std::span<std::byte> TreeBoard::map(const fs::path& file, std::uint64_t bytes) {
    fs::create_directories((root_ / file).parent_path());
    const int fd = ::open((root_ / file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) throw std::runtime_error("tree board: " + file.string());
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("tree board: mmap");
    return {static_cast<std::byte*>(at), static_cast<std::size_t>(bytes)};
}

std::byte* TreeBoard::at(std::uint64_t address, std::size_t bytes) const {
    const auto inside = [&](std::uint64_t begin, std::span<std::byte> span) {
        return address >= begin && bytes <= span.size() && address - begin <= span.size() - bytes;
    };
    if (inside(memory_address, memory_)) return memory_.data() + (address - memory_address);
    for (const auto& [begin, block] : blocks_)
        if (inside(begin, block)) return block.data() + (address - begin);
    throw std::runtime_error("tree board: a DMA reaches outside of the memory that it was given");
}

void TreeBoard::say_state(const std::string& state) const {
    const auto text = state_text(state);
    const OwnedFd file(::open((root_ / "sys/class/fpga_manager/fpga0/state").c_str(), O_WRONLY | O_CLOEXEC));
    if (::pwrite(file.get(), text.data(), text.size(), 0) < 0) throw std::runtime_error("tree board: state");
}

// As the fabric comes out of programming.
void TreeBoard::reset() {
    for (const auto& [address, block] : blocks_) fabric_.rest(address);
}

const FakeDesign* TreeBoard::design() const {
    auto found = designs_.find(text("sys/class/fpga_manager/fpga0/firmware"));
    if (found == designs_.end()) found = designs_.find("");
    return found == designs_.end() ? nullptr : &found->second;
}

// A file comes into the firmware directory before the driver is told of it, which is when the fabric is reset.
void TreeBoard::take_news() {
    alignas(inotify_event) std::array<char, 4096> buffer;
    const auto count = ::read(news_.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < count;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        const std::string name(event->name);
        if (!name.ends_with(".bin")) continue;
        const bool fails = load_failures > 0 && load_failures-- > 0;
        wedged_ = false;
        reset();
        if (busy > 0 && busy-- > 0) *fabric_.registers(blocks_.rbegin()->first) = 0x1;
        {
            const std::lock_guard lock(mutex_);
            programmed_.push_back(name);
        }
        say_state(fails ? failing_state.load() : "operating");
    }
}

// Hardware does not wait for a processor, and the driver's write for the fabric: so this thread goes before others where it may.
void TreeBoard::serve() {
    run_before_others();
    while (!stop_) {
        pollfd wait{news_.get(), POLLIN, 0};
        const timespec patience{0, 100'000};
        ::ppoll(&wait, 1, &patience, nullptr);
        take_news();
        const auto* now = wedged_ ? nullptr : design();
        if (!now || !fabric_.all_started(*now)) continue;
        call_on_batch();
        if (wedges > 0 && wedges-- > 0) wedged_ = true;
        else run_batch(*now);
    }
}

void TreeBoard::run_batch(const FakeDesign& design) {
    fabric_.run_batch(design, [&](FakeDesign::Wire& out) {
        ++chunks;
        if (wrong > 0 && wrong-- > 0) out.front().front() ^= std::byte{1};
    });
}

void TreeBoard::on_batch(int n, std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    batches_left_ = n;
    on_batch_ = std::move(action);
}

void TreeBoard::call_on_batch() {
    std::function<void()> action;
    {
        const std::lock_guard lock(mutex_);
        if (!on_batch_ || --batches_left_ > 0) return;
        action = std::exchange(on_batch_, nullptr);
    }
    action();
}

std::string firmware_name_of(const Package& package) {
    return "fard-" + package.id.substr(0, 24) + ".bin";
}

}  // namespace fard::test
