// What others ask of this board's packages: clients and node managers at the front door (FETCH, HOLDS, OFFER),
// coordinators over the mesh (GATHER).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/lifetime.hpp"
#include "runtime/node_manager/overlay_store.hpp"
#include "runtime/node_manager/package_fetch.hpp"
#include "runtime/peer/courier.hpp"

namespace fard {

// DONE, or REFUSED with the error.
wire::Body answer_of(const Result<>& result);

// Lives on the node manager's loop; all that it is given outlives it.
class PackageService {
  public:
    PackageService(Loop& loop, OverlayStore& store, PackageFetch& fetch);

    // False: it is none of FETCH, HOLDS, OFFER, GATHER; the reply is untouched.
    bool serve(const wire::Body& body, Reply& reply);

  private:
    void holds(const wire::Holds& holds, Reply reply);
    void tell_held(const wire::Holds& holds, Reply reply);
    void gather(const wire::Gather& gather, Reply reply);
    wire::GatheredPackage state(const std::string& id) const;
    void keep_for_a_while(const std::string& id);
    void let_go();

    Loop& loop_;
    OverlayStore& store_;
    PackageFetch& fetch_;
    struct Kept {
        OverlayStore::Hold hold;
        TimePoint until;
    };
    std::map<std::string, Kept> kept_;  // what was gathered lately: its run is about to use it
    Alarm kept_alarm_;
    Lifetime lifetime_;
};

}  // namespace fard
