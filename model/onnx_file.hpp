// The fence around onnx and protobuf: bytes to a RawGraph, and parts of the file to new files.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// A part of a network that becomes an ONNX file of its own.
struct Extract {
    std::string name;                   // of the new graph
    std::vector<std::size_t> nodes;     // indices in the file, topologically sorted; what only yields their
                                        // constants is added by itself
    std::vector<const Tensor*> inputs;  // the borders: names, shapes and types as the whole network has them
    std::vector<const Tensor*> outputs;
    bool exact_fractions = false;  // as in Graph
};

// A parsed file. Immutable; owns its protobuf message.
class OnnxFile {
  public:
    // `directory`: where files with the weights of this one may lie (model/external_data.hpp); none: nowhere. Errors:
    // corrupt (not an ONNX model, data that does not fit its shape), unsupported (weights that lie elsewhere, element
    // types that fard does not read). `where` names the file in messages.
    static Result<OnnxFile> parse(std::string_view bytes, const std::string& where,
                                  const std::optional<std::filesystem::path>& directory);
    // The same of a file, with weights in its own directory, and those of reading it (base/read_file.hpp). A large one is never as a
    // whole in memory beside what is made of it.
    static Result<OnnxFile> load(const std::filesystem::path& file);
    OnnxFile(OnnxFile&&) noexcept;
    OnnxFile& operator=(OnnxFile&&) noexcept;
    ~OnnxFile();

    Result<RawGraph> read() const;
    // Drops the message where it takes more memory than the file, which is kept then: what is asked later parses it again.
    void let_go();

    // The same bytes for the same extract.
    Result<std::string> extract(const Extract& part) const;

  private:
    struct Impl;
    explicit OnnxFile(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard::model
