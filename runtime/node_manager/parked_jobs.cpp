#include "runtime/node_manager/parked_jobs.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace fard {

namespace {

bool same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
           one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

}  // namespace

ParkedJobs::~ParkedJobs() {
    for (auto& [file, place] : places_)
        loop_.cancel(place.timer);
}

ParkedProgram* ParkedJobs::find(const std::filesystem::path& file) {
    if (options_.most == 0) return nullptr;
    auto& place = place_of(file);
    place.used = loop_.now();
    if (place.program) return place.program->ready() ? place.program.get() : nullptr;
    park_soon(file, place);  // again: it was allowed, and ended since
    return nullptr;
}

void ParkedJobs::allow(const std::filesystem::path& file) {
    if (options_.most == 0) return;
    auto& place = place_of(file);
    place.allowed = true;
    park_soon(file, place);
}

void ParkedJobs::park_soon(const std::filesystem::path& file, Place& place) {
    if (!place.allowed || place.useless || place.program || place.timer != 0) return;
    set_timer(place, options_.delay, [this, file] { park(file); });
}

ParkedJobs::Place& ParkedJobs::place_of(const std::filesystem::path& file) {
    struct stat identity {};
    ::stat(file.c_str(), &identity);
    auto& place = places_[file];
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

void ParkedJobs::park(const std::filesystem::path& file) {
    make_room();
    auto& place = places_[file];
    auto program =
        ParkedProgram::start(loop_, {.program = file, .nice = options_.nice, .no_new_privileges = true},
                             [this, file] { ended(file); });
    if (!program) return give_up(file);
    place.program = std::move(*program);
    set_timer(place, options_.patience, [this, file] {
        if (places_[file].program->ready()) return end_idle(file);
        give_up(file);
    });
}

void ParkedJobs::ended(const std::filesystem::path& file) {
    auto& place = places_[file];
    if (!place.program->ready()) return give_up(file);
    loop_.cancel(std::exchange(place.timer, 0));
    place.program.reset();  // somebody killed it; the next job parks it again
}

void ParkedJobs::give_up(const std::filesystem::path& file) {
    auto& place = places_[file];
    spdlog::info("{} cannot be kept parked; its jobs are started anew each time", file.string());
    loop_.cancel(std::exchange(place.timer, 0));
    place.program.reset();
    place.useless = true;
}

void ParkedJobs::end_idle(const std::filesystem::path& file) {
    auto& place = places_[file];
    const auto left = place.used + options_.idle_limit - loop_.now();
    if (left <= Duration::zero()) {
        place.program.reset();
    } else {
        set_timer(place, left, [this, file] { end_idle(file); });
    }
}

// Ends the program that has been without a job longest, if one more would be too many.
void ParkedJobs::make_room() {
    if (parked() < options_.most) return;
    Place* longest = nullptr;
    for (auto& [file, place] : places_)
        if (place.program && (!longest || place.used < longest->used)) longest = &place;
    loop_.cancel(std::exchange(longest->timer, 0));
    longest->program.reset();
}

std::size_t ParkedJobs::parked() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(places_, [](const auto& entry) { return entry.second.program != nullptr; }));
}

}  // namespace fard
