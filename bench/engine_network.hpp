// One network on the soft device, as bench/engine measures it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "overlays/soft/plan.hpp"

namespace fard::bench {

struct LayerTime {
    std::string name, kind, how;
    std::uint64_t macs = 0;
    double milliseconds = 0;  // the median
};

class Network {
  public:
    // Reads and compiles (three times, for the time it takes); inputs are random. Errors: those of Model::load.
    static Result<Network> open(const std::filesystem::path& file, const soft::Kernels& kernels,
                                std::size_t threads = 1);

    double run_once();  // milliseconds for one chunk, from wire form to wire form
    // Each step timed alone, in the order of the plan; `between` is called after each round.
    std::vector<LayerTime> layers(int rounds, const std::function<void()>& between);
    const model::Graph& graph() const { return *plan_->recipe().graph; }
    double load_milliseconds() const { return load_milliseconds_; }  // the least
    std::size_t plan_bytes() const { return plan_->memory_bytes(); }

  private:
    Network() = default;
    double load_milliseconds_ = 0;
    std::unique_ptr<soft::Plan> plan_;
    std::vector<std::vector<std::byte>> inputs_, outputs_;
};

}  // namespace fard::bench
