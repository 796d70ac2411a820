// Chunks into one .npy array, chunk by chunk, in the type and layout that the model declares.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "base/npy.hpp"
#include "base/result.hpp"
#include "base/tensor_desc.hpp"
#include "runtime/peer/socket.hpp"

namespace fard::cli {

// Appears at finish(), whole, or not at all.
class ArrayFile {
  public:
    // `tensors`: of one chunk; there must be one alone. Errors: invalid_input, unsupported, io.
    static Result<ArrayFile> create(const std::filesystem::path& file,
                                    const std::vector<TensorDesc>& tensors);
    Result<> append(std::span<const std::byte> wire);
    Result<> finish();

  private:
    ArrayFile(TensorDesc tensor, NpyWriter writer) : tensor_(std::move(tensor)), writer_(std::move(writer)) {}
    TensorDesc tensor_;
    NpyWriter writer_;
};

}  // namespace fard::cli
