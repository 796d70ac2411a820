// The fabric of one board, for the process that may program it: gate, FPGA manager, device tree, record of what is loaded.
//
//   unknown --load--> operating(overlay) --load another--> operating(other)
//      ^                   |
//      +--- failed <-------+   a load that fails leaves nothing loaded
//
// What is loaded outlives the process: the record says so until the next boot, and a later load of the same overlay attaches
// without programming. Calls take as long as the drivers do.
#pragma once

#include <optional>

#include "overlays/bitstream/gate.hpp"
#include "overlays/package/package.hpp"
#include "overlays/zynq/accelerator.hpp"
#include "overlays/zynq/fpga_manager.hpp"

namespace fard::zynq {

// The package's build for a board with this part: one for the part itself, else one for a part whose bitstreams the board takes
// as well, else one for the same die, of which the gate says what is wrong. Null: there is none.
const Hardware* build_for(const Manifest& manifest, const std::string& part, const std::vector<std::string>& accepted);

class Fabric {
  public:
    // Takes the board's FPGA manager for itself; others are told that `holder` has it, "" for this process. Errors: not_found,
    // refused (another process has it), io.
    static Result<std::unique_ptr<Fabric>> open(Host& host, FabricSetup setup, const std::string& holder = {});

    const FpgaManager& manager() const { return manager_; }
    bool operating() { return manager_.operating(); }
    const FabricSetup& setup() const { return setup_; }

    // The id of the package that is loaded, "" for none that is known.
    std::string loaded() const;

    // Makes the package's build for this board operate; `anew` programs even what is loaded (a fabric that is stuck). Errors:
    // invalid_input, corrupt (the gate: nothing was programmed), unsupported (no build for this board), io, timed_out.
    Result<FabricAccess> load(const Package& package, bool anew);

    // Takes the nodes of what is loaded away and forgets it; the fabric itself cannot be emptied.
    Result<> unload();

  private:
    Fabric(Host& host, FabricSetup setup, FpgaManager manager, std::unique_ptr<Lock> lock)
        : host_(host), setup_(std::move(setup)), manager_(std::move(manager)), lock_(std::move(lock)) {}
    std::filesystem::path record() const;
    Result<> configure(const Package& package, const Hardware& build, const bitstream::Programmable& ready);
    Result<> program_by_overlay(const std::string& name, const std::string& dtbo, const bitstream::Programmable& ready);
    Result<std::string> overlay_for(const Package& package, const Hardware& build, const std::string& firmware) const;
    Result<> set_clock(double mhz);
    FabricAccess access(bool programmed);

    Host& host_;
    FabricSetup setup_;
    FpgaManager manager_;
    std::unique_ptr<Lock> lock_;
};

}  // namespace fard::zynq
