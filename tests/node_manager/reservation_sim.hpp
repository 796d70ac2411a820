// A cluster that does nothing but reserve: boards with lease tables, coordinators with reservers, runs that
// want overlapping slots, over a network that loses, repeats, delays and re-orders, with peers that are
// stopped, woken and killed. Everything follows from the seed. After each step the boards are checked, at the
// end that every run has ended and nothing is held or remembered any more.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/fakes/sim_network.hpp"
#include "tests/node_manager/reservation_sim_node.hpp"

namespace fard::sim {

// A run as its client sees it, which never sleeps and goes on elsewhere when it must.
struct Run {
    RunId id;
    std::uint64_t ticket = 0;
    std::uint32_t jobs = 1;  // slots that it wants, anywhere
    Duration work{};         // with all slots in hand
    std::uint32_t attempt = 0;
    PeerId coordinator;
    TimePoint moved_on;  // when the client left the attempt before
    bool ended = false;
};

class Simulation final : public Surroundings {
  public:
    explicit Simulation(std::uint64_t seed, bool trace = false);
    ~Simulation() override;

    // What went wrong, when and where; nothing if all was well.
    std::optional<std::string> run();

    struct Counters {
        std::uint64_t steps = 0, runs = 0, attempts = 0, firm = 0, wounds = 0, rewirings = 0, overslept = 0,
                      expired_jobs = 0, stops = 0, kills = 0;
        void operator+=(const Counters& other);
    };
    const Counters& counters() const { return counters_; }

  private:
    SimRandom& random() override { return random_; }
    SimNetwork& network() override { return network_; }
    std::vector<BoardOffer> offers(const PeerId& seen_by) override;
    Node* node(const PeerId& id) override;
    bool superseded_for(const RunId& run, std::uint32_t attempt, Duration time) override;
    void attempt_ended(const RunId& run, std::uint32_t attempt, Outcome outcome) override;
    void note(Event event) override;
    void trace(const std::string& line) override;
    bool tracing() const override { return trace_; }
    void violated(const std::string& what) override;

    void plan();
    void plan_faults();
    void submit(Run& run);
    void move_on(Run& run, Duration after);
    void fault();
    void stop_one();
    void wake(Node& node, TimePoint slept_since);
    void kill_one();
    void cut_one();
    void change_network();
    void suspect_one();
    void heal();
    bool over() const;
    void check_sleeper(const PeerId& from, const wire::Body& body);
    void check_end();
    std::vector<Node*> running_nodes();
    bool chance(double probability) { return random_.chance(probability); }
    Duration between(Duration low, Duration high) { return random_.between(low, high); }

    std::uint64_t seed_;
    bool trace_;
    SimRandom random_;
    SimLoop world_;
    SimNetwork network_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::unique_ptr<Run>> runs_;
    bool healed_ = false;
    std::optional<std::string> violation_;
    Counters counters_;
};

}  // namespace fard::sim
