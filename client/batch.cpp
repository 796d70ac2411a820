#include "client/batch.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard {

std::uint64_t chunk_bytes_of(const wire::AppSpec& app) {
    return std::max<std::uint64_t>({1, wire_bytes(app.positions.front().inputs), wire_bytes(app.positions.back().outputs)});
}

std::string set_batch(wire::AppSpec& app, std::optional<std::uint64_t> wanted, std::uint64_t chunks) {
    const auto bytes = chunk_bytes_of(app);
    if (!wanted) app.window_bytes = std::max(app.window_bytes, std::min(chunks, std::max<std::uint64_t>(1, widest_auto_window / bytes)) * bytes);
    const auto window = std::max<std::uint64_t>(1, app.window_bytes / bytes);
    if (!wanted) {
        std::uint64_t replicas = 1;  // each gets a batch in turn
        for (const auto& position : app.positions)
            replicas = std::max<std::uint64_t>(replicas, position.replicas);
        app.batch = std::max<std::uint64_t>(1, chunks <= window ? (chunks + replicas - 1) / replicas : window / (replicas + 1));
        return {};
    }
    app.batch = std::min(*wanted, window);
    if (app.batch == *wanted) return {};
    return fmt::format("a turn has {} chunks, not {}: the app's window of {} bytes holds no more (make it larger, or let --batch auto set it)",
                       app.batch, *wanted, app.window_bytes);
}

}  // namespace fard
