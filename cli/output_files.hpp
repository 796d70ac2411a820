// The results of all chunks into files: one .npy array for each tensor that is wanted, or a .npz file with all of them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/array_file.hpp"
#include "client/private_directory.hpp"

namespace fard::cli {

// They appear at finish(), whole, or not at all.
class OutputFiles {
  public:
    // `given`: a .npy file where a chunk has one tensor; "NAME=FILE.npy" for each wanted one where it has several, or
    // one .npz file. Errors: invalid_input, unsupported, io.
    static Result<OutputFiles> create(const std::vector<std::string>& given,
                                      const std::vector<TensorDesc>& tensors);

    // The tensors of one chunk, in wire form and in their order.
    Result<> append(const std::vector<std::span<const std::byte>>& tensors);
    Result<> finish();

  private:
    struct Wanted {
        std::size_t place;  // among a chunk's tensors
        ArrayFile file;
    };
    OutputFiles() = default;
    Result<> add(const std::filesystem::path& file, std::size_t place, const TensorDesc& tensor);
    Result<> add_all(const std::filesystem::path& npz, const std::vector<TensorDesc>& tensors);

    std::vector<Wanted> files_;
    std::filesystem::path npz_;                    // empty: there is none
    std::unique_ptr<PrivateDirectory> directory_;  // of the arrays that go into it
    std::vector<std::string> names_;
};

}  // namespace fard::cli
