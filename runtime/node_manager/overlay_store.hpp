// The overlay packages that this board holds: one directory for each, named by its id, complete or not there
// at all; and archives that are still arriving, piece by piece, which are passed on meanwhile.
//
//   (nothing) --take--> arriving --last piece--> unpacking --> whole, verified
//                          |                        |
//                          +-- patience runs out ---+--> (nothing)      whole, not verified: found at the start
//
// One that is only passed on is unpacked a little later: those who need theirs at once have the CPU meanwhile. Nobody waits
// for the disk to have written a package: after a power loss it is verified before it is used.
//
// A package is verified (every byte of it read) before it is used or passed on, once in the life of the process, and anew
// where a file of it has changed since. One that turns out damaged is put aside as ID.bad. The least lately used ones go when there is no room for a new
// one, but none that somebody holds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/alarm.hpp"
#include "base/lifetime.hpp"
#include "base/worker.hpp"
#include "runtime/node_manager/stored_package.hpp"
#include "runtime/peer/piece_set.hpp"

namespace fard {

struct StoreLimits {
    std::uint64_t bytes = 0;         // of all packages; 0: half of what the disk has for them (a quarter in memory)
    std::size_t packages = 1000;
    std::size_t arriving = 64;       // packages of which pieces are coming in at a time
    std::size_t reads = 256;         // pieces that are being read at a time
    Duration patience = std::chrono::seconds(60);  // with a package whose next piece does not come
    Signers signers = {};                          // whose packages are taken; empty: everybody's
    Duration leisure = std::chrono::milliseconds(100);  // before that is done for which nobody here waits
};

// Lives on the node manager's loop. Nothing here waits for the disk: what needs it is done by the worker, and
// answered later, on the loop.
class OverlayStore {
  public:
    struct Around {  // all of it outlives the store
        Loop& loop;
        Disk& disk;
        // Each of one thread, so that what it is asked is done in that order:
        Worker& writer;  // pieces that come in
        Worker& packer;  // whole packages: verified, unpacked, removed
        Worker& reader;  // pieces that others ask for
    };
    struct Events {
        std::function<void(const std::string& id)> stored;                          // a package came in
        std::function<void(const std::string& id, const std::string& why)> removed; // it is no longer there
    };
    using Hold = std::shared_ptr<const std::string>;

    // Takes over the directory (made if it is missing): what an interrupted run left half written is removed.
    // The one call that waits for the disk. Errors: io.
    static Result<std::unique_ptr<OverlayStore>> open(Around around, const std::filesystem::path& dir, Events events,
                                                      StoreLimits limits = {});
    ~OverlayStore();

    bool has(const std::string& id) const { return packages_.contains(id); }
    std::vector<std::string> list() const;  // sorted
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t limit() const { return limits_.bytes; }

    // The directory of a package that was verified, else nothing.
    std::optional<std::filesystem::path> path(const std::string& id) const;

    // Verifies a package, if that was not done yet or it has changed since. Errors: not_found; corrupt (then it is gone, and can be
    // fetched again); io.
    void verify(const std::string& id, std::function<void(Result<>)> done);

    // Answers FETCH. Errors: not_found (the package, or that piece of it, yet), invalid_input (the offset),
    // refused (too many at a time), corrupt, io.
    void piece(const wire::Fetch& fetch, std::function<void(Result<wire::Piece>)> done);

    // Which pieces are here. Of a package that was not verified yet: none.
    PieceSet held(const std::string& id) const;

    // Takes one piece, of an OFFER or fetched; with the last one the package is verified and stored. A piece
    // that is here already is fine. Errors: invalid_input (not an id), corrupt (also: the whole is not what its
    // id says; it starts anew), refused (too large, too many at a time, no room), io.
    void take(wire::Piece piece, std::function<void(Result<>)> done);

    // Calls `changed` on the loop after each piece that comes in, and when the package is stored or gone.
    using WatchId = std::uint64_t;
    WatchId watch(const std::string& id, std::function<void()> changed);
    void unwatch(WatchId watch);

    // As long as the result or a copy of it lives, the package is not removed to make room. It need not be here yet.
    Hold hold(const std::string& id);

    std::size_t arriving() const { return arriving_.size(); }

  private:
    struct Package {
        std::uint64_t bytes = 0;
        std::uint64_t used = 0;  // the larger the later
        bool verifying = false;
        std::optional<FileSizes> files;         // once it is verified
        FileStates states;                      // of then
        std::shared_ptr<const ArchiveLayout> layout;
        std::vector<std::function<void(Result<>)>> waiting;
    };
    struct Arriving {
        PieceSet pieces, coming;  // on the disk; also those that are being written
        TimePoint touched;
        std::uint64_t life = 0;  // tells it from an earlier try of the same package
        bool unpacking = false;
        std::function<void(Result<>)> last;  // who brought the last piece
    };

    OverlayStore(Around around, std::filesystem::path dir, Events events, StoreLimits limits);
    Result<> scan();
    std::filesystem::path part(const std::string& id) const { return dir_ / (id + ".part"); }
    void later(std::function<void()> callback);
    struct Verified {
        Result<FileSizes> files;
        FileStates states;
    };
    void read_all(const std::string& id);
    void looked_at(const std::string& id, bool unchanged);
    void verified(const std::string& id, Verified result);
    void adopt(const std::string& id, Verified result);
    void put_aside(const std::string& id, const std::string& why);
    Result<> make_room(const std::string& id, std::uint64_t bytes);
    bool drop_least_used();
    void drop(const std::string& id, const std::string& why);
    void write(wire::Piece piece, std::function<void(Result<>)> done, bool again);
    void written(const std::shared_ptr<wire::Piece>& piece, std::uint64_t life, Result<> result,
                 std::function<void(Result<>)> done, bool again);
    bool is_held(const std::string& id) const;
    void completed(const std::string& id, std::function<void(Result<>)> done);
    void unpack(const std::string& id);
    void unpack_waiting();
    void unpacked(const std::string& id, Verified result);
    void keep(const std::string& id);
    void give_up(const std::string& id);
    void forget_stale();
    void notify(const std::string& id);

    Loop& loop_;
    Disk& disk_;
    Worker& writer_;
    Worker& packer_;
    Worker& reader_;
    std::filesystem::path dir_;
    Events events_;
    StoreLimits limits_;
    std::map<std::string, Package> packages_;
    std::map<std::string, Arriving> arriving_;
    std::map<std::string, std::weak_ptr<const std::string>> held_;
    std::uint64_t bytes_ = 0;  // of packages_
    std::uint64_t clock_ = 0;  // of Package::used
    std::size_t reads_ = 0;
    std::uint64_t lives_ = 0;
    struct Watch {
        std::string id;
        std::function<void()> changed;
    };
    std::map<WatchId, Watch> watches_;
    WatchId last_watch_ = 0;
    Alarm stale_, leisure_;
    Lifetime lifetime_;
};

}  // namespace fard
