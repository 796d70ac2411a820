// The peer of bench/engine: ONNX Runtime in a node process of its own.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/result.hpp"

namespace fard::bench {

// Runs models on demand; ends the process when it goes.
class OrtPeer {
  public:
    // `package` is the directory of npm's onnxruntime-node, `script` is ort_peer.js. Errors: io.
    static Result<OrtPeer> start(const std::filesystem::path& package, const std::filesystem::path& script);
    OrtPeer(OrtPeer&& other) noexcept;
    OrtPeer& operator=(OrtPeer&&) = delete;
    ~OrtPeer();

    // Milliseconds of each of `count` calls. Errors: failed (the model does not run there), io (it ended).
    Result<std::vector<double>> measure(const std::filesystem::path& model, int count);

  private:
    OrtPeer() = default;
    pid_t pid_ = -1;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
};

}  // namespace fard::bench
