// A Zynq's fabric as a device: chunks are packed into memory, sent through the accelerator in batches, unpacked.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "overlays/device/device.hpp"
#include "overlays/zynq/accelerator.hpp"

namespace fard::zynq {

// How a device gets its overlay loaded: by the process itself (Fabric), or by the helper that has the rights. Called on a
// thread of its own; may take seconds.
class Loader {
  public:
    virtual ~Loader() = default;
    // `anew`: the fabric is stuck; program it even if it holds the overlay.
    virtual Result<FabricAccess> load(const Package& package, bool anew) = 0;
    virtual Result<> unload() = 0;
    virtual void release() {}  // nothing of the fabric is touched until the next load()
};

struct ZynqOptions {
    std::string id = "fpga0";
    std::string part;            // the board's
    std::size_t max_batch = 16;  // chunks that one start of the accelerator takes
    std::vector<std::string> accepted_parts = {};  // others whose builds it may get
};

// `host` and `loader` outlive the device.
std::unique_ptr<Device> make_zynq_device(Host& host, Loader& loader, ZynqOptions options);

}  // namespace fard::zynq
