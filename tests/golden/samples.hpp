// One example of everything that goes over a wire or through shared memory: what docs/protocol.md describes, in bytes.
#pragma once

#include <string>
#include <vector>

#include "runtime/peer/codec.hpp"

namespace fard {

// A message, with its envelope: in tests/golden/wire as NAME.bin, and as NAME.json what any MessagePack reader makes of it.
struct MessageSample {
    std::string name;  // "060-SUBMIT"
    wire::Envelope envelope;
    wire::Body body;
};
std::vector<MessageSample> message_samples();

// Other bytes, and what they mean as JSON.
struct FrameSample {
    std::string name;
    std::string bytes;
    std::string json;
};
std::vector<FrameSample> frame_samples();

}  // namespace fard
