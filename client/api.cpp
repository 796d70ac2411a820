#include "client/api.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <utility>

#include "client/client_identity.hpp"
#include "client/locate.hpp"
#include "client/loop_thread.hpp"
#include "client/packing.hpp"
#include "client/submission_links.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr auto close_limit = 6s;  // for the runs that are still under way
constexpr auto stop_limit = 3s;   // for the embedded cluster

// Who runs this process, and where: "ann@desk".
std::string user_and_host() {
    std::array<char, 65> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
    std::array<char, 1024> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
    return fmt::format("{}@{}", found ? found->pw_name : std::to_string(::geteuid()), host.data());
}

// `forever`, and whatever else is more than a clock can count, is a year.
std::chrono::steady_clock::time_point until(Api::Limit limit) {
    return std::chrono::steady_clock::now() + std::min<Api::Limit>(limit, std::chrono::hours(24 * 365));
}

std::vector<Frame> share(const std::vector<Frame>& frames) {
    std::vector<Frame> shared;
    shared.reserve(frames.size());
    for (const auto& frame : frames)
        shared.push_back(frame.share());
    return shared;
}

Result<> check_data(const wire::AppSpec& app, const JobData& data) {
    const auto& inputs = app.positions.front().inputs;
    for (std::size_t index = 0; index < data.chunks.size(); ++index) {
        const auto& tensors = data.chunks[index];
        if (tensors.size() != inputs.size())
            return fail(Fault::invalid_input, "chunk {} has {} tensors; position 0 of '{}' takes {}", index,
                        tensors.size(), app.name, inputs.size());
        for (std::size_t t = 0; t < tensors.size(); ++t)
            if (tensors[t].size() != inputs[t].wire_bytes())
                return fail(Fault::invalid_input, "tensor '{}' of chunk {} has {} bytes; '{}' takes {}",
                            inputs[t].name, index, tensors[t].size(), app.name, inputs[t].wire_bytes());
    }
    return {};
}

tl::unexpected<Error> from_callback(const char* call) {
    return fail(Fault::refused, "{} waits, so it cannot be called from a callback of the same Api", call);
}

}  // namespace

JobData JobData::share() const {
    JobData same;
    same.chunks.reserve(chunks.size());
    for (const auto& tensors : chunks)
        same.chunks.push_back(fard::share(tensors));
    return same;
}

void JobData::add(std::span<const std::byte> bytes) {
    chunks.emplace_back();
    chunks.back().emplace_back(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

JobData JobData::first(std::uint64_t count) const {
    JobData some;
    if (chunks.empty()) return some;
    some.chunks.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i)
        some.chunks.push_back(fard::share(chunks[i % chunks.size()]));
    return some;
}

struct Api::Impl {
    struct App {
        std::optional<AppFile> source;  // none for an app that came packed
        bool from_file = false;
        PackedApp packed;
        bool collects = false;
        std::deque<Output> outputs;
        std::size_t runs = 0;  // under way
    };
    struct ActiveRun {
        AppId app;
        RunCallbacks callbacks;
        std::unique_ptr<Submission> submission;
    };

    Result<App*> find(const AppId& id) {  // with the mutex held
        const auto found = apps.find(id);
        if (found == apps.end())
            return fail(Fault::not_found, "no app '{}' is registered with this client", id.hex);
        return &found->second;
    }
    AppId add(std::optional<AppFile> source, bool from_file, PackedApp packed);
    Result<> end_runs(const AppId& app, Api::Limit limit);
    Result<RunId> submit(const AppId& app, JobData data, RunCallbacks callbacks, Api::Limit limit);
    void interrupted();
    void deliver(ActiveRun& run, Chunk chunk);
    void ended(const RunId& id, Result<RunSummary> outcome);
    template <typename Action>
    auto on_loop(Action action) {
        return thread->is_current() ? action() : thread->run(std::move(action));
    }

    ApiOptions options;
    std::vector<Address> doors;
    explicit Impl(Identity identity) : sockets(std::move(identity)) {}

    SocketFactory sockets;
    std::unique_ptr<LoopThread> thread = std::make_unique<LoopThread>();
    std::unique_ptr<SubmissionWorld> world;
    std::unique_ptr<LocalCluster> cluster;             // on the loop
    LocalCluster::Abort abort_start;                   // on the loop
    bool was_interrupted = false;                      // on the loop
    std::map<RunId, std::unique_ptr<ActiveRun>> runs;  // on the loop

    mutable std::mutex mutex;  // of what follows
    std::condition_variable changed;
    std::map<AppId, App> apps;
    std::size_t active_runs = 0;
    bool closed = false;
};

// ---- apps

AppId Api::Impl::add(std::optional<AppFile> source, bool from_file, PackedApp packed) {
    const AppId id{random_hex(8)};
    const std::lock_guard lock(mutex);
    auto& app = apps[id];
    app.source = std::move(source);
    app.from_file = from_file;
    app.packed = std::move(packed);
    return id;
}

Result<AppId> Api::send_app(const std::filesystem::path& app_file) {
    auto source = read_app_file(app_file);
    if (!source) return fail(source.error());
    auto packed = pack_app(*source);
    if (!packed) return fail(packed.error());
    return impl_->add(std::move(*source), true, std::move(*packed));
}

Result<AppId> Api::send_app(const AppFile& app) {
    auto packed = pack_app(app);
    if (!packed) return fail(packed.error());
    return impl_->add(app, false, std::move(*packed));
}

Result<AppId> Api::send_app(PackedApp app) {
    return impl_->add(std::nullopt, false, std::move(app));
}

Result<wire::AppSpec> Api::app(const AppId& id) const {
    const std::lock_guard lock(impl_->mutex);
    auto found = impl_->find(id);
    if (!found) return fail(found.error());
    return (*found)->packed.spec;
}

// Cancels the app's runs and waits until they have ended.
Result<> Api::Impl::end_runs(const AppId& id, Api::Limit limit) {
    {
        const std::lock_guard lock(mutex);
        if (auto found = find(id); !found) return fail(found.error());
    }
    thread->run([&] {
        for (auto& [run, active] : runs)
            if (active->app == id) active->submission->cancel({Fault::cancelled, "its app was killed"});
    });
    std::unique_lock lock(mutex);
    const auto over = [&] {
        const auto found = apps.find(id);
        return found == apps.end() || found->second.runs == 0;
    };
    if (changed.wait_until(lock, until(limit), over)) return {};
    return fail(Fault::timed_out, "{} runs of app {} did not end within {} ms", apps.at(id).runs, id.hex,
                limit.count());
}

Result<> Api::kill_app(const AppId& id, Limit limit) {
    if (impl_->thread->is_current()) return from_callback("kill_app");
    if (auto over = impl_->end_runs(id, limit); !over) return over;
    const std::lock_guard lock(impl_->mutex);
    impl_->apps.erase(id);
    return {};
}

Result<> Api::restart_app(const AppId& id, Limit limit) {
    if (impl_->thread->is_current()) return from_callback("restart_app");
    if (auto over = impl_->end_runs(id, limit); !over) return over;
    std::optional<AppFile> source;
    bool from_file = false;
    {
        const std::lock_guard lock(impl_->mutex);
        auto found = impl_->find(id);
        if (!found) return fail(found.error());
        source = (*found)->source;
        from_file = (*found)->from_file;
    }
    if (!source) return {};  // it came packed: there is nothing to read anew
    if (from_file) {
        auto read = read_app_file(source->file);
        if (!read) return fail(read.error());
        source = std::move(*read);
    }
    auto packed = pack_app(*source);
    if (!packed) return fail(packed.error());
    const std::lock_guard lock(impl_->mutex);
    auto found = impl_->find(id);
    if (!found) return fail(found.error());
    (*found)->source = std::move(source);
    (*found)->packed = std::move(*packed);
    return {};
}

// ---- runs

Result<RunId> Api::Impl::submit(const AppId& id, JobData data, RunCallbacks callbacks, Api::Limit limit) {
    SubmissionTerms terms;
    terms.owner = user_and_host();
    terms.on_board = options.on_board;
    {
        const std::lock_guard lock(mutex);
        if (closed) return fail(Fault::refused, "the Api was closed");
        auto found = find(id);
        if (!found) return fail(found.error());
        if (auto checked = check_data((*found)->packed.spec, data); !checked) return fail(checked.error());
        terms.app = (*found)->packed.spec;
        terms.archives = (*found)->packed.archives;
        ++(*found)->runs;
        ++active_runs;
    }
    terms.doors = doors;
    terms.timing = options.timing;
    return on_loop([&] {
        if (limit != Api::forever) terms.deadline = until(limit);
        auto active = std::make_unique<ActiveRun>();
        active->app = id;
        active->callbacks = std::move(callbacks);
        auto* run = active.get();
        active->submission = std::make_unique<Submission>(
            thread->loop(), *world, std::move(terms), SubmissionChunks(std::move(data.chunks)),
            Submission::Events{.result = [this, run](Chunk chunk) { deliver(*run, std::move(chunk)); },
                               .progress = run->callbacks.progress,
                               .ended =
                                   [this, run](Result<RunSummary> outcome) {
                                       ended(run->submission->run(), std::move(outcome));
                                   }});
        const auto run_id = run->submission->run();
        runs.emplace(run_id, std::move(active));
        return Result<RunId>(run_id);
    });
}

// The second time there is no more waiting: the default action ends the process.
void Api::Impl::interrupted() {
    if (std::exchange(was_interrupted, true)) {
        for (const int number : {SIGINT, SIGTERM, SIGHUP})
            std::signal(number, SIG_DFL);
        std::raise(SIGINT);
    }
    if (abort_start) abort_start({Fault::cancelled, "interrupted"});
    options.interrupted();
}

void Api::Impl::deliver(ActiveRun& run, Chunk chunk) {
    if (run.callbacks.result) run.callbacks.result(chunk.index, chunk.tensors);
    const std::lock_guard lock(mutex);
    const auto found = apps.find(run.app);
    if (found == apps.end() || !found->second.collects) return;
    found->second.outputs.push_back({run.submission->run(), chunk.index, std::move(chunk.tensors)});
    changed.notify_all();
}

// The submission is destroyed later: this is one of its events.
void Api::Impl::ended(const RunId& id, Result<RunSummary> outcome) {
    auto& run = *runs.at(id);
    if (run.callbacks.ended) run.callbacks.ended(std::move(outcome));
    thread->loop().post([this, id] {
        const auto app = runs.at(id)->app;
        runs.erase(id);
        const std::lock_guard lock(mutex);
        if (const auto found = apps.find(app); found != apps.end()) --found->second.runs;
        --active_runs;
        changed.notify_all();
    });
}

Result<RunId> Api::send_job_data(const AppId& app, JobData data, RunCallbacks callbacks, Limit limit) {
    return impl_->submit(app, std::move(data), std::move(callbacks), limit);
}

Result<JobResults> Api::send_job_data(const AppId& app, JobData data, Limit limit) {
    if (impl_->thread->is_current()) return from_callback("the waiting send_job_data");
    JobResults results;
    results.outputs.reserve(data.chunks.size());
    auto over = std::make_shared<std::promise<Result<RunSummary>>>();
    auto summary = over->get_future();
    RunCallbacks callbacks;
    callbacks.result = [&results](std::uint64_t, const std::vector<Frame>& tensors) {
        results.outputs.push_back(share(tensors));
    };
    callbacks.ended = [over](Result<RunSummary> outcome) { over->set_value(std::move(outcome)); };
    if (auto sent = impl_->submit(app, std::move(data), std::move(callbacks), limit); !sent)
        return fail(sent.error());
    auto outcome = summary.get();
    if (!outcome) return fail(outcome.error());
    results.summary = std::move(*outcome);
    return results;
}

void Api::cancel(const RunId& run, const std::string& why) {
    impl_->thread->loop().post([impl = impl_.get(), run, why] {
        if (const auto found = impl->runs.find(run); found != impl->runs.end())
            found->second->submission->cancel({Fault::cancelled, why});
    });
}

// ---- outputs

Result<> Api::set_output_collection(const AppId& app, bool on) {
    const std::lock_guard lock(impl_->mutex);
    auto found = impl_->find(app);
    if (!found) return fail(found.error());
    (*found)->collects = on;
    return {};
}

Result<std::optional<Output>> Api::consume_output(const AppId& app, Limit wait) {
    if (impl_->thread->is_current() && wait > 0ms) return from_callback("consume_output with a wait");
    std::unique_lock lock(impl_->mutex);
    const auto deadline = until(wait);
    while (true) {
        auto found = impl_->find(app);
        if (!found) return fail(found.error());
        auto& outputs = (*found)->outputs;
        if (!outputs.empty()) {
            std::optional<Output> oldest(std::move(outputs.front()));
            outputs.pop_front();
            return oldest;
        }
        if (impl_->closed || impl_->changed.wait_until(lock, deadline) == std::cv_status::timeout)
            return std::optional<Output>();
    }
}

// ---- connection

Result<std::unique_ptr<Api>> Api::connect(ApiOptions options) {
    if (auto room = check_client_room(); !room) return fail(room.error());
    auto identity = client_identity();
    if (!identity) return fail(identity.error());
    auto impl = std::make_unique<Impl>(std::move(*identity));
    impl->options = std::move(options);
    impl->world = make_socket_world(impl->thread->loop(), impl->sockets);
    std::unique_ptr<Api> api(new Api(std::move(impl)));
    auto& self = *api->impl_;
    if (self.options.interrupted)
        self.thread->run([&] {
            self.thread->loop().on_signals([impl = &self](int) { impl->interrupted(); });
        });
    if (!self.options.embedded) {
        self.doors = self.options.doors;
        if (!self.doors.empty()) return api;
        auto found = locate(locate_options(""));
        if (!found) return fail(found.error());
        if (found->doors.empty())
            return fail(Fault::unreachable,
                        "no cluster to connect to{}{}; `fard up` starts one, FARD_NODE names a node",
                        found->note.empty() ? "" : ": ", found->note);
        self.doors = std::move(found->doors);
        return api;
    }
    std::promise<Result<std::unique_ptr<LocalCluster>>> started;
    auto cluster = started.get_future();
    self.thread->run([&] {
        self.abort_start = LocalCluster::start(
            self.thread->loop(), self.sockets, *self.options.embedded,
            [&](Result<std::unique_ptr<LocalCluster>> result) { started.set_value(std::move(result)); });
    });
    auto result = cluster.get();
    if (!result) return fail(result.error());
    self.cluster = std::move(*result);
    self.doors = self.cluster->doors();
    return api;
}

Api::Api(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Api::~Api() {
    close();
}

const std::vector<Address>& Api::doors() const {
    return impl_->doors;
}

void Api::close() {
    auto& impl = *impl_;
    if (impl.thread->is_current()) return;
    {
        const std::lock_guard lock(impl.mutex);
        if (std::exchange(impl.closed, true)) return;
        impl.changed.notify_all();
    }
    impl.thread->run([&] {
        for (auto& [run, active] : impl.runs)
            active->submission->cancel({Fault::cancelled, "the client was closed"});
    });
    {
        std::unique_lock lock(impl.mutex);
        impl.changed.wait_for(lock, close_limit, [&] { return impl.active_runs == 0; });
    }
    if (impl.cluster) {
        std::promise<void> stopped;
        auto gone = stopped.get_future();
        impl.thread->run([&] { impl.cluster->stop(stop_limit, [&] { stopped.set_value(); }); });
        gone.wait();
    }
    impl.thread->run([&] {
        impl.runs.clear();
        impl.cluster.reset();
    });
}

}  // namespace fard
