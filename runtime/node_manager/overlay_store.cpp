#include "runtime/node_manager/overlay_store.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/size.hpp"

namespace fard {

namespace fs = std::filesystem;

// ---- at the start

Result<std::unique_ptr<OverlayStore>> OverlayStore::open(Around around, const fs::path& dir, Events events,
                                                         StoreLimits limits) {
    if (auto made = around.disk.make_directory(dir); !made) return fail_in("the overlay store", made.error());
    auto store = std::unique_ptr<OverlayStore>(new OverlayStore(around, dir, std::move(events), limits));
    if (auto scanned = store->scan(); !scanned) return fail_in("the overlay store", scanned.error());
    return store;
}

OverlayStore::OverlayStore(Around around, fs::path dir, Events events, StoreLimits limits)
    : loop_(around.loop),
      disk_(around.disk),
      writer_(around.writer),
      packer_(around.packer),
      reader_(around.reader),
      dir_(std::move(dir)),
      events_(std::move(events)),
      limits_(limits),
      stale_(loop_),
      leisure_(loop_) {}

OverlayStore::~OverlayStore() = default;

Result<> OverlayStore::scan() {
    const auto names = disk_.list(dir_);
    if (!names) return fail(names.error());
    std::vector<std::pair<std::int64_t, std::string>> found;  // by when they were used
    for (const auto& name : *names) {
        if (is_package_id(name)) {
            const auto item = disk_.look(dir_ / name);
            if (item && item->is_directory) found.emplace_back(item->used_s, name);
        } else if (name.size() > 64 && name[64] == '.' && is_package_id(std::string_view(name).substr(0, 64))) {
            if (auto gone = disk_.remove(dir_ / name); !gone) spdlog::warn("store: {}", gone.error().message);
        }
    }
    std::ranges::sort(found);
    for (const auto& [used, id] : found) {
        auto& package = packages_[id];
        package.used = ++clock_;
        const auto files = disk_.list(dir_ / id);
        for (const auto& file : files ? *files : std::vector<std::string>{})
            if (const auto item = disk_.look(dir_ / id / file)) package.bytes += item->bytes;
        bytes_ += package.bytes;
    }
    const auto space = disk_.space(dir_);
    if (!space) return fail(space.error());
    if (space->in_memory)
        spdlog::warn("store: {} is in memory, not on a disk: its packages take memory and do not outlive a restart; "
                     "give a state_dir on a disk",
                     dir_.string());
    if (limits_.bytes == 0) limits_.bytes = (space->free + bytes_) / (space->in_memory ? 4 : 2);
    return {};
}

std::vector<std::string> OverlayStore::list() const {
    std::vector<std::string> ids;
    for (const auto& [id, package] : packages_)
        ids.push_back(id);
    return ids;
}

// ---- what is here

std::optional<fs::path> OverlayStore::path(const std::string& id) const {
    const auto found = packages_.find(id);
    if (found == packages_.end() || !found->second.files) return std::nullopt;
    return dir_ / id;
}

void OverlayStore::verify(const std::string& id, std::function<void(Result<>)> done) {
    const auto found = packages_.find(id);
    if (found == packages_.end())
        return later([done = std::move(done), id] {
            done(fail(Fault::not_found, "package {} is not in this board's store", id));
        });
    auto& package = found->second;
    package.used = ++clock_;
    package.waiting.push_back(std::move(done));
    if (std::exchange(package.verifying, true)) return;
    if (!package.files) return read_all(id);
    packer_.run([this, &disk = disk_, dir = dir_ / id, id, states = package.states, life = lifetime_.watch()] {
        return [this, id, unchanged = states_of(disk, dir) == states, life] {
            if (!life.over()) looked_at(id, unchanged);
        };
    });
}

// Somebody may have written to its files, or cleaned them away, since they were verified.
void OverlayStore::looked_at(const std::string& id, bool unchanged) {
    const auto found = packages_.find(id);
    if (found == packages_.end()) return;
    if (!unchanged) {
        spdlog::warn("store: the files of package {} have changed since they were verified; they are verified again", id);
        found->second.files.reset();
        found->second.layout.reset();
        return read_all(id);
    }
    found->second.verifying = false;
    for (const auto& done : std::exchange(found->second.waiting, {}))
        done({});
}

void OverlayStore::read_all(const std::string& id) {
    packer_.run([this, &disk = disk_, dir = dir_ / id, id, signers = limits_.signers, life = lifetime_.watch()] {
        auto states = states_of(disk, dir);  // before: what changes meanwhile is noticed the next time
        auto result = std::make_shared<Verified>(Verified{verify_package(disk, dir, id, signers), std::move(states)});
        if (result->files) (void)disk.touch(dir);
        return [this, id, result, life] {
            if (!life.over()) verified(id, std::move(*result));
        };
    });
}

void OverlayStore::verified(const std::string& id, Verified read) {
    const auto found = packages_.find(id);
    if (found == packages_.end()) return;
    found->second.verifying = false;
    const auto waiting = std::exchange(found->second.waiting, {});
    const auto& files = read.files;
    Result<> result;
    if (files) {
        adopt(id, std::move(read));
    } else if (files.error().fault == Fault::io || files.error().fault == Fault::refused) {
        result = fail(files.error());
    } else {
        result = fail(Fault::corrupt, "package {} was damaged in this board's store and was put aside: {}", id,
                      files.error().message);
        put_aside(id, files.error().message);
    }
    for (const auto& done : waiting)
        done(result);
    notify(id);
}

void OverlayStore::adopt(const std::string& id, Verified result) {
    auto& files = *result.files;
    auto& package = packages_[id];
    package.states = std::move(result.states);
    bytes_ -= package.bytes;
    package.bytes = 0;
    for (const auto& [name, size] : files)
        package.bytes += size;
    bytes_ += package.bytes;
    package.used = ++clock_;
    package.layout = std::make_shared<const ArchiveLayout>(files);
    package.files = std::move(files);
}

void OverlayStore::put_aside(const std::string& id, const std::string& why) {
    const auto found = packages_.find(id);
    bytes_ -= found->second.bytes;
    packages_.erase(found);
    packer_.run([&disk = disk_, dir = dir_ / id]() -> Loop::Callback {
        const fs::path bad = dir.string() + ".bad";
        (void)disk.remove(bad);
        if (!disk.rename(dir, bad)) (void)disk.remove(dir);
        return [] {};
    });
    spdlog::warn("store: package {} is damaged and was put aside: {}", id, why);
    if (events_.removed) events_.removed(id, "damaged: " + why);
}

PieceSet OverlayStore::held(const std::string& id) const {
    if (const auto found = packages_.find(id); found != packages_.end() && found->second.layout) {
        PieceSet all(found->second.layout->total());
        for (std::size_t piece = 0; piece < all.count(); ++piece)
            all.add(piece);
        return all;
    }
    const auto found = arriving_.find(id);
    return found == arriving_.end() ? PieceSet() : found->second.pieces;
}

void OverlayStore::piece(const wire::Fetch& fetch, std::function<void(Result<wire::Piece>)> done) {
    const auto& id = fetch.package;
    if (const auto found = packages_.find(id); found != packages_.end() && !found->second.files)
        return verify(id, [this, fetch, done = std::move(done)](const Result<>& result) {
            if (!result) return done(fail(result.error()));
            piece(fetch, done);
        });
    const auto pieces = held(id);
    const auto number = fetch.offset / wire::piece_bytes;
    const auto answer = [&](Fault fault, std::string text) {
        later([done = std::move(done), error = Error{fault, std::move(text)}] { done(fail(error)); });
    };
    if (pieces.total() > 0 && (fetch.offset >= pieces.total() || fetch.offset % wire::piece_bytes != 0))
        return answer(Fault::invalid_input,
                      fmt::format("package {} has no piece at byte {}", id, fetch.offset));
    if (!pieces.has(number))
        return answer(Fault::not_found, pieces.total() > 0
                                            ? fmt::format("byte {} of package {} is not here yet", fetch.offset, id)
                                            : fmt::format("package {} is not in this board's store", id));
    if (reads_ >= limits_.reads) return answer(Fault::refused, "too many pieces are being read here; ask again");
    ++reads_;
    std::shared_ptr<const ArchiveLayout> layout;
    if (const auto found = packages_.find(id); found != packages_.end()) {
        layout = found->second.layout;
        found->second.used = ++clock_;
    }
    reader_.run([this, &disk = disk_, layout, dir = dir_ / id, file = part(id), offset = fetch.offset,
                 size = pieces.size(number), total = pieces.total(), id, done = std::move(done),
                 life = lifetime_.watch()] {
        auto bytes = layout ? layout->read(offset, size,
                                           [&](const std::string& name, std::uint64_t at, std::size_t count) {
                                               return disk.read(dir / name, at, count);
                                           })
                            : disk.read(file, offset, size);
        if (bytes && bytes->size() != size)
            bytes = fail(Fault::not_found, "byte {} of package {} is no longer here", offset, id);
        auto piece = std::make_shared<Result<wire::Piece>>(
            bytes ? Result<wire::Piece>(wire::Piece{id, offset, total, std::move(*bytes)}) : fail(bytes.error()));
        return [this, piece, done, life] {
            if (life.over()) return;
            --reads_;
            done(std::move(*piece));
        };
    });
}

// ---- what comes in

void OverlayStore::take(wire::Piece piece, std::function<void(Result<>)> done) {
    const auto id = piece.package;
    const auto answer = [&](Result<> result) {
        later([done = std::move(done), result = std::move(result)] { done(result); });
    };
    if (!is_package_id(id))
        return answer(fail(Fault::invalid_input, "'{}' is not a package id (64 hex digits)", id));
    if (has(id)) return answer({});
    if (piece.total == 0 || piece.total > largest_archive)
        return answer(fail(Fault::refused, "the archive of package {} has {} bytes; a package has 1 to {}", id,
                           piece.total, largest_archive));
    auto found = arriving_.find(id);
    const auto right = found == arriving_.end() ? PieceSet(piece.total).check(piece) : found->second.pieces.check(piece);
    if (!right) return answer(right);
    if (found == arriving_.end()) {
        if (auto room = make_room(id, piece.total); !room) return answer(room);
        found = arriving_.emplace(id, Arriving{PieceSet(piece.total), PieceSet(piece.total), {}, ++lives_, false, {}}).first;
    }
    auto& arriving = found->second;
    arriving.touched = loop_.now();
    if (!stale_.is_set()) stale_.set(limits_.patience, [this] { forget_stale(); });
    const auto number = piece.offset / wire::piece_bytes;
    if (arriving.coming.has(number)) return answer({});
    arriving.coming.add(number);
    write(std::move(piece), std::move(done), true);
}

Result<> OverlayStore::make_room(const std::string& id, std::uint64_t bytes) {
    if (arriving_.size() >= limits_.arriving)
        return fail(Fault::refused, "{} packages are arriving at this board already; offer package {} again when "
                                    "one of them is done",
                    arriving_.size(), id);
    std::uint64_t coming = bytes;
    for (const auto& [other, arriving] : arriving_)
        coming += arriving.pieces.total();
    while (bytes_ + coming > limits_.bytes || packages_.size() >= limits_.packages)
        if (!drop_least_used())
            return fail(Fault::refused,
                        "no room for package {} ({}): this board keeps at most {} on its disk, in at most {} "
                        "packages, and runs hold or await {}; free some space, raise store_limit, or end some runs",
                        id, bytes_text(bytes), bytes_text(limits_.bytes), limits_.packages, bytes_text(bytes_ + coming - bytes));
    return {};
}

// False: every package is held by somebody.
bool OverlayStore::drop_least_used() {
    std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
    const std::string* least = nullptr;
    for (const auto& [id, package] : packages_)
        if (!package.verifying && !held_.contains(id) && (!least || package.used < packages_.at(*least).used))
            least = &id;
    if (!least) return false;
    drop(std::string(*least), "to make room");
    return true;
}

void OverlayStore::drop(const std::string& id, const std::string& why) {
    const auto found = packages_.find(id);
    bytes_ -= found->second.bytes;
    packages_.erase(found);
    packer_.run([&disk = disk_, dir = dir_ / id]() -> Loop::Callback {
        (void)disk.remove(dir);
        return [] {};
    });
    spdlog::info("store: removed package {} {}", id, why);
    if (events_.removed) events_.removed(id, why);
}

void OverlayStore::write(wire::Piece piece, std::function<void(Result<>)> done, bool again) {
    auto shared = std::make_shared<wire::Piece>(std::move(piece));
    writer_.run([this, &disk = disk_, file = part(shared->package), life = arriving_.at(shared->package).life,
                 shared, done = std::move(done), again, here = lifetime_.watch()] {
        auto result = disk.write(file, shared->offset, shared->bytes);
        return [this, shared, life, done, again, result = std::move(result), here] {
            if (!here.over()) written(shared, life, result, done, again);
        };
    });
}

// `again`: what could not be written is tried once more after older packages have made room.
void OverlayStore::written(const std::shared_ptr<wire::Piece>& piece, std::uint64_t life, Result<> result,
                           std::function<void(Result<>)> done, bool again) {
    const auto id = piece->package;
    const auto found = arriving_.find(id);
    if (found == arriving_.end() || found->second.life != life) {
        if (has(id)) return done({});
        return done(result ? fail(Fault::refused, "package {} was given up meanwhile; offer it again", id) : result);
    }
    auto& arriving = found->second;
    if (!result && again && drop_least_used())
        return packer_.run([this, piece, life, result, done, here = lifetime_.watch()]() -> Loop::Callback {
            return [this, piece, life, result, done, here] {  // the room is made by now
                if (here.over()) return;
                const auto still = arriving_.find(piece->package);
                if (still == arriving_.end() || still->second.life != life) return done(result);
                write(std::move(*piece), done, false);
            };
        });
    if (!result) {
        give_up(id);
        done(result);
        return notify(id);
    }
    arriving.pieces.add(piece->offset / wire::piece_bytes);
    arriving.touched = loop_.now();
    if (arriving.pieces.complete()) {
        completed(id, std::move(done));
    } else {
        done({});
    }
    notify(id);
}

void OverlayStore::completed(const std::string& id, std::function<void(Result<>)> done) {
    arriving_.at(id).last = std::move(done);
    if (is_held(id)) return unpack(id);
    if (!leisure_.is_set()) leisure_.set(limits_.leisure, [this] { unpack_waiting(); });
}

// What has waited for long enough, or is awaited by now.
void OverlayStore::unpack_waiting() {
    const auto since = loop_.now() - limits_.leisure;
    std::optional<TimePoint> next;
    for (const auto& [id, arriving] : arriving_) {
        if (!arriving.pieces.complete() || arriving.unpacking) continue;
        if (arriving.touched <= since || is_held(id)) {
            unpack(id);
        } else {
            next = std::min(next.value_or(arriving.touched), arriving.touched);
        }
    }
    if (next) leisure_.set_at(*next + limits_.leisure, [this] { unpack_waiting(); });
}

void OverlayStore::unpack(const std::string& id) {
    auto& arriving = arriving_.at(id);
    arriving.unpacking = true;
    packer_.run([this, &disk = disk_, file = part(id), total = arriving.pieces.total(), id, dir = dir_ / id,
                 signers = limits_.signers, life = lifetime_.watch()] {
        auto result = std::make_shared<Verified>(Verified{unpack_package(disk, file, total, id, dir, signers), {}});
        if (result->files) result->states = states_of(disk, dir);
        return [this, id, result, life] {
            if (!life.over()) unpacked(id, std::move(*result));
        };
    });
}

void OverlayStore::unpacked(const std::string& id, Verified result) {
    const auto& files = result.files;
    if (!files && files.error().fault == Fault::io && drop_least_used()) return unpack(id);
    const auto last = std::move(arriving_.at(id).last);
    give_up(id);
    if (files) {
        adopt(id, std::move(result));
        loop_.call_after(limits_.leisure, lifetime_.guarded([this, id] { keep(id); }));
        if (events_.stored) events_.stored(id);
    }
    last(files ? Result<>() : fail(files.error()));
    notify(id);
}

void OverlayStore::keep(const std::string& id) {
    const auto found = packages_.find(id);
    if (found == packages_.end() || !found->second.files) return;
    packer_.run([this, &disk = disk_, dir = dir_ / id, id, files = *found->second.files, life = lifetime_.watch()] {
        auto kept = keep_package(disk, dir, files);
        return [this, id, kept = std::move(kept), life] {
            if (life.over() || kept) return;
            spdlog::warn("store: package {} may not be on the disk and is verified once more before it is used: {}", id,
                         kept.error().message);
            const auto package = packages_.find(id);
            if (package == packages_.end()) return;
            package->second.files.reset();
            package->second.layout.reset();
        };
    });
}

void OverlayStore::give_up(const std::string& id) {
    arriving_.erase(id);
    writer_.run([&disk = disk_, file = part(id)]() -> Loop::Callback {
        (void)disk.remove(file);
        return [] {};
    });
}

void OverlayStore::forget_stale() {
    const auto limit = loop_.now() - limits_.patience;
    std::vector<std::string> stale;
    for (const auto& [id, arriving] : arriving_)
        if (arriving.touched <= limit && !arriving.pieces.complete()) stale.push_back(id);
    stale_.clear();
    if (stale.size() < arriving_.size()) stale_.set(limits_.patience, [this] { forget_stale(); });
    for (const auto& id : stale) {
        give_up(id);
        notify(id);
    }
}

// ---- who is interested

OverlayStore::WatchId OverlayStore::watch(const std::string& id, std::function<void()> changed) {
    watches_[++last_watch_] = {id, std::move(changed)};
    return last_watch_;
}

void OverlayStore::unwatch(WatchId watch) {
    watches_.erase(watch);
}

void OverlayStore::notify(const std::string& id) {
    std::vector<WatchId> interested;
    for (const auto& [number, watch] : watches_)
        if (watch.id == id) interested.push_back(number);
    for (const auto number : interested) {
        const auto found = watches_.find(number);
        if (found == watches_.end()) continue;
        const auto changed = found->second.changed;  // it may end the watch
        changed();
    }
}

bool OverlayStore::is_held(const std::string& id) const {
    const auto found = held_.find(id);
    return found != held_.end() && !found->second.expired();
}

OverlayStore::Hold OverlayStore::hold(const std::string& id) {
    auto& place = held_[id];
    if (auto held = place.lock()) return held;
    if (const auto found = arriving_.find(id); found != arriving_.end() && found->second.pieces.complete())
        later([this] { unpack_waiting(); });
    auto fresh = std::make_shared<const std::string>(id);
    place = fresh;
    return fresh;
}

void OverlayStore::later(std::function<void()> callback) {
    loop_.post(lifetime_.guarded(std::move(callback)));
}

}  // namespace fard
