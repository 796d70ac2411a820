#include "bench/engine_two.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "bench/engine_network.hpp"
#include "bench/measure.hpp"

namespace fard::bench {
namespace {

constexpr std::chrono::milliseconds turn{500};

double rate_of(Network& network) {
    network.run_once();
    const auto start = BenchClock::now();
    double chunks = 0;
    auto now = start;
    for (; now - start < turn; now = BenchClock::now(), ++chunks)
        network.run_once();
    return chunks / std::chrono::duration<double>(now - start).count();
}

// What the two children write, in memory that they share with us.
struct Shared {
    std::atomic<int> ready = 0;
    double rates[2] = {};
};

void be_child(const std::filesystem::path& file, const soft::Kernels& kernels, Shared& shared, int index) {
    auto network = Network::open(file, kernels);
    ++shared.ready;
    while (shared.ready < 2)
        ::usleep(100);
    if (network) shared.rates[index] = rate_of(*network);
    ::_exit(0);
}

double rate_of_processes(const std::filesystem::path& file, const soft::Kernels& kernels) {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    auto* shared = new (memory) Shared;
    pid_t children[2];
    for (int i = 0; i < 2; ++i) {
        children[i] = ::fork();
        if (children[i] == 0) be_child(file, kernels, *shared, i);
        if (children[i] < 0) ++shared->ready;  // the other need not wait for it
    }
    for (const auto child : children)
        if (child > 0) ::waitpid(child, nullptr, 0);
    const double rate = shared->rates[0] + shared->rates[1];
    ::munmap(memory, sizeof(Shared));
    return rate;
}

}  // namespace

Result<TwoThreads> measure_two(const std::filesystem::path& file, const soft::Kernels& kernels, int rounds) {
    std::vector<double> threads, processes;
    for (int round = 0; round < rounds; ++round) {
        processes.push_back(rate_of_processes(file, kernels));
        auto network = Network::open(file, kernels, 2);
        if (!network) return fail(network.error());
        threads.push_back(rate_of(*network));
    }
    return TwoThreads{median(threads), median(processes)};
}

}  // namespace fard::bench
