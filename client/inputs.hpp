// What position 0 is fed: files in, chunks in wire form out, prepared as the app file says.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"
#include "client/app_file.hpp"
#include "client/input_sources.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// Turns one image into one input tensor: crop, resize, crop, channel order, mean and scale. Immutable.
class Preparation {
  public:
    // Errors: invalid_input (the tensor is not an image of 1 or 3 channels; as many means or scales as
    // channels).
    static Result<Preparation> make(const AppFile::Input& steps, const TensorDesc& tensor);

    // The image in the tensor's wire form. Errors, naming `where`: invalid_input (a crop larger than the
    // image, another size or number of channels than the tensor's, a value that the tensor's integer type
    // cannot hold).
    Result<Frame> operator()(Image image, bool photo, const std::string& where) const;

  private:
    // What the 256 values of a pixel become in one channel; integer tensors only take what they can hold
    // exactly.
    struct Channel {
        std::array<float, 256> value{};
        std::array<bool, 256> fits{};
    };
    Preparation() = default;
    Result<Image> arranged(Image image, bool photo, const std::string& where) const;

    AppFile::Input steps_;
    TensorDesc tensor_;
    int width_ = 0, height_ = 0, channels_ = 0;
    bool planar_ = false;  // NCHW on the wire
    std::vector<Channel> tables_;
};

// One chunk, ready for position 0.
struct Input {
    std::string where;           // for people: "images/0003_cat.png"
    std::vector<Frame> tensors;  // wire form, in the order of the position's inputs
    std::optional<int> label;    // the truth, where the file has it
};

// The sequence of an app's inputs. Files are opened at once and images decoded when asked for. Not
// thread-safe.
class Inputs {
  public:
    // `tensors`: position 0's inputs. Paths are files and directories in the order in which they are fed; where there
    // are several tensors, "NAME=PATH" says whose they are, and each has as many chunks as the others; a .npz file has
    // an array for each. Errors, naming the file: those of open_sources and read_npz, and invalid_input (a name that
    // no input has, inputs that nothing feeds, different numbers of chunks).
    static Result<Inputs> open(const std::vector<std::filesystem::path>& paths, const AppFile::Input& steps,
                               std::vector<TensorDesc> tensors);

    // `count` chunks of a fixed pseudo-random sequence: the same index gives the same chunk everywhere.
    // FLOAT32 elements lie in [0, 1).
    static Inputs random(std::vector<TensorDesc> tensors, std::uint64_t count);

    std::size_t size() const;
    // `index` < size(). Errors, naming the file: not_found, io, invalid_input.
    Result<Input> at(std::size_t index) const;
    const std::vector<TensorDesc>& tensors() const { return tensors_; }

  private:
    struct Entry {
        const InputSource* source;
        std::size_t index;
    };
    // What feeds one tensor.
    struct Stream {
        TensorDesc tensor;
        std::vector<Entry> entries;
        Result<Preparation> preparation;  // of images, or why they cannot be prepared
    };
    Inputs() = default;
    Result<> add(std::size_t stream, std::vector<std::unique_ptr<InputSource>> sources);
    Result<> add_path(const std::filesystem::path& path);
    Result<> add_arrays(const std::filesystem::path& npz);
    Result<> check_counts() const;

    std::vector<TensorDesc> tensors_;
    std::vector<std::unique_ptr<InputSource>> sources_;
    std::vector<Stream> streams_;  // one for each tensor; none where the chunks are random
    std::uint64_t random_ = 0;
};

// The inputs of a submission: the given paths, or else the app's default data. Errors: as Inputs::open, and
// invalid_input when there are neither.
Result<Inputs> open_inputs(const AppFile& app, const std::vector<std::filesystem::path>& given,
                           std::vector<TensorDesc> tensors);

}  // namespace fard
