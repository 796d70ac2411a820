#include "runtime/node_manager/descriptor_room.hpp"

#include <algorithm>

#include "base/process.hpp"

namespace fard {
namespace {

constexpr std::size_t for_visitors = 60;  // and for connections that links are about to get

}  // namespace

Result<> check_descriptor_room(std::size_t needed) {
    const auto left = static_cast<std::size_t>(std::max(0, descriptors_left()));
    if (left >= needed + for_visitors) return {};
    return fail(Fault::refused,
                "only {} descriptors are left on this board, and {} are needed; end some runs, or raise its limit "
                "(LimitNOFILE= of its service, ulimit -Hn)",
                left, needed + for_visitors);
}

}  // namespace fard
