// Any bytes as a chunk's header: decoded or refused. A link that takes it by comparing reads in it what the
// decoder does.
#include <cstdint>
#include <cstdlib>

#include "runtime/peer/chunk_header.hpp"

using namespace fard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto form =
        HeaderForm::of({"00112233445566778899aabbccddeeff"}, {1, 2},
                       {{.name = "x", .shape = {1, 14, 14, 512}, .type = DataType::uint(4)}}, 2)
            .value();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto decoded = decode_chunk_header(bytes);
    if (!decoded && decoded.error().message.empty()) std::abort();
    std::uint64_t index = 0;
    std::vector<TraceStamp> trace;
    switch (form.read(bytes, index, trace)) {
        case HeaderForm::Match::ours:
            if (!decoded || decoded->run != form.run() || decoded->epoch != form.epoch()) std::abort();
            if (decoded->index != index || decoded->trace != trace || trace.size() != 2) std::abort();
            break;
        case HeaderForm::Match::stale:
            if (!decoded || (decoded->run == form.run() && decoded->epoch == form.epoch())) std::abort();
            break;
        case HeaderForm::Match::malformed:
            break;
    }
    Frame header(bytes);
    if (form.patch(header.writable(), 5, trace) && form.read(header.text(), index, trace) != HeaderForm::Match::ours)
        std::abort();
    return 0;
}
