// Any text as an endpoint, an address, an address that a person wrote, and a ticket: refused with a reason, or in a form
// that says the same when it is read again.
#include <cstdlib>

#include "client/ticket.hpp"
#include "runtime/peer/resolver.hpp"

namespace {

template <typename Parsed>
bool refused_with_reason(const Parsed& parsed) {
    if (parsed) return false;
    if (parsed.error().message.empty()) std::abort();
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto endpoint = Endpoint::parse(text); !refused_with_reason(endpoint))
        if (Endpoint::parse(endpoint->text()) != *endpoint) std::abort();
    if (const auto remote = Endpoint::parse_remote(text); remote && !remote->is_connectable()) std::abort();
    if (const auto address = Address::parse(text); !refused_with_reason(address))
        if (Address::parse(address->text()) != *address) std::abort();
    if (const auto written = WrittenAddress::parse(text); !refused_with_reason(written))
        if (!written->endpoint().empty() && !written->endpoint().is_connectable()) std::abort();
    if (const auto ticket = JoinTicket::parse(text); !refused_with_reason(ticket))
        if (JoinTicket::parse(ticket->text()).value().text() != ticket->text()) std::abort();
    return 0;
}
