#include "runtime/node_manager/descriptor_room.hpp"

#include "base/room.hpp"

namespace fard {
namespace {

constexpr std::size_t for_visitors = 60;  // and for connections that links are about to get

}  // namespace

Result<> check_descriptor_room(std::size_t needed) {
    const auto room = check_descriptors(needed + for_visitors);
    if (room) return {};
    return fail_in("this board has too much to do", Error{Fault::refused, room.error().message + ", or end some runs"});
}

}  // namespace fard
