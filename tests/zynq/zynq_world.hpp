// A fake board, a stage that is built for it, and the package of both.
#pragma once

#include <memory>

#include "overlays/zynq/fabric.hpp"
#include "overlays/zynq/zynq_device.hpp"
#include "tests/bitstream/made_bitstream.hpp"
#include "tests/scratch_dir.hpp"
#include "tests/zynq/fake_board.hpp"

namespace fard::test {

struct StageShape {
    DataType type = DataType::uint(2);  // of every stream
    std::size_t streams = 1;            // inputs, and outputs
    std::int64_t simd = 1, pe = 1;      // of 24 elements in, of 12 out
    std::uint32_t fill = 1;             // makes another bitstream
    std::string part = "7z020clg484";
    std::string clock = "";
    std::map<std::string, std::string> weights;  // file of runtime weights -> content, for the block "weights0"
};

// Loads in this process, as a board's helper does.
class FabricLoader final : public zynq::Loader {
  public:
    explicit FabricLoader(zynq::Fabric& fabric) : fabric_(fabric) {}
    Result<zynq::FabricAccess> load(const Package& package, bool anew) override { return fabric_.load(package, anew); }
    Result<> unload() override { return fabric_.unload(); }

  private:
    zynq::Fabric& fabric_;
};

// y = thresholds(x times a matrix), for each stream.
std::string stage_onnx(const StageShape& shape);

class ZynqWorld {
  public:
    explicit ZynqWorld(FakeBoard::Setup setup = {}, std::string part = "xc7z020clg484-1");

    // Writes the package, and tells the board what its bitstream does.
    Package package(const StageShape& shape);
    FakeDesign design_of(const Package& package) const;  // what its bitstream does
    std::unique_ptr<zynq::Fabric> open_fabric() { return zynq::Fabric::open(board, setup).value(); }

    FakeBoard board;
    zynq::FabricSetup setup;

  private:
    ScratchDir scratch_;
    int packages_ = 0;
    std::map<std::string, FakeDesign> designs_;  // by package
};

// Random chunks of a package's inputs, in wire form: one buffer for each tensor.
using WireChunk = std::vector<std::vector<std::byte>>;
std::vector<WireChunk> random_chunks(const Package& package, std::size_t count, unsigned seed);
// What the CPU makes of them.
std::vector<WireChunk> on_soft_device(const Package& package, const std::vector<WireChunk>& chunks);

// Sends chunks through a device, as a job does; time of the board passes while it waits. Errors: the device's.
Result<std::vector<WireChunk>> through(Device& device, FakeBoard& board, const Package& package, const std::vector<WireChunk>& chunks,
                                       Duration limit = std::chrono::seconds(1));

}  // namespace fard::test
