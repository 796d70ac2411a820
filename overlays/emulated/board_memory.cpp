#include "overlays/emulated/board_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <new>

#include "overlays/package/resource_names.hpp"

namespace fard {
namespace {

// Changes with the layout: a job may be of another build than its node manager.
constexpr std::uint64_t layout_version = 0x66617264'00000002u;
constexpr double ethernet_payload = 1460.0 / 1538.0;  // of TCP in full frames, as the cost model has it

static_assert(std::atomic<std::int64_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free,
              "a board's memory is shared between processes");

template <std::size_t N>
void put_text(std::array<char, N>& into, const std::string& text) {
    const auto length = std::min(text.size(), N - 1);
    std::copy_n(text.data(), length, into.data());
    into[length] = '\0';
}

std::uint64_t random_place() {
    std::uint64_t place = 0;
    while (place == 0)
        if (::getrandom(&place, sizeof place, 0) < 0) place = static_cast<std::uint64_t>(::getpid());
    return place;
}

BoardMemory::Layout* map(int fd) {
    void* const at = ::mmap(nullptr, sizeof(BoardMemory::Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? nullptr : static_cast<BoardMemory::Layout*>(at);
}

}  // namespace

std::int64_t Reserved::take(std::int64_t earliest, std::int64_t duration) {
    auto free_at = free_at_.load(std::memory_order_relaxed);
    for (;;) {
        const auto end = std::max(free_at, earliest) + duration;
        if (free_at_.compare_exchange_weak(free_at, end, std::memory_order_relaxed)) return end;
    }
}

void Reserved::free_not_before(std::int64_t time) {
    auto free_at = free_at_.load(std::memory_order_relaxed);
    while (free_at < time && !free_at_.compare_exchange_weak(free_at, time, std::memory_order_relaxed)) {
    }
}

Result<BoardFigures> figures_of(const BoardProfile& profile) {
    const auto lacks = [&](const char* what) {
        return fail(Fault::invalid_input, "the profile '{}' has no {}, so that no board can be emulated by it", profile.name, what);
    };
    if (!profile.fabric) return lacks("[fabric]");
    if (!profile.host) return lacks("[host]");
    if (!profile.network) return lacks("[network]");
    if (!profile.reload) return lacks("[reload]");
    BoardFigures figures;
    figures.slots = static_cast<std::uint32_t>(profile.fabric->slots.value);
    put_text(figures.part, profile.part.value);
    put_text(figures.title, profile.title);
    for (std::size_t i = 0; i < resource_names.size(); ++i)
        figures.resources[i] = profile.resources.at(resource_names[i]).value / profile.fabric->slots.value;
    figures.host_ns_per_chunk = std::llround(profile.host->us_per_chunk.value * 1e3);
    figures.host_ns_per_byte = profile.host->ns_per_byte.value;
    figures.way_ns_per_byte = 8e3 / (profile.network->mbit_per_s.value * ethernet_payload);
    figures.way_latency_ns = std::llround(profile.network->latency_us.value * 1e3);
    figures.reload_ns = std::llround(profile.reload->ms() * 1e6);
    return figures;
}

Result<BoardMemory> BoardMemory::make(const BoardProfile& profile, const std::vector<EmulatedFault>& faults) {
    auto figures = figures_of(profile);
    if (!figures) return fail(figures.error());
    if (figures->slots > most_slots)
        return fail(Fault::invalid_input, "the profile '{}' has {} slots; an emulated board has at most {}", profile.name,
                    figures->slots, most_slots);
    if (faults.size() > most_faults)
        return fail(Fault::invalid_input, "{} faults; an emulated board has at most {}", faults.size(), most_faults);
    OwnedFd fd(::memfd_create("fard-board", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd.get() < 0 || ::ftruncate(fd.get(), sizeof(Layout)) != 0)
        return fail(Fault::io, "no memory for an emulated board: {}", std::strerror(errno));
    ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    void* const at = map(fd.get());
    if (!at) return fail(Fault::io, "cannot map an emulated board's memory: {}", std::strerror(errno));
    auto* const layout = new (at) Layout{};
    layout->figures = *figures;
    layout->figures.place = random_place();
    layout->fault_count = static_cast<std::uint32_t>(faults.size());
    std::ranges::copy(faults, layout->faults.begin());
    layout->version = layout_version;
    return BoardMemory(std::move(fd), layout);
}

Result<BoardMemory> BoardMemory::attach(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || info.st_size != static_cast<off_t>(sizeof(Layout)))
        return fail(Fault::corrupt, "descriptor {} is no emulated board's memory", fd);
    auto* const layout = map(fd);
    if (!layout) return fail(Fault::io, "cannot map an emulated board's memory: {}", std::strerror(errno));
    BoardMemory memory(OwnedFd(), layout);
    if (layout->version != layout_version)
        return fail(Fault::corrupt, "the emulated board's memory is of another version of fard; its node manager and its jobs "
                                    "must be of one");
    return memory;
}

BoardMemory::BoardMemory(BoardMemory&& other) noexcept
    : fd_(std::move(other.fd_)), layout_(std::exchange(other.layout_, nullptr)) {}

BoardMemory::~BoardMemory() {
    if (layout_) ::munmap(layout_, sizeof(Layout));
}

std::optional<EmulatedFault> BoardMemory::next(EmulatedFault::Occasion occasion) const {
    const auto number = layout_->occasions[static_cast<std::size_t>(occasion)].fetch_add(1) + 1;
    for (std::uint32_t i = 0; i < layout_->fault_count; ++i)
        if (const auto& fault = layout_->faults[i]; fault.at() == occasion && fault.meets(number)) return fault;
    return std::nullopt;
}

}  // namespace fard
