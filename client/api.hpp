// fard::Api: a C++ program's way to a cluster of node managers.
//
//   auto api = fard::Api::connect();                           // the node that FARD_NODE or `fard up` names
//   auto app = (*api)->send_app("apps/two_stage_bnn.toml");    // cut, packed, checked; nothing is started
//   auto run = (*api)->send_job_data(*app, std::move(data));   // jobs come, take the chunks, and go
//   for (const auto& output : run->outputs) ...                // in order, one per chunk
//
// Thread-safe. Blocking calls take a limit and end by then; they must not be made from a callback (refused).
// Callbacks run on the Api's own thread, one at a time, and must not block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/app_file.hpp"
#include "client/local_cluster.hpp"
#include "client/packing.hpp"
#include "client/results.hpp"
#include "client/submission.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// An app that this client has registered. Means nothing to another client.
struct AppId {
    std::string hex;
    friend auto operator<=>(const AppId&, const AppId&) = default;
};

// What a run is fed: chunks for position 0. Frames are shared, not copied, while the run keeps them.
struct JobData {
    std::vector<std::vector<Frame>> chunks;  // per chunk one frame per input tensor, wire form

    JobData share() const;                       // the same bytes
    void add(std::span<const std::byte> bytes);  // a chunk of one tensor; copies
    // The first `count` chunks; round again when there are fewer (and any).
    JobData first(std::uint64_t count) const;
};

// One result of a run whose app has its output collected.
struct Output {
    RunId run;
    std::uint64_t index = 0;     // of the chunk
    std::vector<Frame> tensors;  // of the last position, wire form
};

struct JobResults {
    std::vector<std::vector<Frame>> outputs;  // by chunk
    RunSummary summary;
};

struct RunCallbacks {
    std::function<void(std::uint64_t index, const std::vector<Frame>& tensors)>
        result;  // in order, each index once
    std::function<void(const Progress&)> progress;
    std::function<void(Result<RunSummary>)> ended;  // once, the last of all
};

struct ApiOptions {
    // Front doors of one cluster, best first. Empty: found as the command line does (client/locate.hpp).
    std::vector<Address> doors;
    // A local cluster that is brought up and taken down with this Api, instead of `doors`.
    std::optional<LocalClusterOptions> embedded;
    // This process is on the board that takes its runs: where boards are emulated, what that one's own positions get and give is free,
    // and no port of the client's is charged.
    bool on_board = false;
    SubmissionTiming timing;
    // SIGINT and SIGTERM call this on the Api's thread instead of ending the process.
    std::function<void()> interrupted;
};

class Api {
  public:
    using Limit = std::chrono::milliseconds;
    static constexpr Limit forever = Limit::max();

    // Errors: unreachable (nobody answers, nothing is up), refused (this process may have too few descriptors or threads), those of
    // LocalCluster::start.
    static Result<std::unique_ptr<Api>> connect(ApiOptions options = {});
    ~Api();  // close()

    // Registers an app: reads its file, cuts its model, packs the stages, checks all of it. Starts nothing.
    // Errors: those of the app file, the model and the cut.
    Result<AppId> send_app(const std::filesystem::path& app_file);
    Result<AppId> send_app(const AppFile& app);
    Result<AppId> send_app(PackedApp app);  // one that is packed already

    // What a chunk and a result of the app are. Errors: not_found.
    Result<wire::AppSpec> app(const AppId& app) const;

    // Submits one run and waits until it is done. Errors: not_found (no such app), invalid_input (a chunk
    // that does not fit position 0), those of the run (refused, failed, cancelled, unreachable, timed_out
    // after `limit`).
    Result<JobResults> send_job_data(const AppId& app, JobData data, Limit limit = forever);

    // Submits one run and returns at once; the same errors, either here or by `ended`.
    Result<RunId> send_job_data(const AppId& app, JobData data, RunCallbacks callbacks,
                                Limit limit = forever);

    // Ends a run that this Api has sent; its `ended` follows. No effect on one that has ended.
    void cancel(const RunId& run, const std::string& why = "cancelled by the client");

    // Ends the app's runs and forgets it and its collected outputs. Errors: not_found, timed_out.
    Result<> kill_app(const AppId& app, Limit limit = std::chrono::seconds(10));

    // Ends the app's runs and registers it anew from its file, under the same id. Errors: as kill_app and
    // send_app.
    Result<> restart_app(const AppId& app, Limit limit = std::chrono::seconds(10));

    // Whether results of the app's runs are kept for consume_output, from now on (at first they are not).
    // Errors: not_found.
    Result<> set_output_collection(const AppId& app, bool on);

    // The app's oldest collected output that was not consumed; waits for one at most `wait`. Nothing: none
    // came. Errors: not_found.
    Result<std::optional<Output>> consume_output(const AppId& app, Limit wait = Limit(0));

    const std::vector<Address>& doors() const;  // front doors in use

    // Cancels all runs, takes an embedded cluster down. Nothing works afterwards. At most about 10 s; no
    // effect from a callback.
    void close();

  private:
    struct Impl;
    explicit Api(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
