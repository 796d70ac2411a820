#include "runtime/node_manager/device_keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>

namespace fard {
namespace {

constexpr std::size_t longest_why = 300;

enum : std::uint8_t { idle = 0, loading = 1, loaded = 2, stuck = 3 };  // of wire::SlotState and wire::JobDevice

}  // namespace

DeviceKeeper::DeviceKeeper(KeptDevices devices, std::string board) : board_(std::move(board)) {
    for (auto& device : devices) {
        auto info = device->info();
        const auto slots = static_cast<std::size_t>(std::max(info.slots, 0));
        auto& row = kept_.emplace_back();
        row.device = std::move(device);
        row.info = std::move(info);
        row.slots.resize(slots);
        for (std::uint32_t i = 0; i < slots && row.device->keeps_overlays(); ++i)
            if (auto held = row.device->holds(i); !held.empty()) row.slots[i].state = {loaded, std::move(held), {}, {}};
    }
}

std::vector<wire::DeviceState> DeviceKeeper::states() const {
    std::vector<wire::DeviceState> states;
    for (const auto& kept : kept_) {
        auto& state = states.emplace_back();
        state.id = kept.info.id;
        state.kind = kept.info.kind;
        state.slots = static_cast<std::uint32_t>(kept.slots.size());
        state.healthy = kept.broken.empty();
        state.detail = kept.broken.empty() ? kept.info.detail : kept.broken;
        state.part = kept.info.part;
        if (!kept.device->keeps_overlays()) continue;
        for (const auto& slot : kept.slots)
            state.loaded.push_back(slot.state);
    }
    return states;
}

DeviceKeeper::Kept* DeviceKeeper::find(const std::string& device) {
    const auto found = std::ranges::find(kept_, device, [](const Kept& kept) { return kept.info.id; });
    return found == kept_.end() ? nullptr : &*found;
}

void DeviceKeeper::changed() const {
    if (changed_) changed_();
}

std::vector<std::string> DeviceKeeper::profiles() const {
    std::vector<std::string> profiles;
    for (const auto& kept : kept_)
        if (!kept.info.profile.empty()) profiles.push_back(kept.info.profile);
    return profiles;
}

int DeviceKeeper::board_fd() const {
    const auto found = std::ranges::find_if(kept_, [](const Kept& kept) { return kept.device->board_fd() >= 0; });
    return found == kept_.end() ? -1 : found->device->board_fd();
}

wire::NetworkWay DeviceKeeper::port() const {
    for (const auto& kept : kept_)
        if (const auto port = kept.device->port(); port.ps_per_byte > 0) return {port.ps_per_byte, port.latency_ns};
    return {};
}

void DeviceKeeper::mend() {
    for (auto& kept : kept_) {
        kept.failures_in_a_row = 0;
        if (!kept.broken.empty()) spdlog::info("device {}: it may be used again", kept.info.id);
        kept.broken.clear();
        for (auto& slot : kept.slots)
            if (slot.users == 0 && slot.state.state == stuck) slot.state = {};
    }
    changed();
}

Result<DeviceKeeper::Seat> DeviceKeeper::seat(const std::string& device, const std::string& overlay, const std::string& name,
                                              const std::filesystem::path& directory) {
    auto* const kept = find(device);
    if (!kept) return fail(Fault::not_found, "it has no device '{}'", device);
    Slot* best = nullptr;
    const auto rank = [&](const Slot& slot) {
        const bool holds = !overlay.empty() && slot.state.overlay == overlay && slot.state.state == loaded;
        return std::tuple{!holds, slot.state.state != idle, slot.last_used};
    };
    for (auto& slot : kept->slots)
        if (slot.users == 0 && (!best || rank(slot) < rank(*best))) best = &slot;
    if (!best) return fail(Fault::refused, "every slot of device '{}' is in use", device);
    auto fd = kept->device->for_job({overlay, directory});
    if (!fd) return fail(fd.error());
    best->users = 1;
    best->last_used = ++uses_;
    expect(*kept, *best, overlay, name);
    changed();
    return Seat{kept->info.kind, static_cast<std::uint32_t>(best - kept->slots.data()), std::move(*fd)};
}

// The slot is about to hold it.
void DeviceKeeper::expect(Kept& kept, Slot& slot, const std::string& overlay, const std::string& name) {
    if (overlay.empty()) return;
    if (kept.device->keeps_overlays() && slot.state.overlay != overlay)
        slot.state = {loading, overlay, name, {}};
    else
        slot.state.name = name;
}

Result<DeviceKeeper::Seat> DeviceKeeper::seat_too(const std::string& device, std::uint32_t number, const std::string& overlay,
                                                  const std::filesystem::path& directory) {
    auto* const kept = find(device);
    if (!kept || number >= kept->slots.size() || kept->slots[number].users == 0)
        return fail(Fault::not_found, "nobody has slot {} of device '{}', so it cannot be shared", number, device);
    auto fd = kept->device->for_job({overlay, directory});
    if (!fd) return fail(fd.error());
    ++kept->slots[number].users;
    return Seat{kept->info.kind, number, std::move(*fd)};
}

void DeviceKeeper::turn(const std::string& device, std::uint32_t number, const std::string& overlay, const std::string& name) {
    auto* const kept = find(device);
    if (!kept || number >= kept->slots.size()) return;
    expect(*kept, kept->slots[number], overlay, name);
    changed();
}

// What the job left behind is what the device says, for it may have been killed in the middle of anything.
void DeviceKeeper::leave(const std::string& device, std::uint32_t number) {
    auto* const kept = find(device);
    if (!kept || number >= kept->slots.size()) return;
    auto& slot = kept->slots[number];
    if (slot.users > 0 && --slot.users > 0) return;
    if (kept->device->keeps_overlays()) {
        const auto holds = kept->device->holds(number);
        if (holds.empty()) {
            slot.state = {slot.state.state == stuck ? std::uint8_t{stuck} : std::uint8_t{idle}, {}, {}, slot.state.why};
        } else {
            slot.state = {loaded, holds, slot.state.overlay == holds ? slot.state.name : "", {}};
        }
    }
    changed();
}

void DeviceKeeper::said(const std::string& device, std::uint32_t number, const wire::JobDevice& said) {
    auto* const kept = find(device);
    if (!kept || number >= kept->slots.size() || said.state > stuck) return;
    auto& state = kept->slots[number].state;
    if (!kept->device->keeps_overlays()) return;
    state.state = said.state;
    state.why = said.state == stuck ? said.why.substr(0, longest_why) : "";
    if (said.state == stuck) {
        spdlog::warn("device {}: {}", device, said.why);
        count_failure(*kept, said.why);
    }
    changed();
}

void DeviceKeeper::worked(const std::string& device) {
    if (auto* const kept = find(device)) kept->failures_in_a_row = 0;
}

void DeviceKeeper::failed(const std::string& device, const std::string& why) {
    auto* const kept = find(device);
    if (!kept || !kept->device->keeps_overlays()) return;
    count_failure(*kept, why);
    changed();
}

void DeviceKeeper::count_failure(Kept& kept, const std::string& why) {
    if (++kept.failures_in_a_row < most_in_a_row || !kept.broken.empty()) return;
    kept.broken = fmt::format("taken out after {} failures in a row, the last: {}; once the cause is gone, `fard mend {}` has it used again", kept.failures_in_a_row,
                              why.substr(0, longest_why), board_);
    spdlog::error("device {}: {}", kept.info.id, kept.broken);
}

}  // namespace fard
