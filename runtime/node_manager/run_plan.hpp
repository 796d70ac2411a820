// What a run asks for and where its jobs are to go: the app with its packages, the places that it has on boards now, and
// what it has met with on them. Decides nothing about when; Run does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/node_manager/directory.hpp"
#include "runtime/node_manager/gathering.hpp"
#include "runtime/node_manager/placement.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/outlet.hpp"

namespace fard {

class RunPlan {
  public:
    using HasPackage = std::function<bool(const std::string& package)>;

    // `directory` and `has_package` (is it in this board's store) outlive the plan. Errors: invalid_input, an app that
    // does not hang together.
    static Result<> check(const wire::Submit& submit);
    RunPlan(wire::Submit submit, const Directory& directory, const HasPackage& has_package);

    const wire::Submit& submit() const { return submit_; }
    const wire::AppSpec& app() const { return submit_.app; }
    std::uint32_t last_position() const { return static_cast<std::uint32_t>(app().positions.size() - 1); }
    std::uint64_t chunk_bytes() const;  // a chunk is held as an input first, then as a result: the larger of the two
    // What its chunks may take at the coordinator, in bytes: the window, and what lies in the sockets towards the first
    // and from the last position.
    std::uint64_t memory() const;

    // Errors: those of place_jobs. `turns`: where there are fewer slots than jobs, jobs may share FPGAs and take turns; else only where the
    // app says how many chunks a turn has.
    Result<> fits() const;  // on the boards that are there, in turns if need be, whatever it has met with
    Result<> place(bool turns);  // takes new places
    void forget_places();
    // Why the places are not those of the app's schedule; "": they are, or it has none.
    const std::string& why_not_scheduled() const { return why_not_scheduled_; }
    std::size_t shared_slots() const { return placement_.shared_slots(); }
    bool shared_before() const { return before_.shared_slots() > 0; }  // the places that it had before a loss were shared
    // Chunks of a turn: as the app says, or as many as there are, but no more than the window holds. Of more chunks than that, half as
    // many where the app does not say: then the next ones come in while a batch is computed.
    std::uint64_t batch() const;
    Misgivings& misgivings() { return misgivings_; }
    // The FPGA of this job refused its overlay, as any other like it would. False: it is on no FPGA.
    bool rule_out(std::uint32_t position, std::uint32_t replica, const std::string& why);
    std::string ruled_out() const;  // for people

    const std::vector<PlacedJob>& jobs() const { return placement_.jobs; }
    std::map<PeerId, std::vector<wire::SlotRequest>> by_board() const { return placement_.by_board(); }
    std::vector<std::uint32_t> positions_on(const PeerId& board) const;  // ascending
    const PeerId* board_of(std::uint32_t position, std::uint32_t replica) const;  // null: it has no place
    std::string places_text() const;  // for people
    std::string board_name(const PeerId& board) const;
    void remember_names(const std::vector<wire::Member>& members) { named_ = members; }

    // Packages that the client has to offer, in the order of their positions: no board has them (any more).
    std::vector<std::string> missing_packages() const;
    // What the boards of the placement do not say that they have.
    Gathering::Wishes lacking_packages() const;
    // Where a board gets a package: from those who have it; from here, where the client's pieces come in; from the other
    // boards that are getting it.
    std::vector<Address> package_ways(const PeerId& for_board, const std::string& package) const;

    wire::JobSpec job_spec(const PlacedJob& job) const;
    struct Left {  // that a wiring carries
        std::uint64_t chunks = 0, first = 0;  // how many, and the lowest index
    };
    wire::Spawn spawn_on(const PeerId& board, Epoch epoch, const Left& left) const;
    // How the replicas of a position share chunks, from index `first` on: a batch each in turn, where the run takes turns. None: it has
    // none, or who has the fewest gets the next.
    std::optional<Spread> spread_into(std::uint32_t position, std::uint64_t first) const;

  private:
    std::vector<Address> package_sources(const std::string& package) const;
    std::uint64_t window() const;  // in chunks
    bool takes_turns(std::uint32_t position) const;
    std::vector<BoardView> with_own_slots_free() const;
    Result<Placement> place_all(bool turns) const;

    const wire::Submit submit_;
    const Directory& directory_;
    const HasPackage& has_package_;
    std::optional<planner::Schedule> schedule_;  // that the app came with
    Placement placement_, before_;  // now, and before the loss
    std::string why_not_scheduled_;
    Misgivings misgivings_;
    std::vector<wire::Member> named_;  // also boards that have gone since
};

}  // namespace fard
