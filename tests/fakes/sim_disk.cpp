#include "tests/fakes/sim_disk.hpp"

#include <cerrno>

namespace fard {

namespace {

bool below(const std::string& path, const std::string& dir) {
    return path.size() > dir.size() && path.starts_with(dir) && path[dir.size()] == '/';
}

}  // namespace

std::uint64_t SimDisk::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [path, file] : files_)
        bytes += file.bytes.size();
    return bytes;
}

Duration SimDisk::take_cost() {
    const auto bytes = std::exchange(moved_, 0);
    return bytes_per_s > 0 ? Duration(static_cast<std::int64_t>(static_cast<double>(bytes) / bytes_per_s * 1e9))
                           : Duration(0);
}

void SimDisk::lose_power() {
    for (auto& [path, file] : files_)
        if (!file.kept) file.bytes.clear();
}

std::map<std::string, std::string> SimDisk::files() const {
    std::map<std::string, std::string> all;
    for (const auto& [path, file] : files_)
        all[path] = file.bytes;
    return all;
}

void SimDisk::damage(const Path& file, By by) {
    auto& [bytes, kept, changed] = files_.at(file.string());
    if (by == By::somebody) changed = ++clock_;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
}

Result<std::vector<std::string>> SimDisk::list(const Path& dir) {
    if (!dirs_.contains(dir.string())) return fail(disk_error("list", dir, ENOENT));
    std::set<std::string> names;
    const auto note = [&](const std::string& path) {
        if (!below(path, dir.string())) return;
        const auto rest = path.substr(dir.string().size() + 1);
        names.insert(rest.substr(0, rest.find('/')));
    };
    for (const auto& [path, file] : files_)
        note(path);
    for (const auto& [path, used] : dirs_)
        note(path);
    return std::vector<std::string>(names.begin(), names.end());
}

Result<Disk::Item> SimDisk::look(const Path& path) {
    if (const auto dir = dirs_.find(path.string()); dir != dirs_.end()) return Item{true, 0, dir->second};
    const auto file = files_.find(path.string());
    if (file == files_.end()) return fail(Fault::not_found, "{} is not there", path.string());
    return Item{false, file->second.bytes.size(), 0, file->second.changed};
}

Result<> SimDisk::make_directory(const Path& dir) {
    if (dirs_.contains(dir.string())) return {};
    if (read_only) return fail(disk_error("make", dir, EROFS));
    for (auto at = dir; at.has_relative_path(); at = at.parent_path())
        dirs_.emplace(at.string(), ++clock_);
    return {};
}

Result<std::string> SimDisk::read(const Path& file, std::uint64_t offset, std::size_t bytes) {
    const auto found = files_.find(file.string());
    if (found == files_.end()) return fail(Fault::not_found, "{} is not there", file.string());
    if (fails) return fail(disk_error("read", file, EIO));
    const auto& content = found->second.bytes;
    auto part = offset < content.size() ? content.substr(offset, bytes) : std::string();
    moved_ += part.size();
    return part;
}

Result<> SimDisk::write(const Path& file, std::uint64_t offset, std::string_view bytes) {
    if (read_only) return fail(disk_error("make", file, EROFS));
    if (offset + bytes.size() > largest_file) return fail(disk_error("write", file, EFBIG));
    auto& at = files_[file.string()];
    const auto end = offset + bytes.size();
    const auto more = end > at.bytes.size() ? end - at.bytes.size() : 0;
    if (used() + more > capacity) return fail(disk_error("write", file, ENOSPC));
    if (more > 0) at.bytes.resize(end);
    at.bytes.replace(offset, bytes.size(), bytes);
    at.kept = false;
    at.changed = ++clock_;
    moved_ += bytes.size();
    written_ += bytes.size();
    return {};
}

Result<> SimDisk::keep(const Path& path) {
    if (fails) return fail(disk_error("write", path, EIO));
    if (const auto found = files_.find(path.string()); found != files_.end()) found->second.kept = true;
    return {};
}

Result<> SimDisk::rename(const Path& from, const Path& to) {
    if (read_only) return fail(disk_error("make", to, EROFS));
    const auto moved = [&](const std::string& path) { return to.string() + path.substr(from.string().size()); };
    const auto mine = [&](const std::string& path) { return path == from.string() || below(path, from.string()); };
    std::map<std::string, File> files;
    for (auto& [path, file] : files_)
        files[mine(path) ? moved(path) : path] = std::move(file);
    files_ = std::move(files);
    std::map<std::string, std::int64_t> dirs;
    for (const auto& [path, used_at] : dirs_)
        dirs[mine(path) ? moved(path) : path] = used_at;
    dirs_ = std::move(dirs);
    return {};
}

Result<> SimDisk::remove(const Path& path) {
    if (read_only && (files_.contains(path.string()) || dirs_.contains(path.string())))
        return fail(disk_error("remove", path, EROFS));
    const auto mine = [&](const auto& entry) {
        return entry.first == path.string() || below(entry.first, path.string());
    };
    std::erase_if(files_, mine);
    std::erase_if(dirs_, mine);
    return {};
}

Result<> SimDisk::touch(const Path& path) {
    if (const auto found = dirs_.find(path.string()); found != dirs_.end()) found->second = ++clock_;
    return {};
}

Result<Disk::Space> SimDisk::space(const Path&) {
    return Space{capacity, capacity - std::min(capacity, used()), false};
}

void SimWorker::run(Work work) {
    waiting_.push_back(std::move(work));
    if (!busy_) next();
}

void SimWorker::next() {
    if (waiting_.empty()) return;
    busy_ = true;
    const auto work = std::move(waiting_.front());
    waiting_.pop_front();
    auto then = work();
    loop_.call_after(disk_.take_cost(), [this, then = std::move(then), alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        busy_ = false;
        then();
        if (!alive.expired() && !busy_) next();
    });
}

}  // namespace fard
