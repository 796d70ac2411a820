// A network on the soft device, as tests run it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "overlays/soft/plan.hpp"

namespace fard::test {

using Tensors = std::vector<std::vector<std::byte>>;  // in wire form

std::vector<std::span<const std::byte>> views(const Tensors& tensors);

class SoftNetwork {
  public:
    SoftNetwork(model::Model model, const soft::Kernels& kernels, std::size_t threads = 1);
    Result<Tensors> run(const Tensors& inputs);
    // Adds one for each step, under its kind and under how it is computed.
    void count_kinds(std::map<std::string, int>& kinds) const;

  private:
    std::shared_ptr<const model::Model> model_;
    soft::Plan plan_;
};

}  // namespace fard::test
