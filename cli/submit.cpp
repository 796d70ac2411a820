// fard submit APP.toml: the app's inputs through its pipeline, on the cluster that is there or on its own.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>

#include "cli/array_file.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/out_of_memory.hpp"
#include "cli/report.hpp"
#include "cli/scores.hpp"
#include "client/api.hpp"
#include "client/inputs.hpp"
#include "client/locate.hpp"
#include "client/packing.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {"submit",
            "run an app's inputs through its pipeline",
            {"APP.toml"},
            {{"input", "PATH",
              "image, directory of images, .npy array, CIFAR-10 or IDX binary; may be repeated", true},
             {"chunks", "N", "take the first N inputs, going round when there are fewer"},
             {"output", "OUT.npy", "write all results as one array"},
             {"prepared", "IN.npy", "write what position 0 is fed as one array"},
             {"top", "K", "show the K best classes of each result"},
             {"timeout", "S", "give up after S seconds"},
             {"node", "ADDRESS", "the node manager to talk to, instead of FARD_NODE or the local cluster"},
             {"json", "", "print the summary as one JSON object"}}};
}

struct Request {
    AppFile app;
    std::vector<std::string> labels;
    std::size_t top = 0;  // 0: none
    bool json = false;
    std::uint64_t chunks = 0;  // 0: all
    Api::Limit limit = Api::forever;
    std::vector<std::filesystem::path> inputs;
};

Result<Request> read_request(const Options& options) {
    Request request;
    auto app = read_app_file(options.positional(0));
    if (!app) return fail(app.error());
    request.app = std::move(*app);
    if (request.app.model && !request.app.model->labels.empty()) {
        auto labels = read_labels(request.app.model->labels);
        if (!labels) return fail(labels.error());
        request.labels = std::move(*labels);
    }
    const auto top = options.number("top", request.labels.empty() ? 0 : 1, 1, 1000);
    if (!top) return fail(top.error());
    request.top = *top;
    const auto chunks = options.number("chunks", 0, 1, 1'000'000'000);
    if (!chunks) return fail(chunks.error());
    request.chunks = *chunks;
    const auto timeout = options.number("timeout", 0, 1, 10'000'000);
    if (!timeout) return fail(timeout.error());
    if (*timeout) request.limit = std::chrono::seconds(*timeout);
    request.json = options.given("json");
    for (const auto& path : options.texts("input"))
        request.inputs.emplace_back(path);
    return request;
}

// What the run is fed, and what people call each of it.
struct Feed {
    JobData data;
    std::vector<std::string> names;  // per chunk
    std::vector<std::optional<int>> truths;
    std::size_t widest = 0;  // of the names
};

// As seen from the working directory, if it lies below that.
std::string shortened(std::string where) {
    std::error_code error;
    const auto here = std::filesystem::current_path(error).string() + "/";
    return !error && here.size() > 1 && where.starts_with(here) ? where.substr(here.size()) : where;
}

Result<Feed> read_feed(const Request& request, const PackedApp& packed, ProgressLine& progress) {
    auto inputs = open_inputs(request.app, request.inputs, packed.inputs());
    if (!inputs) return fail(inputs.error());
    const auto wanted = request.chunks ? request.chunks : inputs->size();
    const auto own = std::min<std::uint64_t>(wanted, inputs->size());
    JobData data;
    Feed feed;
    for (std::size_t i = 0; i < own; ++i) {
        progress.show(fmt::format("preparing input {} of {}", i + 1, own));
        auto input = inputs->at(i);
        if (!input) return fail(input.error());
        data.chunks.push_back(std::move(input->tensors));
        feed.names.push_back(shortened(std::move(input->where)));
        feed.widest = std::max(feed.widest, feed.names.back().size());
        feed.truths.push_back(input->label);
    }
    feed.data = data.first(wanted);
    return feed;
}

Result<> write_prepared(const std::filesystem::path& file, const PackedApp& packed, const JobData& data) {
    auto array = ArrayFile::create(file, packed.inputs());
    if (!array) return fail(array.error());
    for (const auto& tensors : data.chunks)
        if (auto added = array->append(tensors.front().bytes()); !added) return added;
    return array->finish();
}

// Collects what comes of one run; the Api's thread fills it, the command waits for it.
class Watcher {
  public:
    Watcher(const Request& request, const PackedApp& packed, const Feed& feed,
            std::optional<ArrayFile> output, ProgressLine& progress)
        : request_(request), packed_(packed), feed_(feed), output_(std::move(output)), progress_(progress) {}

    RunCallbacks callbacks() {
        return {.result = [this](std::uint64_t index,
                                 const std::vector<Frame>& tensors) { result(index, tensors); },
                .progress = [this](const Progress& at) { show(at); },
                .ended =
                    [this](Result<RunSummary> outcome) {
                        const std::lock_guard lock(mutex_);
                        outcome_ = std::move(outcome);
                        over_.notify_all();
                    }};
    }

    // The summary once the run has ended, or what went wrong with the run or its results.
    Result<RunSummary> wait() {
        std::unique_lock lock(mutex_);
        over_.wait(lock, [this] { return outcome_.has_value(); });
        progress_.wipe();
        if (!*outcome_) return fail(outcome_->error());
        if (!taken_) return fail(taken_.error());
        if (output_)
            if (auto written = output_->finish(); !written) return fail(written.error());
        return std::move(**outcome_);
    }

    const std::string& lines() const { return lines_; }
    std::size_t right() const { return right_; }
    std::size_t judged() const { return judged_; }

  private:
    void result(std::uint64_t index, const std::vector<Frame>& tensors) {
        if (!taken_) return;
        if (output_) taken_ = output_->append(tensors.front().bytes());
        if (taken_ && request_.top && !request_.json) taken_ = judge(index, tensors.front());
    }

    Result<> judge(std::uint64_t index, const Frame& tensor) {
        const auto scores = top_scores(packed_.outputs().front(), tensor.bytes(), request_.top);
        if (!scores) return fail(scores.error());
        const auto own = index % feed_.names.size();
        lines_ += fmt::format("{:<{}}  {}\n", feed_.names[own], feed_.widest,
                              scores_text(*scores, request_.labels));
        if (const auto truth = feed_.truths[own]; truth && !scores->empty()) {
            ++judged_;
            right_ += scores->front().place == static_cast<std::size_t>(*truth);
        }
        return {};
    }

    void show(const Progress& at) {
        progress_.show(fmt::format("{}: {} {} of {}{}{}", request_.app.name, at.phase, at.results, at.chunks,
                                   at.reason.empty() ? "" : ", ", at.reason));
    }

    const Request& request_;
    const PackedApp& packed_;
    const Feed& feed_;
    std::optional<ArrayFile> output_;
    ProgressLine& progress_;
    std::string lines_;
    std::size_t right_ = 0, judged_ = 0;
    Result<> taken_;
    std::mutex mutex_;
    std::condition_variable over_;
    std::optional<Result<RunSummary>> outcome_;
};

Result<ApiOptions> place_to_run(const Request& request, const Options& options) {
    ApiOptions place;
    auto found = locate(locate_options(options.text("node")));
    if (!found) return fail(found.error());
    if (!found->note.empty()) note(found->note);
    place.doors = std::move(found->doors);
    if (!place.doors.empty()) return place;
    auto fardd = find_fardd();
    if (!fardd) return fail(fardd.error());
    const auto& cluster = request.app.cluster;
    if (!cluster.profile.empty())
        return fail(Fault::unsupported,
                    "{}: board profile '{}' needs an emulated device, which this fard does not have",
                    request.app.file.string(), cluster.profile);
    place.embedded = LocalClusterOptions{};
    place.embedded->boards = cluster.boards ? cluster.boards : static_cast<std::uint32_t>(request.app.jobs());
    place.embedded->slots = cluster.slots;
    place.embedded->fardd = std::move(*fardd);
    return place;
}

void print_outcome(const Request& request, const RunSummary& summary, const Watcher& watcher) {
    if (!summary.note.empty()) note(summary.note);
    if (request.json) {
        fmt::print("{}\n", summary_json(summary));
        return;
    }
    if (!watcher.lines().empty()) fmt::print("{}\n", watcher.lines());
    if (watcher.judged())
        fmt::print("{} of {} right ({:.2f} %)\n", watcher.right(), watcher.judged(),
                   100.0 * static_cast<double>(watcher.right()) / static_cast<double>(watcher.judged()));
    fmt::print("{}", summary_text(summary));
}

// Everything that can be wrong with the request is found before anything is started.
Result<> submit(const Options& options) {
    end_when_out_of_memory(
        "fard submit: there is not enough memory for so many chunks; give fewer with --chunks or --input, or raise the "
        "limit (ulimit -v)\n");
    ProgressLine progress;
    auto request = read_request(options);
    if (!request) return fail(request.error());
    auto place = place_to_run(*request, options);
    if (!place) return fail(place.error());
    progress.show("cutting and packing " + request->app.name);
    auto packed = pack_app(request->app);
    if (!packed) return fail(packed.error());
    auto feed = read_feed(*request, *packed, progress);
    if (!feed) return fail(feed.error());
    std::optional<ArrayFile> output;
    if (options.given("output")) {
        auto array = ArrayFile::create(options.text("output"), packed->outputs());
        if (!array) return fail(array.error());
        output = std::move(*array);
    }
    if (options.given("prepared"))
        if (auto written = write_prepared(options.text("prepared"), *packed, feed->data); !written)
            return written;

    std::atomic<bool> interrupted = false;
    std::mutex mutex;
    std::function<void()> cancel;  // once there is a run
    place->interrupted = [&] {
        const std::lock_guard lock(mutex);
        interrupted = true;
        if (cancel) cancel();
    };
    if (place->embedded) progress.show(fmt::format("bringing up {} boards", place->embedded->boards));
    auto api = Api::connect(std::move(*place));
    if (!api) return fail(api.error());
    Watcher watcher(*request, *packed, *feed, std::move(output), progress);
    const auto app = (*api)->send_app(*packed);
    if (!app) return fail(app.error());
    const auto run = (*api)->send_job_data(*app, feed->data.share(), watcher.callbacks(), request->limit);
    if (!run) return fail(run.error());
    {
        const std::lock_guard lock(mutex);
        cancel = [&] { (*api)->cancel(*run, "interrupted"); };
        if (interrupted) cancel();
    }
    const auto summary = watcher.wait();
    (*api)->close();
    if (!summary) return fail(summary.error());
    print_outcome(*request, *summary, watcher);
    return {};
}

}  // namespace

Command submit_command() {
    return {spec(), submit};
}

}  // namespace fard::cli
