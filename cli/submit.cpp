// fard submit APP.toml, fard submit MODEL.onnx --boards N: inputs through a pipeline, on the cluster that is there or on
// one of its own.
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>

#include "base/out_of_memory.hpp"
#include "base/read_file.hpp"
#include "cli/array_file.hpp"
#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/cut_model.hpp"
#include "cli/jobs_dirs.hpp"
#include "cli/not_numbers.hpp"
#include "cli/output_file.hpp"
#include "cli/output_files.hpp"
#include "cli/planning.hpp"
#include "cli/report.hpp"
#include "cli/scores.hpp"
#include "cli/submit_plan.hpp"
#include "client/api.hpp"
#include "client/inputs.hpp"
#include "client/locate.hpp"
#include "client/packing.hpp"
#include "overlays/package/hardware.hpp"
#include "planner/schedule.hpp"

namespace fard::cli {
namespace {

constexpr std::size_t most_schedule_bytes = 1u << 20;

CommandSpec spec() {
    std::vector<OptionSpec> table{
        {"input", "PATH", "image, directory of images, .npy array, CIFAR-10 or IDX binary; may be repeated", true},
        {"chunks", "N", "take the first N inputs, going round when there are fewer"},
        {"output", "OUT.npy", "write all results as one array; NAME=OUT.npy or OUT.npz where there are several", true},
        {"prepared", "IN.npy", "write what position 0 is fed as one array"},
        {"top", "K", "show the K best classes of each result"},
        {"batch", "K", "chunks of a turn where positions share slots: a number, or auto, the planner's, which sets the app's window, too"},
        {"latency-bound", "MS", "no chunk may take longer, by the planner's reckoning"},
        {"schedule", "FILE", "who sits where, and the order of turns, as `fard plan --schedule` wrote it"},
        {"timeout", "TIME", "give up after TIME: 5s, 2min, or a number of seconds"},
        {"jobs-dir", "DIR", "where job programs are, for a cluster of its own; may be repeated", true},
        {"node", "ADDRESS", "the node manager to talk to, instead of FARD_NODE or the local cluster"},
        {"on-board", "", "this computer is the board that is asked (the first of a cluster of its own): emulated boards then charge no port of a client's"},
        {"json", "", "print the summary as one JSON object"}};
    const auto more = cut_options();
    table.insert(table.end(), more.begin(), more.end());
    return {"submit", "run an app's inputs through its pipeline, or cut a model and run it", {"APP.toml|MODEL.onnx"}, table};
}

struct Request {
    AppFile app;
    std::unique_ptr<PrivateDirectory> directory;  // of the app's stages, where it is a model that was cut
    std::vector<std::string> labels;
    std::size_t top = 0;  // 0: none
    bool json = false;
    bool top_in_json = false;  // it was asked for
    std::uint64_t chunks = 0;  // 0: all
    Planning planning;
    Api::Limit limit = Api::forever;
    std::vector<std::filesystem::path> inputs, jobs_dirs;
};

Result<> check_outputs(const Options& options, const Request& request) {
    std::vector<UsedFile> used{{"the app file", request.app.file},
                               {"the app's own data", request.app.input.default_data}};
    if (request.app.model) {
        used.push_back({"the app's model", request.app.model->file});
        used.push_back({"the app's labels", request.app.model->labels});
    }
    for (const auto& input : request.inputs)
        used.push_back({"an input", file_in(input.string())});
    for (const char* option : {"output", "prepared"})
        for (const auto& text : options.texts(option)) {
            const auto file = file_in(text);
            if (auto checked = check_output(std::string("--") + option, file, used); !checked) return checked;
            used.push_back({std::string("the file of --") + option, file});
        }
    return {};
}

Result<> read_batch(const Options& options, Planning& planning) {
    if (options.given("batch") && options.text("batch") == "auto") {
        planning.batch = 0;
    } else if (options.given("batch")) {
        const auto batch = options.number("batch", 1, 1, 1'000'000'000);
        if (!batch) return fail(Fault::invalid_input, "{}, or auto", batch.error().message);
        planning.batch = *batch;
    }
    if (!options.given("latency-bound")) return {};
    const auto ms = read_number(options, "latency-bound");
    if (!ms) return fail(ms.error());
    planning.latency_s = *ms / 1e3;
    return {};
}

Result<> read_app(const Options& options, Request& request, ProgressLine& progress) {
    const auto cuts = is_to_be_cut(options);
    if (!cuts) return fail(cuts.error());
    if (!*cuts) {
        auto app = read_app_file(options.positional(0));
        if (!app) return fail(app.error());
        request.app = std::move(*app);
        return {};
    }
    progress.show("planning " + options.positional(0));
    auto cut = cut_model(options, {request.inputs, request.chunks, request.planning.batch, request.planning.latency_s});
    progress.wipe();
    if (!cut) return fail(cut.error());
    for (const auto& remark : cut->notes)
        note(remark);
    request.app = std::move(cut->app);
    request.directory = std::move(cut->directory);
    return {};
}

Result<std::string> read_schedule(const std::filesystem::path& file) {
    auto text = read_whole_file(file, {.most_bytes = most_schedule_bytes, .pipes = true});
    if (!text) return fail_in("--schedule", text.error());
    if (const auto schedule = planner::parse_schedule(*text); !schedule) return fail_in(file.string(), schedule.error());
    return text;
}

Result<Request> read_request(const Options& options, ProgressLine& progress) {
    Request request;
    for (const auto& path : options.texts("input"))
        request.inputs.emplace_back(path);
    const auto chunks = options.number("chunks", 0, 1, 1'000'000'000);
    if (!chunks) return fail(chunks.error());
    request.chunks = *chunks;
    if (auto read = read_batch(options, request.planning); !read) return fail(read.error());
    if (auto read = read_app(options, request, progress); !read) return fail(read.error());
    if (!request.planning.batch && request.app.batch > 0) request.planning.batch = request.app.batch;
    if (request.app.model && !request.app.model->labels.empty()) {
        auto labels = read_labels(request.app.model->labels);
        if (!labels) return fail_in(request.app.at("labels in [model]"), labels.error());
        request.labels = std::move(*labels);
    }
    const auto top = options.number("top", request.labels.empty() ? 0 : 1, 1, 1000);
    if (!top) return fail(top.error());
    request.top = *top;
    if (options.given("schedule")) {
        for (const auto* option : {"batch", "latency-bound"})
            if (options.given(option)) return fail(Fault::invalid_input, "--schedule says what goes when; leave --{} out", option);
        auto text = read_schedule(options.text("schedule"));
        if (!text) return fail(text.error());
        request.planning.schedule = std::move(*text);
    }
    const auto timeout = options.duration("timeout", Api::forever, std::chrono::hours(24 * 365));
    if (!timeout) return fail(timeout.error());
    request.limit = *timeout;
    request.json = options.given("json");
    request.top_in_json = request.json && options.given("top");
    auto jobs_dirs = read_jobs_dirs(options);
    if (!jobs_dirs) return fail(jobs_dirs.error());
    request.jobs_dirs = std::move(*jobs_dirs);
    request.jobs_dirs.insert(request.jobs_dirs.end(), request.app.jobs_dirs.begin(), request.app.jobs_dirs.end());
    if (auto checked = check_outputs(options, request); !checked) return fail(checked.error());
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

// Labels that are for another network say what is wrong with full confidence.
void look_at_labels(const Request& request, const PackedApp& packed) {
    const auto labels = request.labels.size(), values = packed.outputs().front().elements();
    if (labels == 0 || labels == values) return;
    note(fmt::format("{}: {} names, and a result has {} values{}", request.app.at("labels in [model]"), labels, values,
                     labels < values ? "; those without a name are shown by their number" : "; are they of another network?"));
}

Result<Feed> read_feed(const Request& request, const PackedApp& packed, ProgressLine& progress) {
    auto inputs = open_inputs(request.app, request.inputs, packed.inputs());
    if (!inputs) return fail(inputs.error());
    const auto wanted = request.chunks ? request.chunks : inputs->size();
    const auto own = std::min<std::uint64_t>(wanted, inputs->size());
    JobData data;
    Feed feed;
    NotNumbers not_numbers("input", packed.inputs());
    for (std::size_t i = 0; i < own; ++i) {
        progress.show(fmt::format("preparing input {} of {}", i + 1, own));
        auto input = inputs->at(i);
        if (!input) return fail(input.error());
        not_numbers.look_at(input->where, bytes_of(input->tensors));
        data.chunks.push_back(std::move(input->tensors));
        feed.names.push_back(shortened(std::move(input->where)));
        feed.widest = std::max(feed.widest, feed.names.back().size());
        feed.truths.push_back(input->label);
    }
    if (const auto remark = not_numbers.remark(); !remark.empty()) note(remark);
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
            OutputFiles output, ProgressLine& progress, std::function<void()> give_up)
        : request_(request),
          packed_(packed),
          feed_(feed),
          output_(std::move(output)),
          progress_(progress),
          give_up_(std::move(give_up)),
          not_numbers_("result", packed.outputs()) {}

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
        if (!taken_) return fail(taken_.error());
        if (!*outcome_) return fail(outcome_->error());
        if (auto written = output_.finish(); !written) return fail(written.error());
        return std::move(**outcome_);
    }

    std::string remark() const { return not_numbers_.remark(); }
    const std::string& lines() const { return lines_; }
    const std::vector<Judged>& top() const { return top_; }
    std::size_t right() const { return right_; }
    std::size_t judged() const { return judged_; }

  private:
    void result(std::uint64_t index, const std::vector<Frame>& tensors) {
        if (!taken_) return;
        const auto buffers = bytes_of(tensors);
        not_numbers_.look_at(feed_.names[index % feed_.names.size()], buffers);
        taken_ = output_.append(buffers);
        if (taken_ && request_.top && (!request_.json || request_.top_in_json)) taken_ = judge(index, tensors.front());
        if (!taken_) give_up_();
    }

    Result<> judge(std::uint64_t index, const Frame& tensor) {
        const auto scores = top_scores(packed_.outputs().front(), tensor.bytes(), request_.top);
        if (!scores) return fail(scores.error());
        const auto own = index % feed_.names.size();
        if (request_.json) top_.push_back({feed_.names[own], *scores});
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
    OutputFiles output_;
    ProgressLine& progress_;
    std::function<void()> give_up_;  // called once, when a result cannot be taken: the rest is of no use
    NotNumbers not_numbers_;
    std::string lines_;
    std::vector<Judged> top_;
    std::size_t right_ = 0, judged_ = 0;
    Result<> taken_;
    std::mutex mutex_;
    std::condition_variable over_;
    std::optional<Result<RunSummary>> outcome_;
};

// Ends the run, from whatever thread, also before there is one.
class Stopper {
  public:
    void stop(const std::string& why) {
        const std::lock_guard lock(mutex_);
        why_ = why;
        if (cancel_) cancel_(why);
    }
    void arm(std::function<void(const std::string&)> cancel) {
        const std::lock_guard lock(mutex_);
        cancel_ = std::move(cancel);
        if (!why_.empty()) cancel_(why_);
    }

  private:
    std::mutex mutex_;
    std::string why_;
    std::function<void(const std::string&)> cancel_;
};

Result<ApiOptions> place_to_run(const Request& request, const Options& options) {
    ApiOptions place;
    place.on_board = options.given("on-board");
    auto found = locate(locate_options(options.text("node")));
    if (!found) return fail(found.error());
    if (!found->note.empty()) note(found->note);
    place.doors = std::move(found->doors);
    if (!place.doors.empty() && options.given("jobs-dir"))
        return fail(Fault::invalid_input,
                    "--jobs-dir is for a cluster of its own, and one is up; its boards have theirs (`fard up --jobs-dir`, "
                    "`fardd --jobs-dir`)");
    if (!place.doors.empty()) return place;
    auto fardd = find_fardd();
    if (!fardd) return fail(fardd.error());
    const auto& cluster = request.app.cluster;
    place.embedded = LocalClusterOptions{};
    place.embedded->boards = cluster.boards ? cluster.boards : static_cast<std::uint32_t>(request.app.jobs());
    place.embedded->slots = cluster.slots;
    place.embedded->profile = cluster.profile;
    place.embedded->fardd = std::move(*fardd);
    place.embedded->jobs_dirs = request.jobs_dirs;
    if (auto found_all = check_programs(request.app, *place.embedded); !found_all) return fail(found_all.error());
    if (!request.json)
        note(fmt::format("no cluster is named (--node, FARD_NODE, keys) and none is up: it runs on this computer, with boards of its "
                         "own ({}) for as long as it takes", place.embedded->boards));
    return place;
}

// What the boards of a running cluster are like, those with an FPGA.
Result<std::vector<BoardProfile>> profiles_of(const std::vector<Address>& doors) {
    std::vector<BoardProfile> profiles;
    const auto status = cluster_status(doors);
    if (!status) return profiles;  // the submission says what is wrong with the cluster
    // The smallest slots first: what fits into one of them fits everywhere.
    std::set<std::tuple<std::uint32_t, std::string, std::string>, std::greater<>> kinds;  // slots, label, part
    for (const auto& board : status->boards)
        for (const auto& device : board.state.devices)
            for (const auto& label : board.state.labels)
                if (!device.part.empty()) kinds.emplace(device.slots, label, device.part);
    if (kinds.empty()) return profiles;
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    for (const auto& [slots, label, part] : kinds) {
        auto profile = load_board_profile(*directory, label);  // a label may also be somebody's own
        if (!profile || !profile->fabric || !same_part(profile->part.value, part)) continue;
        profile->fabric->slots.value = slots;
        profiles.push_back(std::move(*profile));
    }
    return profiles;
}

void print_outcome(const Request& request, const RunSummary& summary, const Watcher& watcher, const std::optional<Expected>& expected) {
    if (!summary.note.empty()) note(summary.note);
    if (const auto remark = watcher.remark(); !remark.empty()) note(remark);
    if (request.json) {
        out("{}\n", summary_json(summary, request.top_in_json ? std::optional(watcher.top()) : std::nullopt, request.labels, expected));
        return;
    }
    if (!watcher.lines().empty()) out("{}\n", watcher.lines());
    if (watcher.judged())
        out("{} of {} right ({:.2f} %)\n", watcher.right(), watcher.judged(),
                   100.0 * static_cast<double>(watcher.right()) / static_cast<double>(watcher.judged()));
    out("{}", summary_text(summary, expected));
}

// Everything that can be wrong with the request is found before anything is started.
Result<> submit(const Options& options) {
    end_when_out_of_memory(
        "fard submit: there is not enough memory for so many chunks; give fewer with --chunks or --input, or raise the "
        "limit (ulimit -v)\n");
    ProgressLine progress;
    auto request = read_request(options, progress);
    if (!request) return fail(request.error());
    auto place = place_to_run(*request, options);
    if (!place) return fail(place.error());
    progress.show("cutting and packing " + request->app.name);
    const auto profiles = place->doors.empty() ? Result<std::vector<BoardProfile>>() : profiles_of(place->doors);
    if (!profiles) return fail(profiles.error());
    auto packed = pack_app(request->app, *profiles);
    if (!packed) return fail(packed.error());
    for (const auto& remark : packed->notes)
        note(remark);
    request->directory.reset();
    look_at_labels(*request, *packed);
    auto feed = read_feed(*request, *packed, progress);
    if (!feed) return fail(feed.error());
    request->planning.chunks = feed->data.chunks.size();
    const auto prepared = plan_submission(*packed, request->planning, *place);
    if (!prepared) return fail(prepared.error());
    if (!prepared->remark.empty()) note(prepared->remark);
    auto output = OutputFiles::create(options.texts("output"), packed->outputs());
    if (!output) return fail(output.error());
    if (options.given("prepared"))
        if (auto written = write_prepared(options.text("prepared"), *packed, feed->data); !written)
            return written;

    Stopper stopper;
    place->interrupted = [&] { stopper.stop("interrupted"); };
    if (place->embedded) progress.show(fmt::format("bringing up {} boards", place->embedded->boards));
    auto api = Api::connect(std::move(*place));
    if (!api) return fail(api.error());
    Watcher watcher(*request, *packed, *feed, std::move(*output), progress,
                    [&] { stopper.stop("its results cannot be taken"); });
    const auto app = (*api)->send_app(*packed);
    if (!app) return fail(app.error());
    const auto run = (*api)->send_job_data(*app, feed->data.share(), watcher.callbacks(), request->limit);
    if (!run) return fail(run.error());
    stopper.arm([&](const std::string& why) { (*api)->cancel(*run, why); });
    const auto summary = watcher.wait();
    (*api)->close();
    if (!summary) return fail(summary.error());
    print_outcome(*request, *summary, watcher, prepared->expected(*summary));
    return {};
}

}  // namespace

Command submit_command() {
    return {spec(), submit};
}

}  // namespace fard::cli
