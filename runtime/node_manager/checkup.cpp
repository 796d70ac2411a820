#include "runtime/node_manager/checkup.hpp"

#include <chrono>

#include "base/health.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t large_bytes = std::uint64_t{1} << 20;
constexpr std::uint64_t small_bytes = 1;
constexpr auto probe_limit = 8s;  // 1 MiB at 1 Mbit/s

Finding check_jobs(const Config& config) {
    std::string names;
    std::size_t count = 0;
    for (const auto& dir : config.jobs_dirs) {
        std::error_code error;
        for (auto entry = std::filesystem::directory_iterator(dir, error);
             !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
            count += entry->is_regular_file();
        names += (names.empty() ? "" : ", ") + dir.string();
    }
    if (count > 0) return {Finding::Level::fine, "job programs", fmt::format("{} in {}", count, names), ""};
    return {Finding::Level::fault, "job programs", names.empty() ? "there is no directory of them" : "none in " + names,
            "name their directory with --jobs-dir"};
}

Finding check_reach(const Config& config) {
    const bool insecure = config.insecure && !config.front_door.is_on_this_machine();
    if (!insecure) return {Finding::Level::fine, "front door", config.front_door.text(), ""};
    return {Finding::Level::warning, "front door", config.front_door.text() + " is open to everybody who reaches it (--insecure)",
            "use keys where others than its users are on the network"};
}

}  // namespace

wire::Checked check_board(const Config& config) {
    wire::Checked checked;
    checked.board = config.name;
    checked.time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
                          .count();
    for (const auto& finding :
         {check_reach(config), check_jobs(config), check_writable("state directory", config.state_dir),
          check_disk("disk", config.state_dir), check_open_files(), check_file_size(), check_memory(), check_kernel()})
        checked.rows.push_back({name_of(finding.level), finding.what, finding.text, finding.remedy});
    return checked;
}

wire::Body filled(const wire::Fill& fill) {
    if (fill.bytes > large_bytes)
        return refused({Fault::invalid_input, "FILL gives at most 1 MiB"});
    return wire::Filled{std::string(fill.bytes, '\0')};
}

Prober::~Prober() = default;

void Prober::probe(const Address& front_door, Reply reply) {
    const auto found = ways_.find(front_door);
    if (found != ways_.end()) return found->second.replies.push_back(std::move(reply));  // it is being measured
    auto visitor = Visitor::knock(loop_, sockets_, PeerId{random_hex(16)}, front_door);
    if (!visitor) return reply(refused(visitor.error()));
    auto& way = ways_[front_door];
    way.visitor = std::move(*visitor);
    way.replies.push_back(std::move(reply));
    fill(front_door, small_bytes, [this, front_door](std::uint64_t) {  // the first opens the connection
        fill(front_door, small_bytes, [this, front_door](std::uint64_t small) {
            fill(front_door, large_bytes,
                 [this, front_door, small](std::uint64_t large) { answer(front_door, wire::Probed{small, large}); });
        });
    });
}

// Callbacks end with their visitor, and visitors with this.
void Prober::fill(const Address& front_door, std::uint64_t bytes, std::function<void(std::uint64_t)> then) {
    ways_.at(front_door)
        .visitor->ask(wire::Fill{bytes}, probe_limit,
                      [this, front_door, asked = loop_.now(), then = std::move(then)](const Result<wire::Body>& body) {
                          if (!body) return answer(front_door, refused(body.error()));
                          then(static_cast<std::uint64_t>((loop_.now() - asked).count()));
                      });
}

void Prober::answer(const Address& front_door, const wire::Body& body) {
    const auto way = ways_.extract(front_door);
    for (const auto& reply : way.mapped().replies)
        reply(body);
}

}  // namespace fard
