// The process that has the rights on a board's fabric: it programs, opens registers and memory for the job whose turn it is,
// and sees to it that no DMA of that job runs any more before another one gets them.
//
// A node manager that it begins to serve is told first whether the fabric is its own (BOARD, or FAILED with the reason). Another
// one that comes meanwhile is refused.
//
//   SESSION -> waiting --LOAD--> has the fabric --GIVE_BACK, or its end closes--> the DMAs come to rest
//                                      |                                                 |      (else the fabric is stuck: what
//                                      +--LOAD (anew)                                    +--->   is loaded next is programmed anew)
//
// One thread, which waits as long as the drivers do; jobs and the node manager do not wait for it on their loops.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/owned_fd.hpp"
#include "overlays/helper/packets.hpp"
#include "overlays/zynq/fabric.hpp"
#include "overlays/zynq/finn_dma.hpp"

namespace fard::helper {

class BoardHelper {
  public:
    // `host` outlives it.
    BoardHelper(zynq::Host& host, zynq::FabricSetup setup) : host_(host), setup_(std::move(setup)) {}

    // Serves one node manager until its end of `channel` closes; then nothing runs in the fabric that anybody started. Who comes to
    // `listener` meanwhile, if there is one, is told that the fabric is in use.
    void serve(int channel, int listener = -1);

  private:
    struct Seat {  // a session
        OwnedFd socket;
        std::string package;
        std::filesystem::path directory;
    };
    struct Opened {
        std::vector<Window> windows;
        std::vector<OwnedFd> descriptors;
    };

    Result<> open_fabric();
    void greet(int channel);
    void refuse(int listener) const;
    bool hear_manager(int channel);
    bool hear_job(Seat& seat);
    void obey(Seat& seat, const Message& message);
    void load(Seat& seat, bool anew);
    Result<Opened> prepare(Seat& seat, bool anew, bool& programmed);
    Result<> take_fabric(const Seat& seat, bool anew);
    Result<> open_state(Opened& out);
    Result<> open_registers(const Hardware& build, Opened& out);
    Result<> open_memory(Opened& out);
    Result<> watch_dmas(const Hardware& build);
    void let_go();
    bool come_to_rest();

    zynq::Host& host_;
    zynq::FabricSetup setup_;
    std::string holder_;                    // who is served, for others that want the fabric
    std::unique_ptr<zynq::Fabric> fabric_;  // while a node manager is served, from the first time on that it is free
    std::vector<std::unique_ptr<Seat>> seats_;
    Seat* owner_ = nullptr;             // has the fabric
    std::vector<zynq::FinnDma> dmas_;   // of what it has
    bool stuck_ = false;                // a DMA of an earlier one did not come to rest
};

}  // namespace fard::helper
