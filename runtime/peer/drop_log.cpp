#include "runtime/peer/drop_log.hpp"

#include <spdlog/spdlog.h>

namespace fard {

void DropLog::note(TimePoint now, const Error& error) {
    ++(error.fault == Fault::unsupported ? counters_.unknown : counters_.malformed);
    if (now < next_log_) {
        ++unlogged_;
        return;
    }
    next_log_ = now + std::chrono::seconds(1);
    spdlog::warn("{}: dropped a message: {} ({} more since the last report)", where_, error.message,
                 unlogged_);
    unlogged_ = 0;
}

}  // namespace fard
