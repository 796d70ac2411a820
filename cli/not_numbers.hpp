// Inputs that hold NaN: right as bytes, and hardly ever meant.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/tensor_desc.hpp"
#include "client/inputs.hpp"

namespace fard::cli {

class NotNumbers {
  public:
    explicit NotNumbers(std::vector<TensorDesc> tensors) : tensors_(std::move(tensors)) {}
    void look_at(const Input& input);
    std::string remark() const;  // "" where all are numbers

  private:
    std::vector<TensorDesc> tensors_;
    std::size_t inputs_ = 0;  // that hold some
    std::string first_;
};

}  // namespace fard::cli
