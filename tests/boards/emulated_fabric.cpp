// The fabric of a board in QEMU, and what runs on it (tools/qemu-boards).
//
//   emulated-fabric make DIRECTORY [ROOT]            an app whose stages FINN has built for such a board, as it lies below ROOT there
//   emulated-fabric serve MEMORY PACKAGES [CHUNK]    the fabric behind a board's memory, a file that QEMU shares; the run with its
//                                                    CHUNKth chunk never ends, until the fabric is programmed anew
//
// `make` needs FARD_BUILD_ROOT and FARD_SOURCE_ROOT. The addresses are those of tools/qemu-boards/board.dts, the port is the one of
// tools/qemu-boards/module/manager.c.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "base/owned_fd.hpp"
#include "overlays/bitstream/bitstream.hpp"
#include "tests/e2e/zynq_cluster.hpp"
#include "tests/zynq/mapped_fabric.hpp"
#include "tests/zynq/package_design.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t registers_at = 0x1f000000, port_at = 0x1f800000, window_at = 0x1f900000, window_bytes = 0x700000;
constexpr std::size_t words_of_7z020 = 1011391;  // of a whole bitstream, 4 MB
enum Port { command, bytes, answer, works };
enum Command : std::uint32_t { reset = 1, configure = 2 };

std::atomic<bool> stop{false};

template <typename... Words>
void say(fmt::format_string<Words...> text, Words&&... words) {
    fmt::print("{}\n", fmt::format(text, std::forward<Words>(words)...));
    std::fflush(stdout);
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
}

void make(const fs::path& directory, const std::string& root) {
    const e2e::World world;
    const std::string name = "two_stage_bnn";
    const e2e::BuiltApp app(world, name, {.first_address = registers_at, .frame_words = words_of_7z020});
    auto text = e2e::read_file(app.file());
    replace_all(text, world.files().path().string(), root);
    replace_all(text, (e2e::source_root() / "apps").string(), root);
    replace_all(text, "chunk_timeout = \"60 s\"", "chunk_timeout = \"5 s\"");  // what a fabric that is stuck costs
    fs::create_directories(directory);
    fs::copy(world.files().path() / "overlays", directory / "overlays", fs::copy_options::recursive);
    fs::copy(e2e::source_root() / "apps" / name, directory / name, fs::copy_options::recursive);
    std::ofstream(directory / "app.toml") << text;
}

// A stage that the fabric can become.
struct Stage {
    std::string name, bin;
    FakeDesign design;
};

std::vector<Stage> stages_of(const fs::path& packages) {
    std::vector<Stage> stages;
    for (const auto& entry : fs::directory_iterator(packages)) {
        if (!entry.is_directory()) continue;
        const auto package = Package::open(entry.path()).value();
        const auto file = e2e::read_file(entry.path() / package.manifest.hardware.front().bitstream);
        const auto facts = bitstream::read_bitstream(file, entry.path().string()).value();
        stages.push_back({package.manifest.name, bitstream::to_bin(file, facts), design_of_package(package)});
    }
    return stages;
}

class Fabric {
  public:
    Fabric(const fs::path& memory, std::vector<Stage> stages, std::uint64_t wedged_at) : stages_(std::move(stages)), wedged_at_(wedged_at) {
        const OwnedFd file(::open(memory.c_str(), O_RDWR | O_CLOEXEC));
        struct stat info {};
        if (file.get() < 0 || ::fstat(file.get(), &info) != 0) throw std::runtime_error(memory.string() + ": cannot be opened");
        size_ = static_cast<std::size_t>(info.st_size);
        void* at = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (at == MAP_FAILED) throw std::runtime_error(memory.string() + ": cannot be mapped");
        memory_ = static_cast<std::byte*>(at);
    }
    ~Fabric() { ::munmap(memory_, size_); }
    Fabric(const Fabric&) = delete;

    void serve() {
        auto idle_since = std::chrono::steady_clock::now();
        while (!stop) {
            if (take_command() || run()) idle_since = std::chrono::steady_clock::now();
            else std::this_thread::sleep_for(std::chrono::steady_clock::now() - idle_since > 5ms ? 1ms : 50us);
        }
        say("{} chunks", chunks_);
    }

  private:
    std::byte* at(std::uint64_t address, std::size_t count) {
        if (address > size_ || count > size_ - address) throw std::runtime_error(fmt::format("a DMA reaches 0x{:x}", address));
        return memory_ + address;
    }
    volatile std::uint32_t& port(Port word) { return reinterpret_cast<volatile std::uint32_t*>(memory_ + port_at)[word]; }

    bool take_command() {
        const auto now = port(command);
        if (now == port(answer)) return false;
        std::atomic_thread_fence(std::memory_order_seq_cst);
        std::memset(memory_ + registers_at, 0, port_at - registers_at);
        stage_ = nullptr;
        wedged_ = false;
        port(works) = (now & 3) == reset || ((now & 3) == configure && become()) ? 1 : 0;
        std::atomic_thread_fence(std::memory_order_seq_cst);
        port(answer) = now;
        return true;
    }

    bool become() {
        const std::size_t count = port(bytes);
        for (const auto& stage : stages_) {
            if (count > window_bytes || stage.bin.size() != count || std::memcmp(memory_ + window_at, stage.bin.data(), count) != 0) continue;
            stage_ = &stage;
            for (const auto* streams : {&stage.design.inputs, &stage.design.outputs})
                for (const auto& stream : *streams) fabric_.rest(stream.address);
            say("programmed with {} ({} bytes)", stage.name, count);
            return true;
        }
        say("programmed with {} bytes that are nothing", count);
        return false;
    }

    bool run() {
        if (!stage_ || wedged_ || !fabric_.all_started(stage_->design)) return false;
        const auto before = chunks_;
        chunks_ += fabric_.batch(stage_->design);
        wedged_ = before < wedged_at_ && chunks_ >= wedged_at_;
        if (wedged_) say("stuck at chunk {}", wedged_at_);
        else fabric_.run_batch(stage_->design);
        return true;
    }

    std::vector<Stage> stages_;
    std::uint64_t wedged_at_ = 0, chunks_ = 0;
    std::byte* memory_ = nullptr;
    std::size_t size_ = 0;
    MappedFabric fabric_{[this](std::uint64_t address, std::size_t count) { return at(address, count); }};
    const Stage* stage_ = nullptr;
    bool wedged_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const bool makes = words.size() >= 2 && words[0] == "make", serves = words.size() >= 3 && words[0] == "serve";
    if (!makes && !serves) {
        std::fprintf(stderr, "usage: emulated-fabric make DIRECTORY [ROOT] | serve MEMORY PACKAGES [CHUNK]\n");
        return 2;
    }
    try {
        if (makes) {
            make(words[1], words.size() > 2 ? words[2] : words[1]);
            return 0;
        }
        for (const int number : {SIGTERM, SIGINT}) ::signal(number, [](int) { stop = true; });
        Fabric fabric(words[1], stages_of(words[2]), words.size() > 3 ? std::stoull(words[3]) : 0);
        say("ready");
        fabric.serve();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "emulated-fabric: %s\n", error.what());
        return 1;
    }
}
