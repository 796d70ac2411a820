// Inputs and results that hold NaN: right as bytes, and hardly ever meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_desc.hpp"
#include "runtime/peer/socket.hpp"

namespace fard::cli {

std::vector<std::span<const std::byte>> bytes_of(const std::vector<Frame>& tensors);

class NotNumbers {
  public:
    // `kind`: what people call one of them, "input".
    NotNumbers(std::string kind, std::vector<TensorDesc> tensors) : kind_(std::move(kind)), tensors_(std::move(tensors)) {}
    void look_at(const std::string& where, const std::vector<std::span<const std::byte>>& tensors);
    std::string remark() const;  // "" where all are numbers

  private:
    std::string kind_;
    std::vector<TensorDesc> tensors_;
    std::size_t found_ = 0;  // that hold some
    std::string first_;
};

}  // namespace fard::cli
