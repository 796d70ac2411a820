#include "runtime/node_manager/run_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr auto links_open_within = 5s;   // once every device is loaded; a link that can open does in milliseconds
constexpr auto client_comes_within = 10s;
constexpr auto moves_within = 6s;        // beside the time that the largest chunk takes on a slow wire
constexpr std::uint64_t slow_wire = 100'000;  // bytes a second

}  // namespace

RunWatch::RunWatch(const wire::AppSpec& app) : app_(app) {
    std::uint64_t largest = 0;
    for (const auto& position : app.positions) {
        jobs_wanted_ += position.jobs();
        largest = std::max<std::uint64_t>({largest, wire_bytes(position.inputs), wire_bytes(position.outputs)});
    }
    longest_transfer_ = std::chrono::milliseconds(std::min<std::uint64_t>(largest * 1000 / slow_wire, 3'600'000));
}

void RunWatch::begin(TimePoint now, Duration turns) {
    turns_ = turns;
    jobs_.clear();
    loaded_.reset();
    counted_.clear();
    began_ = moved_ = now;
}

void RunWatch::heard(const std::vector<wire::JobProgress>& jobs) {
    for (const auto& job : jobs)
        if (job.position < app_.positions.size() && job.replica < app_.positions[job.position].jobs())
            jobs_[{job.position, job.replica}] = job;
}

std::string RunWatch::called(std::uint32_t position) const {
    return fmt::format("position {} ('{}')", position, app_.positions[position].name);
}

// ---- links

std::optional<RunWatch::Standstill> RunWatch::check_links(TimePoint now, const Ends& ends) {
    const bool loaded = jobs_.size() == jobs_wanted_ &&
                        std::ranges::all_of(jobs_, [](const auto& entry) { return entry.second.step > 0; });
    if (!loaded) return std::nullopt;
    if (!loaded_) loaded_ = now;
    if (auto link = unopened_link(ends); link && now - *loaded_ > links_open_within) return link;
    if (ends.client_open || now - *loaded_ <= client_comes_within) return std::nullopt;
    Standstill standstill;
    standstill.what = "the links between the client and its coordinator have not opened for 10 s";
    standstill.client = true;
    return standstill;
}

std::optional<RunWatch::Standstill> RunWatch::unopened_link(const Ends& ends) const {
    Standstill link;
    link.between = link.unopened = true;
    for (const auto& [job, progress] : jobs_) {
        if (progress.unopened == 0 || progress.step == 2) continue;
        link.position = job.first;
        link.to = job;
        std::uint32_t sender = 0;
        while ((progress.unopened >> sender & 1) == 0)
            ++sender;
        if (job.first > 0) link.from = Job{job.first - 1, sender};
        link.what = fmt::format("no link opened to {} from {} for 5 s", called(job.first),
                                job.first > 0 ? called(job.first - 1) : "the coordinator");
        return link;
    }
    if (ends.unopened_sinks.empty()) return std::nullopt;
    link.position = static_cast<std::uint32_t>(app_.positions.size() - 1);
    link.from = Job{link.position, ends.unopened_sinks.front()};
    link.what = fmt::format("no link opened from {} to the coordinator for 5 s", called(link.position));
    return link;
}

// ---- chunks

// Replicas share the chunks; of parts each does all.
std::uint64_t RunWatch::handed_on(std::uint32_t position) const {
    const bool parts = !app_.positions[position].parts.empty();
    std::uint64_t sum = 0, least = std::numeric_limits<std::uint64_t>::max();
    for (std::uint32_t replica = 0; replica < app_.positions[position].jobs(); ++replica) {
        const auto job = jobs_.find({position, replica});
        const auto chunks = job == jobs_.end() ? 0 : job->second.chunks;
        sum += chunks;
        least = std::min<std::uint64_t>(least, chunks);
    }
    return parts ? least : sum;
}

// Chunks that went to position 0, then those that each position handed on, then those that were taken at the end.
std::vector<std::uint64_t> RunWatch::counts(const Ends& ends) const {
    std::vector<std::uint64_t> counts(app_.positions.size() + 2, 0);
    counts.front() = ends.fed;
    for (std::uint32_t position = 0; position < app_.positions.size(); ++position)
        counts[position + 1] = handed_on(position);
    counts.back() = ends.taken;
    return counts;
}

std::optional<RunWatch::Standstill> RunWatch::check_flow(TimePoint now, const Ends& ends) {
    auto counted = counts(ends);
    const bool busy = std::ranges::any_of(jobs_, [](const auto& entry) { return entry.second.busy; });
    if (busy || ends.fed == ends.taken || counted != counted_) {
        counted_ = std::move(counted);
        moved_ = now;
        return std::nullopt;
    }
    if (now - moved_ <= moves_within + longest_transfer_ + turns_) return std::nullopt;
    // What is before it has no place left to hand on, what is behind it has nothing: the last one that owes a chunk.
    auto position = static_cast<std::uint32_t>(app_.positions.size());
    while (position > 0 && counted_[position] <= counted_[position + 1])
        --position;
    return at(position);
}

RunWatch::Standstill RunWatch::at(std::uint32_t position) const {
    const auto last = static_cast<std::uint32_t>(app_.positions.size());
    Standstill standstill;
    standstill.position = std::min(position, last - 1);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(moves_within + longest_transfer_ + turns_).count();
    standstill.what =
        position == last
            ? fmt::format("nothing came from {} to the coordinator for {} s", called(last - 1), seconds)
            : fmt::format("nothing came through {} for {} s: {} chunks went to it, {} came from it, and it is not busy",
                          called(position), seconds, counted_[position], counted_[position + 1]);
    const bool single = (position == 0 || app_.positions[position - 1].jobs() == 1) &&
                        (position == last || app_.positions[position].jobs() == 1);
    standstill.between = single;
    if (position > 0) standstill.from = Job{position - 1, 0};
    if (position < last) standstill.to = Job{position, 0};
    return standstill;
}

}  // namespace fard
