// What the two ends of a link share; included by link*.cpp alone.
#pragma once

#include <algorithm>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/link.hpp"
#include "runtime/peer/messages_job.hpp"

namespace fard::links {

// Half of the window, on each side of a link: the high-water mark of its data sockets, and how many chunks
// are acknowledged at once.
inline std::uint64_t half_window(std::uint64_t window) {
    return std::max<std::uint64_t>(1, window / 2);
}

inline SocketOptions data_options(const LinkTerms& terms, std::uint64_t window) {
    std::size_t largest = wire::LinkOpen::cap;
    for (const auto& tensor : terms.tensors)
        largest = std::max(largest, tensor.wire_bytes());
    return {.high_water_mark = static_cast<int>(std::min<std::uint64_t>(half_window(window), 1 << 20)),
            .immediate = true,
            .max_frame_bytes = static_cast<std::int64_t>(largest)};
}

// Credits are cumulative, so few of them are ever of use at once.
inline SocketOptions credit_options() {
    return {.high_water_mark = 16, .immediate = true, .max_frame_bytes = wire::Credit::cap};
}

// Binds both sockets of a link at a place (as LinkReceiver::bind says) and returns where others connect to them.
// With keys nobody is let in before LinkReceiver::admit or LinkSender::admit says whom.
Result<wire::LinkEndpoint> bind_pair(SocketFactory& sockets, const std::string& place, Socket& data, Socket& credit);
// The other end of such a pair; the way for credits first, so that none is missed.
Result<> connect_pair(const wire::LinkEndpoint& endpoint, Socket& data, Socket& credit);

}  // namespace fard::links
