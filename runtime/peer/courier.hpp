// How one process asks another for something: acknowledged, repeated, idempotent, with a deadline.
#pragma once

#include <functional>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/ids.hpp"

namespace fard {

namespace wire {
struct Refused;
}  // namespace wire

// Called exactly once, on the loop: with the answer; with a REFUSED as its Error; or with timed_out /
// unreachable, naming who did not answer, what was asked, how often and for how long.
using Answer = std::function<void(Result<wire::Body>)>;

// Answers one request, at once or later, once; safe to drop (the asker then runs into its deadline).
using Reply = std::function<void(wire::Body)>;

// Serves a request of `from`. A request that is repeated because its answer was lost never reaches the
// handler twice.
using RequestHandler = std::function<void(const PeerId& from, const wire::Body& body, Reply reply)>;

// The sending half as the logic above sees it: the mesh in fardd, an in-memory network in tests.
class Courier {
  public:
    virtual ~Courier() = default;
    virtual void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) = 0;
};

// A Refused with the fault and text of an Error, and back.
wire::Refused refused(const Error& error);
Error to_error(const wire::Refused& refused);

}  // namespace fard
