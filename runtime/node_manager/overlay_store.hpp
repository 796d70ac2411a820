// The overlay packages that this board holds: one directory for each, named by its id, complete or not there
// at all.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/alarm.hpp"
#include "base/result.hpp"
#include "overlays/package.hpp"
#include "runtime/node_manager/piece_assembly.hpp"

namespace fard {

struct StoreLimits {
    std::size_t assemblies = 8;                          // packages that may be half offered at a time
    std::uint64_t assembly_bytes = 256 * wire::mib;      // that their pieces may take, together
    Duration patience = std::chrono::seconds(60);        // with an offer whose next piece does not come
    Duration archive_memory = std::chrono::seconds(10);  // an archive that was asked for is kept that long
};

// Lives on the node manager's loop.
class OverlayStore {
  public:
    // Takes over the directory (made if it is missing): what an interrupted run left half written is removed.
    // `stored` is called from the loop for each package that comes in. Errors: io.
    static Result<std::unique_ptr<OverlayStore>> open(Loop& loop, const std::filesystem::path& dir,
                                                      std::function<void(const std::string& id)> stored,
                                                      StoreLimits limits = {});

    bool has(const std::string& id) const { return ids_.contains(id); }
    std::vector<std::string> list() const { return {ids_.begin(), ids_.end()}; }  // sorted

    // The package's directory, its files verified once in the life of this process. Errors: not_found;
    // corrupt (then the package is removed, so that it can be fetched again).
    Result<std::filesystem::path> path(const std::string& id);

    // Answers FETCH. Errors: not_found, invalid_input (the offset), corrupt.
    Result<wire::Piece> piece(const wire::Fetch& fetch);

    // Takes one piece of an OFFER; with the last one the package is verified and stored. Offering what is
    // here already is fine. Errors: invalid_input (not an id), corrupt (also: the whole is not what its id
    // says; it starts anew), refused (too large, too many offers at a time), io.
    Result<> take(wire::Piece piece);

    // Verifies and stores an archive. Errors: corrupt, invalid_input, io.
    Result<> add(const std::string& id, std::string_view archive);

    std::size_t assemblies() const { return assemblies_.size(); }

  private:
    struct Assembly {
        PieceAssembly pieces;
        TimePoint touched;
    };
    OverlayStore(Loop& loop, std::filesystem::path dir, std::function<void(const std::string&)> stored,
                 StoreLimits limits);
    void scan();
    void forget_stale();
    Result<> make_room(const wire::Piece& piece);
    void drop(const std::string& id);

    Loop& loop_;
    std::filesystem::path dir_;
    std::function<void(const std::string&)> stored_;
    StoreLimits limits_;
    std::set<std::string> ids_;
    std::set<std::string> verified_;
    std::map<std::string, Assembly> assemblies_;
    std::string archived_id_, archive_;  // the one asked for last
    Alarm archive_alarm_, stale_alarm_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fard
