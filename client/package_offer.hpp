// A submission's packages on their way to its coordinator: only those pieces that it has not got, as many at a time
// as keep the way busy.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/lifetime.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/flow_window.hpp"
#include "runtime/peer/piece_set.hpp"

namespace fard {

// Lives on one loop, for one attempt. Destroyed there, but not within one of its events.
class PackageOffer {
  public:
    using Archives = std::map<std::string, std::shared_ptr<const std::string>>;  // by package
    using Ask = std::function<void(wire::Body body, Duration deadline, Answer answer)>;
    struct Events {
        std::function<void()> done;                // all that was wanted so far is there
        std::function<void(const Error&)> failed;  // not_found: a package that the app does not have; else the answer
    };

    // `limit`: one piece is taken by then.
    PackageOffer(Loop& loop, const Archives& archives, Duration limit, Ask ask, Events events);

    // The coordinator lacks these. Those that are under way already are left alone.
    void want(const std::vector<std::string>& packages);

  private:
    struct Package {
        std::string id;
        std::shared_ptr<const std::string> archive;
        bool known = false;     // what the coordinator has of it
        std::size_t next = 0;   // piece
        std::size_t open = 0;   // pieces that were sent and not answered
        PieceSet there;
    };
    void look(const std::string& id);
    void pump();
    bool send_next(Package& package);
    void answered(const std::string& id, TimePoint sent, bool counted, const Result<wire::Body>& answer);
    void fail_with(const Error& why);
    Package* find(const std::string& id);

    Loop& loop_;
    const Archives& archives_;
    Duration limit_;
    Ask ask_;
    Events events_;
    std::vector<Package> packages_;  // in the order in which they were wanted
    FlowWindow window_;
    std::size_t under_way_ = 0;
    bool failed_ = false;
    Lifetime lifetime_;
};

}  // namespace fard
