#include "runtime/node_manager/job_host.hpp"

#include "base/lifetime.hpp"
#include "runtime/node_manager/crew.hpp"

namespace fard {

struct JobHost::Impl {
    Loop& loop;
    JobHostOptions options;
    Crew::Around around;
    Lifetime lifetime;
    std::map<std::pair<RunId, Epoch>, std::unique_ptr<Crew>> crews;

    Impl(Loop& the_loop, JobSpawner& spawner, JobHostOptions the_options,
         std::function<void(const wire::JobLost&)> lost)
        : loop(the_loop),
          options(std::move(the_options)),
          around{loop, spawner, options, std::move(lost),
                 [this](Loop::Callback callback) { later(std::move(callback)); }} {}

    void later(Loop::Callback callback) {
        loop.post(lifetime.guarded(std::move(callback)));
    }

    Crew* find(const RunId& run, Epoch epoch) {
        const auto found = crews.find({run, epoch});
        return found == crews.end() ? nullptr : found->second.get();
    }
};

JobHost::JobHost(Loop& loop, JobSpawner& spawner, JobHostOptions options,
                 std::function<void(const wire::JobLost&)> lost)
    : impl_(std::make_unique<Impl>(loop, spawner, std::move(options), std::move(lost))) {}

JobHost::~JobHost() {
    for (auto& [key, crew] : impl_->crews)
        crew->kill([] {});  // all at once; then each is reaped as it is destroyed
}

void JobHost::spawn(const wire::Spawn& spawn,
                    const std::map<std::string, std::filesystem::path>& package_dirs,
                    std::function<void(Result<wire::Spawned>)> done) {
    const auto key = std::pair{spawn.run, spawn.epoch};
    auto& crew = impl_->crews[key];
    if (crew) {
        return impl_->later([done = std::move(done)] {
            done(fail(Fault::refused, "the jobs of this run and epoch have been started already"));
        });
    }
    crew =
        std::make_unique<Crew>(impl_->around, spawn, [impl = impl_.get(), key] { impl->crews.erase(key); });
    crew->start(package_dirs, std::move(done));
}

void JobHost::wire(const wire::Wire& wire, std::function<void(Result<>)> done) {
    if (auto* crew = impl_->find(wire.run, wire.epoch)) return crew->wire(wire, std::move(done));
    impl_->later(
        [done = std::move(done)] { done(fail(Fault::refused, "no jobs of this run and epoch are here")); });
}

void JobHost::drain(const RunId& run, Epoch epoch, std::function<void(Result<wire::Drained>)> done) {
    if (auto* crew = impl_->find(run, epoch)) return crew->drain(std::move(done));
    impl_->later(
        [done = std::move(done)] { done(fail(Fault::refused, "no jobs of this run and epoch are here")); });
}

void JobHost::kill(const RunId& run, Epoch up_to, std::function<void()> reaped) {
    auto missing = std::make_shared<std::size_t>(1);
    auto one_less = [missing, reaped = std::move(reaped)] {
        if (--*missing == 0) reaped();
    };
    for (auto& [key, crew] : impl_->crews) {
        if (key.first != run || key.second > up_to) continue;
        ++*missing;
        crew->kill(one_less);
    }
    impl_->later(one_less);
}

std::vector<wire::JobProgress> JobHost::progress(const RunId& run, Epoch epoch) const {
    const auto* crew = impl_->find(run, epoch);
    return crew ? crew->progress() : std::vector<wire::JobProgress>{};
}

std::size_t JobHost::jobs() const {
    std::size_t count = 0;
    for (const auto& [key, crew] : impl_->crews)
        count += crew->alive();
    return count;
}

}  // namespace fard
