// A board's fabric as its configuration describes it, as text: what the node manager hands to a job with the device.
#pragma once

#include <string>
#include <string_view>

#include "base/owned_fd.hpp"
#include "overlays/zynq/fabric.hpp"

namespace fard::zynq {

std::string setup_text(const FabricSetup& setup);
// Errors: invalid_input.
Result<FabricSetup> parse_setup(std::string_view text);

// What the configuration file of a node manager (docs/fardd.md) says of the fabric; its other keys are not looked at. Errors:
// invalid_input.
Result<FabricSetup> setup_in_config(std::string_view text, const std::string& where);

// A descriptor from which the text can be read, by any process and as often as wanted. Errors: io.
Result<OwnedFd> share_setup(const FabricSetup& setup);
Result<FabricSetup> read_setup(int fd);

}  // namespace fard::zynq
