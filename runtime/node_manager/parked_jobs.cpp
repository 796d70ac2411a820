#include "runtime/node_manager/parked_jobs.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/park.hpp"

namespace fard {

namespace {

bool same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
           one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

}  // namespace

ParkedJobs::~ParkedJobs() {
    for (auto& [job, place] : places_)
        loop_.cancel(place.timer);
}

ParkedProgram* ParkedJobs::find(const ParkedJob& job) {
    if (options_.most == 0) return nullptr;
    if (!job.overlay.empty() && places_.contains(job)) {
        auto& place = place_of(job);
        place.used = loop_.now();
        if (place.program && place.program->ready()) return place.program.get();
        end(place);
    }
    const ParkedJob plain{job.file, {}};
    auto& place = place_of(plain);
    place.used = loop_.now();
    if (place.program) return place.program->ready() ? place.program.get() : nullptr;
    park_soon(plain, place);  // again: it was allowed, and ended since
    return nullptr;
}

// Of overlays whose program has ended nothing stays behind, for there may be many.
void ParkedJobs::park_soon_if(const ParkedJob& job) {
    if (options_.most == 0) return;
    std::erase_if(places_, [&](const auto& entry) {
        const auto& [other, place] = entry;
        return !other.overlay.empty() && other != job && !place.program && place.timer == 0 && !place.useless;
    });
    if (place_of({job.file, {}}).useless) return;
    auto& place = place_of(job);
    place.allowed = true;
    place.used = loop_.now();
    park_soon(job, place);
}

void ParkedJobs::park_soon(const ParkedJob& job, Place& place) {
    if (!place.allowed || place.useless || place.program || place.timer != 0) return;
    set_timer(place, options_.delay, [this, job] { park(job); });
}

ParkedJobs::Place& ParkedJobs::place_of(const ParkedJob& job) {
    struct stat identity {};
    ::stat(job.file.c_str(), &identity);
    auto& place = places_[job];
    if (!same_file(place.identity, identity)) {
        loop_.cancel(place.timer);
        place = Place{.identity = identity};
    }
    return place;
}

void ParkedJobs::set_timer(Place& place, Duration delay, Loop::Callback callback) {
    loop_.cancel(place.timer);
    place.timer = loop_.call_after(delay, [&place, run = std::move(callback)] {
        place.timer = 0;
        run();
    });
}

void ParkedJobs::park(const ParkedJob& job) {
    make_room();
    auto& place = places_[job];
    std::vector<std::string> args;
    if (!job.overlay.empty()) args = {prepare_option, job.overlay.string()};
    auto program =
        ParkedProgram::start(loop_, {.program = job.file, .args = std::move(args), .nice = options_.nice, .no_new_privileges = true},
                             [this, job] { ended(job); });
    if (!program) return give_up(job);
    place.program = std::move(*program);
    set_timer(place, options_.patience, [this, job] { places_[job].program->ready() ? end_idle(job) : give_up(job); });
}

void ParkedJobs::ended(const ParkedJob& job) {
    auto& place = places_[job];
    if (!place.program->ready()) return give_up(job);
    end(place);  // somebody killed it; the next job parks it again
}

void ParkedJobs::give_up(const ParkedJob& job) {
    const auto prepared = places_.find(job);
    if (!job.overlay.empty() && prepared != places_.end() && prepared->second.program) {
        spdlog::info("{} cannot be kept parked with overlay {}; its jobs load it themselves", job.file.string(), job.overlay.filename().string());
        end(prepared->second);
        prepared->second.useless = true;
        return;
    }
    spdlog::info("{} cannot be kept parked; its jobs are started anew each time", job.file.string());
    for (auto& [other, place] : places_)
        if (other.file == job.file) {
            end(place);
            place.useless = true;
        }
}

void ParkedJobs::end(Place& place) {
    loop_.cancel(std::exchange(place.timer, 0));
    place.program.reset();
}

void ParkedJobs::end_idle(const ParkedJob& job) {
    auto& place = places_[job];
    const auto left = place.used + options_.idle_limit - loop_.now();
    if (left > Duration::zero()) return set_timer(place, left, [this, job] { end_idle(job); });
    end(place);
}

// Ends the program that has been without a job longest, if one more would be too many.
void ParkedJobs::make_room() {
    if (parked() < options_.most) return;
    Place* longest = nullptr;
    for (auto& [job, place] : places_)
        if (place.program && (!longest || place.used < longest->used)) longest = &place;
    end(*longest);
}

std::size_t ParkedJobs::parked() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(places_, [](const auto& entry) { return entry.second.program != nullptr; }));
}

}  // namespace fard
