#include "runtime/node_manager/overlay_store.hpp"

#include <spdlog/spdlog.h>

namespace fard {

namespace fs = std::filesystem;

Result<std::unique_ptr<OverlayStore>> OverlayStore::open(Loop& loop, const fs::path& dir,
                                                         std::function<void(const std::string&)> stored,
                                                         StoreLimits limits) {
    std::error_code error;
    fs::create_directories(dir, error);
    if (error || !fs::is_directory(dir, error))
        return fail(Fault::io, "cannot make the overlay store {}: {}", dir.string(),
                    error ? error.message() : "it is no directory");
    auto store = std::unique_ptr<OverlayStore>(new OverlayStore(loop, dir, std::move(stored), limits));
    store->scan();
    return store;
}

OverlayStore::OverlayStore(Loop& loop, fs::path dir, std::function<void(const std::string&)> stored,
                           StoreLimits limits)
    : loop_(loop),
      dir_(std::move(dir)),
      stored_(std::move(stored)),
      limits_(limits),
      archive_alarm_(loop),
      stale_alarm_(loop) {}

void OverlayStore::scan() {
    std::error_code error;
    std::vector<fs::path> leftovers;
    for (fs::directory_iterator entry(dir_, error), end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (is_package_id(name)) {
            ids_.insert(name);
        } else if (name.size() > 64 && is_package_id(std::string_view(name).substr(0, 64))) {
            leftovers.push_back(entry->path());
        }
    }
    for (const auto& path : leftovers)
        fs::remove_all(path, error);
}

Result<fs::path> OverlayStore::path(const std::string& id) {
    if (!has(id)) return fail(Fault::not_found, "package {} is not in this board's store", id);
    const auto dir = dir_ / id;
    if (verified_.contains(id)) return dir;
    const auto package = Package::open(dir);
    if (package && package->id == id) {
        verified_.insert(id);
        return dir;
    }
    const auto why =
        package ? fmt::format("its manifest's SHA-256 is {}", package->id) : package.error().message;
    spdlog::warn("removed package {} from the store: {}", id, why);
    drop(id);
    return fail(Fault::corrupt, "package {} was damaged in this board's store and has been removed: {}", id,
                why);
}

void OverlayStore::drop(const std::string& id) {
    std::error_code ignored;
    fs::remove_all(dir_ / id, ignored);
    ids_.erase(id);
    verified_.erase(id);
}

Result<wire::Piece> OverlayStore::piece(const wire::Fetch& fetch) {
    if (archived_id_ != fetch.package) {
        const auto dir = path(fetch.package);
        if (!dir) return fail(dir.error());
        auto package = Package::open(*dir);
        if (!package) return fail(package.error());
        auto bytes = archive(*package);
        if (!bytes) return fail(bytes.error());
        archive_ = std::move(*bytes);
        archived_id_ = fetch.package;
    }
    archive_alarm_.set(limits_.archive_memory, [this] {
        archived_id_.clear();
        archive_ = {};
    });
    if (fetch.offset >= archive_.size() || fetch.offset % piece_bytes != 0)
        return fail(Fault::invalid_input, "package {} has no piece at byte {}", fetch.package, fetch.offset);
    return cut_piece(fetch.package, archive_, fetch.offset);
}

Result<> OverlayStore::take(wire::Piece piece) {
    const auto id = piece.package;
    if (!is_package_id(id)) return fail(Fault::invalid_input, "'{}' is not a package id (64 hex digits)", id);
    if (has(id)) return {};
    forget_stale();
    if (auto room = make_room(piece); !room) return room;

    auto& assembly = assemblies_[id];
    assembly.touched = loop_.now();
    if (!stale_alarm_.is_set()) stale_alarm_.set(limits_.patience, [this] { forget_stale(); });
    auto added = assembly.pieces.add(std::move(piece));
    if (!added || !assembly.pieces.complete()) {
        if (!added && (added.error().fault == Fault::refused || assembly.pieces.held() == 0))
            assemblies_.erase(id);
        return added;
    }
    const auto bytes = std::move(assembly.pieces).join();
    assemblies_.erase(id);
    return add(id, bytes);
}

Result<> OverlayStore::make_room(const wire::Piece& piece) {
    std::uint64_t held = piece.bytes.size();
    for (const auto& [id, assembly] : assemblies_)
        held += assembly.pieces.held();
    if (held > limits_.assembly_bytes ||
        (!assemblies_.contains(piece.package) && assemblies_.size() >= limits_.assemblies))
        return fail(Fault::refused,
                    "this board is being offered {} packages already; offer package {} again when one of "
                    "them is done",
                    assemblies_.size(), piece.package);
    return {};
}

void OverlayStore::forget_stale() {
    const auto limit = loop_.now() - limits_.patience;
    std::erase_if(assemblies_, [&](const auto& entry) { return entry.second.touched <= limit; });
    stale_alarm_.clear();
    if (!assemblies_.empty()) stale_alarm_.set(limits_.patience, [this] { forget_stale(); });
}

Result<> OverlayStore::add(const std::string& id, std::string_view archive) {
    if (has(id)) return {};
    std::error_code ignored;
    fs::remove_all(dir_ / id, ignored);  // what is no package of ours
    auto package = unpack_archive(archive, id, dir_ / id);
    if (!package) return fail(package.error());
    ids_.insert(id);
    verified_.insert(id);
    loop_.post([this, id, alive = std::weak_ptr(alive_)] {
        if (!alive.expired() && stored_) stored_(id);
    });
    return {};
}

}  // namespace fard
