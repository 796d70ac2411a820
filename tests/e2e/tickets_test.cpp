// Many runs that all need every slot, submitted at once to every node manager of a cluster: who came first starts
// first, whichever board coordinates it, and none waits for ever.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "client/api.hpp"
#include "tests/e2e/harness.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

constexpr int run_count = 20;

// Three positions, each of which takes `slow_ms` for a chunk: on boards of one slot a run needs three boards.
AppFile three_positions() {
    std::string text =
        "[app]\nname = \"three\"\n[input]\nrandom_chunks = 10\n[[input.tensor]]\nname = \"x\"\n"
        "shape = [1, 256]\ntype = \"UINT8\"\n[pipeline]\n";
    for (const auto* name : {"first", "second", "third"})
        text += std::string("[[pipeline.position]]\nname = \"") + name +
                "\"\njob = \"test_faulty\"\nparams = { slow_ms = \"5\" }\n";
    auto app = parse_app_file(text, "tickets_test.cpp");
    REQUIRE(app.has_value());
    return std::move(*app);
}

// What the runs tell, in the order in which it comes: each Api calls from a thread of its own.
class Order {
  public:
    RunCallbacks callbacks() {
        return {.result = {},
                .progress = [this](const Progress& progress) { take(progress); },
                .ended =
                    [this](Result<RunSummary> summary) {
                        const std::lock_guard lock(mutex_);
                        if (!summary) errors_.push_back(summary.error().message);
                        if (summary) chunks_ += summary->chunks_out;
                        ++ended_;
                        changed_.notify_all();
                    }};
    }
    bool wait_for_end(std::chrono::seconds limit) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [this] { return ended_ == run_count; });
    }
    // The tickets of the runs in the order in which they were placed.
    using Ticket = std::pair<std::uint64_t, RunId>;  // equal numbers of two boards are ordered by the run
    std::vector<Ticket> placed() const { return placed_; }
    std::size_t queued_before_first_end() const { return queued_; }
    std::vector<std::string> errors() const { return errors_; }
    std::uint64_t chunks() const { return chunks_; }

  private:
    void take(const Progress& progress) {
        const std::lock_guard lock(mutex_);
        if (progress.ticket == 0) return;
        if (progress.phase == "admitted") queued_ += ended_ == 0 && waiting_.insert(progress.run).second;
        if (progress.phase == "placed" || progress.phase == "wired" || progress.phase == "running")
            if (seen_.insert(progress.run).second) placed_.emplace_back(progress.ticket, progress.run);
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<RunId> seen_, waiting_;
    std::vector<Ticket> placed_;
    std::vector<std::string> errors_;
    std::uint64_t chunks_ = 0;
    std::size_t queued_ = 0;
    int ended_ = 0;
};

struct Cluster {
    explicit Cluster(std::uint32_t boards) {
        auto fardd = find_fardd();
        REQUIRE(fardd.has_value());
        ApiOptions options;
        options.embedded = LocalClusterOptions{.boards = boards, .slots = 1, .fardd = *fardd};
        auto api = Api::connect(std::move(options));
        REQUIRE_MESSAGE(api.has_value(), api.error().message);
        apis.push_back(std::move(*api));
        processes = e2e::children_of(getpid());
        std::ranges::sort(processes);
        // One client at each of the other boards' doors too.
        const auto doors = apis.front()->doors();
        for (std::size_t i = 1; i < doors.size(); ++i) {
            ApiOptions at_board;
            at_board.doors = {doors[i], doors[0]};
            auto other = Api::connect(std::move(at_board));
            REQUIRE(other.has_value());
            apis.push_back(std::move(*other));
        }
    }
    ~Cluster() {
        while (!apis.empty())  // the first one takes the cluster down
            apis.pop_back();
    }
    void submit_all(Order& order) {
        std::vector<AppId> ids;
        for (auto& api : apis) {
            auto id = api->send_app(three_positions());
            REQUIRE_MESSAGE(id.has_value(), id.error().message);
            ids.push_back(*id);
        }
        JobData data;
        for (int i = 0; i < 10; ++i)
            data.add(std::vector<std::byte>(256, std::byte(i)));
        for (int i = 0; i < run_count; ++i) {
            const auto at = static_cast<std::size_t>(i) % apis.size();
            auto run = apis[at]->send_job_data(ids[at], data.share(), order.callbacks(), 120s);
            REQUIRE_MESSAGE(run.has_value(), run.error().message);
        }
    }

    std::vector<std::unique_ptr<Api>> apis;
    std::vector<pid_t> processes;
};

}  // namespace

TEST_CASE("twenty runs at once on three boards of one slot each start in the order of their tickets") {
    Order order;  // outlives the clients that call it
    Cluster cluster(3);
    cluster.submit_all(order);
    REQUIRE(order.wait_for_end(60s));
    CHECK(order.errors() == std::vector<std::string>{});
    CHECK(order.chunks() == 10u * run_count);
    const auto placed = order.placed();
    REQUIRE(placed.size() == run_count);
    CHECK(order.queued_before_first_end() >= run_count - 1);  // they did wait for each other
    CHECK(std::is_sorted(placed.begin(), placed.end()));
}

TEST_CASE("with one of four boards killed in the middle all twenty finish") {
    Order order;
    Cluster cluster(4);
    cluster.submit_all(order);
    std::this_thread::sleep_for(300ms);
    kill(cluster.processes.back(), SIGKILL);
    REQUIRE(order.wait_for_end(120s));
    CHECK(order.errors() == std::vector<std::string>{});
    CHECK(order.chunks() == 10u * run_count);
}
