#include "runtime/peer/courier.hpp"

#include "runtime/peer/messages_mesh.hpp"

namespace fard {

wire::Refused refused(const Error& error) {
    return {static_cast<std::uint8_t>(error.fault), error.message};
}

Error to_error(const wire::Refused& refused) {
    const bool known = refused.fault >= static_cast<std::uint8_t>(Fault::invalid_input) &&
                       refused.fault <= static_cast<std::uint8_t>(Fault::failed);
    return {known ? static_cast<Fault>(refused.fault) : Fault::failed,
            refused.reason.empty() ? "refused without a reason" : refused.reason};
}

}  // namespace fard
