// Boards with fabrics of their own, for end-to-end tests: node managers, helpers and jobs are real, the boards are plain files
// (tests/zynq/tree_board.hpp), the packages imported from what FINN leaves. What must not fail here throws std::runtime_error.
#pragma once

#include "overlays/package/package.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/zynq/tree_board.hpp"

namespace fard::e2e {

// For which board FINN has built a stage.
struct BuiltFor {
    std::string package = "clg484";
    std::uint64_t first_address = 0x40000000;  // of its registers
    std::size_t frame_words = 256;             // of its bitstream
};

// An app whose stages FINN has built: its file, and the packages.
class BuiltApp {
  public:
    BuiltApp(const World& world, const std::string& name, const BuiltFor& board = {});

    // The same app with every result held against the CPU's.
    fs::path verified(const World& world) const;
    const fs::path& file() const { return file_; }
    const fs::path& model() const { return model_; }
    const std::vector<Package>& packages() const { return packages_; }
    const std::vector<RegisterBlock>& registers() const { return packages_.front().manifest.hardware.front().registers; }
    test::TreeBoard::Designs designs() const;  // of a board's own, by firmware

  private:
    void import(const World& world, std::size_t number, const std::string& onnx, const std::vector<TensorDesc>& inputs,
                const std::vector<TensorDesc>& outputs, const BuiltFor& board);

    std::string name_;
    fs::path model_, file_;
    std::vector<Package> packages_;
};

// Boards with fabrics, each with its node manager.
class ZynqCluster {
  public:
    ZynqCluster(const World& world, const BuiltApp& app, int boards, const std::vector<std::string>& more = {});

    void start(const std::vector<std::string>& more = {});
    void stop();  // in order

    const std::vector<Background>& managers() const { return managers_; }
    test::TreeBoard& board(std::size_t number) { return *boards_[number]; }
    std::vector<std::string> command(std::size_t number, const fs::path& state) const;  // of a node manager on that board
    fs::path stored(std::size_t number, const std::string& package) const;              // in its store
    std::string door(std::size_t number) const;
    nlohmann::json status() const;

    Outcome submit(const fs::path& app, int chunks, const std::string& tag, const std::vector<std::string>& more = {}) const;
    fs::path result(const std::string& tag) const { return world_.files().path() / (tag + ".npy"); }
    std::string uncut(const BuiltApp& app, const std::string& tag) const;  // what the inputs of that run give on the CPU
    bool nothing_leased() const;                                           // soon
    std::vector<std::string> loaded() const;                               // ids

  private:
    const World& world_;
    TempDir files_;
    std::vector<std::unique_ptr<test::TreeBoard>> boards_;
    std::vector<Background> managers_;
};

// The helpers that work for a node manager: not its children, but those children's; and its jobs, without helpers.
std::vector<pid_t> helpers_of(pid_t manager);
std::vector<pid_t> stages_of(pid_t manager);

}  // namespace fard::e2e
